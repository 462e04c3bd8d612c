"""What is said of jobs and tasks: rows of tables and details."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from tomotui.records import Event, Job, Status, Task
from tomotui.tui.screens.usage_words import LOW_USE, USE_CELLS, low_use_spans, usage_facts, use_cell
from tomotui.tui.shell_words import run_command
from tomotui.tui.snapshots import JobDetail, JobLine
from tomotui.tui.status import SIGNS
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import (
    EMPTY,
    Column,
    Content,
    Row,
    bar,
    status_sign,
    text,
)
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.wording import (
    age,
    duration,
    listed,
    one_line,
    plain_value,
    remaining,
)

BAR_CELLS = 14

_SILENCE = {
    Status.QUEUED: "waits; nothing can be said yet",
    Status.STARTING: "is being started; nothing said yet",
    Status.RUNNING: "at work; nothing said yet",
    Status.DONE: "done; nothing was written to the log",
    Status.FAILED: "failed; nothing was written to the log",
    Status.CANCELLED: "was stopped; nothing was written to the log",
    Status.SKIPPED: "was left out; nothing was written to the log",
    Status.LOST: "vanished; nothing was written to the log",
}


def silence_of(task: Task) -> str:
    """Return what is true of a task whose log is empty."""
    return _SILENCE[task.status]


JOB_COLUMNS = (
    Column("id", "id", 3, 6, "right"),
    Column("stage", "stage", 6, 14),
    Column("target", "series", 6, 20),
    Column("status", "status", 8, 12),
    Column("progress", "progress", 4, BAR_CELLS, ends_last=True),
    Column("time", "left", 6, 8, "right", rank=2),
    Column("use", "use", 3, USE_CELLS, rank=3),
    Column("device", "device", 4, 10, rank=3),
    Column("host", "host", 4, 14, rank=5),
    Column("heard", "heard", 5, 8, "right", rank=4),
    Column("note", "note", 8, 200, grows=True),
)
TASK_COLUMNS = (
    Column("target", "series", 6, 20),
    Column("status", "status", 8, 12),
    Column("progress", "progress", 4, BAR_CELLS, ends_last=True),
    Column("time", "time", 6, 10, "right"),
    Column("heard", "heard", 5, 8, "right", rank=4),
    Column("device", "device", 4, 10, rank=3),
    Column("try", "try", 3, 3, "right", rank=5),
    Column("note", "note", 8, 200, grows=True, rank=1),
)


def job_row(line: JobLine, now: float, look: Look, ascii_only: bool) -> Row:
    """Return a row of the table of jobs."""
    job = line.job
    word = SIGNS[job.status].word
    cells = (
        text(str(job.id)),
        text(job.stage),
        text(listed(job.targets)),
        status_sign(job.status, look, ascii_only),
        progress_cell(job.status, job.progress, ascii_only),
        _time_cell(job, line.eta_seconds),
        use_cell(line.use, ascii_only),
        text(line.device, "dim"),
        text(line.host, "dim"),
        heard_cell(line.heartbeat_at, now),
        (*low_use_spans(line.use, look, ascii_only), *text(line.note, _note_role(job.status))),
    )
    low = LOW_USE if line.use is not None and line.use.is_low else ""
    # Who looks for what has failed means the jobs that go on with other series as well.
    failed = "failed" if line.failed_targets else ""
    words = (
        *(str(job.id), job.stage, *job.targets, word, failed, job.label, line.note, line.host),
        low,
    )
    return Row(str(job.id), cells, " ".join(words))


def task_row(task: Task, now: float, look: Look, ascii_only: bool) -> Row:
    """Return a row of the table of a job's tasks."""
    note = task.error or task.message or task.summary
    if task.cancel_requested and task.status.is_active:
        note = "stopping"
    cells = (
        text(task.target),
        status_sign(task.status, look, ascii_only),
        progress_cell(task.status, task.progress, ascii_only),
        _task_time_cell(task),
        heard_cell(task.heartbeat_at if task.status.is_active else None, now),
        text(task.device, "dim"),
        text(str(task.attempt), "dim"),
        text(one_line(note), _note_role(task.status)),
    )
    word = SIGNS[task.status].word
    return Row(task.target, cells, f"{task.target} {word} {note}")


def progress_cell(status: Status, fraction: float, ascii_only: bool) -> Content:
    """Return a bar while something runs or was stopped half-way."""
    if status == Status.QUEUED and fraction <= 0:
        return EMPTY
    if status == Status.DONE:
        return text("100%".rjust(BAR_CELLS), "dim")
    if status.is_finished and fraction <= 0:
        return EMPTY
    return bar(fraction, BAR_CELLS, SIGNS[status].mood, ascii_only)


def _time_cell(job: Job, eta_seconds: float | None) -> Content:
    """Return the time left, or what it took in all."""
    if job.status.is_active:
        return text(remaining(eta_seconds))
    if job.started_at and job.finished_at:
        return text(duration(job.finished_at - job.started_at), "dim")
    return EMPTY


def _task_time_cell(task: Task) -> Content:
    if task.status.is_active and task.eta_seconds is not None:
        return text(f"{remaining(task.eta_seconds)} left")
    if task.started_at and task.finished_at:
        return text(duration(task.finished_at - task.started_at), "dim")
    return EMPTY


def heard_cell(heartbeat_at: float | None, now: float) -> Content:
    """Return how old the last sign of life is; an old one is a warning."""
    if heartbeat_at is None:
        return EMPTY
    silence = max(now - heartbeat_at, 0.0)
    return text(age(silence), "warning" if silence > 60 else "dim")


def _note_role(status: Status) -> str:
    return "error" if status in (Status.FAILED, Status.LOST) else "dim"


def job_summary(line: JobLine, look: Look, ascii_only: bool) -> Facts:
    """Return what the pane beside the log says of a job."""
    job, facts = line.job, Facts(look, 9)
    word, mood = SIGNS[job.status]
    counts = [f"{n} {SIGNS[status].word}" for status, n in line.n_by_status.items()]
    words = Text(f"{look.glyph(mood, ascii_only)} {word}", look.colour(mood))
    facts.pair("status", words.append(f"   {', '.join(counts)}", look.dim))
    if line.note:
        facts.line("", line.note, role=_note_role(job.status))
    if job.label:
        facts.line("label", job.label)
    facts.line("series", listed(job.targets, 6))
    if job.after:
        facts.line("after", ", ".join(str(each) for each in job.after))
    if job.parameters:
        facts.heading("parameters")
    for name, value in job.parameters.items():
        facts.line("", f"{name} = {plain_value(value) or 'none'}")
    return facts


FACTS_LABEL_CELLS = 20


def job_facts(
    detail: JobDetail, folder: Path, look: Look, width: int = 60, ascii_only: bool = False
) -> Facts:
    """Return what came of the task, its use, command line, warnings and files, for a width."""
    facts = Facts(look, FACTS_LABEL_CELLS)
    task = detail.task
    if task is not None and (task.error or task.summary):
        facts.heading(task.target)
        facts.text(task.error or task.summary, "error" if task.error else "foreground")
    if task is not None:
        cells = width - FACTS_LABEL_CELLS - 1
        usage_facts(facts, detail.usage, task.status.is_active, cells, ascii_only)
    facts.heading("command")
    facts.text(run_command(detail.request, folder), "accent")
    warnings = _of(detail.events, "warning")
    if warnings:
        facts.heading("warnings")
    for event in warnings[-8:]:
        facts.text(event.message, "warning")
    finals = {name: values[-1] for name, values in detail.metrics.items() if len(values) == 1}
    if finals:
        facts.heading("figures")
    for name, metric in finals.items():
        facts.line(name, f"{metric.value:.4g}", metric.unit)
    artifacts = _of(detail.events, "artifact")
    if artifacts:
        facts.heading("files")
    for event in artifacts:
        facts.line(event.message, str(event.data.get("path", "")))
    if detail.line.job.version:
        facts.blank()
        facts.line("version", detail.line.job.version)
    return facts


def _of(events: Sequence[Event], kind: str) -> list[Event]:
    return [event for event in events if event.kind == kind]

"""What the screen of machines says: rows of devices, hosts and partitions, and facts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from tomotui.jobs.gpu_watch import GpuProcess, GpuState
from tomotui.jobs.machine import DiskState, MachineState
from tomotui.jobs.slurm import Partition, Share
from tomotui.jobs.visitors import Visitor
from tomotui.records import Status
from tomotui.tui.cluster_feed import ClusterSnapshot, HostLine, silence_seconds
from tomotui.tui.machine_feed import GIB, MINUTES, MachineNews, Past
from tomotui.tui.screens.job_words import heard_cell
from tomotui.tui.sparks import spark
from tomotui.tui.status import SIGNS
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import EMPTY, Column, Content, Row, Span, bar, sign, text
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.wording import counted, listed, shortened

BAR_CELLS = 15
NEARLY_FULL = 0.95
LITTLE_ROOM_GIB = 10.0

DEVICE_COLUMNS = (
    Column("device", "device", 6, 14),
    Column("use", "busy", BAR_CELLS, BAR_CELLS),
    Column("past", f"last {MINUTES} minutes", MINUTES, MINUTES, rank=5),
    Column("memory", "memory", BAR_CELLS, BAR_CELLS, rank=3),
    Column("held", "GiB", 5, 13, "right"),
    Column("heat", "°C", 3, 4, "right", rank=2),
    Column("whose", "whose", 6, 40, grows=True),
    Column("name", "name", 6, 28, rank=4),
)
HOST_COLUMNS = (
    Column("host", "host", 6, 24),
    Column("tasks", "tasks", 3, 5, "right"),
    Column("cpu", "cpu", 4, 6, "right", rank=2),
    Column("memory", "GiB", 4, 6, "right", rank=3),
    Column("heard", "heard", 5, 8, "right"),
    Column("jobs", "jobs", 6, 60, grows=True),
)
PARTITION_COLUMNS = (
    Column("name", "partition", 6, 20),
    Column("state", "state", 4, 8),
    Column("nodes", "nodes busy", 5, 11, "right"),
    Column("idle", "idle", 4, 6, "right"),
    Column("down", "other", 4, 6, "right", rank=3),
    Column("processors", "cpus busy", 5, 13, "right", rank=2),
    Column("limit", "time limit", 6, 14, "right", rank=4),
    Column("gres", "resources", 6, 40, grows=True, rank=5),
)


# ---- devices


def machine_row(news: MachineNews, here: HostLine | None, ascii_only: bool, is_old: bool) -> Row:
    """Return the row of the processors and the memory of this machine."""
    jobs = (
        [f"job {job}" for job, device in here.jobs if not device.startswith("gpu")] if here else []
    )
    machine = news.machine
    cells = (
        text(counted(machine.n_processors, "cpu")),
        bar(machine.cpu_percent / 100, BAR_CELLS, "running", ascii_only),
        text(spark(news.past, 100.0, ascii_only), "running"),
        _share_bar(machine.memory_bytes, machine.total_bytes, ascii_only),
        _held(machine.memory_bytes, machine.total_bytes),
        EMPTY,
        text(listed(jobs, 4)),
        text("processors", "dim"),
    )
    return _aged(Row("cpu", cells), is_old)


def gpu_rows(
    gpu: GpuState, past: Past, folder: Path | None, look: Look, ascii_only: bool, is_old: bool
) -> list[Row]:
    """Return the row of a GPU, and one for each process at work on it."""
    label = f"gpu {gpu.number}"
    if gpu.trouble:
        trouble = sign("failed", look, ascii_only, gpu.trouble)
        cells = (text(label), EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, trouble, EMPTY)
        return [_aged(Row(label, cells), is_old)]
    owners = list(dict.fromkeys(process.owner.words(folder) for process in gpu.processes))
    whose = text(listed(owners, 4)) if owners else text("free", "dim")
    busy = (
        EMPTY if gpu.percent is None else bar(gpu.percent / 100, BAR_CELLS, "running", ascii_only)
    )
    heat = "" if gpu.temperature_c is None else f"{gpu.temperature_c:.0f}"
    cells = (
        text(label),
        busy or text("not told", "dim"),
        text(spark(past, 100.0, ascii_only), "running"),
        _share_bar(gpu.memory_bytes, gpu.total_bytes, ascii_only),
        _held(gpu.memory_bytes, gpu.total_bytes),
        text(heat, "warning" if (gpu.temperature_c or 0) >= 85 else "foreground"),
        whose,
        text(gpu.name, "dim"),
    )
    rows = [Row(label, cells), *(_process_row(label, p, folder) for p in gpu.processes)]
    return [_aged(row, is_old) for row in rows]


def _process_row(label: str, process: GpuProcess, folder: Path | None) -> Row:
    held = "" if process.memory_bytes is None else f"{process.memory_bytes / GIB:.1f}"
    owner = process.owner
    by = f"{owner.words(folder)}, {owner.user}" if owner.job_id is not None else owner.words(folder)
    cells = (
        text(f"  {process.pid}", "dim"),
        EMPTY,
        EMPTY,
        EMPTY,
        text(held),
        EMPTY,
        text(by),
        text(owner.command, "dim"),
    )
    return Row(f"{label}/{process.pid}", cells, f"{label} {process.pid} {by} {owner.command}")


def _share_bar(held: int | None, total: int | None, ascii_only: bool) -> Content:
    if held is None or not total:
        return EMPTY
    role = "warning" if held / total > NEARLY_FULL else "accent"
    return bar(held / total, BAR_CELLS, role, ascii_only)


def _held(held: int | None, total: int | None) -> Content:
    if held is None or not total:
        return EMPTY
    return Span(f"{held / GIB:.1f}"), Span(f" of {total / GIB:.0f}", "dim")


def _aged(row: Row, is_old: bool) -> Row:
    """Return a row in grey when what it says is old."""
    if not is_old:
        return row
    grey = tuple(tuple(Span(span.text, "dim") for span in cell) for cell in row.cells)
    return replace(row, cells=grey)


# ---- hosts and partitions


def host_row(line: HostLine, now: float) -> Row:
    """Return the row of a host: greyed, but for its silence, when it has been silent."""
    silence = silence_seconds(line, now)
    jobs = [f"{job} on {device}" if device else str(job) for job, device in line.jobs]
    works = line.n_tasks > 0
    cells = (
        (Span(line.host), Span(" here", "dim")) if line.is_here else text(line.host),
        text(str(line.n_tasks), "foreground" if works else "dim"),
        text(f"{line.cpu_percent:.0f}%" if works else ""),
        text(f"{line.memory_bytes / GIB:.1f}" if works else ""),
        heard_cell(line.heard_at, now),
        text(listed(jobs, 6)) if jobs else text("nothing of this project", "dim"),
    )
    row = Row(line.host, cells)
    if silence is None or silence <= 60:
        return row
    return replace(_aged(row, True), cells=(*_aged(row, True).cells[:4], cells[4], cells[5]))


def partition_row(partition: Partition, look: Look, ascii_only: bool, is_old: bool) -> Row:
    """Return the row of a partition."""
    name = f"{partition.name}{' *' if partition.is_default else ''}"
    mood, word = ("done", "up") if partition.is_up else ("warning", "closed")
    nodes, processors = partition.nodes, partition.processors
    cells = (
        text(name),
        sign(mood, look, ascii_only, word),  # type: ignore[arg-type]
        _busy(nodes),
        text(str(nodes.idle), "done" if nodes.idle else "dim"),
        text(str(nodes.other), "warning" if nodes.other else "dim"),
        _busy(processors),
        text(partition.time_limit, "dim"),
        text(", ".join(partition.gres), "dim"),
    )
    return _aged(Row(partition.name, cells), is_old)


def _busy(share: Share) -> Content:
    return Span(str(share.taken)), Span(f" of {share.total}", "dim")


# ---- facts


def disk_facts(facts: Facts, disk: DiskState | None, error: str) -> None:
    """Say how much room there is where the project lies."""
    if error:
        facts.line("disk", f"! {error}", role="warning")
    if disk is None:
        return
    free, total = disk.free_bytes / GIB, disk.total_bytes / GIB
    is_low = free < LITTLE_ROOM_GIB or disk.free_bytes < (1 - NEARLY_FULL) * disk.total_bytes
    words = Text(f"{'! ' if is_low else ''}{free:.0f} of {total:.0f} GiB free")
    words.stylize(facts.look.colour("warning" if is_low else "foreground"))
    if disk.kind:
        words.append(f"  {disk.kind}", facts.look.dim)
    facts.pair("disk", words)
    if disk.quota_bytes and disk.quota_used_bytes is not None:
        used, most = disk.quota_used_bytes / GIB, disk.quota_bytes / GIB
        is_low = used > NEARLY_FULL * most
        facts.line(
            "quota",
            f"{'! ' if is_low else ''}{used:.0f} of {most:.0f} GiB used",
            role="warning" if is_low else "foreground",
        )


def machine_facts(facts: Facts, machine: MachineState) -> None:
    """Say how much there is to do for the processors, over 1, 5 and 15 minutes."""
    words = Text(" ".join(f"{load:.2f}" for load in machine.load), facts.look.foreground)
    words.append(f"  of {machine.n_processors}", facts.look.dim)
    facts.pair("load", words)


def job_facts(facts: Facts, snapshot: ClusterSnapshot, ascii_only: bool) -> None:
    """Say how many jobs and tasks there are in each state, and who looks after them."""
    for label, numbers in (("jobs", snapshot.jobs), ("tasks", snapshot.tasks)):
        words = Text()
        for status, number in numbers:
            words.append_text(_state_words(status, number, facts.look, ascii_only))
        facts.pair(label, words if numbers else Text("none yet", facts.look.dim))
    if snapshot.agent:
        agent = snapshot.agent.removeprefix("agent: ").replace("no agent", "none at work")
        facts.line("agent", agent, role="dim")
    if snapshot.slots:
        facts.heading("tasks at once")
    for slot in snapshot.slots:
        facts.line(slot.device, slot.words)


def _state_words(status: Status, number: int, look: Look, ascii_only: bool) -> Text:
    word, mood = SIGNS[status]
    glyph = look.glyph(mood, ascii_only)
    # What belongs together stays in one line.
    return Text(f"{glyph} {number} {word}".replace(" ", "\N{NBSP}") + "  ", look.colour(mood))


def people_facts(facts: Facts, others: Sequence[Visitor]) -> None:
    """Say who else has the project open."""
    if not others:
        return
    facts.heading("also here")
    for one in others:
        since = time.strftime("%H:%M", time.localtime(one.started_at))
        words = Text(f"on {shortened(one.host, 20)} since {since}", facts.look.foreground)
        if one.read_only:
            words.append(", read-only", facts.look.dim)
        facts.pair(one.user, words)

"""Killing agents, workers and screens at random moments, and counting what that loses."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from tomotui.jobs import agent_status
from tomotui.jobs.events import read_events
from tomotui.jobs.presence import ensure_agent
from tomotui.jobs.specification import EVENTS_FILE
from tomotui.project import Project
from tomotui.records import Job, JobRequest, Status, Target

KINDS = ("agent", "supervisor", "worker", "screens")
_PATIENCE_SECONDS = 120.0
_PATIENCE_FOR_WORKERS_SECONDS = 4.0
_OF_THE_AGENT = ("adopted",)
_IN_TASKS = ("progress", "metric")


class Round(NamedTuple):
    """What was killed in a round, how many kills hit, and what was wrong at its end."""

    victim: str
    hits: int
    retried: int
    wrong: list[str]


def kill_rounds(folder: Path, n_rounds: int, seed: int, screens_every: int = 0) -> Iterator[Round]:
    """Yield the outcome of each round; the project must be there, with the fake stages known."""
    chance = random.Random(seed)
    for number in range(n_rounds):
        victim = chance.choice(KINDS[:3])
        if screens_every and number % screens_every == screens_every - 1:
            victim = "screens"
        yield _round(folder, number, victim, chance)


def _round(folder: Path, number: int, victim: str, chance: random.Random) -> Round:
    with Project.open(folder) as project:
        names = [f"r{number:03d}_{letter}" for letter in "abc"]
        targets = tuple(Target(name=name) for name in names)
        work = {"amount": 40, "pause": 0.01}
        job = project.submit(JobRequest(stage="fake", targets=targets, parameters=work))
        after = project.submit(JobRequest(stage="next", targets=targets, after=(job.id,)))
        screens = _open_screens(folder) if victim == "screens" else None
        ensure_agent(folder)
        hits = retried = 0
        for _ in range(3):
            time.sleep(chance.uniform(0.0, 0.8))
            hits += _kill(folder, victim, chance, screens)
            ensure_agent(folder)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            states = {project.job(one.id).status for one in (job, after)}
            if states == {Status.DONE}:
                break
            if all(state.is_finished for state in states):
                if victim in ("agent", "screens"):
                    return Round(victim, hits, 0, list(_failures(project, (job, after))))
                retried += project.retry(job.id) + project.retry(after.id)
            if time.monotonic() > deadline:
                return Round(victim, hits, retried, [f"jobs {states} after {_PATIENCE_SECONDS} s"])
            ensure_agent(folder)
            time.sleep(0.1)
        return Round(victim, hits, retried, list(_wrong(project, (job, after), names)))


def _failures(project: Project, jobs: tuple[Job, ...]) -> Iterator[str]:
    """Yield what failed though neither a worker nor its supervisor was killed."""
    for job in jobs:
        for task in project.tasks(job.id):
            if task.status != Status.DONE:
                yield f"{job.name} of {task.target} {task.status}: {task.error}"


def _open_screens(folder: Path) -> int:
    """Open the screens of a project in a terminal of their own; returns their process."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "tomotui", str(folder)])
    os.set_blocking(terminal, False)
    return pid


def _kill(folder: Path, victim: str, chance: random.Random, screens: int | None) -> int:
    """Kill one process without warning; returns 1 when there was one."""
    pids: list[int] = []
    if victim == "screens" and screens is not None:
        pids = [screens]
    elif victim == "agent":
        status = agent_status(folder)
        pids = [status.info.process.pid] if status.is_alive and status.info else []
    else:
        pids = _workers(folder, victim, chance)
    alive = [pid for pid in pids if _is_ours(pid)]
    if not alive:
        return 0
    pid = chance.choice(alive)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        if victim == "screens":
            os.waitpid(pid, 0)
        return 1
    return 0


def _workers(folder: Path, victim: str, chance: random.Random) -> list[int]:
    """Wait for workers or their supervisors, which live for a moment only, and return them."""
    deadline = time.monotonic() + _PATIENCE_FOR_WORKERS_SECONDS
    while time.monotonic() < deadline:
        ours = {}
        for process in psutil.process_iter(["cmdline", "ppid"]):
            words = process.info["cmdline"] or []
            if "tomotui.jobs.worker" in words and words[-1].startswith(f"{folder}{os.sep}"):
                ours[process.pid] = process.info["ppid"]
        found = [pid for pid, parent in ours.items() if (parent in ours) == (victim == "worker")]
        if found:
            time.sleep(chance.uniform(0.0, 0.3))
            return found
        time.sleep(0.01)
    return []


def _is_ours(pid: int) -> bool:
    """Whether a process lives that runs this program: numbers are given again."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"tomotui" in words
    return False


def _wrong(project: Project, jobs: tuple[Job, ...], names: list[str]) -> Iterator[str]:
    """Yield what was lost or counted twice."""
    series = Counter(one.name for one in project.records("tilt_series") if one.name in names)
    if series != Counter(names):
        yield f"tilt series {dict(series)}"
    of_series = {one.uid: one.name for one in project.tilt_series()}
    aligned = Counter(of_series[one.series_uid] for one in project.records("alignment"))
    if any(aligned[name] != 1 for name in names):
        yield f"alignments {dict(aligned)}"
    for job in jobs:
        for task in project.tasks(job.id):
            told = [
                (event.attempt, event.kind, event.message, event.at)
                for event in _all_events(project.folder / task.folder / EVENTS_FILE)
                if event.kind not in _IN_TASKS
            ]
            kept = [
                (event.attempt, event.kind, event.message, event.at)
                for event in project.events(job.id, task.target)
                if event.kind not in _OF_THE_AGENT
            ]
            lost, twice = Counter(told) - Counter(kept), Counter(kept) - Counter(told)
            if lost or twice:
                yield f"{task.folder}: {sum(lost.values())} events lost, {sum(twice.values())} more"
        if job.stage == "fake":
            for name in names:
                steps = [one.step for one in project.metrics(job.id, name).get("loss", ())]
                if steps != [float(step) for step in range(40)]:
                    yield f"{name}: {len(steps)} of 40 metrics"
    if problems := project.problems():
        yield f"project file: {problems}"


def _all_events(path: Path) -> list:
    events, offset = [], 0
    while True:
        some, after = read_events(path, offset)
        if after == offset:
            return events
        events += some
        offset = after


def end_agent(folder: Path, wait_until: Callable[..., None] | None = None) -> None:
    """End the agent of a project."""
    status = agent_status(folder)
    if status.is_alive and status.info is not None:
        os.kill(status.info.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 20
        while agent_status(folder).is_alive and time.monotonic() < deadline:
            time.sleep(0.05)

"""Which job was made from which: the graph of a project's jobs, and trees cut out of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tomotui.project import Project
from tomotui.records import Job
from tomotui.stages import ENTRANCES
from tomotui.tui.shell_words import run_command
from tomotui.tui.snapshots import NO_COUNTS, Counts, read_counts

Part = Literal["sources", "job", "uses"]


@dataclass(frozen=True)
class JobNode:
    """A job with what has become of it.

    Attributes
    ----------
    made
        Numbers of records by kind.
    """

    job: Job
    n_done: int
    made: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class JobGraph:
    """The jobs of a project.

    Attributes
    ----------
    sources
        For each job those whose records it was made from, or that it waits for, without those
        that others of them were made from in turn; the newest first.
    uses
        The same the other way.
    """

    nodes: Mapping[int, JobNode] = field(default_factory=dict)
    sources: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    uses: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    counts: Counts = NO_COUNTS


@dataclass(frozen=True)
class Branch:
    """A line of a tree.

    Attributes
    ----------
    key
        The way to it from the job in the middle; distinct in a tree.
    depth
        Steps from that job.
    has_more
        There are branches behind it.
    is_folded
        They are not shown.
    is_again
        The job stands in the tree a line further up already, with what is behind it.
    """

    key: str
    job_id: int
    part: Part
    depth: int = 0
    has_more: bool = False
    is_folded: bool = False
    is_again: bool = False


def read_graph(project: Project, subject: object = None) -> JobGraph:
    """Read all jobs and what each was made from."""
    jobs = {job.id: job for job in project.jobs()}
    made, linked = project.kinds_made_by_jobs(), project.sources_of_jobs()
    n_done = project.n_done_by_job()
    nodes: dict[int, JobNode] = {}
    sources: dict[int, set[int]] = {}
    for number, job in jobs.items():
        nodes[number] = JobNode(job, n_done.get(number, 0), made.get(number, {}))
        sources[number] = (linked.get(number, set()) | set(job.after)) & set(jobs)
    nearest = {number: nearest_of(number, sources) for number in sources}
    uses: dict[int, list[int]] = {number: [] for number in jobs}
    for number in sorted(nearest):
        for each in nearest[number]:
            uses[each].append(number)
    followers = {number: tuple(each) for number, each in uses.items()}
    return JobGraph(nodes, nearest, followers, read_counts(project))


def nearest_of(number: int, sources: Mapping[int, Collection[int]]) -> tuple[int, ...]:
    """Return the sources of a job that no other source of it was made from, the newest first."""
    own = sources.get(number, ())
    reached = set[int]()
    stack = [further for each in own for further in sources.get(each, ())]
    while stack:
        each = stack.pop()
        # A job that was run again may stand on both sides of another.
        if each not in reached and each != number:
            reached.add(each)
            stack += sources.get(each, ())
    return tuple(sorted((each for each in own if each not in reached), reverse=True))


def tree_of(graph: JobGraph, job_id: int, folded: Collection[str] = ()) -> list[Branch]:
    """Return the lines of the tree around a job: its sources, the job, and what was made of it."""
    if job_id not in graph.nodes:
        return []
    above = _branches(graph.sources, job_id, "sources", folded)
    below = _branches(graph.uses, job_id, "uses", folded)
    return [*above, Branch("job", job_id, "job"), *below]


def _branches(
    ways: Mapping[int, tuple[int, ...]], start: int, part: Part, folded: Collection[str]
) -> list[Branch]:
    """Return what is reached from a job, depth first; what is reached twice is opened once."""
    found: list[Branch] = []
    opened = {start}
    stack = [(each, f"{part}/{each}", 1) for each in reversed(ways.get(start, ()))]
    while stack:
        number, key, depth = stack.pop()
        further = ways.get(number, ())
        is_again, is_folded = number in opened, key in folded
        found.append(Branch(key, number, part, depth, bool(further), is_folded, is_again))
        if not is_again and not is_folded:
            opened.add(number)
            stack += [(each, f"{key}/{each}", depth + 1) for each in reversed(further)]
    return found


def history_of(graph: JobGraph, job_id: int) -> list[int]:
    """Return all jobs that one rests on, and itself, each after what it was made from."""
    order: list[int] = []
    stack = [(job_id, False)]
    seen = set[int]()
    while stack:
        number, is_left = stack.pop()
        if is_left:
            order.append(number)
        elif number not in seen:
            seen.add(number)
            stack.append((number, True))
            stack += [(each, False) for each in graph.sources.get(number, ())]
    return order


def history_commands(project: Project, numbers: Sequence[int], folder: Path) -> str:
    """Return the commands that do again what jobs have done, one after the other."""
    lines = []
    for number in numbers:
        request = project.clone_request(number).replace(after=(), optional_after=())
        command = run_command(request, folder)
        if request.stage not in ENTRANCES:
            command = "\n".join(f"{line} --wait" for line in command.split("\n"))
        lines.append(command)
    return "\n".join(lines)

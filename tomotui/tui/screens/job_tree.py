"""The screen that tells what a job was made from, and what was made of it."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message

from tomotui.project import Project
from tomotui.records import Job
from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.job_graph import (
    Branch,
    JobGraph,
    JobNode,
    history_commands,
    history_of,
    read_graph,
    tree_of,
)
from tomotui.tui.screens.job_keys import JobKeysFrame
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import Column, Content, Row, Span, status_sign, text
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import counted, listed

TREE_COLUMNS = (
    Column("job", "job", 16, 60),
    Column("status", "status", 8, 12),
    Column("done", "done", 5, 9, "right"),
    Column("made", "has made", 8, 40, rank=1),
    Column("series", "series", 6, 200, grows=True, rank=2),
)


class JobTreeScreen(JobKeysFrame):
    """A tree of jobs around one; the keys of jobs work on the one under the cursor.

    Parameters
    ----------
    job_id
        The job in the middle.
    """

    mode = "jobs"
    ABOUT = "what a job was made from"
    PROSE = (
        "Above the job stands what it was made from or waits for, below it what was made of it; "
        "further to the right is further away. left and right fold and unfold, enter shows the "
        "job under the cursor, D puts it into the middle, and y copies the commands that make it "
        "again from the beginning, in their order."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("tree", "list.filter")

    class Seen(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[JobGraph]) -> None:
            super().__init__()
            self.observation = observation

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self.job_id = job_id
        self.graph = JobGraph()
        self.folded: set[str] = set()
        self.branches: list[Branch] = []

    def compose_body(self) -> ComposeResult:
        """Lay out the tree."""
        with Vertical(id="main", classes="pane"):
            yield Table(TREE_COLUMNS, empty="reading")

    def on_mount(self) -> None:
        """Begin to watch the jobs."""
        self.table.focus()
        folder = self.tomotui.folder
        assert folder is not None
        self.watch_feed(Feed(folder, read_graph, lambda seen: self.post_message(self.Seen(seen))))
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_tree())

    @property
    def table(self) -> Table:
        """The tree, as rows."""
        return self.query_one(Table)

    def crumbs(self) -> tuple[str, ...]:
        """Return the job in the middle."""
        return (self.centre_name, "made from")

    @property
    def centre_name(self) -> str:
        """The name of the job in the middle."""
        node = self.graph.nodes.get(self.job_id)
        return node.job.name if node else f"{self.job_id:04d}"

    # ---- showing

    def on_job_tree_screen_seen(self, message: Seen) -> None:
        """Show the jobs as they are now."""
        seen = message.observation
        self.set_alarm(seen.error)
        if seen.value is None:
            return
        is_first = not self.graph.nodes
        self.graph, self.counts = seen.value, seen.value.counts
        self._show_tree()
        if is_first:
            self.table.go_to_key("job")

    def _show_tree(self) -> None:
        self.branches = tree_of(self.graph, self.job_id, self.folded)
        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        self.table.set_rows([self._row(each, look, ascii_only) for each in self.branches])
        pane = self.query_one("#main")
        pane.border_title = f"before and after {self.centre_name}"
        n_before = len(history_of(self.graph, self.job_id)) - 1
        n_after = len({one.job_id for one in self.branches if one.part == "uses"})
        pane.border_subtitle = f"{counted(n_before, 'job')} before, {n_after} after"
        self.update_header()

    def _row(self, branch: Branch, look: Look, ascii_only: bool) -> Row:
        node = self.graph.nodes[branch.job_id]
        job = node.job
        done = f"{node.n_done} of {len(job.targets)}"
        cells = (
            _name_cell(branch, job, ascii_only),
            status_sign(job.status, look, ascii_only),
            text(done, "dim"),
            text(_made_words(node), "foreground"),
            text(listed(job.targets, 4), "dim"),
        )
        return Row(branch.key, cells, " ".join((job.name, str(job.status), *job.targets)))

    # ---- what is meant

    @property
    def _branch(self) -> Branch | None:
        key = self.table.cursor_key
        return next((each for each in self.branches if each.key == key), None)

    def meant_jobs(self) -> list[Job]:
        """Return the jobs marked, or the one under the cursor."""
        keys = self.table.selection.chosen() or [self.table.cursor_key or ""]
        numbers = {one.job_id for one in self.branches if one.key in keys}
        return [self.graph.nodes[number].job for number in sorted(numbers)]

    # ---- keys

    @on(Table.Activated)
    def _open(self) -> None:
        branch = self._branch
        if branch is not None:
            self.tomotui.show_job(branch.job_id)

    def action_dependencies(self) -> None:
        """Put the job under the cursor into the middle."""
        branch = self._branch
        if branch is not None:
            self.job_id = branch.job_id
            self.folded.clear()
            self._show_tree()
            self.table.go_to_key("job")

    def action_fold(self) -> None:
        """Fold the branch under the cursor, or go to the one it grows on."""
        branch = self._branch
        if branch is None or branch.part == "job":
            return
        if branch.has_more and not branch.is_folded and not branch.is_again:
            self.folded.add(branch.key)
            self._show_tree()
        else:
            parent = branch.key.rpartition("/")[0]
            self.table.go_to_key(parent if "/" in parent else "job")

    def action_unfold(self) -> None:
        """Unfold the branch under the cursor; where it stands again, go to where it is open."""
        branch = self._branch
        if branch is None:
            return
        if branch.is_again:
            same = (one for one in self.branches if one.job_id == branch.job_id)
            self.table.go_to_key(next(one.key for one in same if one.part == branch.part))
        elif branch.is_folded:
            self.folded.discard(branch.key)
            self._show_tree()

    def action_fold_all(self) -> None:
        """Fold all but the nearest, or unfold everything."""
        if self.folded:
            self.folded.clear()
        else:
            self.folded = {one.key for one in self.branches if one.depth == 1 and one.has_more}
        self._show_tree()

    def action_yank(self) -> None:
        """Offer to copy the commands that make a job from the beginning, its name, its folder."""
        branch = self._branch
        if branch is None:
            return
        numbers, job = history_of(self.graph, branch.job_id), self.graph.nodes[branch.job_id].job

        def texts(project: Project) -> dict[str, str]:
            return {
                "path": str(project.folder / job.folder),
                "name": job.name,
                "command": history_commands(project, numbers, project.folder),
            }

        self.tomotui.change(texts, self.offer_copies, opens=True)


def _name_cell(branch: Branch, job: Job, ascii_only: bool) -> Content:
    if branch.part == "job":
        return (Span(job.name, "primary"),)
    if branch.is_again:
        fold = " "
    elif branch.has_more:
        closed, opened = ("+", "-") if ascii_only else ("▸", "▾")
        fold = closed if branch.is_folded else opened
    else:
        fold = "." if ascii_only else "·"
    spans = [Span("  " * branch.depth), Span(f"{fold} ", "dim"), Span(job.name)]
    if branch.is_again:
        spans.append(Span(" as above", "dim"))
    return tuple(spans)


def _made_words(node: JobNode) -> str:
    """Return what a job has made, in words."""
    return ", ".join(_counted_kind(kind, n) for kind, n in node.made.items())


def _counted_kind(kind: str, n: int) -> str:
    noun = kind.replace("_", " ")
    return counted(n, noun, noun if noun.endswith("series") else f"{noun}s")

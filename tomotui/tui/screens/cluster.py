"""The screen of machines: devices and whose work is on them, hosts at work, partitions, room."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from tomotui.jobs.liveness import this_host
from tomotui.jobs.slurm import has_slurm, read_partitions
from tomotui.tui.actions import bindings
from tomotui.tui.cluster_feed import ClusterReader, ClusterSnapshot
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.machine_feed import MachineNews, SteadyDisk, SteadyMachine
from tomotui.tui.polling import Poll
from tomotui.tui.screens.base import Frame
from tomotui.tui.screens.cluster_words import (
    DEVICE_COLUMNS,
    HOST_COLUMNS,
    PARTITION_COLUMNS,
    disk_facts,
    gpu_rows,
    host_row,
    job_facts,
    machine_facts,
    machine_row,
    partition_row,
    people_facts,
)
from tomotui.tui.widgets.cells import Row
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import age

Source = Literal["machine", "disk", "partitions"]

MACHINE_SECONDS = 3.0
DISK_SECONDS = 30.0
PARTITIONS_SECONDS = 10.0
AGES_SECONDS = 5.0
"""How often the ages are drawn anew; they change in coarse steps."""


class ClusterScreen(Frame):
    """Devices above with the facts of this machine, hosts and partitions below."""

    mode = "cluster"
    ABOUT = "cluster"
    PROSE = (
        "The processors and GPUs of this machine with whose work is on them, the hosts that work "
        "for this project, and the partitions where there is SLURM. Each pane says when it was "
        "seen; what is old is grey. Enter opens the job that is at work on a device."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("list.filter")
    DEFAULT_CSS = """
    ClusterScreen {
        & #cluster-top { height: 1fr; }
        & #machine-pane { width: 42; height: 1fr; }
        & #cluster-below { height: 35%; min-height: 6; }
        & #hosts-pane, & #partitions-pane { width: 1fr; height: 1fr; padding: 0; }
        & #partitions-pane { display: none; }
        & #partitions-pane.-there { display: block; }
        &.-wide #machine-pane { width: 62; }
        &.-low #cluster-below { height: 6; }
        &.-narrow #cluster-top { layout: vertical; }
        &.-narrow #machine-pane { width: 1fr; height: 6; }
        &.-narrow #cluster-below { height: 5; min-height: 5; }
        &.-narrow #cluster-below.-slurm { layout: vertical; height: 8; }
        &.-zoomed #cluster-top, &.-zoomed #cluster-below { height: auto; min-height: 0; }
        &.-zoomed #cluster-top:focus-within, &.-zoomed #cluster-below:focus-within {
            height: 1fr;
        }
        &.-zoomed #partitions-pane { display: none; }
        &.-zoomed #partitions-pane.-zoom { display: block; }
    }
    """

    class Seen(Message, bubble=False):
        """The project says something new."""

        def __init__(self, observation: Observation[ClusterSnapshot]) -> None:
            super().__init__()
            self.observation = observation

    class Heard(Message, bubble=False):
        """The machine, its disk or the scheduler says something new."""

        def __init__(self, source: Source, observation: Observation[Any]) -> None:
            super().__init__()
            self.source, self.observation = source, observation

    def __init__(self) -> None:
        super().__init__()
        self.snapshot = ClusterSnapshot()
        self.heard: dict[Source, Observation[Any]] = {}
        self._polls: dict[Source, Poll[Any]] = {}
        self._works_on: dict[str, int] = {}
        self._facts: tuple[str, object] = ("", None)

    def compose_body(self) -> ComposeResult:
        """Lay out the devices and the machine above, hosts and partitions below."""
        with Vertical(id="body"):
            with Horizontal(id="cluster-top"):
                with Vertical(id="main", classes="pane") as main:
                    main.border_title = "devices"
                    yield Table(DEVICE_COLUMNS, empty="looking at this machine", id="devices")
                with VerticalScroll(id="machine-pane", classes="pane"):
                    yield Static(id="machine", markup=False)
            with Horizontal(id="cluster-below"):
                with Vertical(id="hosts-pane", classes="pane") as hosts:
                    hosts.border_title = "hosts at work"
                    yield Table(HOST_COLUMNS, empty="reading", id="hosts")
                with Vertical(id="partitions-pane", classes="pane") as partitions:
                    partitions.border_title = "partitions"
                    yield Table(PARTITION_COLUMNS, empty="asking the scheduler", id="partitions")

    def on_mount(self) -> None:
        """Begin to watch machine and project."""
        self.query_one("#devices").focus()
        self.query_one("#machine-pane").border_title = this_host()
        folder = self.tomotui.folder
        assert folder is not None
        reader = ClusterReader()

        def deliver(seen: Observation[ClusterSnapshot]) -> None:
            self.post_message(self.Seen(seen))

        self.watch_feed(Feed(folder, reader, deliver, pulse=reader.pulse))
        self._ask("machine", SteadyMachine().read, MACHINE_SECONDS)
        self._ask("disk", SteadyDisk(folder).read, DISK_SECONDS)
        if has_slurm():
            self.query_one("#partitions-pane").add_class("-there")
            self.query_one("#cluster-below").add_class("-slurm")
            self._ask("partitions", read_partitions, PARTITIONS_SECONDS)
        self.set_interval(AGES_SECONDS, self._age)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._theme_changed())
        self._show_all()

    def _ask(self, source: Source, read: Callable[[], Any], interval_seconds: float) -> None:
        poll = Poll(
            read,
            lambda seen: self.post_message(self.Heard(source, seen)),
            interval_seconds=interval_seconds,
        )
        self._polls[source] = poll
        self.watch_feed(poll)
        poll.hurry()

    # ---- showing

    def on_cluster_screen_seen(self, message: Seen) -> None:
        """Show what the project says now."""
        self.set_alarm(message.observation.error)
        if message.observation.value is None:
            return
        self.snapshot = message.observation.value
        self.counts = self.snapshot.counts
        self._show_all()
        self.update_header()

    def on_cluster_screen_heard(self, message: Heard) -> None:
        """Show what the machine or the scheduler says now."""
        self.heard[message.source] = message.observation
        self._show_all()

    def surroundings_changed(self) -> None:
        """Show the GPUs as they are now."""
        super().surroundings_changed()
        if self.is_mounted:
            self._show_all()

    def _show_all(self) -> None:
        self._show_devices()
        self._show_machine()
        self._show_hosts()
        self._show_partitions()

    def _show_devices(self) -> None:
        app, around = self.tomotui, self.tomotui.surroundings
        look, ascii_only = app.look, app.ascii_only
        rows: list[Row] = []
        news: MachineNews | None = self._value("machine")
        if news is not None:
            here = next((line for line in self.snapshot.hosts if line.is_here), None)
            rows.append(machine_row(news, here, ascii_only, self._is_old("machine")))
        is_old = bool(around.gpu_age)
        for gpu, past in zip(*around.news, strict=True):
            rows += gpu_rows(gpu, past, app.folder, look, ascii_only, is_old)
        self._works_on = self._jobs_at_work()
        self.query_one("#devices", Table).set_rows(rows)
        pane = self.query_one("#main")
        pane.border_title = f"devices{' · no NVIDIA driver here' if around.has_no_driver else ''}"
        trouble = f"! {around.gpu_error} · " if around.gpu_error else ""
        seen = f"gpus seen {around.gpu_age} ago" if is_old else self._seen_words("machine")
        pane.border_subtitle = f"{trouble}{seen}"
        self.update_right()

    def _jobs_at_work(self) -> dict[str, int]:
        """Return the job of this project that works on a device or in a process, by its row."""
        found: dict[str, int] = {}
        for line in self.snapshot.hosts:
            for job, device in line.jobs if line.is_here else ():
                found.setdefault(device if device.startswith("gpu") else "cpu", job)
        for gpu in self.tomotui.surroundings.news.gpus:
            for process in gpu.processes:
                job_id = process.owner.job_id
                if job_id is not None and process.owner.project_folder == self.tomotui.folder:
                    found.setdefault(f"gpu {gpu.number}", job_id)
                    found[f"gpu {gpu.number}/{process.pid}"] = job_id
        return found

    def _show_machine(self) -> None:
        app = self.tomotui
        facts = Facts(app.look, 9)
        news = self._value("machine")
        if news is not None:
            machine_facts(facts, news.machine)
        disk = self.heard.get("disk")
        disk_facts(facts, disk.value if disk else None, disk.error if disk else "")
        job_facts(facts, self.snapshot, app.ascii_only)
        people_facts(facts, app.surroundings.others)
        # Drawn again only when a word of it differs, or the theme.
        drawn = (facts.plain, app.look)
        if drawn != self._facts:
            self._facts = drawn
            self.query_one("#machine", Static).update(facts)
        self.query_one("#machine-pane").border_subtitle = self._seen_words("disk")

    def _show_hosts(self) -> None:
        now = time.time()
        rows = [host_row(line, now) for line in self.snapshot.hosts]
        self.query_one("#hosts", Table).set_rows(rows)

    def _show_partitions(self) -> None:
        if "partitions" not in self._polls:
            return
        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        seen, is_old = self.heard.get("partitions"), self._is_old("partitions")
        found = seen.value or () if seen else ()
        self.query_one("#partitions", Table).set_rows(
            [partition_row(one, look, ascii_only, is_old) for one in found]
        )
        words = self._seen_words("partitions")
        trouble = f"! {seen.error} · " if seen and seen.error else ""
        self.query_one("#partitions-pane").border_subtitle = f"{trouble}{words}"

    def _value(self, source: Source) -> Any:
        seen = self.heard.get(source)
        return seen.value if seen is not None else None

    def _is_old(self, source: Source) -> bool:
        return self._polls[source].is_old

    def _seen_words(self, source: Source) -> str:
        """Return when a source has answered last, in coarse words."""
        poll = self._polls.get(source)
        seconds = poll.age_seconds if poll is not None else None
        if poll is None or seconds is None:
            return "not seen yet"
        return f"seen {age(seconds)} ago" if poll.is_old else "seen now"

    def _age(self) -> None:
        if self.is_current:
            self._show_all()

    def _theme_changed(self) -> None:
        self._show_all()
        self.refresh(layout=False)

    # ---- keys

    @on(Table.Activated)
    def _open(self, event: Table.Activated) -> None:
        key = event.key
        if event.table.id == "hosts":
            jobs = [job for line in self.snapshot.hosts if line.host == key for job, _ in line.jobs]
            job_id = jobs[0] if jobs else None
        elif event.table.id == "devices":
            job_id = self._works_on.get(key)
        else:
            return
        if job_id is None:
            self.say(f"no job of this project is at work on {key.replace('/', ', process ')}")
        else:
            self.tomotui.show_job(job_id)

from __future__ import annotations

import time
from pathlib import Path

import pytest
from textual.widgets import Static

from tests.jobs.test_visitors import elsewhere, visit
from tests.tui.conftest import AppMaker, until
from tomotui.jobs.files import write_model
from tomotui.jobs.gpu_watch import DriverTrouble, GpuProcess, GpuState, NoDriver
from tomotui.jobs.local import SlotState
from tomotui.jobs.machine import DiskState, MachineState
from tomotui.jobs.owners import Owner
from tomotui.jobs.presence import announce
from tomotui.jobs.specification import HEARTBEAT_FILE, Heartbeat
from tomotui.jobs.visitors import VISITORS_FOLDER
from tomotui.project import Project
from tomotui.tui.machine_feed import MINUTES, Minutes, SteadyGpus, steady_disk, steady_machine
from tomotui.tui.screens.cluster import ClusterScreen
from tomotui.tui.screens.cluster_words import disk_facts
from tomotui.tui.screens.job_detail import JobDetailScreen
from tomotui.tui.surroundings import owners_of
from tomotui.tui.theme import FALLBACK
from tomotui.tui.widgets.cells import plain
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.widgets.glance import ELSEWHERE, Glance, glance_text
from tomotui.tui.widgets.header import HeaderLine
from tomotui.tui.widgets.status_bar import Hints
from tomotui.tui.widgets.table import Table

GIB = 1 << 30


class FakeGpus:
    """GPUs that say what a test wants, or raise it."""

    def __init__(self, *states: GpuState) -> None:
        self.says: tuple[GpuState, ...] | Exception = states
        self.asked = 0

    def read(self) -> tuple[GpuState, ...]:
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def close(self) -> None:
        pass


def gpu(number: int, percent: float, *processes: GpuProcess, held: int = 40) -> GpuState:
    return GpuState(number, "H100", percent, held * GIB, 80 * GIB, 61.0, processes)


def cells(table: Table) -> dict[str, list[str]]:
    return {row.key: [plain(cell).strip() for cell in row.cells] for row in table.rows}


def header(app: object) -> str:
    return app.screen.query_one(HeaderLine).render().plain  # type: ignore[attr-defined]


@pytest.fixture
def sinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be a scheduler; the file named in it is what it prints."""
    place = tmp_path / "bin"
    place.mkdir()
    script = place / "sinfo"
    script.write_text(f"#!/bin/sh\n. {place}/words\n")
    script.chmod(0o755)
    (place / "words").write_text("echo 'gpu*|up|2-00:00:00|3/1/0/4|96/32/0/128|gpu:h100:4'\n")
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.setattr("tomotui.tui.screens.cluster.has_slurm", lambda: True)
    return place / "words"


async def test_devices_tell_whose_work_is_on_them_and_enter_opens_it(
    make_app: AppMaker, folder: Path
) -> None:
    mine = GpuProcess(4242, 30 * GIB, Owner("me", "python", folder, 2))
    ana = GpuProcess(77, None, Owner("ana", "relion"))
    source = FakeGpus(gpu(0, 93.0, mine), gpu(1, 0.0, ana, held=3), GpuState(2, "", trouble="lost"))
    app = make_app(gpu_source=source)
    async with app.run_test(size=(150, 40)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, ClusterScreen))
        table = app.screen.query_one("#devices", Table)
        await until(pilot, lambda: table.total == 6)
        rows = cells(table)
        assert list(rows) == ["cpu", "gpu 0", "gpu 0/4242", "gpu 1", "gpu 1/77", "gpu 2"]
        assert "95%" in rows["gpu 0"][1]
        assert rows["gpu 0"][4:] == ["40.0 of 80", "60", "job 2", "H100"]
        assert rows["gpu 0/4242"][4:] == ["30.0", "", "job 2, me", "python"]
        assert rows["gpu 1"][6] == "ana"
        assert rows["gpu 2"][6] == "✗ lost"
        assert "cpu" in rows["cpu"][0]
        await pilot.press("G", "enter")
        await until(pilot, lambda: "no job of this project" in app.screen.query_one(Hints).message)
        await pilot.press("g", "j", "j", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobDetailScreen))
        assert app.screen.job_id == 2


async def test_hosts_at_work_and_partitions_stand_below(
    make_app: AppMaker, folder: Path, sinfo: Path
) -> None:
    with Project.open(folder, read_only=True) as project:
        place = folder / project.task(2, "ts_002").folder
    place.mkdir(parents=True, exist_ok=True)
    beat = Heartbeat(attempt=1, sequence=3, at=0.0, memory_bytes=3 * GIB, cpu_percent=152.0)
    write_model(place / HEARTBEAT_FILE, beat)
    shared = SlotState(device="gpu 0", tasks=2, most=4, by_memory=True, promised_bytes=21 * GIB,
                       total_bytes=80 * GIB)  # fmt: skip
    announce(folder, 0.0, "1", (SlotState(device="cpu", tasks=1, most=3), shared))
    app = make_app(gpu_source=FakeGpus())
    async with app.run_test(size=(170, 40)) as pilot:
        await pilot.press(":", *"cluster", "enter")
        await until(pilot, lambda: isinstance(app.screen, ClusterScreen))
        hosts = app.screen.query_one("#hosts", Table)
        await until(pilot, lambda: hosts.total == 2)
        here, there = cells(hosts).values()
        assert here[0].endswith(" here")
        assert here[-1] == "nothing of this project"
        assert there == ["node07", "1", "150%", "3.0", "now", "2 on cpu"]
        partitions = app.screen.query_one("#partitions", Table)
        await until(pilot, lambda: partitions.total == 1)
        assert cells(partitions)["gpu"][:6] == ["gpu *", "✓ up", "3 of 4", "1", "0", "96 of 128"]
        facts = str(app.screen.query_one("#machine", Static).content.plain)
        assert "◌\N{NBSP}1\N{NBSP}queued" in facts
        assert "GiB free" in facts
        said = " ".join(facts.split())
        assert "1 of 3 in use" in said
        assert "2 of up to 4, 21 of 80 GiB" in said
        # A scheduler that fails leaves what was seen last, and says why.
        sinfo.write_text("echo 'no contact to the controller' >&2; exit 1\n")
        app.screen.refresh_now()
        pane = app.screen.query_one("#partitions-pane")
        await until(pilot, lambda: "! no contact" in str(pane.border_subtitle))
        assert partitions.total == 1
        assert app.screen.query_one("#hosts", Table).total == 2


async def test_what_is_old_is_grey_and_says_how_old(
    make_app: AppMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FakeGpus(gpu(0, 50.0))
    app = make_app(gpu_source=source)
    async with app.run_test(size=(170, 40)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, ClusterScreen))
        table = app.screen.query_one("#devices", Table)
        await until(pilot, lambda: "gpu 0" in cells(table))
        await until(pilot, lambda: "gpu ▅ 50% 40 of 80 GiB free" in header(app))
        source.says = DriverTrouble("the driver does not answer")
        poll = app.surroundings._gpu_poll
        poll._seen_at = (poll._seen_at or 0.0) - 45
        poll.hurry()
        await until(pilot, lambda: app.surroundings.gpu_error != "")
        app.surroundings_changed()
        assert "gpu ▅ 50% 40 of 80 GiB free 30 s ago" in header(app)
        (row,) = [row for row in table.rows if row.key == "gpu 0"]
        assert {span.role for cell in row.cells for span in cell} == {"dim"}
        subtitle = str(app.screen.query_one("#main").border_subtitle)
        assert "does not answer" in subtitle
        assert "gpus seen 30 s ago" in subtitle
        source.says = (gpu(0, 80.0),)
        poll.hurry()
        await until(pilot, lambda: "gpu ▇ 80%" in header(app) and "ago" not in header(app))


async def test_without_a_driver_there_is_no_strip_and_nobody_asks_again(
    make_app: AppMaker,
) -> None:
    source = FakeGpus()
    source.says = NoDriver("none")
    app = make_app(gpu_source=source)
    async with app.run_test(size=(170, 40)) as pilot:
        await until(pilot, lambda: source.asked == 1)
        assert "gpu" not in header(app)
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, ClusterScreen))
        await until(pilot, lambda: list(cells(app.screen.query_one(Table))) == ["cpu"])
        assert "no NVIDIA driver" in str(app.screen.query_one("#main").border_title)
        assert source.asked == 1


async def test_others_are_named_and_told_until_the_end(make_app: AppMaker, folder: Path) -> None:
    visit(folder, elsewhere(), time.time())
    app = make_app(gpu_source=FakeGpus(), read_only=True)
    async with app.run_test(size=(170, 40)) as pilot:
        await until(pilot, lambda: "ana is looking too" in header(app))
        assert "read-only" in header(app)
        await until(pilot, lambda: len(list((folder / VISITORS_FOLDER).iterdir())) == 2)
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, ClusterScreen))
        machine = app.screen.query_one("#machine", Static)
        await until(pilot, lambda: "ana on node09 since" in machine.content.plain)
        assert ", read-only" in machine.content.plain
    assert [path.name for path in (folder / VISITORS_FOLDER).iterdir()] == ["node09-7.json"]


async def test_a_small_terminal_has_room_for_devices_machine_hosts_and_partitions(
    make_app: AppMaker, sinfo: Path
) -> None:
    app = make_app(gpu_source=FakeGpus(gpu(0, 50.0), gpu(1, 50.0)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, ClusterScreen))
        await until(pilot, lambda: app.screen.query_one("#partitions", Table).total == 1)
        for name in ("devices", "machine", "hosts", "partitions"):
            widget = app.screen.query_one(f"#{name}")
            assert widget.size.height >= 2, name
            assert widget.size.width >= 36, name
        assert "gpu ▅▅" in header(app)


def test_an_idle_machine_is_not_drawn_anew() -> None:
    class Trembling(FakeGpus):
        def read(self) -> tuple[GpuState, ...]:
            self.asked += 1
            shift = self.asked % 3
            process = GpuProcess(5, (300 << 20) + shift * 1000, Owner("ana"))
            state = GpuState(
                0, "H100", float(shift), (500 << 20) + shift * 4096, 80 * GIB, 40.0 + shift % 2
            )
            return (state._replace(processes=(process,)),)

    steady = SteadyGpus(Trembling())
    assert len({steady.read().gpus for _ in range(9)}) == 1
    machine = MachineState("here", 2, 1.0, (0.1, 0.1, 0.0), 5 * GIB, 64 * GIB)
    shown = steady_machine(None, machine)
    for shift in range(5):
        other = machine._replace(cpu_percent=shift * 0.7, memory_bytes=5 * GIB + shift * 4096)
        assert steady_machine(shown, other) == shown
    assert steady_machine(shown, machine._replace(cpu_percent=90.0)).cpu_percent == 90.0


def test_the_past_is_told_by_minutes_that_are_over() -> None:
    minutes = Minutes()
    assert minutes.add(40.0, 600.0) == (None,) * MINUTES
    assert minutes.add(60.0, 659.0) == (None,) * MINUTES
    assert minutes.add(0.0, 720.0)[-2:] == (50.0, None)
    assert minutes.add(None, 780.0)[-3:] == (50.0, None, 0.0)
    assert minutes.add(1.0, 600.0 + 60 * (MINUTES + 1)).count(None) == MINUTES - 1


def test_little_room_is_a_warning_in_words() -> None:
    facts = Facts(FALLBACK, 9)
    disk = DiskState(Path("/data"), "nfs4", 3 * GIB, 900 * GIB, 99 * GIB, 100 * GIB)
    disk_facts(facts, steady_disk(None, disk), "")
    assert facts.plain.splitlines() == [
        "disk ! 3 of 900 GiB free  nfs4",
        "quota ! 98 of 100 GiB used",
    ]


def test_the_strip_tells_as_much_as_there_is_room_for() -> None:
    glance = Glance((93.0, None), 41, 160, "job 12", "", "ana, ben")

    def words(width: int, ascii_only: bool = False, age: str = "") -> str:
        told = Glance(**{**vars(glance), "age": age})
        return glance_text(told, width, FALLBACK, ascii_only).plain

    assert words(80) == "gpu █?  with ana, ben  "
    assert words(120) == "gpu █? 93%  with ana, ben  "
    assert words(200) == "gpu █? 93% 41 of 160 GiB job 12  ana, ben are looking too  "
    assert glance_text(Glance(others=ELSEWHERE), 80, FALLBACK, False).plain == "open elsewhere  "
    assert words(80, ascii_only=True).startswith("gpu #?")
    assert words(80, age="2 min").startswith("gpu █? old")
    assert glance_text(Glance(), 200, FALLBACK, False).plain == ""


def test_our_jobs_are_named_before_other_peoples_work(tmp_path: Path) -> None:
    ours = [GpuProcess(n, 1, Owner("me", "python", tmp_path, n)) for n in (12, 3)]
    other = GpuProcess(1, 1, Owner("me", "python", tmp_path / "cells", 3))
    ana = GpuProcess(2, 1, Owner("ana", "relion"))
    assert owners_of([gpu(0, 1.0, ana, ours[0])], tmp_path) == "job 12, ana"
    assert owners_of([gpu(0, 1.0, *ours), gpu(1, 1.0, other)], tmp_path) == "job 3 +2"

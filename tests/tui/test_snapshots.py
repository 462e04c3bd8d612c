"""Every screen and dialog as it was when somebody last looked at it and found it good.

The snapshots are text, see `screen_text`: a change is read in the diff of a commit. After a
change that is meant, write them anew, and look at what has become of them:

    TOMOTUI_WRITE_SNAPSHOTS=1 pytest tests/tui/test_snapshots.py

Time stands still, and the machine, its GPUs and its paths are made up.
"""

from __future__ import annotations

import difflib
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import LoadingIndicator

import tomotui.doctor
from tests.tui.conftest import STAGES, until
from tests.tui.screen_text import PATH_LETTERS, screen_text
from tests.tui.sights import AT_THE_LISTS, AT_THE_PICTURES, IN_FEW_LINES, Sight
from tests.tui.test_cluster import GIB, FakeGpus, gpu
from tests.tui.whole_project import make_whole, with_steady_names
from tomotui.checks import Check
from tomotui.jobs.gpu_watch import GpuProcess
from tomotui.jobs.liveness import this_host
from tomotui.jobs.machine import DiskState, MachineState
from tomotui.jobs.owners import Owner
from tomotui.tui import machine_feed
from tomotui.tui.app import TomotuiApp
from tomotui.tui.raster.still_support import StillSupport
from tomotui.tui.raster.stills import Grey
from tomotui.tui.screens import cluster, launch_place, welcome
from tomotui.tui.screens.still import StillScreen
from tomotui.tui.screens.wait import WaitScreen
from tomotui.tui.theme import ThemeShelf

SNAPSHOTS = Path(__file__).parent / "snapshots"
WRITES = os.environ.get("TOMOTUI_WRITE_SNAPSHOTS", "") not in ("", "0")
NOW = 1_767_261_600.0
"""The first of January 2026, ten o'clock."""
PATIENCE_SECONDS = 30.0
QUIET_SECONDS = 1.0
"""A screen that is to be written down has been the same for so long."""
MOST_DIFFERENCES = 3
SIZES = ((60, 16), (80, 24), (200, 60), (120, 32))
USUAL = (80, 24)
SMALLEST = SIZES[0]
BY_THEMSELVES = ("still", "wait")
"""Dialogs that no key of the walks leads to."""
MACHINE = MachineState("node01", 16, 35.0, (5.0, 4.5, 3.0), 20 * GIB, 128 * GIB)
CHECKS = [
    Check("python", "ok", "3.12.4"),
    Check("gpu", "warn", "no NVIDIA driver", "stages run on the CPU; install the driver"),
    Check("torch", "fail", "2.6.0 was built for another CUDA", "install the build for CUDA 12.4"),
]


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project, made when time stood still."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: NOW)
        with_steady_names(patch)
        yield make_whole(tmp_path_factory.mktemp("snapshots") / "cells")


@pytest.fixture
def home(cells: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder with the project, on a machine that is the same everywhere."""
    # As long as every other, in letters that no screen shows: see `screen_text`.
    home = Path("/tmp") / "".join(secrets.choice(PATH_LETTERS) for _ in range(12))
    shutil.copytree(cells, home / "cells")
    for variable in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(home))
    (home / "empty").mkdir()
    monkeypatch.chdir(home / "empty")
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(socket, "gethostname", lambda: "node01")
    this_host.cache_clear()
    monkeypatch.setattr(machine_feed, "read_machine", lambda: MACHINE)
    disk = DiskState(home, "nfs4", 700 * GIB, 900 * GIB)
    monkeypatch.setattr(machine_feed, "read_disk", lambda folder: disk)
    monkeypatch.setattr(cluster, "has_slurm", lambda: False)
    monkeypatch.setattr(launch_place, "has_slurm", lambda: False)
    monkeypatch.setattr(launch_place, "gpus", tuple)
    monkeypatch.setattr(tomotui.doctor, "collect", lambda: CHECKS)
    monkeypatch.setattr(welcome, "__version__", "1.2.3")
    yield home
    this_host.cache_clear()
    monkeypatch.undo()
    shutil.rmtree(home)


def make_app(home: Path, **settings: Any) -> TomotuiApp:
    mine = GpuProcess(4242, 30 * GIB, Owner("ana", "python", home / "cells", 2))
    gpus = FakeGpus(gpu(0, 95.0, mine), gpu(1, 0.0, held=3))
    return TomotuiApp(
        home / "cells", stages=STAGES, start_agents=False, gpu_source=gpus, **settings
    )


class Album:
    """Compares snapshots with what an app shows, or writes them."""

    def __init__(self, pilot: Pilot[Any]) -> None:
        self.pilot = pilot
        self.differences: list[str] = []

    async def compare(self, name: str, **how: bool) -> None:
        """Wait until a screen is as it was; what is different then is told in the end."""
        path = SNAPSHOTS / f"{name}.txt"
        if WRITES:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(await self._at_rest(**how), encoding="utf-8")
            return
        assert path.is_file(), f"there is no {path}; write it, as test_snapshots.py says"
        wanted = path.read_text(encoding="utf-8")
        # Where one is different, so are others, for the same reason.
        patience = PATIENCE_SECONDS if not self.differences else QUIET_SECONDS
        deadline = time.monotonic() + patience
        while (seen := screen_text(self.pilot.app, **how)) != wanted:
            if time.monotonic() > deadline:
                lines = wanted.splitlines(), seen.splitlines()
                found = difflib.unified_diff(*lines, str(path), "now", n=1, lineterm="")
                self.differences.append("\n".join(found))
                return
            await self.pilot.pause(0.05)

    async def _at_rest(self, **how: bool) -> str:
        seen, since = "", time.monotonic()
        while time.monotonic() < since + QUIET_SECONDS:
            await self.pilot.pause(0.05)
            now = screen_text(self.pilot.app, **how)
            if now != seen:
                seen, since = now, time.monotonic()
        return seen

    def check(self) -> None:
        assert not self.differences, "\n\n".join(self.differences)


def arrived(app: TomotuiApp, sight: Sight) -> Callable[[], bool]:
    return lambda: type(app.screen).__name__ == sight.screen


def sizes_of(sight: Sight) -> tuple[tuple[int, int], ...]:
    """Return the sizes in which a sight is looked at."""
    return tuple(size for size in SIZES if size != SMALLEST or sight.name in IN_FEW_LINES)


async def look_around(
    home: Path, walk: Sequence[Sight], sizes: Sequence[tuple[int, int]] = SIZES
) -> None:
    """Go through all sights, and compare each in sizes of the terminal with its snapshots."""
    app = make_app(home)
    async with app.run_test(size=SIZES[-1]) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets")
        album = Album(pilot)
        for sight in walk:
            await pilot.press(*sight.keys)
            await until(pilot, arrived(app, sight), PATIENCE_SECONDS)
            for width, height in (size for size in sizes_of(sight) if size in sizes):
                await pilot.resize_terminal(width, height)
                await album.compare(f"{width}x{height}/{sight.name}")
            if len(album.differences) >= MOST_DIFFERENCES:
                break
            await pilot.press(*sight.leaves)
    album.check()


async def test_lists_charts_forms_and_dialogs_are_as_they_were(home: Path) -> None:
    await look_around(home, AT_THE_LISTS, [USUAL])


@pytest.mark.slow
async def test_lists_charts_forms_and_dialogs_are_as_they_were_in_other_sizes(home: Path) -> None:
    await look_around(home, AT_THE_LISTS, [size for size in SIZES if size != USUAL])


@pytest.mark.slow
async def test_screens_with_pictures_are_as_they_were(home: Path) -> None:
    await look_around(home, AT_THE_PICTURES)


async def test_the_still_and_the_wait_are_as_they_were(home: Path) -> None:
    app = make_app(home)

    def draw(cells: tuple[int, int], pixels: tuple[int, int]) -> tuple[Grey, str]:
        assert cells == (SMALLEST[1] - 1, SMALLEST[0])
        return np.zeros((6, 6), np.uint8), "bar 20 nm"

    async with app.run_test(size=SMALLEST) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets")
        album = Album(pilot)
        app.push_screen(StillScreen(StillSupport("sixel"), draw, "ts_1 wbp 20 Å  z 13/24"))
        await album.compare("60x16/still")
        await pilot.press("space")
        wait = WaitScreen("deciding about 120000 candidates")
        app.push_screen(wait)
        await until(pilot, lambda: app.screen is wait)
        # What moves is not the same twice.
        await wait.query(LoadingIndicator).remove()
        await album.compare("60x16/wait")
        await pilot.press("escape")
        assert app.screen is wait
    album.check()


async def test_jobs_are_as_they_were_in_every_theme(home: Path) -> None:
    app = make_app(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets")
        await pilot.press("4")
        album = Album(pilot)
        for name in sorted(ThemeShelf().looks):
            app.use_theme(name, keep=False)
            await album.compare(f"themes/{name}", colours=True)
    album.check()


def test_there_is_no_snapshot_that_nobody_compares() -> None:
    sights = (*AT_THE_LISTS, *AT_THE_PICTURES)
    for size in SIZES:
        names = {f"{sight.name}.txt" for sight in sights if size in sizes_of(sight)}
        if size == SMALLEST:
            names |= {f"{name}.txt" for name in BY_THEMSELVES}
        width, height = size
        assert {path.name for path in (SNAPSHOTS / f"{width}x{height}").iterdir()} == names
    themes = {f"{name}.txt" for name in ThemeShelf().looks}
    assert {path.name for path in (SNAPSHOTS / "themes").iterdir()} == themes

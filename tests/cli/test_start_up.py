"""What a start of the program loads, and what it must not: heavy libraries cost seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui.project import Project

if TYPE_CHECKING:
    from conftest import Outside

HEAVY = ("torch", "scipy", "pandas", "textual", "numpy")
SPY = """
import sys
from tomotui.cli import main
try:
    main(sys.argv[1:])
finally:
    print("LOADED", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def _loaded(outside: Outside, folder: Path, *words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SPY, *words],
        cwd=folder, env=outside.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    Project.create(folder).close()
    return folder


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "status",
        "jobs",
        "stages align",
        "run --help",
        "simulate --parameters",
        "recipe check standard",
        "watch --status",
    ],
)
def test_looking_loads_no_heavy_library(outside: Outside, place: Path, words: str) -> None:
    loaded = _loaded(outside, place, *words.split())
    assert "tomotui" in loaded
    assert loaded.isdisjoint({"torch", "scipy", "pandas", "textual"})


def test_the_version_loads_nothing_but_the_program(outside: Outside, place: Path) -> None:
    loaded = _loaded(outside, place, "--version")
    assert loaded.isdisjoint({*HEAVY, "cyclopts", "pydantic", "rich"})


def test_the_screens_load_no_science(outside: Outside) -> None:
    code = (
        "import sys, tomotui.tui.app; "
        "print(*sorted({n.partition('.')[0] for n in sys.modules} & {'torch','scipy','pandas'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=outside.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_warnings_come_without_the_code_that_gave_them(outside: Outside, place: Path) -> None:
    env = outside.environment(TOMOTUI_EXTRA_STAGES="no_such_module:Stage")
    said = outside("stages", cwd=place, env=env)
    assert said.code == 0
    assert said.err.startswith("tomotui: warning: the stage no_such_module:Stage cannot")
    assert len(said.err.splitlines()) == 1


def test_a_reader_that_has_had_enough_ends_it_quietly(outside: Outside, place: Path) -> None:
    process = outside.start("stages", "--json", cwd=place)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 1
    process.stderr.close()

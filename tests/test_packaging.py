"""The wheel holds all it needs: an installed copy works outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

OF_THE_SCREENS = (".tcss", ".toml")


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (repository / "pyproject.toml").is_file():
        pytest.skip("this is no source checkout")
    folder = tmp_path_factory.mktemp("dist")
    _run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, "."],
        repository,
    )
    (found,) = folder.glob("tomotui-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    _run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--disable-pip-version-check", "--target", target, wheel],
        target,
    )  # fmt: skip
    return target


def _run(words: list[object], folder: Path, **more: str) -> str:
    done = subprocess.run(
        list(map(str, words)), cwd=folder, env={**os.environ, **more},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_everything_of_the_sources(wheel: Path, repository: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = repository / "tomotui"
    suffixes = (".py", *OF_THE_SCREENS)
    sources = [path for path in package.rglob("*") if path.suffix in suffixes]
    assert {path.suffix for path in sources} >= {".py", ".tcss", ".toml"}
    expected = {str(path.relative_to(repository)) for path in sources}
    for data in ("themes", "sample_data"):
        files = [path for path in (repository / data).rglob("*") if path.is_file()]
        assert files
        expected |= {f"tomotui/_data/{path.relative_to(repository)}" for path in files}
    assert expected <= names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "themes/", "sample_data/"))]


def test_an_installed_copy_works_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = (
        "import tomotui, tomotui.resources as r; print(tomotui.__file__); "
        "print(r.themes_folder()); print(r.sample_data_folder())"
    )
    # -P: nothing but the installed copy may be found, which goes before this environment's own.
    places = _run([sys.executable, "-P", "-c", code], tmp_path, PYTHONPATH=str(installed))
    package, themes, samples = map(Path, places.splitlines())
    assert package == installed / "tomotui" / "__init__.py"
    assert themes.is_relative_to(installed)
    assert sorted(themes.glob("*.toml"))
    assert samples.is_relative_to(installed)
    assert (samples / "empiar_10499_00254.mrc").stat().st_size > 1e6

    command = [sys.executable, "-P", "-m", "tomotui"]
    environment = {"PYTHONPATH": str(installed)}
    assert "reconstruct" in _run([*command, "stages"], tmp_path, **environment)
    stack = samples / "empiar_10499_00254.mrc"
    preview = _run([*command, "import", stack, "--dry-run", "--json"], tmp_path, **environment)
    assert '"n_tilts": 41' in preview
    _run([*command, "init", "cells"], tmp_path, **environment)
    assert "no agent" in _run([*command, "status", "-p", "cells"], tmp_path, **environment)
    loaded = "import tomotui.tui.app, sys; print(sys.modules['tomotui.tui.app'].__file__)"
    place = _run([sys.executable, "-P", "-c", loaded], tmp_path, **environment)
    assert Path(place.strip()).is_relative_to(installed)

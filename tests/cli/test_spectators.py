from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tomotui.cli import screens
from tomotui.project import Project


@pytest.mark.parametrize(
    ("variable", "asked", "read_only"),
    [("1", False, True), ("", True, True), ("0", False, False), ("", False, False)],
)
def test_screens_change_nothing_when_the_environment_or_the_option_asks_for_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, asked: bool, read_only: bool
) -> None:
    Project.create(tmp_path / "cells", "cells").close()
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(screens, "sys", SimpleNamespace(stdin=terminal, stdout=terminal))
    monkeypatch.setenv("TOMOTUI_READ_ONLY", variable)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    opened: list[bool] = []

    def run(folder: Path | None, *, read_only: bool, theme: str | None) -> int:
        opened.append(read_only)
        return 0

    monkeypatch.setattr("tomotui.tui.app.run", run)
    assert screens.open_project(tmp_path / "cells", read_only=asked) == 0
    assert opened == [read_only]

"""The self-test: what is said, what is refused, and that nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tomotui.bench import checks, scenes
from tomotui.bench.report import Figure


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A scene without images, in a folder that is made as for the real one."""
    place = tmp_path / "bench"

    def make(parent: Path | None, tell: Any) -> Any:
        assert parent == tmp_path
        place.mkdir()
        images = SimpleNamespace(max=lambda axis: SimpleNamespace(mean=lambda: 200.0))
        return scenes.Scene(place, SimpleNamespace(stack=images))  # type: ignore[arg-type]

    monkeypatch.setattr(checks, "make_scene", make)
    return place


def _stages(monkeypatch: pytest.MonkeyPatch, **found: Any) -> None:
    def judge(answer: Any) -> Any:
        def run(bench: checks.Bench) -> list[Figure]:
            assert bench.project.folder.is_dir()
            if isinstance(answer, BaseException):
                raise answer
            return [answer]

        return run

    monkeypatch.setattr(checks, "STAGES", {name: judge(one) for name, one in found.items()})


def test_the_table_says_what_passed(
    call: Any, quick: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = Figure("projection error", 0.25, "px", 0.8)
    _stages(monkeypatch, align=good, ctf=checks.CheckFailed("no rings are seen"))
    said = call("bench", "--folder", tmp_path)
    assert said.code == 1
    assert "projection error" in said.out
    assert "0.25 px" in said.out
    assert "✗ failed" in said.out
    assert "no rings are seen" in said.out
    assert "not as expected: ctf" in said.out
    assert not quick.exists()


def test_scripts_get_json(
    call: Any, quick: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _stages(monkeypatch, align=Figure("projection error", 0.25, "px", 0.8))
    said = call("bench", "--json", "--stages", "align", "--folder", tmp_path)
    assert said.code == 0
    found = json.loads(said.out)
    assert found["passes"] is True
    assert [check["stage"] for check in found["checks"]] == ["simulate", "align"]
    assert found["checks"][1]["figures"][0]["expectation"] == "<= 0.8"


def test_an_interrupt_leaves_nothing(
    call: Any, quick: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _stages(monkeypatch, align=KeyboardInterrupt())
    said = call("bench", "--folder", tmp_path)
    assert said.code == 130
    assert "the temporary project is gone" in said.err
    assert not quick.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_and_other_signals_wait(
    call: Any, quick: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    ended = []

    def run(bench: checks.Bench) -> list[Figure]:
        os.kill(os.getpid(), number)
        raise AssertionError("the signal was not heard")

    def end(bench: checks.Bench) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        ended.append(bench)

    monkeypatch.setattr(checks, "STAGES", {"align": run})
    monkeypatch.setattr(checks.Bench, "end", end)
    before = signal.getsignal(signal.SIGTERM)
    said = call("bench", "--folder", tmp_path)
    assert said.code == 128 + number
    assert "the temporary project is gone" in said.err
    assert (len(ended), quick.exists()) == (1, False)
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_unknown_stage_is_told(call: Any) -> None:
    said = call("bench", "--stages", "align,nonsense")
    assert said.code == 2
    assert "nonsense" in said.err
    assert "reconstruct" in said.err


def test_what_a_stage_needs_runs_before_it() -> None:
    assert checks.wanted_stages(["match"]) == ["import", "reconstruct", "match"]
    assert checks.wanted_stages([]) == list(checks.STAGES)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_stage_is_as_good_as_expected(call: Any, tmp_path: Path) -> None:
    said = call("bench", "--json", "--folder", tmp_path)
    found = json.loads(said.out)
    assert found["passes"], [check for check in found["checks"] if not check["passes"]]
    assert list(tmp_path.glob("tomotui-bench-*")) == []

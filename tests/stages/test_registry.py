from __future__ import annotations

import pytest

from tomotui import stages
from tomotui.stages.base import Scope


def test_a_stage_that_cannot_be_loaded_is_a_warning_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOMOTUI_EXTRA_STAGES", "no_such_module:Stage, json:JSONDecoder")
    with pytest.warns(UserWarning, match="cannot be loaded") as warnings:
        known = {stage.name for stage in stages.all_stages()}
    assert len(warnings) == 2
    assert {"import", "align", "reconstruct"} <= known


def test_an_unknown_stage_is_named_with_those_there_are() -> None:
    with pytest.raises(stages.UnknownStage, match="no stage foo; there are import, motion, align"):
        stages.get("foo")


@pytest.mark.parametrize("name", ["import", "motion", "align", "reconstruct"])
def test_every_stage_bears_the_name_it_is_found_by(name: str) -> None:
    stage = stages.get(name)
    assert stage.name == name
    assert stage.summary


@pytest.mark.parametrize("scope", ["series", "sample"])
def test_the_names_of_a_scope_are_known_before_the_stages_are_imported(scope: Scope) -> None:
    expected = [stage.name for stage in stages.all_stages() if stage.scope == scope]
    assert stages.stage_names(scope) == expected

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tomotui import stages
from tomotui.records import Alignment, TiltSeries
from tomotui.stages.base import Inputs, ParameterError, Stage, StageError

BUILT_IN = ["import", "motion", "align", "reconstruct", "map-back", "analyse"]
REQUIRED: dict[str, dict[str, Any]] = {
    "import": {"stack": "a.mrc"},
    "motion": {"movies": "a.mdoc"},
}


@pytest.fixture(params=BUILT_IN)
def stage(request: pytest.FixtureRequest) -> Stage:
    return stages.get(request.param)


def test_every_parameter_is_described(stage: Stage) -> None:
    described = stage.describe()
    assert [info.name for info in described] == list(stage.parameters_type.model_fields)
    for info in described:
        assert len(info.help) > 10, info.name
        assert info.help.endswith("."), info.name
        assert info.group in ("basic", "advanced")
        for ending, unit in (("angstrom", "angstrom"), ("_deg", "degree"), ("_kv", "kV")):
            if info.name.endswith(ending):
                assert info.unit == unit, info.name


def test_defaults_are_valid(stage: Stage) -> None:
    found = stage.validate(REQUIRED.get(stage.name, {}))
    for info in stage.describe():
        if not info.required:
            assert getattr(found, info.name) == info.default


def test_choices_and_limits_are_told() -> None:
    by_name = {info.name: info for info in stages.get("reconstruct").describe()}
    assert by_name["filter"].choices == ("ramp", "hamming", "gaussian", "exact", "sirt-like")
    assert by_name["binning"].limits == ">= 1, <= 64"
    assert by_name["voxel_size_angstrom"].limits == "> 0"
    importing = {info.name: info for info in stages.get("import").describe()}
    assert "dose-symmetric" in importing["acquisition"].choices
    assert importing["stack"].required
    assert importing["stack"].choices == ()


def test_an_unknown_parameter_is_told_the_known_ones(stage: Stage) -> None:
    with pytest.raises(ParameterError) as caught:
        stage.validate({**REQUIRED.get(stage.name, {}), "thikness": 3})
    assert set(caught.value.problems) == {"thikness"}
    for name in stage.parameters_type.model_fields:
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("binning", 0.5, "greater than or equal to 1"),
        ("binning", "two", "number"),
        ("voxel_size_angstrom", 0, "greater than 0"),
        ("voxel_size_angstrom", "nan", "finite"),
        ("voxel_size_angstrom", float("inf"), "finite"),
        ("thickness_angstrom", 50, "greater than or equal to 100"),
        ("filter", "ram-lak", "'ramp', 'hamming'"),
        ("halves", "perhaps", "'auto', 'frames', 'noise'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name: str, value: Any, reason: str) -> None:
    with pytest.raises(ParameterError) as caught:
        stages.get("reconstruct").validate({name: value})
    assert set(caught.value.problems) == {name}
    assert reason in caught.value.problems[name]
    assert repr(value) in caught.value.problems[name]
    assert str(caught.value).startswith(f"reconstruct: {name}: ")


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ParameterError) as caught:
        stages.get("import").validate({"pixel_size_angstrom": 0, "acquisition": "zigzag"})
    assert set(caught.value.problems) == {"stack", "pixel_size_angstrom", "acquisition"}
    assert caught.value.problems["stack"] == "is required"


def test_words_from_a_command_line_become_values() -> None:
    found = stages.get("reconstruct").validate({"binning": "4", "erase_gold": "false"})
    assert (found.binning, found.erase_gold) == (4.0, False)  # type: ignore[attr-defined]


def test_inputs_say_which_stage_is_missing(aligned_series: Any) -> None:
    inputs = Inputs({"tilt_series": [aligned_series.series]})
    assert inputs.one(TiltSeries) is aligned_series.series
    assert inputs.maybe(Alignment) is None
    with pytest.raises(StageError, match="expected one alignment, found 0"):
        inputs.one(Alignment)
    with pytest.raises(StageError, match="found 2"):
        Inputs({"tilt_series": [aligned_series.series] * 2}).one(TiltSeries)


def test_the_faces_can_ask_without_loading_any_science() -> None:
    code = (
        "import sys\n"
        "from tomotui.stages import all_stages\n"
        "assert sum(len(stage.describe()) for stage in all_stages()) > 10\n"
        "heavy = {'torch', 'scipy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "")

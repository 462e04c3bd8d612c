"""The stages of the pipeline: one file each, found here by name.

A stage is imported when it is asked for. Further stages come from the entry points of the group
``tomotui.stages`` of installed packages, and from the environment variable
``TOMOTUI_EXTRA_STAGES`` (``module:Class``, separated by commas), which worker processes inherit.
"""

from __future__ import annotations

import os
import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from tomotui.stages.base import Scope, Stage

_BUILT_IN = {
    "import": "tomotui.stages.import_:ImportStage",
    "motion": "tomotui.stages.motion:MotionStage",
    "align": "tomotui.stages.align:AlignStage",
    "ctf": "tomotui.stages.ctf:CtfStage",
    "reconstruct": "tomotui.stages.reconstruct:ReconstructStage",
    "restore-train": "tomotui.stages.restore_train:RestoreTrainStage",
    "restore": "tomotui.stages.restore:RestoreStage",
    "match": "tomotui.stages.match:MatchStage",
    "pick-train": "tomotui.stages.pick_train:PickTrainStage",
    "pick": "tomotui.stages.pick:PickStage",
    "extract": "tomotui.stages.extract:ExtractStage",
    "initial-model": "tomotui.stages.initial_model:InitialModelStage",
    "refine": "tomotui.stages.refine:RefineStage",
    "classify": "tomotui.stages.classify:ClassifyStage",
    "multibody": "tomotui.stages.multibody:MultibodyStage",
    "landscape": "tomotui.stages.landscape:LandscapeStage",
    "landscape-maps": "tomotui.stages.landscape_maps:LandscapeMapsStage",
    "map-back": "tomotui.stages.map_back:MapBackStage",
    "analyse": "tomotui.stages.analyse:AnalyseStage",
}
"""In the order of the pipeline."""

_ON_SAMPLES = {
    "restore-train",
    "pick-train",
    "extract",
    "initial-model",
    "refine",
    "classify",
    "multibody",
    "landscape",
    "landscape-maps",
    "analyse",
}
"""Stages whose scope is a sample; said here for `stage_names`, which imports none of them."""

ENTRANCES = ("import", "motion")
"""Stages that bring tilt series into a project: their targets are not there yet."""


class UnknownStage(LookupError):
    """There is no stage of this name."""

    def __init__(self, name: str) -> None:
        known = ", ".join(stage.name for stage in all_stages())
        super().__init__(f"there is no stage {name}; there are {known}")


def get(name: str) -> Stage:
    """Return the stage of a name.

    Raises
    ------
    UnknownStage
        When there is none.
    """
    if name in _BUILT_IN:
        return _load(_BUILT_IN[name])
    for stage in _extra_stages(os.environ.get("TOMOTUI_EXTRA_STAGES", "")):
        if stage.name == name:
            return stage
    raise UnknownStage(name)


def all_stages() -> list[Stage]:
    """Return every stage, those of the program itself first and in the order of the pipeline."""
    extra = _extra_stages(os.environ.get("TOMOTUI_EXTRA_STAGES", ""))
    return [_load(place) for place in _BUILT_IN.values()] + [
        stage for stage in extra if stage.name not in _BUILT_IN
    ]


def stage_names(scope: Scope) -> list[str]:
    """Return the names of the stages of a scope, in the order of `all_stages`.

    The stages of the program itself are not imported for it: a face shows its first screen
    before anybody asks for one of them.
    """
    own = [name for name in _BUILT_IN if (name in _ON_SAMPLES) == (scope == "sample")]
    extra = _extra_stages(os.environ.get("TOMOTUI_EXTRA_STAGES", ""))
    return own + [
        stage.name for stage in extra if stage.scope == scope and stage.name not in _BUILT_IN
    ]


@cache
def _load(place: str) -> Stage:
    module, _, name = place.partition(":")
    stage = getattr(import_module(module), name)()
    if not isinstance(stage, Stage):
        raise TypeError(f"{place} is not a Stage")
    return stage


@cache
def _extra_stages(listed: str) -> tuple[Stage, ...]:
    """Return the stages of others; one that cannot be loaded costs a warning and no more."""
    places = [place.strip() for place in listed.split(",") if place.strip()]
    places += [point.value for point in entry_points(group="tomotui.stages")]
    found = []
    for place in places:
        try:
            found.append(_load(place))
        except Exception as error:  # a plug-in may fail in any way
            warnings.warn(
                f"the stage {place} cannot be loaded ({type(error).__name__}: {error}); "
                "the program goes on without it.",
                stacklevel=2,
            )
    return tuple(found)

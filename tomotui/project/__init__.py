"""The project file: the only package that speaks SQL."""

from __future__ import annotations

from tomotui.project.decisions import Judged, Judgement, fold
from tomotui.project.errors import MissingInput, ProjectError, RefusedChange
from tomotui.project.exclusion import TiltChoice
from tomotui.project.inputs import InputWish
from tomotui.project.matrix import Cell, SeriesRow, StageRow, TaskState
from tomotui.project.particle_columns import Chosen
from tomotui.project.project import Project
from tomotui.project.records import Ancestor

__all__ = [
    "Ancestor",
    "Cell",
    "Chosen",
    "InputWish",
    "Judged",
    "Judgement",
    "MissingInput",
    "Project",
    "ProjectError",
    "RefusedChange",
    "SeriesRow",
    "StageRow",
    "TaskState",
    "TiltChoice",
    "fold",
]

"""The nouns of the program as typed, immutable models."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from tomotui.records.base import Record, Value, new_uid
from tomotui.records.jobs import (
    FINISHED,
    Event,
    Job,
    JobRequest,
    Metric,
    RecipeStep,
    Status,
    Target,
    Task,
)
from tomotui.records.particles import (
    Decision,
    Particle,
    ParticleSet,
    SetOrigin,
    Source,
    Verdict,
)
from tomotui.records.series import (
    Alignment,
    Ctf,
    LocalShifts,
    Tilt,
    TiltAlignment,
    TiltCtf,
    TiltSeries,
)
from tomotui.records.variation import Classification, Landscape
from tomotui.records.volumes import Map, Network, Tomogram

AnyRecord = Annotated[
    TiltSeries
    | Alignment
    | Ctf
    | Tomogram
    | ParticleSet
    | Map
    | Network
    | Classification
    | Landscape,
    Field(discriminator="kind"),
]
RECORD: TypeAdapter[AnyRecord] = TypeAdapter(AnyRecord, config=ConfigDict(defer_build=True))
"""Reads any record back from its dictionary or JSON, by its ``kind``."""

__all__ = [
    "FINISHED",
    "RECORD",
    "Alignment",
    "AnyRecord",
    "Classification",
    "Ctf",
    "Decision",
    "Event",
    "Job",
    "JobRequest",
    "Landscape",
    "LocalShifts",
    "Map",
    "Metric",
    "Network",
    "Particle",
    "ParticleSet",
    "RecipeStep",
    "Record",
    "SetOrigin",
    "Source",
    "Status",
    "Target",
    "Task",
    "Tilt",
    "TiltAlignment",
    "TiltCtf",
    "TiltSeries",
    "Tomogram",
    "Value",
    "Verdict",
    "new_uid",
]

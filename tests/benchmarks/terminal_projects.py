"""Projects to look at in a terminal, made in a moment: no stage has run in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tomotui.formats.mrc import write_volume
from tomotui.project import Project
from tomotui.records import Alignment, ParticleSet, Tilt, TiltAlignment, TiltSeries, Tomogram
from tomotui.records.particle_table import ParticleTable

PIXEL_ANGSTROM = 10.0
SIZE_ZYX = (64, 512, 512)


def tilt_series(name: str) -> TiltSeries:
    """Return a series whose images are nowhere."""
    return TiltSeries(
        name=name,
        stack_path="none.mrc",
        width_px=4092,
        height_px=5760,
        pixel_size_angstrom=1.35,
        tilts=tuple(Tilt(index=i, nominal_tilt_deg=-60.0 + 3 * i) for i in range(41)),
    )


def aligned(series: TiltSeries) -> Alignment:
    """Return an alignment of a series in which nothing is shifted."""
    tilts = tuple(
        TiltAlignment(
            index=tilt.index,
            tilt_deg=tilt.nominal_tilt_deg,
            axis_deg=85.0,
            shift_x_angstrom=0.0,
            shift_y_angstrom=0.0,
        )
        for tilt in series.tilts
    )
    return Alignment(series_uid=series.uid, residual_angstrom=4.0, tilts=tilts)


def make_whole(place: Path, n_series: int = 8, n_particles: int = 300) -> Path:
    """Make a project with tilt series; the first has a tomogram with candidates in it."""
    series = [tilt_series(f"ts_{number:03d}") for number in range(n_series)]
    with Project.create(place, "whole") as project:
        noise = np.random.default_rng(1).normal(0, 1, SIZE_ZYX).astype(np.float32)
        write_volume(place / "tomogram.mrc", noise, PIXEL_ANGSTROM)
        alignment = aligned(series[0])
        tomogram = Tomogram(
            series_uid=series[0].uid,
            alignment_uid=alignment.uid,
            path="tomogram.mrc",
            size_xyz=SIZE_ZYX[::-1],
            pixel_size_angstrom=PIXEL_ANGSTROM,
            window_low=-3.0,
            window_high=3.0,
        )
        held = ParticleSet(name="ribosome", diameter_angstrom=250)
        project.add_records([*series, alignment, tomogram, held])
        project.add_particle_tables([candidates(tomogram, held, n_particles)])
    return place


def candidates(tomogram: Tomogram, held: ParticleSet, n: int) -> ParticleTable:
    """Return candidates at places drawn by chance."""
    random = np.random.default_rng(2)
    half = np.array(tomogram.size_xyz) * tomogram.pixel_size_angstrom / 2
    return ParticleTable.of(
        tomogram.uid,
        random.uniform(-0.9, 0.9, (n, 3)) * half,
        set_uid=held.uid,
        scores=random.uniform(0, 1, n),
        source="find",
    )

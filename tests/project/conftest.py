from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tomotui.project import Project
from tomotui.records import Alignment, Tilt, TiltAlignment, TiltSeries, Tomogram


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "project") as project:
        yield project


@pytest.fixture
def make_series() -> Callable[..., TiltSeries]:
    def make(name: str, dataset: str = "default", n_tilts: int = 3) -> TiltSeries:
        return TiltSeries(
            name=name,
            dataset=dataset,
            stack_path=f"{name}.mrc",
            width_px=64,
            height_px=48,
            pixel_size_angstrom=10.0,
            tilts=tuple(Tilt(index=i, nominal_tilt_deg=3.0 * i - 60) for i in range(n_tilts)),
        )

    return make


@pytest.fixture
def make_alignment() -> Callable[[TiltSeries], Alignment]:
    def make(series: TiltSeries) -> Alignment:
        tilt = TiltAlignment(
            index=0, tilt_deg=0, axis_deg=85, shift_x_angstrom=0, shift_y_angstrom=0
        )
        return Alignment(series_uid=series.uid, tilts=(tilt,))

    return make


@pytest.fixture
def tomogram(
    project: Project,
    make_series: Callable[..., TiltSeries],
    make_alignment: Callable[[TiltSeries], Alignment],
) -> Tomogram:
    series = make_series("ts_01")
    alignment = make_alignment(series)
    tomogram = Tomogram(
        series_uid=series.uid,
        alignment_uid=alignment.uid,
        path="t.mrc",
        size_xyz=(8, 8, 8),
        pixel_size_angstrom=10.0,
        window_low=0,
        window_high=1,
    )
    project.add_records([series, alignment, tomogram])
    return tomogram

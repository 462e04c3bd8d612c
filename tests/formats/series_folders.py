"""A small aligned series on disk, and what the import makes of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tomotui.formats.import_plan import ImportPlan
from tomotui.formats.mrc import write_stack
from tomotui.formats.pairing import find_stacks, pair_files
from tomotui.formats.understanding import understand
from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Alignment, Ctf, Tilt, TiltCtf, TiltSeries

TILTS = (-40.0, -20.0, 0.0, 20.0, 40.0)
ORDER = (3, 1, 0, 2, 4)
WIDTH, HEIGHT, PIXEL = 24, 17, 2.5


@dataclass(frozen=True)
class Sample:
    """A series with its stack, alignment and CTF; the second image is left out."""

    stack: Path
    series: TiltSeries
    alignment: Alignment
    ctf: Ctf


def make_sample(folder: Path, name: str = "TS_1") -> Sample:
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(3)
    stack = folder / "raw.mrc"
    write_stack(stack, chance.normal(10, 1, (5, HEIGHT, WIDTH)).astype(np.float32), PIXEL)
    series = TiltSeries(
        name=name, stack_path=str(stack), width_px=WIDTH, height_px=HEIGHT,
        pixel_size_angstrom=PIXEL, nominal_tilt_axis_deg=84.0, voltage_kv=200.0,
        spherical_aberration_mm=1.4, amplitude_contrast=0.1,
        tilts=tuple(
            Tilt(index=i, nominal_tilt_deg=t, dose_e_per_a2=3.0, prior_dose_e_per_a2=3.0 * rank,
                 acquisition_order=rank)
            for i, (t, rank) in enumerate(zip(TILTS, ORDER, strict=True))
        ),
    )  # fmt: skip
    geometry = TiltGeometry.of(
        np.array(TILTS) + 1.25, 85.0 + chance.normal(0, 0.3, 5), 0.0, chance.normal(0, 9, (5, 2))
    )
    tilts = list(geometry.to_tilt_alignments())
    tilts[1] = tilts[1].replace(excluded=True, verdict="bad")
    fits = tuple(
        TiltCtf(
            index=i,
            defocus_u_angstrom=30000.0 + 100 * i,
            defocus_v_angstrom=29000.0 + 100 * i,
            astigmatism_angle_deg=20.0,
            phase_shift_deg=3.0,
        )
        for i in range(5)
    )
    return Sample(
        stack,
        series,
        Alignment(series_uid=series.uid, tilts=tuple(tilts)),
        Ctf(series_uid=series.uid, tilts=fits),
    )


def imported(folder: Path) -> ImportPlan:
    """Understand the only series of a folder."""
    (files,) = pair_files(find_stacks([folder]))
    plan = understand(
        files.stack, files.mdoc, files.tilts, files.alignment, files.ctf, files.found_ctf,
        files.tomogram,
    )  # fmt: skip
    assert plan.problems == ()
    return plan


def assert_same_alignment(plan: ImportPlan, sample: Sample, atol: float = 2e-3) -> None:
    assert plan.alignment is not None
    assert [t.excluded for t in plan.alignment.tilts] == [False, True, False, False, False]
    kept = [0, 2, 3, 4]
    one, other = (
        TiltGeometry.from_alignment(a).select(kept) for a in (plan.alignment, sample.alignment)
    )
    for name in ("tilt_deg", "axis_deg", "x_tilt_deg"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-3)
    np.testing.assert_allclose(one.shift_angstrom, other.shift_angstrom, atol=atol)


def assert_same_ctf(plan: ImportPlan, sample: Sample) -> None:
    assert plan.ctf is not None
    fields = ("defocus_u_angstrom", "defocus_v_angstrom", "astigmatism_angle_deg")
    for field in (*fields, "phase_shift_deg"):
        for i in (0, 2, 3, 4):
            found, true = (getattr(c.tilts[i], field) for c in (plan.ctf, sample.ctf))
            assert abs(found - true) < 0.6, field

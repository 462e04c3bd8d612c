"""Small files of details as the stages write them, with what a quality screen should show."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tomotui.project import Project
from tomotui.records import Alignment, Ctf, TiltAlignment, TiltCtf, TiltSeries, Tomogram
from tomotui.tui.raster.rings import defocus_along, wavelength_angstrom

BAD_TILT = 5
"""A tilt that the alignment has left out."""


def with_quality(project: Project, series: TiltSeries, seed: int = 0) -> Alignment:
    """Give a series an alignment, a CTF and a tomogram, each with a file of details."""
    rng = np.random.default_rng(seed)
    folder = project.folder / "jobs" / f"details-{series.name}"
    folder.mkdir(parents=True, exist_ok=True)
    alignment = _alignment(series, rng).replace(details_path=_relative(folder, "alignment"))
    ctf = _ctf(series, alignment, rng).replace(details_path=_relative(folder, "ctf"))
    tomogram = Tomogram(
        series_uid=series.uid,
        alignment_uid=alignment.uid,
        path=f"{series.name}.mrc",
        size_xyz=(64, 64, 32),
        pixel_size_angstrom=10.0,
        thickness_angstrom=1700.0,
        window_low=-1.0,
        window_high=1.0,
        details_path=_relative(folder, "tomogram"),
    )
    _write_alignment(folder / "alignment.npz", series, alignment, rng)
    _write_ctf(folder / "ctf.npz", series, ctf, rng)
    depth = np.arange(-1600, 1600, 20.0)
    profile = 1 / (1 + np.exp((np.abs(depth + 60) - 850) / 60)) + rng.normal(0, 0.04, len(depth))
    faces = [-910.0, 790.0]
    np.savez(
        folder / "tomogram.npz", depth_angstrom=depth, density_profile=profile, faces_angstrom=faces
    )
    project.add_records([alignment], parents=[series.uid])
    project.add_records([ctf, tomogram], parents=[series.uid, alignment.uid])
    return alignment


def with_motion(project: Project, series: TiltSeries, seed: int = 0) -> TiltSeries:
    """Give a series what is known of the motion of its movies: local motion past 40 degrees."""
    rng = np.random.default_rng(seed)
    folder = project.folder / "jobs" / f"details-{series.name}"
    folder.mkdir(parents=True, exist_ok=True)
    angles = np.array([tilt.nominal_tilt_deg for tilt in series.tilts])
    n, n_frames, n_patches = len(angles), 8, 4
    step = rng.normal([1.5, 0.4], 0.3, (n, n_frames, 2)) * np.exp(-np.arange(n_frames) / 3)[:, None]
    step *= (1 + np.abs(angles) / 30)[:, None, None]
    shift = np.cumsum(step, axis=1)
    # One movie is shorter than the others.
    shift[BAD_TILT, -2:] = np.nan
    bent = np.abs(angles) > 40
    drift = np.nansum(np.linalg.norm(np.diff(shift, axis=1), axis=2), axis=1)
    patch = np.cumsum(rng.normal(0, 0.3, (n, n_patches, n_frames, 2)), axis=2)
    patch[~bent] = np.nan
    np.savez(
        folder / "motion.npz",
        tilt_index=np.arange(n),
        tilt_deg=angles,
        n_frames=np.where(np.arange(n) == BAD_TILT, n_frames - 2, n_frames),
        shift_angstrom=shift.astype(np.float32),
        patch_centre=np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], np.float32),
        patch_angstrom=patch.astype(np.float32),
        local_accepted=bent,
        local_rms_angstrom=np.where(bent, 0.8, 0.0),
        drift_angstrom=drift,
        early_angstrom=0.6 * drift,
        poor=np.arange(n) == BAD_TILT,
    )
    return series.replace(details_path=_relative(folder, "motion"))


def _relative(folder: Path, name: str) -> str:
    return f"jobs/{folder.name}/{name}.npz"


def _alignment(series: TiltSeries, rng: np.random.Generator) -> Alignment:
    angles = np.array([tilt.nominal_tilt_deg for tilt in series.tilts])
    shift = np.cumsum(rng.normal(0, 25, (len(angles), 2)), axis=0)
    shift -= shift.mean(axis=0)
    residual = 1.4 + 2e-4 * angles**2 + rng.gamma(2, 0.25, len(angles))
    residual[BAD_TILT] = 9.0
    verdicts = ["poor" if value > 3.4 else "good" for value in residual]
    verdicts[BAD_TILT] = "bad"
    return Alignment(
        series_uid=series.uid,
        residual_angstrom=2.1,
        thickness_angstrom=1700.0,
        tilts=tuple(
            TiltAlignment(
                index=at,
                tilt_deg=float(angles[at]),
                axis_deg=85.3,
                shift_x_angstrom=float(shift[at, 0]),
                shift_y_angstrom=float(shift[at, 1]),
                excluded=at == BAD_TILT,
                verdict=verdicts[at],  # type: ignore[arg-type]
                score=0.6,
                residual_angstrom=float(residual[at]),
                note="agrees with no other" if at == BAD_TILT else "",
            )
            for at in range(len(angles))
        ),
    )


def _write_alignment(
    path: Path, series: TiltSeries, alignment: Alignment, rng: np.random.Generator
) -> None:
    n, k = series.n_tilts, 60
    extent = np.array([series.width_px, series.height_px]) * series.pixel_size_angstrom
    marks = rng.uniform(-0.4, 0.4, (k, 3)) * np.array([*extent, 1500.0])
    axis = np.deg2rad([tilt.axis_deg for tilt in alignment.tilts])
    tilt = np.deg2rad([tilt.tilt_deg for tilt in alignment.tilts])[:, None]
    x = marks[:, 0] * np.cos(tilt) + marks[:, 2] * np.sin(tilt)
    y = np.broadcast_to(marks[:, 1], x.shape)
    c, s = np.cos(axis)[:, None], np.sin(axis)[:, None]
    shift = np.array([(t.shift_x_angstrom, t.shift_y_angstrom) for t in alignment.tilts])
    track = np.stack([c * x - s * y, s * x + c * y], axis=2) + shift[:, None]
    error = rng.gamma(2, 0.8, (n, k))
    error[:, :3] *= 8
    track[rng.random((n, k)) < 0.1] = np.nan
    angle = np.linspace(65, 105, 81)
    np.savez(
        path,
        tilt_index=np.arange(n),
        tilt_deg=np.rad2deg(tilt[:, 0]),
        axis_curve_deg=angle,
        axis_curve_score=np.exp(-(((angle - 85.3) / 5) ** 2)) + rng.normal(0, 0.01, 81),
        residual_angstrom=np.array([t.residual_angstrom for t in alignment.tilts]),
        landmarks_angstrom=marks,
        track_angstrom=track.astype(np.float32),
        track_residual_angstrom=error.astype(np.float32),
        track_weight=np.where(np.isfinite(track[..., 0]), 1.0, 0.0),
    )


def _ctf(series: TiltSeries, alignment: Alignment, rng: np.random.Generator) -> Ctf:
    centre = 31000 + np.cumsum(rng.normal(0, 60, series.n_tilts))
    return Ctf(
        series_uid=series.uid,
        alignment_uid=alignment.uid,
        handedness=-1,
        handedness_score=8.4,
        fit_resolution_angstrom=7.4,
        tilts=tuple(
            TiltCtf(
                index=at,
                defocus_u_angstrom=float(centre[at] + 900),
                defocus_v_angstrom=float(centre[at] - 900),
                astigmatism_angle_deg=35.0,
                fit_resolution_angstrom=7.0 + abs(tilt.nominal_tilt_deg) / 12,
                score=0.5,
            )
            for at, tilt in enumerate(series.tilts)
        ),
    )


def _write_ctf(path: Path, series: TiltSeries, ctf: Ctf, rng: np.random.Generator) -> None:
    used = [at for at in range(series.n_tilts) if at != BAD_TILT]
    frequency, size = np.linspace(0.02, 0.25, 200), 128
    step = 0.25 / (size // 2)
    y, x = np.mgrid[:size, :size] - size // 2
    k, angle = np.hypot(x, y) * step, np.arctan2(y, x)
    fitted, spectra = [], []
    for at in used:
        tilt = ctf.tilts[at]
        mean = np.array((tilt.defocus_u_angstrom + tilt.defocus_v_angstrom) / 2)
        fitted.append(_power(series, frequency, mean) * np.exp(-90 * frequency**2))
        around = _power(series, k, defocus_along(tilt, angle)) - 0.5
        spectra.append(1 + around * np.exp(-60 * k**2) + rng.normal(0, 0.2, k.shape))
    observed = np.array(fitted) + rng.normal(0, 0.08, (len(used), len(frequency)))
    np.savez(
        path,
        tilt_index=used,
        frequency_per_angstrom=frequency,
        observed=observed,
        fitted=fitted,
        spectrum_2d=np.array(spectra, np.float32),
        spectrum_pixel_per_angstrom=step,
    )


def _power(series: TiltSeries, k: np.ndarray, defocus: np.ndarray) -> np.ndarray:
    """Return the square of the transfer function, written once more from its definition."""
    wave, cs = wavelength_angstrom(series.voltage_kv), series.spherical_aberration_mm * 1e7
    phase = np.pi * wave * defocus * k**2 - np.pi / 2 * cs * wave**3 * k**4
    return np.sin(phase + np.arcsin(series.amplitude_contrast)) ** 2

"""One simulated tilt series and everything that is true about it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.records import Alignment, Ctf, Tilt, TiltCtf, TiltSeries
from tomotui.simulate.acquisition import Acquisition, acquire
from tomotui.simulate.microscope import Microscope
from tomotui.simulate.parameters import SimulationParameters
from tomotui.simulate.specimen import Specimen, build_specimen
from tomotui.simulate.truth_volume import true_volume

Progress = Callable[[float, str], None]
"""Called with the fraction done (0..1) and a message; may raise to stop the simulation."""


@dataclass(frozen=True)
class Simulation:
    """A tilt series and its truth.

    Parameters
    ----------
    stack
        Counts, int16 or float32, shape ``[n_tilts, y, x]``.
    noise_free
        Expected counts without the noise of electrons and ice, float32, as ``stack``; ``None``
        unless asked for.
    volume
        True potential above that of ice in volts, protein bright, float32 ``[z, y, x]``;
        ``None`` unless asked for.
    volume_pixel_size_angstrom
        Its voxel size.
    series, alignment, ctf
        Records as the program would make them, with true values; their identities follow from
        the parameters.
    """

    parameters: SimulationParameters
    specimen: Specimen
    acquisition: Acquisition
    series: TiltSeries
    alignment: Alignment
    ctf: Ctf
    stack: NDArray
    noise_free: NDArray[np.float32] | None
    volume: NDArray[np.float32] | None
    volume_pixel_size_angstrom: float


def simulate_tilt_series(
    parameters: SimulationParameters, progress: Progress | None = None
) -> Simulation:
    """Simulate a tilt series.

    Parameters
    ----------
    progress
        Told of each image; what it raises stops the simulation.

    Raises
    ------
    SimulationError
        When the specimen does not fit into the ice, or a species is unknown.
    """
    report = progress or (lambda fraction, message: None)
    p = parameters
    report(0.0, "placing the specimen")
    specimen = build_specimen(p)
    acquisition = acquire(p)
    microscope = Microscope(p, specimen, acquisition)
    stack = np.zeros((p.n_tilts, *p.shape_yx), dtype=p.output_type)
    noise_free = np.zeros(stack.shape, dtype=np.float32) if p.keep_noise_free else None
    for i in range(p.n_tilts):
        report(0.02 + 0.93 * i / p.n_tilts, f"image {i + 1} of {p.n_tilts}")
        expected, clean = microscope.expected_pair(i, with_clean=p.keep_noise_free)
        stack[i] = _stored(microscope.expose(expected, i), p)
        if noise_free is not None and clean is not None:
            noise_free[i] = clean * p.counts_per_electron
    report(0.95, "true volume")
    pixel = p.pixel_size_angstrom * max(1, p.truth_binning)
    volume = true_volume(specimen, p, p.truth_binning) if p.truth_binning else None
    report(1.0, "done")
    series = _series(p, acquisition)
    return Simulation(
        parameters=p,
        specimen=specimen,
        acquisition=acquisition,
        series=series,
        alignment=_alignment(p, acquisition, series),
        ctf=_ctf(p, acquisition, series),
        stack=stack,
        noise_free=noise_free,
        volume=volume,
        volume_pixel_size_angstrom=pixel,
    )


def _stored(counts: NDArray, parameters: SimulationParameters) -> NDArray:
    """Convert counts to the stack's number type, clipped to what it holds."""
    if parameters.output_type == "float32":
        return counts.astype(np.float32)
    limits = np.iinfo(np.int16)
    return np.clip(np.rint(counts), limits.min, limits.max).astype(np.int16)


def _identity(parameters: SimulationParameters, kind: str) -> str:
    """Return a record's identity; the same parameters give the same one."""
    text = f"{kind}\n{parameters.model_dump_json()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _series(p: SimulationParameters, acquisition: Acquisition) -> TiltSeries:
    """Return the series as its metadata describe it, errors of the metadata included."""
    height, width = p.shape_yx
    return TiltSeries(
        uid=_identity(p, "tilt_series"),
        name=p.name,
        stack_path=f"{p.name}.mrc",
        width_px=width,
        height_px=height,
        pixel_size_angstrom=p.pixel_size_angstrom,
        voltage_kv=p.voltage_kv,
        spherical_aberration_mm=p.spherical_aberration_mm,
        amplitude_contrast=p.amplitude_contrast,
        nominal_tilt_axis_deg=p.axis_deg + p.axis_error_deg,
        tilts=tuple(
            Tilt(
                index=i,
                nominal_tilt_deg=float(acquisition.nominal_tilt_deg[i]),
                dose_e_per_a2=float(acquisition.dose_e_per_a2[i]),
                prior_dose_e_per_a2=float(acquisition.prior_dose_e_per_a2[i]),
                acquisition_order=int(acquisition.acquisition_order[i]),
                target_defocus_angstrom=p.defocus_angstrom,
            )
            for i in range(acquisition.n_tilts)
        ),
    )


def _alignment(p: SimulationParameters, acquisition: Acquisition, series: TiltSeries) -> Alignment:
    """Return the true geometry; a dark image has one, but is excluded."""
    tilts = tuple(
        tilt.replace(
            excluded=tilt.index in p.dark_tilts,
            verdict="bad" if tilt.index in p.dark_tilts else "good",
            note="hidden by a grid bar" if tilt.index in p.dark_tilts else "",
        )
        for tilt in acquisition.geometry.to_tilt_alignments()
    )
    return Alignment(
        uid=_identity(p, "alignment"), series_uid=series.uid, source="simulation", tilts=tilts
    )


def _ctf(p: SimulationParameters, acquisition: Acquisition, series: TiltSeries) -> Ctf:
    """Return the true defocus of every image, and the handedness."""
    return Ctf(
        uid=_identity(p, "ctf"),
        series_uid=series.uid,
        handedness=p.handedness,
        tilts=tuple(
            TiltCtf(
                index=i,
                defocus_u_angstrom=float(acquisition.defocus_u_angstrom[i]),
                defocus_v_angstrom=float(acquisition.defocus_v_angstrom[i]),
                astigmatism_angle_deg=float(acquisition.astigmatism_angle_deg[i]),
                phase_shift_deg=p.phase_shift_deg,
            )
            for i in range(acquisition.n_tilts)
        ),
    )

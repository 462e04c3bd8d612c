"""Tomograms as the restoration network takes them: read, checked, and with what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tomotui.geometry import TiltGeometry
from tomotui.records import Alignment, Ctf, TiltSeries, Tomogram
from tomotui.stages.base import Inputs, StageError, Task

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.restore.comb import Comb
    from tomotui.algorithms.restore.material import Material

FEWEST_VOXELS = 32
"""Along each side of a tomogram."""

TRANSFER_COLUMNS = 192
SAME_VOXEL_SHARE = 0.01


@dataclass(frozen=True)
class Subject:
    """A tomogram and the records it was made with."""

    series: TiltSeries
    tomogram: Tomogram
    alignment: Alignment
    ctf: Ctf | None


def subjects_of(task: Task, inputs: Inputs) -> list[Subject]:
    """Return the tomograms of the series among the inputs, in the order of their names.

    Raises
    ------
    StageError
        When there is none, or one was changed by a network.
    """
    series = {one.uid: one for one in inputs.all(TiltSeries)}
    # Those that tomograms were made with, or what they became when particles were refined.
    alignments = {key: one for one in inputs.all(Alignment) for key in (one.series_uid, one.uid)}
    ctfs = {key: one for one in inputs.all(Ctf) for key in (one.series_uid, one.uid)}
    found = []
    for tomogram in inputs.all(Tomogram):
        whose = tomogram.series_uid
        alignment = alignments.get(tomogram.alignment_uid) or alignments.get(whose)
        if whose not in series or alignment is None:
            continue
        ctf = ctfs.get(tomogram.ctf_uid or "")
        if ctf is None and tomogram.ctf_uid is not None:
            ctf = ctfs.get(whose)
        found.append(Subject(series[whose], tomogram, alignment, ctf))
        if tomogram.restored:
            raise StageError(
                f"{tomogram.path} was changed by a network already.",
                "Use the tomogram that it was made from.",
            )
    if not found:
        raise StageError("there is no tomogram to work on.", "Run reconstruct first.")
    without = {one.name for one in series.values()} - {one.series.name for one in found}
    if without:
        task.warn(f"no tomogram yet, left out: {', '.join(sorted(without))}")
    return sorted(found, key=lambda one: one.series.name)


def check_alike(subjects: Sequence[Subject]) -> None:
    """Refuse tomograms of different sampling.

    Raises
    ------
    StageError
        Naming those that differ from most.
    """
    sizes = {one.series.name: one.tomogram.pixel_size_angstrom for one in subjects}
    usual, odd = odd_sizes(sizes, SAME_VOXEL_SHARE)
    if odd:
        raise StageError(
            f"the tomograms are sampled differently: most at {usual:.4g} A, but {', '.join(odd)}.",
            "Reconstruct all at one voxel size, or name with series (--on) those that are alike.",
        )


def odd_sizes(sizes_angstrom: Mapping[str, float], tolerance: float) -> tuple[float, list[str]]:
    """Return the usual of sizes by name, and in words those that differ from it by a share."""
    usual = float(np.median(list(sizes_angstrom.values())))
    odd = [
        f"{name} ({size:.4g} A)"
        for name, size in sizes_angstrom.items()
        if abs(size / usual - 1) > tolerance
    ]
    return usual, odd


def load_material(task: Task, subject: Subject, device: str) -> Material:
    """Read a tomogram, or its halves where there are some, and make it ready.

    Parameters
    ----------
    device
        Where the volumes are kept.

    Raises
    ------
    StageError
        When a file is missing, truncated, too small, flat, or holds values that are no numbers.
    """
    import torch

    from tomotui.algorithms.restore.material import prepare

    tomogram = subject.tomogram
    paths = tomogram.half_paths or (tomogram.path,)
    volumes = torch.stack([read_tomogram(task, subject, path) for path in paths])
    combs = half_combs(subject) if tomogram.half_paths else (comb_of(subject),)
    try:
        return prepare(subject.series.name, volumes.to(device), combs, tomogram.pixel_size_angstrom)
    except ValueError as error:
        raise StageError(
            f"{task.resolve(paths[0])}: {error}.", "Reconstruct the series again."
        ) from error


def read_tomogram(task: Task, subject: Subject, path: str) -> Tensor:
    """Return a volume of a tomogram as it is in its file, ``[z, y, x]``.

    Raises
    ------
    StageError
        When the file is missing, truncated, too small, or not what the record says.
    """
    import torch

    from tomotui.formats.errors import FormatError
    from tomotui.formats.mrc import read_volume

    try:
        values, _ = read_volume(task.resolve(path))
    except FormatError as error:
        raise StageError(str(error), "Reconstruct the series again.") from error
    expected = subject.tomogram.size_xyz[::-1]
    if values.shape != tuple(expected):
        raise StageError(
            f"{task.resolve(path)} now holds {values.shape[::-1]} voxels, but "
            f"{tuple(subject.tomogram.size_xyz)} were reconstructed.",
            "Reconstruct the series again.",
        )
    if min(values.shape) < FEWEST_VOXELS:
        raise StageError(
            f"{task.resolve(path)} has only {min(values.shape)} voxels along one side; a network "
            f"needs {FEWEST_VOXELS}.",
            "Reconstruct with a smaller voxel size or a greater thickness.",
        )
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def half_combs(subject: Subject) -> tuple[Comb, Comb]:
    """Return what the two halves of a tomogram have measured."""
    comb = comb_of(subject)
    if subject.tomogram.half_kind != "tilts":
        return comb, comb
    order = np.argsort(_geometry(subject).tilt_deg).tolist()
    return comb.select(sorted(order[0::2])), comb.select(sorted(order[1::2]))


def comb_of(subject: Subject, signed: bool = False) -> Comb:
    """Return what a tomogram has measured: the planes of its tilts, and what they carry.

    Parameters
    ----------
    signed
        Whether the contrast transfer keeps its sign, as in a tomogram that was not corrected.
    """
    from tomotui.algorithms.restore.comb import Comb

    geometry = _geometry(subject)
    transfer, step = _transfer(subject, signed)
    return Comb(geometry.stage_matrices[:, 2, :], transfer, step)


def _used(subject: Subject) -> list[int]:
    """Return the positions of the tilts that made the tomogram, in its alignment."""
    excluded = {tilt.index for tilt in subject.series.tilts if tilt.excluded}
    tilts = enumerate(subject.alignment.tilts)
    return [at for at, tilt in tilts if not tilt.excluded and tilt.index not in excluded]


def _geometry(subject: Subject) -> TiltGeometry:
    return TiltGeometry.from_alignment(subject.alignment).select(_used(subject))


def _transfer(subject: Subject, signed: bool) -> tuple[np.ndarray | None, float]:
    """Return by tilt and frequency how much contrast is left, and the step of the frequencies.

    What the CTF takes is left where it was corrected by phases alone. What radiation destroyed
    counts once, and once more where the exposure filter damped it on top.
    """
    import torch

    from tomotui.imaging.ctf import CtfOptics, ctf_1d
    from tomotui.imaging.exposure import exposure_weights_1d

    series, tomogram = subject.series, subject.tomogram
    step = 1.0 / (tomogram.pixel_size_angstrom * TRANSFER_COLUMNS)
    frequency = torch.arange(TRANSFER_COLUMNS) * step
    indices = [subject.alignment.tilts[at].index for at in _used(subject)]
    carried = torch.ones(len(indices), TRANSFER_COLUMNS)
    known = {} if subject.ctf is None else {tilt.index: tilt for tilt in subject.ctf.tilts}
    if known and all(index in known for index in indices):
        tilts = [known[index] for index in indices]
        defocus = torch.tensor([(t.defocus_u_angstrom + t.defocus_v_angstrom) / 2 for t in tilts])
        phase = torch.tensor([t.phase_shift_deg for t in tilts])
        optics = CtfOptics(
            series.voltage_kv, series.spherical_aberration_mm, series.amplitude_contrast
        )
        ctf = ctf_1d(frequency, defocus, phase, optics)
        ctf = ctf if signed else ctf.abs()
        weighted = tomogram.ctf_correction == "wiener"
        carried = carried * (ctf.square() / (ctf.square() + 1) * 2 if weighted else ctf)
    exposed = [series.tilts[index] for index in indices]
    if all(t.dose_e_per_a2 is not None and t.prior_dose_e_per_a2 is not None for t in exposed):
        exposure = torch.tensor(
            [(t.prior_dose_e_per_a2 or 0.0) + (t.dose_e_per_a2 or 0.0) / 2 for t in exposed]
        )
        left = exposure_weights_1d(frequency, exposure, series.voltage_kv)
        carried = carried * left ** (2 if tomogram.exposure_filtered else 1)
    return carried.double().numpy(), step

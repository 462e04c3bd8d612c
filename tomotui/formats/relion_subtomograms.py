"""Extracted particles as RELION 5 takes them: ``particles.star`` and ``optimisation_set.star``.

RELION 5 knows two kinds. Of *stacks* each particle is one ``.mrcs`` with an image for each tilt
that shows it, in the order of the tilts; ``rlnTomoVisibleFrames`` says which those are. Of
*volumes* (RELION 4's pseudo-subtomograms) each is a 3D sum of images times their transfer, and
beside it ``rlnCtfImage``: the sum of squared transfers and, behind it along z, the number of
images that each frequency got, both as half of a Fourier transform in FFTW's order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.formats.mrc import StoredMode, write_volume
from tomotui.formats.relion_particles import particle_columns
from tomotui.formats.star import Columns, write_star
from tomotui.records import Particle, TiltSeries

STACK_ENDING, DATA_ENDING, WEIGHTS_ENDING = "_stack2d.mrcs", "_data.mrc", "_weights.mrc"
OPTIMISATION_SET = "optimisation_set.star"


@dataclass(frozen=True)
class Sampling:
    """How extracted particles are sampled.

    Attributes
    ----------
    binning
        Pixels of the images for one of the particles.
    box_px
        Side in pixels of the particles.
    is_premultiplied
        Whether images are multiplied with their contrast transfer.
    """

    binning: float
    box_px: int
    is_premultiplied: bool


@dataclass(frozen=True)
class Extracted:
    """A particle that was extracted.

    Attributes
    ----------
    particle
        Where it lies in the specimen, and how.
    visible
        Which of the series' tilts show it, in their order.
    image
        Its stack or volume, as RELION shall find it.
    weights
        Its weights' volume; empty for stacks.
    """

    particle: Particle
    visible: NDArray[np.bool_]
    image: str
    weights: str = ""


def write_subtomograms(
    path: Path | str,
    found: Sequence[Extracted],
    series: Mapping[str, TiltSeries],
    sampling: Sampling,
    are_turned: bool = False,
) -> None:
    """Write the table of extracted particles.

    Parameters
    ----------
    series
        The tilt series by the identity of the tomogram that particles lie in.
    are_turned
        Whether volumes have the orientation of the reference: then the pose is that of the
        subtomogram, and nothing of it is left for the particle in it.
    """
    are_stacks = not any(one.weights for one in found)
    particles = [one.particle for one in found]
    names = {uid: one.name for uid, one in series.items()}
    columns: Columns = dict(particle_columns(particles, names))
    if are_turned:
        for angle in ("Rot", "Tilt", "Psi"):
            columns[f"rlnTomoSubtomogram{angle}"] = columns[f"rlnAngle{angle}"]
            columns[f"rlnAngle{angle}"] = [0.0] * len(found)
    groups, optics = _optics(series, sampling, are_stacks)
    columns["rlnTomoParticleName"] = [f"{names[p.tomogram_uid]}/{p.uid}" for p in particles]
    columns["rlnOpticsGroup"] = [groups[p.tomogram_uid] for p in particles]
    columns["rlnImageName"] = [one.image for one in found]
    if are_stacks:
        columns["rlnTomoVisibleFrames"] = [_frames(one.visible) for one in found]
    else:
        columns["rlnCtfImage"] = [one.weights for one in found]
    general = {"rlnTomoSubTomosAre2DStacks": int(are_stacks)}
    write_star(path, {"general": general, "optics": optics, "particles": columns})


def write_optimisation_set(path: Path | str, particles: str, tomograms: str) -> None:
    """Write the file that leads RELION to particles and to their tilt series."""
    values = {"rlnTomoParticlesFile": particles, "rlnTomoTomogramsFile": tomograms}
    write_star(path, {"": values})


def write_weights(
    path: Path | str,
    squared_transfer: ArrayLike,
    multiplicity: ArrayLike,
    pixel_size_angstrom: float,
    mode: StoredMode = "float32",
    labels: Sequence[str] = (),
) -> None:
    """Write the weights of a volume.

    Parameters
    ----------
    squared_transfer, multiplicity
        On half of the Fourier transform, ``[n, n, n // 2 + 1]``, the origin first.
    pixel_size_angstrom
        Of the volume.
    """
    both = np.concatenate([np.asarray(squared_transfer), np.asarray(multiplicity)])
    write_volume(path, both, 1.0 / pixel_size_angstrom, mode, labels)


def _optics(
    series: Mapping[str, TiltSeries], sampling: Sampling, are_stacks: bool
) -> tuple[dict[str, int], Columns]:
    """Return the number of the optics group by tomogram, and the table of the groups."""
    kinds: dict[tuple[float, ...], int] = {}
    groups, table = {}, Columns()
    for uid, one in series.items():
        kind = (
            one.voltage_kv,
            one.spherical_aberration_mm,
            one.amplitude_contrast,
            one.pixel_size_angstrom,
        )
        is_new = kind not in kinds
        groups[uid] = kinds.setdefault(kind, len(kinds) + 1)
        if not is_new:
            continue
        row = {
            "rlnOpticsGroup": groups[uid],
            "rlnOpticsGroupName": f"optics{groups[uid]}",
            "rlnVoltage": one.voltage_kv,
            "rlnSphericalAberration": one.spherical_aberration_mm,
            "rlnAmplitudeContrast": one.amplitude_contrast,
            "rlnTomoTiltSeriesPixelSize": one.pixel_size_angstrom,
            "rlnCtfDataAreCtfPremultiplied": int(sampling.is_premultiplied or not are_stacks),
            "rlnImageDimensionality": 2 if are_stacks else 3,
            "rlnTomoSubtomogramBinning": float(sampling.binning),
            "rlnImagePixelSize": one.pixel_size_angstrom * sampling.binning,
            "rlnImageSize": sampling.box_px,
        }
        for name, value in row.items():
            table.setdefault(name, []).append(value)
    return groups, table


def _frames(visible: NDArray[np.bool_]) -> str:
    """Return RELION's word for which tilts are in a stack."""
    return "[" + ",".join(str(int(one)) for one in visible) + "]"

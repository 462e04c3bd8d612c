"""Where a specimen lies: thickness, height, lean, gold; and the records in a frame of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from tomotui.records import Alignment, Ctf, LocalShifts
from tomotui.records.base import new_uid

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from tomotui.algorithms.reconstruct.gold import Beads
    from tomotui.algorithms.reconstruct.specimen import SlabFit
    from tomotui.geometry import TiltGeometry
    from tomotui.stages.aligned_images import AlignedImages

COARSE_VOXEL_ANGSTROM = 50.0
SEARCH_THICKNESS_ANGSTROM = 6000.0
LEAST_EXPLAINED = 0.25
"""Share of the halves' agreement that a slab must explain before the volume is turned for it."""

OFF_CENTRE_SHARE = 0.15
OFF_CENTRE_ANGSTROM = 100.0
SECOND_LOOK_DEG = 2.0


class Wish(NamedTuple):
    """What the user said: a thickness, if any, and the frame of the volume."""

    thickness_angstrom: float | None
    frame: Literal["centre", "level", "alignment"]


@dataclass(frozen=True)
class Moved:
    """A motion ``p = rotation p' + translation`` that centres or levels the specimen.

    Attributes
    ----------
    rotation, translation_angstrom
        ``[3, 3]`` and ``[3]``.
    geometry
        Of the used tilts in the new frame.
    depth_angstrom
        How much deeper the new origin lies in each used tilt.
    """

    rotation: NDArray[np.float64]
    translation_angstrom: NDArray[np.float64]
    geometry: TiltGeometry
    depth_angstrom: NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """Where the specimen lies.

    Attributes
    ----------
    covering_angstrom
        Thickness of a centred volume that holds it.
    thickness_angstrom
        Of the specimen; ``None`` where it was not looked for.
    lean_deg
        Angles by which it rises along x and y, as found.
    moved
        The motion to the specimen's own frame; ``None`` where the frame stays.
    profile
        Depths, agreement per section, and faces, in the frame that is used.
    """

    covering_angstrom: float
    thickness_angstrom: float | None = None
    lean_deg: tuple[float, float] | None = None
    moved: Moved | None = None
    profile: tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float]] | None = None

    def in_words(self) -> str:
        """Return what was done to the frame, to be put behind other words."""
        if self.moved is None:
            return ""
        is_turned = not np.allclose(self.moved.rotation, np.eye(3), atol=1e-4)
        return ", levelled" if is_turned else ", centred"


def find_place(work: AlignedImages, images: Tensor, wish: Wish) -> Place:
    """Find thickness, height and lean from a coarse reconstruction, unless none is asked for."""
    given = wish.thickness_angstrom
    if given is not None and wish.frame == "alignment":
        return Place(given)
    # Coarser voxels than this do not tell a lean from none.
    pixel = work.series.pixel_size_angstrom * work.finest
    level = wish.frame == "level" and pixel <= 2 * COARSE_VOXEL_ANGSTROM
    work.task.progress(0.16, "looking for the specimen's faces")
    fit = _fit(work, images, work.geometry)
    lean = _lean_deg(fit)
    moved = None if wish.frame == "alignment" else _motion(work.geometry, fit, None, turn=level)
    if level and moved is not None and max(abs(angle) for angle in lean) > SECOND_LOOK_DEG:
        # A strong lean smears the faces: look again from where it is nearly gone.
        fit = _fit(work, images, moved.geometry)
        moved = _motion(work.geometry, fit, moved, turn=True)
    half = _half_widths(work, images)
    thickness = fit.thickness_angstrom / _slant(fit)
    if level and moved is not None:
        covering = 1.2 * thickness
        faces = (-thickness / 2, thickness / 2)
        depth = (fit.depth_angstrom - fit.centre_angstrom) / _slant(fit)
        work.task.log(
            f"specimen {thickness:.0f} A thick, rises by {lean[0]:.2f} and {lean[1]:.2f} degrees "
            "along x and y: levelled"
        )
    else:
        height = 0.0
        if moved is not None:
            height = fit.centre_angstrom
            work.task.log(f"the specimen's middle lay at {height:.0f} A: centred")
        centred = replace(fit, centre_angstrom=fit.centre_angstrom - height)
        covering = centred.covering_angstrom(half if _is_leaning(fit) else (0.0, 0.0))
        faces, depth = centred.faces_angstrom, fit.depth_angstrom - height
        work.task.log(f"specimen from {faces[0]:.0f} to {faces[1]:.0f} A")
    return Place(
        given if given is not None else min(covering, SEARCH_THICKNESS_ANGSTROM, 2 * min(half)),
        thickness,
        lean,
        moved,
        (depth, fit.profile, faces),
    )


def _slant(fit: SlabFit) -> float:
    """Return the slab's extent along z over that across it."""
    return float(np.hypot(1.0, np.hypot(fit.slope_x, fit.slope_y)))


def _half_widths(work: AlignedImages, images: Tensor) -> tuple[float, float]:
    pixel = work.series.pixel_size_angstrom * work.finest
    n_x, n_y = work.sides(images)
    return n_x * pixel / 2, n_y * pixel / 2


def _lean_deg(fit: SlabFit) -> tuple[float, float]:
    x, y = np.rad2deg(np.arctan([fit.slope_x, fit.slope_y]))
    return float(x), float(y)


def _is_leaning(fit: SlabFit) -> bool:
    from tomotui.algorithms.reconstruct.level import is_significant

    clear = is_significant(fit.slope_x, fit.slope_x_sigma)
    clear = clear or is_significant(fit.slope_y, fit.slope_y_sigma)
    return clear and fit.explained > LEAST_EXPLAINED


def _motion(
    geometry: TiltGeometry, fit: SlabFit, before: Moved | None, *, turn: bool
) -> Moved | None:
    """Return the motion that centres (and turns flat) what was found, after an earlier motion."""
    from tomotui.algorithms.reconstruct.level import (
        depth_of_origin,
        leveling_motion,
        moved_geometry,
    )

    off = abs(fit.centre_angstrom)
    is_off = off > max(OFF_CENTRE_ANGSTROM, OFF_CENTRE_SHARE * fit.thickness_angstrom)
    is_off = is_off and fit.explained > LEAST_EXPLAINED
    leans = turn and (before is not None or _is_leaning(fit))
    if not leans and not is_off:
        return None
    start = geometry if before is None else before.geometry
    slopes = (fit.slope_x, fit.slope_y) if leans else (0.0, 0.0)
    rotation, translation = leveling_motion(start, *slopes, fit.centre_angstrom)
    if before is not None:
        translation = before.rotation @ translation + before.translation_angstrom
        rotation = before.rotation @ rotation
    return Moved(
        rotation,
        translation,
        moved_geometry(geometry, rotation, translation),
        depth_of_origin(geometry, translation),
    )


def _fit(work: AlignedImages, images: Tensor, geometry: TiltGeometry) -> SlabFit:
    """Fit a slab to coarse halves in the frame of a geometry."""
    import torch

    from tomotui.algorithms.reconstruct.frame import Sampling, make_frame
    from tomotui.algorithms.reconstruct.prepare import FrameImages, Weighting, normalise
    from tomotui.algorithms.reconstruct.slabs import Part, default_scale, reconstruct_slabs
    from tomotui.algorithms.reconstruct.specimen import (
        find_slab,
        ice_thickness,
        without_outliers,
    )

    series = work.series
    counts = images.mean(dim=(-2, -1)).double().cpu().numpy()
    doses = [series.tilts[index].dose_e_per_a2 for index in work.used]
    dose = np.array([each or 0.0 for each in doses] if all(doses) else np.ones(len(doses)))
    ice = ice_thickness(counts, dose, geometry, series.voltage_kv)
    pixel = series.pixel_size_angstrom * work.finest
    factor = max(1, round(COARSE_VOXEL_ANGSTROM / pixel))
    coarse, binning, magnification = work.binned(images, work.finest * factor)
    coarse = normalise(without_outliers(coarse.to(work.task.device)))
    voxel = series.pixel_size_angstrom * binning
    n_x, n_y = work.sides(coarse)
    searched = min(SEARCH_THICKNESS_ANGSTROM, min(n_x, n_y) * voxel)
    sampling = Sampling(voxel, n_x, n_y, max(8, 2 * round(searched / voxel / 2)), magnification)
    frame = make_frame(geometry, sampling, work.local)
    weighted = FrameImages(coarse, frame, Weighting("hamming"))
    parts = [
        Part(weighted.select(half), default_scale(frame.n_tilts))
        for half in work.every_other_tilt()
    ]
    slabs = list(reconstruct_slabs(parts, "fourier"))
    even, odd = (torch.cat([slab.parts[i] for slab in slabs]) for i in (0, 1))
    return find_slab(even, odd, (parts[0].frame, parts[1].frame), "hamming", ice)


def find_gold(work: AlignedImages, images: Tensor, place: Place, diameter_angstrom: float) -> Beads:
    """Find beads in a reconstruction whose voxels are a third of their diameter."""
    import torch

    from tomotui.algorithms.reconstruct.frame import Sampling, make_frame
    from tomotui.algorithms.reconstruct.gold import find_beads
    from tomotui.algorithms.reconstruct.prepare import FrameImages, Weighting, normalise
    from tomotui.algorithms.reconstruct.slabs import Part, default_scale, reconstruct_slabs

    work.task.progress(0.2, "looking for gold beads")
    diameter = diameter_angstrom
    pixel = work.series.pixel_size_angstrom
    finest = work.finest
    factor = max(1, int(diameter / 3 / (pixel * finest)))
    coarse, binning, magnification = work.binned(images, finest * factor)
    voxel = pixel * binning
    n_x, n_y = work.sides(coarse)
    # Beads lie on the faces, and those a little outside shall be found as well.
    n_z = max(8, 2 * round((place.covering_angstrom + 4 * diameter) / voxel / 2))
    frame = make_frame(work.geometry, Sampling(voxel, n_x, n_y, n_z, magnification), work.local)
    coarse = normalise(coarse.to(work.task.device))
    weighted = FrameImages(coarse, frame, Weighting("hamming"))
    part = Part(weighted, default_scale(frame.n_tilts))
    volume = torch.cat([slab.parts[0] for slab in reconstruct_slabs([part])])
    return find_beads(volume, voxel, diameter)


class LevelledRecords(NamedTuple):
    """The alignment in the levelled frame, and the CTF at its origin where there was one."""

    alignment: Alignment
    ctf: Ctf | None


def levelled_records(alignment: Alignment, ctf: Ctf | None, place: Place) -> LevelledRecords:
    """Return the records of the levelled frame, for all tilts, excluded ones too.

    Every image shows what it showed before; points of the specimen have new coordinates
    ``p' = rotation^T (p - translation)``. Local displacements go with the specimen.
    """
    from tomotui.algorithms.reconstruct.level import depth_of_origin, moved_geometry
    from tomotui.geometry import TiltGeometry

    assert place.moved is not None
    before = TiltGeometry.from_alignment(alignment)
    motion = (place.moved.rotation, place.moved.translation_angstrom)
    after = moved_geometry(before, *motion)
    tilts = tuple(
        tilt.replace(
            tilt_deg=float(after.tilt_deg[i]),
            x_tilt_deg=float(after.x_tilt_deg[i]),
            axis_deg=float(after.axis_deg[i]),
            shift_x_angstrom=float(after.shift_angstrom[i, 0]),
            shift_y_angstrom=float(after.shift_angstrom[i, 1]),
        )
        for i, tilt in enumerate(alignment.tilts)
    )
    levelled = alignment.replace(
        uid=new_uid(),
        source="tomotui",
        tilts=tilts,
        local=None if alignment.local is None else _moved_local(alignment.local, *motion),
        thickness_angstrom=place.thickness_angstrom,
    )
    if ctf is None:
        return LevelledRecords(levelled, None)
    depth = depth_of_origin(before, place.moved.translation_angstrom) * (ctf.handedness or 1)
    deeper = {tilt.index: float(depth[i]) for i, tilt in enumerate(alignment.tilts)}
    return LevelledRecords(
        levelled,
        ctf.replace(
            uid=new_uid(),
            alignment_uid=levelled.uid,
            tilts=tuple(
                tilt.replace(
                    defocus_u_angstrom=tilt.defocus_u_angstrom + deeper.get(tilt.index, 0.0),
                    defocus_v_angstrom=tilt.defocus_v_angstrom + deeper.get(tilt.index, 0.0),
                )
                for tilt in ctf.tilts
            ),
        ),
    )


def _moved_local(
    local: LocalShifts, rotation: NDArray[np.float64], translation: NDArray[np.float64]
) -> LocalShifts:
    """Return local displacements at the nodes of the new frame, in its middle plane."""
    from tomotui.geometry.local import LocalField

    field = LocalField.from_record(local)
    half_x, half_y = field.half_extent_angstrom
    x, y = np.meshgrid(
        np.linspace(-half_x, half_x, local.n_x), np.linspace(-half_y, half_y, local.n_y)
    )
    nodes = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=-1)
    moved = field.displacement(nodes @ rotation.T + translation)
    shape = (len(moved), local.n_y, local.n_x, 2)
    return LocalField(moved.reshape(shape), field.half_extent_angstrom).to_record()

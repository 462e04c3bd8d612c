"""Tilt series of Warp and M: the ``.xml`` of their processing folders.

Warp projects a point p of the volume, counted in Angstrom from its middle, to

    image = Rz2(AxisAngle) [Ry(-(Angles + LevelAngleY)) Rx(LevelAngleX) p]_xy + AxisOffset

from the middle of the image, and takes GridMovement at that place off. Its rotation by a tilt is
the inverse of the one of ``geometry.tilt`` (its ``Matrix3.Euler`` turns coordinates and not
points), so a tilt of Warp is the negative of this program's. That is why Warp turns the sign of
the angles of an mdoc when it takes them in. Its depth is this program's, and the defocus grows
with it unless ``AreAnglesInverted``. Images are counted from pixel 0, their middle is ``n / 2``.

Defoci are micrometres, ``GridCTFDefocusDelta`` is the difference of both axes, phase shifts are
in units of pi. Grids are natural cubic splines over nodes spread evenly from border to border.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.imported import ImportedAlignment, left_out_tilt
from tomotui.formats.warp_rows import matched_sections, warp_middle_px
from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Alignment, Ctf, TiltCtf

Array = NDArray[np.float64]

_WARPS = ("GridVolumeWarpX", "GridVolumeWarpY", "GridVolumeWarpZ")
_TURNS = ("GridAngleX", "GridAngleY", "GridAngleZ")
MICROMETRE = 1e4
_NOTHING = 1e-6


@dataclass(frozen=True)
class WarpGrid:
    """Values at the nodes of a grid.

    Attributes
    ----------
    values
        Shape ``[n_z, n_y, n_x]``, with further axes before where the grid has time; z is the
        tilt in most of Warp's grids.
    """

    values: Array

    @property
    def is_zero(self) -> bool:
        """Whether the grid changes nothing."""
        return bool(np.abs(self.values).max() < _NOTHING)

    @property
    def varies_over_images(self) -> bool:
        """Whether it says different things of different places of an image."""
        return bool(np.ptp(self.values, axis=(-2, -1)).max() > _NOTHING)

    def of_tilts(self, n_tilts: int, places: Array | None = None) -> Array:
        """Return one value for each image, ``[n_tilts]``.

        Parameters
        ----------
        places
            Where in each image, as (x, y) in shares of its width and height, ``[n_tilts, 2]``;
            the middle by default.
        """
        steps = np.linspace(0.0, 1.0, n_tilts) if n_tilts > 1 else np.array([0.0])
        planes = _at(self.values, steps, -3)
        if places is None or not self.varies_over_images:
            places = np.full((n_tilts, 2), 0.5)
        found = [
            _at(_at(plane, np.array([x]), -1), np.array([y]), -2)[0, 0]
            for plane, (x, y) in zip(planes, np.clip(places, 0.0, 1.0), strict=True)
        ]
        return np.array(found, dtype=np.float64)


@dataclass(frozen=True)
class WarpSeries:
    """One tilt series as Warp keeps it; a row is one tilt.

    Attributes
    ----------
    angles_deg
        As Warp counts them: the negative of this program's.
    prior_dose_e_per_a2
        Exposure before each tilt.
    is_used
        What Warp or its user has left out is not.
    grids
        By their names.
    """

    path: Path
    angles_deg: Array
    axis_deg: Array
    offset_angstrom: Array
    prior_dose_e_per_a2: Array
    is_used: NDArray[np.bool_]
    level_x_deg: float
    level_y_deg: float
    are_angles_inverted: bool
    magnification: Array
    ctf_resolution_angstrom: float | None
    grids: dict[str, WarpGrid]

    @property
    def name(self) -> str:
        """Name of the series."""
        return self.path.stem

    @property
    def n_tilts(self) -> int:
        """Number of rows."""
        return len(self.angles_deg)

    @property
    def tilts_deg(self) -> Array:
        """Tilts of the rows as this program counts them."""
        return -(self.angles_deg + self.level_y_deg)

    def grid(self, name: str, default: float = 0.0) -> WarpGrid:
        """Return a grid, or one of a constant where the file has none."""
        return self.grids.get(name, WarpGrid(np.full((1, 1, 1), default)))

    def geometry(self, image_size_px: tuple[int, int], pixel_size_angstrom: float) -> TiltGeometry:
        """Return the geometry of all rows for images of a size."""
        size = np.asarray(image_size_px) * pixel_size_angstrom
        places = 0.5 + self.offset_angstrom / size
        grids = [self.grid(f"GridMovement{axis}") for axis in "XY"]
        moved = [grid.of_tilts(self.n_tilts, places) for grid in grids]
        middle = warp_middle_px(image_size_px) * pixel_size_angstrom
        return TiltGeometry.of(
            tilt_deg=self.tilts_deg,
            axis_deg=self.axis_deg,
            x_tilt_deg=self.level_x_deg,
            shift_angstrom=self.offset_angstrom - np.stack(moved, axis=1) + middle,
        )

    def alignment(
        self,
        series_uid: str,
        *,
        image_size_px: tuple[int, int],
        pixel_size_angstrom: float,
        nominal_tilts_deg: Sequence[float],
    ) -> ImportedAlignment:
        """Return the alignment in the order of a stack.

        Parameters
        ----------
        image_size_px
            Width and height of the stack's images.
        nominal_tilts_deg
            One for each image, counted as Warp does or the other way round.

        Raises
        ------
        FormatError
            The tilts are not those of the stack.
        """
        sections, sign = matched_sections(
            self.path, self.angles_deg, self.is_used, nominal_tilts_deg
        )
        all_rows = self.geometry(image_size_px, pixel_size_angstrom).to_tilt_alignments()
        mean_axis = float(np.median(self.axis_deg))
        tilts = []
        for index, nominal in enumerate(nominal_tilts_deg):
            row = sections.get(index)
            if row is None:
                tilts.append(left_out_tilt(index, -sign * nominal, mean_axis, "not in Warp's file"))
            elif self.is_used[row]:
                tilts.append(all_rows[row].replace(index=index))
            else:
                tilts.append(
                    all_rows[row].replace(
                        index=index, excluded=True, verdict="bad", note="left out in Warp"
                    )
                )
        alignment = Alignment(series_uid=series_uid, source="warp", tilts=tuple(tilts))
        left_out = [tilt.index for tilt in tilts if tilt.excluded]
        return ImportedAlignment(alignment, tuple(self._warnings(left_out, sign)))

    def ctf(self, series_uid: str, nominal_tilts_deg: Sequence[float]) -> Ctf:
        """Return the CTF of the rows that are images of a stack, in its order.

        Raises
        ------
        FormatError
            The tilts are not those of the stack, or Warp has not fitted a CTF yet.
        """
        defocus = self.grid("GridCTF").of_tilts(self.n_tilts) * MICROMETRE
        if np.abs(defocus).max() < 1.0:
            raise FormatError(
                f"{self.path} holds no defocus", "give the file after ts_ctf has been run"
            )
        delta = self.grid("GridCTFDefocusDelta").of_tilts(self.n_tilts) * MICROMETRE
        angle = self.grid("GridCTFDefocusAngle").of_tilts(self.n_tilts)
        phase = self.grid("GridCTFPhase").of_tilts(self.n_tilts) * 180.0
        sections, _ = matched_sections(self.path, self.angles_deg, self.is_used, nominal_tilts_deg)
        tilts = tuple(
            TiltCtf(
                index=index,
                defocus_u_angstrom=float(defocus[row] + delta[row] / 2),
                defocus_v_angstrom=float(defocus[row] - delta[row] / 2),
                astigmatism_angle_deg=float(angle[row]),
                phase_shift_deg=float(phase[row]),
            )
            for index, row in sorted(sections.items())
        )
        return Ctf(
            series_uid=series_uid,
            source="warp",
            tilts=tilts,
            handedness=-1 if self.are_angles_inverted else 1,
            fit_resolution_angstrom=self.ctf_resolution_angstrom,
        )

    def _warnings(self, left_out: Sequence[int], sign: int) -> Iterator[str]:
        """Say what was not taken over."""
        if left_out:
            listed = ", ".join(map(str, left_out))
            yield f"tilts {listed} are left out in {self.path.name}: excluded"
        if sign > 0:
            yield (
                f"{self.path.name} and the stack count tilts with the same sign, which makes "
                "Warp's volumes mirror images of those of IMOD and RELION: they are kept so, and "
                "the tilts of the alignment have the other sign than those of the stack"
            )
        if any(self.grid(f"GridMovement{axis}").varies_over_images for axis in "XY"):
            yield (
                f"of the image warp in {self.path.name} only what it does to the middle of the "
                "specimen is kept"
            )
        if not all(self.grid(name).is_zero for name in _WARPS):
            yield f"the volume warp in {self.path.name} is not kept"
        if not all(self.grid(name).is_zero for name in _TURNS):
            yield f"the corrections of particle angles in {self.path.name} are not kept"
        if np.abs(self.magnification - np.eye(2)).max() > 1e-3:
            yield f"{self.path.name} has magnification changes, which are not kept"


def read_warp(path: Path | str) -> WarpSeries:
    """Read the ``.xml`` of a tilt series.

    Raises
    ------
    FormatError
        The file is missing, no tilt series of Warp, or has lists of different lengths.
    """
    path = Path(path)
    root = _root(path)
    angles = _numbers(path, root, "Angles")
    n = len(angles)
    if n == 0:
        raise FormatError(f"{path} has no Angles", "give the .xml of a tilt series of Warp")

    def column(name: str) -> Array:
        values = _numbers(path, root, name)
        if len(values) not in (0, n):
            raise FormatError(
                f"{path} has {n} Angles and {len(values)} {name}", "check that the file is whole"
            )
        return values if len(values) else np.zeros(n)

    used = [word.lower() == "true" for word in (root.findtext("UseTilt") or "").split()]
    resolution = _attribute(path, root, "CTFResolutionEstimate", [0.0])[0]
    return WarpSeries(
        path=path,
        angles_deg=angles,
        axis_deg=column("AxisAngle"),
        offset_angstrom=np.stack([column("AxisOffsetX"), column("AxisOffsetY")], axis=1),
        prior_dose_e_per_a2=column("Dose"),
        is_used=np.array(used) if len(used) == n else np.ones(n, dtype=bool),
        level_x_deg=_attribute(path, root, "LevelAngleX", [0.0])[0],
        level_y_deg=_attribute(path, root, "LevelAngleY", [0.0])[0],
        are_angles_inverted=root.get("AreAnglesInverted", "").lower() == "true",
        magnification=np.array(
            _attribute(path, root, "MagnificationCorrection", [1.0, 0.0, 0.0, 1.0])
        ).reshape(2, 2),
        ctf_resolution_angstrom=resolution if resolution > 0 else None,
        grids={one.tag: _grid(path, one) for one in root if one.tag.startswith("Grid")},
    )


def _at(values: Array, places: Array, axis: int) -> Array:
    """Interpolate at places of 0..1 along an axis, as a natural cubic spline does."""
    n = values.shape[axis]
    if n == 1:
        return np.repeat(values, len(places), axis=axis)
    from scipy.interpolate import CubicSpline, make_interp_spline

    nodes = np.linspace(0.0, 1.0, n)
    if n == 2:
        found = make_interp_spline(nodes, values, k=1, axis=axis)(places)
    else:
        found = CubicSpline(nodes, values, axis=axis, bc_type="natural")(places)
    return np.asarray(found, dtype=np.float64)


def _root(path: Path) -> ElementTree.Element:
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise FormatError(f"{path} does not exist", "check the path") from None
    except (OSError, ValueError, LookupError, RecursionError, ElementTree.ParseError) as error:
        raise FormatError(f"{path} cannot be read as XML: {error}", "check the file") from error
    if root.tag != "TiltSeries":
        raise FormatError(
            f"{path} is a {root.tag} and no TiltSeries",
            "give a file of warp_tiltseries/; those of warp_frameseries/ are of single movies",
        )
    return root


def _numbers(path: Path, root: ElementTree.Element, name: str) -> Array:
    words = (root.findtext(name) or "").split()
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise FormatError(f"{path}: {name} holds {error}", "check the file") from None
    if not np.isfinite(values).all():
        raise FormatError(f"{path}: {name} holds values that are no numbers", "check the file")
    return values


def _attribute(
    path: Path, root: ElementTree.Element, name: str, default: list[float]
) -> list[float]:
    text = root.get(name, "").strip("() ")
    if not text:
        return default
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) != len(default):
        raise FormatError(f"{path}: {name} is {text!r}", "check the file")
    return values


def _grid(path: Path, element: ElementTree.Element) -> WarpGrid:
    """Read a grid; nodes are numbered by X, Y, Z and, where there is time, W."""
    try:
        sizes = [int(element.get(key, "1")) for key in ("Duration", "Depth", "Height", "Width")]
        values = np.zeros(sizes)
        for node in element.iter("Node"):
            place = tuple(int(node.get(key, "0")) for key in "WZYX")
            values[place] = float(node.get("Value", "0"))
    except (ValueError, IndexError) as error:
        raise FormatError(f"{path}: {element.tag} is malformed: {error}", "check it") from error
    return WarpGrid(values if sizes[0] > 1 else values[0])

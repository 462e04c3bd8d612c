"""Writing tilt series for Warp and M; see ``warp`` for what its numbers mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from tomotui.formats.errors import FormatError
from tomotui.formats.warp import MICROMETRE
from tomotui.formats.warp_rows import warp_middle_px
from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Alignment, Ctf

_SAME_X_TILT_DEG = 0.05


def write_warp(
    alignment: Alignment,
    path: Path | str,
    *,
    image_size_px: tuple[int, int],
    pixel_size_angstrom: float,
    prior_dose_e_per_a2: Sequence[float | None] | None = None,
    image_names: Sequence[str] = (),
    ctf: Ctf | None = None,
) -> None:
    """Write an alignment, and the CTF where it is known, as Warp keeps them.

    Warp knows one tilt about x for a whole series.

    Parameters
    ----------
    image_names
        What the ``.tomostar`` calls the images, in the order of the stack.

    Raises
    ------
    FormatError
        The tilts about x differ from image to image.
    """
    geometry = TiltGeometry.from_alignment(alignment)
    x_tilts = geometry.x_tilt_deg
    level_x = float(np.median(x_tilts))
    if np.abs(x_tilts - level_x).max() > _SAME_X_TILT_DEG:
        raise FormatError(
            f"{path} is not written: the x-tilts run from {x_tilts.min():.2f} to "
            f"{x_tilts.max():.2f} degrees, and Warp keeps one for a series",
            "export for RELION or IMOD, which keep one for each tilt",
        )
    n = geometry.n_tilts
    size = np.asarray(image_size_px) * pixel_size_angstrom
    root = ElementTree.Element(
        "TiltSeries",
        {
            "AreAnglesInverted": str(ctf is not None and ctf.handedness == -1),
            "LevelAngleX": _text(level_x),
            "LevelAngleY": "0",
            "MagnificationCorrection": "1, 0, 0, 1",
            "ImageDimensionsAngstrom": f"{_text(size[0])}, {_text(size[1])}",
            "UnselectFilter": "False",
            "UnselectManual": "",
            "CTFResolutionEstimate": _text((ctf and ctf.fit_resolution_angstrom) or 0.0),
        },
    )
    offset = geometry.shift_angstrom - warp_middle_px(image_size_px) * pixel_size_angstrom
    dose = [value or 0.0 for value in prior_dose_e_per_a2 or [0.0] * n]
    _list(root, "Angles", map(_text, -geometry.tilt_deg))
    _list(root, "Dose", map(_text, dose))
    _list(root, "UseTilt", (str(not tilt.excluded) for tilt in alignment.tilts))
    _list(root, "AxisAngle", map(_text, geometry.axis_deg))
    _list(root, "AxisOffsetX", map(_text, offset[:, 0]))
    _list(root, "AxisOffsetY", map(_text, offset[:, 1]))
    if image_names:
        _list(root, "MoviePath", image_names)
    if ctf is not None:
        _write_ctf(root, ctf, n)
    ElementTree.indent(root, "\t")
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _write_ctf(root: ElementTree.Element, ctf: Ctf, n_tilts: int) -> None:
    known = np.array([tilt.index for tilt in ctf.tilts])
    nearest = np.abs(np.arange(n_tilts)[:, None] - known).argmin(axis=1)
    tilts = [ctf.tilts[row] for row in nearest]
    u = np.array([tilt.defocus_u_angstrom for tilt in tilts])
    v = np.array([tilt.defocus_v_angstrom for tilt in tilts])
    grids = {
        "GridCTF": (u + v) / 2 / MICROMETRE,
        "GridCTFDefocusDelta": (u - v) / MICROMETRE,
        "GridCTFDefocusAngle": np.array([tilt.astigmatism_angle_deg for tilt in tilts]),
        "GridCTFPhase": np.array([tilt.phase_shift_deg for tilt in tilts]) / 180.0,
    }
    for name, values in grids.items():
        margins = dict.fromkeys(("MarginX", "MarginY", "MarginZ"), "0")
        sizes = {"Width": "1", "Height": "1", "Depth": str(n_tilts)}
        grid = ElementTree.SubElement(root, name, sizes | margins)
        for z, value in enumerate(values):
            node = {"X": "0", "Y": "0", "Z": str(z), "Value": _text(float(value))}
            ElementTree.SubElement(grid, "Node", node)


def _list(root: ElementTree.Element, name: str, words: Iterable[str]) -> None:
    ElementTree.SubElement(root, name).text = "\n".join(words)


def _text(value: float) -> str:
    return f"{value:.9g}"

"""Folders of etomo: its ``.edf``, the command files ``tilt.com`` and ``newst.com``, and the tables.

``tilt`` turns an aligned image's point by what ``tilt.com`` says beside the tables: OFFSET adds
to every tilt, XAXISTILT is taken off every tilt about x, and a second number of OFFSET moves the
axis along x. SHIFT moves the volume's content along x and along the rising sections of its slices,
which after ``trimvol -rx`` is the falling z: a point p of the rotated volume lies at ``p - (x, 0,
-z)`` of the volume without a shift. All three are in pixels of the raw images.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.imod import read_imod_rows, read_xf
from tomotui.formats.imported import ImportedAlignment
from tomotui.formats.names import file_name
from tomotui.formats.tilts import read_angles, read_lines
from tomotui.formats.views import view_list
from tomotui.geometry.tilt import TiltGeometry, rotation_z
from tomotui.records import TiltAlignment

Array = NDArray[np.float64]
Commands = dict[str, list[str]]
_SMALL = 1e-6
_ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True)
class EtomoFolder:
    """What a folder of etomo says about one axis of one series.

    Attributes
    ----------
    base
        Beginning of the names of its files: the series, with ``a`` or ``b`` where it has two axes.
    edf
        Entries of the ``.edf``, by their names.
    tilt, newst, align
        Entries of the command files, by their names in capitals; empty where there is no file.
    """

    path: Path
    base: str
    edf: dict[str, str]
    tilt: Commands = field(default_factory=dict)
    newst: Commands = field(default_factory=dict)
    align: Commands = field(default_factory=dict)

    @property
    def axis(self) -> str:
        """``B`` for the second axis of a series with two, ``A`` otherwise."""
        name = self.edf.get("Setup.DatasetName", "")
        return "B" if self.base == f"{name}b" else "A"

    @property
    def tilt_axis_deg(self) -> float | None:
        """The tilt axis that etomo was told of."""
        return _number_or_none(self.edf.get(f"Setup.ImageRotation{self.axis}"))

    @property
    def pixel_size_angstrom(self) -> float | None:
        """Pixel size of the raw images; the ``.edf`` has nanometres."""
        said = _number_or_none(self.edf.get("Setup.PixelSize"))
        return said * _ANGSTROM_PER_NM if said and said > 0 else None

    @property
    def thickness_px(self) -> float | None:
        """Thickness of the tomogram in pixels of the raw images."""
        return self.numbers("tilt", "THICKNESS")[0] if "THICKNESS" in self.tilt else None

    @property
    def binning(self) -> float:
        """Pixels of the raw images for one of the tomogram's."""
        for name, entry in (("newst", "BINBYFACTOR"), ("tilt", "IMAGEBINNED")):
            if entry in getattr(self, name):
                return self.numbers(name, entry)[0]
        return 1.0

    def excluded(self, n_images: int) -> set[int]:
        """Return the images left out, counted from 0.

        Raises
        ------
        FormatError
            A list of views is none, or has views that the stack has not.
        """
        said = [(self.path, self.edf.get(f"Setup.Axis{self.axis}.ExcludeProjections", ""))]
        for name, entries in (("tilt", _LEFT_OUT), ("align", ("EXCLUDELIST",))):
            lists = [one for entry in entries for one in getattr(self, name).get(entry, [])]
            said += [(self.command_file(name), one) for one in lists]
        views: set[int] = set()
        for path, text in said:
            views |= view_list(path, text, n_images)
        if "INCLUDE" in self.tilt:
            kept: set[int] = set()
            for text in self.tilt["INCLUDE"]:
                kept |= view_list(self.command_file("tilt"), text, n_images)
            views |= set(range(1, n_images + 1)) - kept
        return {view - 1 for view in views}

    def command_file(self, name: str) -> Path:
        """Return the path of a command file; those of a second axis bear its letter."""
        folder = self.path.parent
        letter = self.axis.lower()
        lettered = folder / f"{name}{letter}.com"
        return lettered if os.path.isfile(lettered) else folder / f"{name}.com"

    def numbers(self, name: str, entry: str) -> list[float]:
        """Return the numbers of an entry of a command file; at least one.

        Raises
        ------
        FormatError
            There are none.
        """
        words = " ".join(getattr(self, name)[entry]).replace(",", " ").split()
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if not values or not np.isfinite(values).all() or max(map(abs, values)) > _MOST:
            raise FormatError(
                f"{self.command_file(name)}: {entry} is {' '.join(words)!r}", "give a number there"
            )
        return values

    def beside(self, ending: str) -> Path | None:
        """Return a file of this axis by its ending, where it is there."""
        path = self.path.parent / (self.base + ending)
        return path if os.path.isfile(path) else None

    def named(self, name: str, entry: str, *endings: str) -> Path | None:
        """Return a file that a command file names, or the first there is with such an ending.

        Only its name counts: a path may be of another machine, or lead out of the folder.
        """
        for said in getattr(self, name).get(entry, []):
            name = said.replace("\\", "/").rsplit("/", 1)[-1].strip()
            if name not in ("", ".", "..") and os.path.isfile(self.path.parent / name):
                return self.path.parent / name
        return next((file for file in map(self.beside, endings) if file is not None), None)


_LEFT_OUT = ("EXCLUDELIST2", "EXCLUDELIST", "EXCLUDE")
_MOST = 1e6


def read_etomo_folder(path: Path | str, series_name: str = "") -> EtomoFolder:
    """Read the ``.edf`` and the command files beside it.

    Parameters
    ----------
    series_name
        Name of the stack, which tells the two axes of a series apart.

    Raises
    ------
    FormatError
        The ``.edf`` is missing or is none.
    """
    path = Path(path)
    entries: dict[str, str] = {}
    for line in read_lines(path):
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            entries[name.strip()] = value.strip()
    dataset = entries.get("Setup.DatasetName", "")
    if not dataset:
        raise FormatError(f"{path} has no Setup.DatasetName", "give the .edf that etomo wrote")
    try:
        file_name(dataset)
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", error.remedy) from None
    known = [series_name, dataset, f"{dataset}a"]
    bases = [name for name in known if name and name in (dataset, f"{dataset}a", f"{dataset}b")]
    folders = [EtomoFolder(path, base, entries) for base in bases]
    folder = next((one for one in folders if any(map(one.beside, _TRANSFORMS))), folders[0])
    commands = {name: _commands(folder.command_file(name)) for name in ("tilt", "newst", "align")}
    return EtomoFolder(path, folder.base, entries, **commands)


_TRANSFORMS = (".xf", "_fid.xf", ".tltxf")


def has_alignment(edf: Path) -> bool:
    """Return whether a folder of etomo has gone as far as an alignment."""
    try:
        folder = read_etomo_folder(edf)
    except FormatError:
        return False
    return any(folder.beside(ending) for ending in _TRANSFORMS)


def read_etomo(
    path: Path | str,
    *,
    series_uid: str,
    series_name: str,
    image_size_px: tuple[int, int],
    pixel_size_angstrom: float,
    nominal_tilts_deg: Sequence[float],
) -> ImportedAlignment:
    """Read the alignment of a folder of etomo by its ``.edf``.

    Parameters
    ----------
    image_size_px
        Width and height of the raw images.
    nominal_tilts_deg
        One for each image.

    Raises
    ------
    FormatError
        A file is missing, malformed, or does not fit the stack.
    """
    folder = read_etomo_folder(path, series_name)
    n = len(nominal_tilts_deg)
    rows, source = _transforms(folder, n)
    tlt = folder.named("tilt", "TILTFILE", ".tlt", "_fid.tlt")
    xtilt = folder.named("tilt", "XTILTFILE", ".xtilt")
    imported = read_imod_rows(
        source,
        rows,
        series_uid=series_uid,
        image_size_px=image_size_px,
        pixel_size_angstrom=pixel_size_angstrom,
        tilts_deg=read_angles(tlt, n) if tlt else tuple(nominal_tilts_deg),
        x_tilts_deg=read_angles(xtilt, n) if xtilt else (0.0,) * n,
    )
    warnings = [*imported.warnings, *_not_kept(folder)]
    if tlt is None:
        warnings.append(f"no .tlt in {folder.path.parent}: the nominal tilts are used")
    geometry = _as_tilt_does(
        folder, TiltGeometry.from_alignment(imported.alignment), pixel_size_angstrom
    )
    left_out = folder.excluded(n)
    records = [
        _excluded(moved, was) if was.excluded or was.index in left_out else moved
        for moved, was in zip(geometry.to_tilt_alignments(), imported.alignment.tilts, strict=True)
    ]
    if left_out:
        listed = ", ".join(str(i) for i in sorted(left_out))
        warnings.append(f"tilts {listed} were left out in etomo: excluded")
    alignment = imported.alignment.replace(source="etomo", tilts=tuple(records))
    return ImportedAlignment(alignment, tuple(warnings))


def _excluded(moved: TiltAlignment, was: TiltAlignment) -> TiltAlignment:
    return moved.replace(excluded=True, verdict="bad", note=was.note or "left out in etomo")


def _transforms(folder: EtomoFolder, n: int) -> tuple[Array, Path]:
    """Return the transforms to aligned images, and the file to name for them."""
    final = folder.named("newst", "TRANSFORMFILE", ".xf", "_fid.xf")
    if final is not None:
        return read_xf(final, n), final
    coarse, fine = folder.beside(".prexg"), folder.beside(".tltxf")
    if coarse is None or fine is None:
        raise FormatError(
            f"{folder.path.parent} has no {folder.base}.xf, nor {folder.base}.prexg with .tltxf",
            "run etomo's fine alignment, or import the stack without an alignment",
        )
    scale = folder.numbers("align", "SCALESHIFTS") if "SCALESHIFTS" in folder.align else [1.0]
    return _product(read_xf(coarse, n), read_xf(fine, n), scale[0], scale[-1]), fine


def _product(first: Array, second: Array, scale_first: float, scale_second: float) -> Array:
    """Return transforms that do one after the other, as IMOD's ``xfproduct`` does."""
    a, b = first[:, :4].reshape(-1, 2, 2), second[:, :4].reshape(-1, 2, 2)
    moved = np.einsum("tij,tj->ti", b, scale_first * first[:, 4:]) + scale_second * second[:, 4:]
    return np.concatenate([(b @ a).reshape(-1, 4), moved], axis=1)


def _as_tilt_does(
    folder: EtomoFolder, geometry: TiltGeometry, pixel_size_angstrom: float
) -> TiltGeometry:
    """Return the geometry of the volume that ``tilt.com`` makes."""
    offset = folder.numbers("tilt", "OFFSET") if "OFFSET" in folder.tilt else [0.0]
    shift = folder.numbers("tilt", "SHIFT") if "SHIFT" in folder.tilt else [0.0]
    x_tilt = folder.numbers("tilt", "XAXISTILT")[0] if "XAXISTILT" in folder.tilt else 0.0
    turned = TiltGeometry.of(
        geometry.tilt_deg + offset[0],
        geometry.axis_deg,
        geometry.x_tilt_deg - x_tilt,
        geometry.shift_angstrom,
    )
    axis_x = offset[1] if len(offset) > 1 else 0.0
    shift_z = shift[1] if len(shift) > 1 else 0.0
    content = np.array([shift[0] + axis_x, 0.0, -shift_z]) * pixel_size_angstrom
    if np.abs(content).max() < _SMALL and abs(axis_x) < _SMALL:
        return turned
    camera = rotation_z(turned.axis_deg)
    beside_axis = camera @ np.array([axis_x * pixel_size_angstrom, 0.0, 0.0])
    seen = (turned.projection_matrices @ content)[:, :2]
    moved = turned.shift_angstrom + beside_axis[:, :2] - seen
    return TiltGeometry.of(turned.tilt_deg, turned.axis_deg, turned.x_tilt_deg, moved)


def _not_kept(folder: EtomoFolder) -> list[str]:
    """Return what the folder has that no rigid alignment can hold."""
    found = []
    if "LOCALFILE" in folder.tilt:
        found.append("etomo's local alignment has no place here: its rigid part is kept")
    if "ZFACTORFILE" in folder.tilt:
        found.append("etomo's Z factors have no place here: they are not kept")
    if "OFFSETSINXANDY" in folder.newst and any(
        abs(value) > _SMALL for value in folder.numbers("newst", "OFFSETSINXANDY")
    ):
        found.append("newst.com moves the middle of the aligned stack, which is not kept")
    return found


def _commands(path: Path) -> Commands:
    """Return the entries of a command file; none where there is no such file."""
    if not path.is_file():
        return {}
    found: Commands = {}
    for line in read_lines(path):
        words = line.strip().split(None, 1)
        if not words or words[0][0] in "#$":
            continue
        found.setdefault(words[0].upper(), []).append(words[1] if len(words) > 1 else "")
    return found


def _number_or_none(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if np.isfinite(value) and abs(value) < _MOST else None

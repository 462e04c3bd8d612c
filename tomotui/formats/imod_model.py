"""IMOD models (``.mod``): objects of contours of points, in the binary format of IMOD.

Big-endian chunks after a header, as the specification of the format says. Points count in voxels
of the volume that the model was drawn on: its first voxel's middle is (0.5, 0.5, 0), for x and y
count from the voxel's edge and z from its middle.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError

Floats = NDArray[np.float64]

FIRST_VOXEL = np.array([0.5, 0.5, 0.0])
"""Where the middle of the first voxel lies, (x, y, z)."""

_HEADER = ">128siiiiIiiii6fiiiiifii3f"
_OBJECT = ">64s64siIii3fi8Bii"
_CONTOUR = ">iIii"
_MESH = ">iiIhh"
_TRANSFORM = ">18f"
_OPEN, _SCATTERED = 1 << 3, 1 << 9
_HAS_ORIGIN, _FLIPPED = 1 << 14, 1 << 16
_WRITTEN_FLAGS = 1 << 10 | 1 << 12 | 1 << 13 | _HAS_ORIGIN | 1 << 15
_ANGSTROM_UNITS = -10
_REMEDY = "save the model again in 3dmod, or give another"


@dataclass(frozen=True, eq=False)
class ImodObject:
    """Contours of one kind.

    Attributes
    ----------
    contours
        Points of each, ``[n, 3]`` as the file counts them.
    is_closed
        Whether the last point of a contour is joined to its first.
    is_scattered
        Whether the points stand alone.
    radius_voxels
        Of the sphere at each point; 0 for none.
    """

    name: str
    contours: tuple[Floats, ...]
    is_closed: bool = False
    is_scattered: bool = False
    radius_voxels: int = 0

    @property
    def points(self) -> Floats:
        """All points, ``[n, 3]``."""
        return np.concatenate([np.zeros((0, 3)), *self.contours])


@dataclass(frozen=True, eq=False)
class ImodModel:
    """A model and the volume it was drawn on.

    Attributes
    ----------
    size_xyz
        Voxels of the volume.
    pixel_size_angstrom
        ``None`` when the model does not tell.
    offset_voxels
        ``[3]``; what to add to the points of a model that was drawn on a part of the volume.
    """

    size_xyz: tuple[int, int, int]
    pixel_size_angstrom: float | None
    objects: tuple[ImodObject, ...]
    offset_voxels: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def voxels(self, points: Floats) -> Floats:
        """Return indices counted from 0 in the whole volume of points of the model."""
        found: Floats = points - FIRST_VOXEL + self.offset_voxels
        return found


def read_imod_model(path: Path | str) -> ImodModel:
    """Read a model; meshes and what 3dmod keeps for its windows are left out.

    Raises
    ------
    FormatError
        The file is missing, is no binary IMOD model, or ends too early.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    if data[:4] != b"IMOD":
        what = "an ASCII model" if data[:4] == b"imod" else "no IMOD model"
        raise FormatError(f"{path} is {what}", "give a binary model as 3dmod saves it (imodtrans)")
    return _Reader(path, data).model()


def write_imod_model(path: Path | str, model: ImodModel) -> None:
    """Write a binary model that 3dmod opens on its volume."""
    pixel = model.pixel_size_angstrom or 0.0
    chunks = [_header(model, pixel)]
    for number, one in enumerate(model.objects):
        chunks += [_object(one, number), *map(_contour, one.contours), _material()]
    scale = (pixel, pixel, pixel) if pixel else (1.0, 1.0, 1.0)
    shift = tuple(offset * unit for offset, unit in zip(model.offset_voxels, scale, strict=True))
    still = (0.0, 0.0, 0.0)
    transform = struct.pack(_TRANSFORM, *scale, *shift, *still, *scale, *still, *still)
    chunks += [b"MINX", struct.pack(">i", len(transform)), transform, b"IEOF"]
    Path(path).write_bytes(b"".join(chunks))


class _Reader:
    """Steps through the chunks of a file and never past its end."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self._data = data
        self._place = 8

    def model(self) -> ImodModel:
        header = self._unpack(_HEADER)
        size, n_objects, flags = header[1:4], header[4], header[5]
        if flags & _FLIPPED:
            raise FormatError(
                f"{self._path} was drawn with y and z of the volume exchanged",
                "open it in 3dmod on the volume without flipping (-Y), and save it again",
            )
        pixel = _pixel_size(header[-6], header[-5])
        objects: list[ImodObject] = []
        transform: tuple[float, ...] | None = None
        while (kind := self._bytes(4)) != b"IEOF":
            if kind == b"OBJT":
                objects.append(self._object())
            elif kind == b"CONT":
                raise FormatError(f"{self._path}: a contour without its object", _REMEDY)
            elif kind == b"MESH":
                self._skip_mesh()
            else:
                body = self._bytes(self._count(1))
                if kind == b"MINX" and len(body) >= struct.calcsize(_TRANSFORM):
                    transform = struct.unpack_from(_TRANSFORM, body)
            if self._place == len(self._data):
                break  # Some writers leave the end mark out.
        if len(objects) != n_objects:
            raise FormatError(
                f"{self._path} has {len(objects)} objects where its header says {n_objects}",
                _REMEDY,
            )
        if pixel is None and transform is not None and 0 < transform[9] < 1e6:
            # The header of a model may lack units; the volume's own pixel is in Angstrom.
            pixel = transform[9] if transform[9] != 1 else None
        offset = _offset(transform) if flags & _HAS_ORIGIN else (0.0, 0.0, 0.0)
        return ImodModel(size, pixel, tuple(objects), offset)

    def _object(self) -> ImodObject:
        fields = self._unpack(_OBJECT)
        name, n_contours, flags, radius = fields[0], fields[2], fields[3], fields[9]
        if n_contours < 0:
            raise FormatError(f"{self._path}: an object of {n_contours} contours", _REMEDY)
        contours: list[Floats] = []
        while len(contours) < n_contours:
            kind = self._bytes(4)
            if kind == b"CONT":
                n_points = self._unpack(_CONTOUR)[0]
                self._refuse_beyond(n_points, 12)
                values = np.frombuffer(self._bytes(12 * n_points), dtype=">f4")
                contours.append(values.astype(np.float64).reshape(-1, 3))
            elif kind in (b"OBJT", b"MESH", b"IEOF"):
                raise FormatError(
                    f"{self._path}: an object has {len(contours)} contours, not {n_contours}",
                    _REMEDY,
                )
            else:
                self._bytes(self._count(1))
        return ImodObject(
            _text(name),
            tuple(contours),
            not flags & _OPEN,
            bool(flags & _SCATTERED),
            max(0, radius),
        )

    def _skip_mesh(self) -> None:
        n_vertices, n_indices = self._unpack(_MESH)[:2]
        self._refuse_beyond(n_vertices, 12)
        self._bytes(12 * n_vertices)
        self._refuse_beyond(n_indices, 4)
        self._bytes(4 * n_indices)

    def _count(self, n_bytes_each: int) -> int:
        count: int = self._unpack(">i")[0]
        self._refuse_beyond(count, n_bytes_each)
        return count

    def _refuse_beyond(self, count: int, n_bytes_each: int) -> None:
        if not 0 <= count * n_bytes_each <= len(self._data) - self._place:
            raise self._ends_early()

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self._bytes(struct.calcsize(layout)))

    def _bytes(self, n: int) -> bytes:
        found = self._data[self._place : self._place + n]
        if len(found) < n:
            raise self._ends_early()
        self._place += n
        return found

    def _ends_early(self) -> FormatError:
        return FormatError(
            f"{self._path} ends too early, at {len(self._data)} bytes",
            "it was not copied whole: copy it again",
        )


def _pixel_size(value: float, power: int) -> float | None:
    """Return Angstrom per voxel of a size in units of 10^power metres; 0 are no units."""
    if power == 0 or not -15 <= power <= 3 or not 0 < value < 1e6:
        return None
    found = value * 10.0 ** (power - _ANGSTROM_UNITS)
    return found if 1e-3 < found < 1e6 else None


def _offset(transform: tuple[float, ...] | None) -> tuple[float, float, float]:
    """Return where in the volume the part begins that a model was drawn on, in voxels."""
    if transform is None:
        return (0.0, 0.0, 0.0)
    origin, scale, current = (np.array(transform[i : i + 3]) for i in (3, 9, 12))
    if not (np.isfinite(origin - current).all() and (scale > 0).all()):
        return (0.0, 0.0, 0.0)
    x, y, z = ((origin - current) / scale).tolist()
    return (x, y, z)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", errors="replace").strip()


def _header(model: ImodModel, pixel: float) -> bytes:
    fields = struct.pack(
        _HEADER,
        b"tomotui",
        *model.size_xyz,
        len(model.objects),
        _WRITTEN_FLAGS,
        *(1, 1, 0, 255),
        *(0.0, 0.0, 0.0, 1.0, 1.0, 1.0),
        *(0, -1, -1, 3, 128),
        pixel,
        _ANGSTROM_UNITS if pixel else 0,
        0,
        *(0.0, 0.0, 0.0),
    )
    return b"IMODV1.2" + fields


_COLOURS = ((0, 1, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 0.5, 0.25))


def _object(one: ImodObject, number: int) -> bytes:
    flags = (0 if one.is_closed else _OPEN) | (_SCATTERED if one.is_scattered else 0)
    fields = struct.pack(
        _OBJECT,
        one.name.encode("utf-8")[:63],
        b"",
        len(one.contours),
        flags,
        *(0, 1),
        *_COLOURS[number % len(_COLOURS)],
        one.radius_voxels,
        *(0, 3, 1, 1, 0, 0, 0, 0),
        *(0, 0),
    )
    return b"OBJT" + fields


def _contour(points: Floats) -> bytes:
    header = struct.pack(_CONTOUR, len(points), 0, 0, 0)
    return b"CONT" + header + np.asarray(points, dtype=">f4").tobytes()


def _material() -> bytes:
    return b"IMAT" + struct.pack(">i", 16) + struct.pack(">4B3BBI4B", 102, 255, 127, 4, *[0] * 9)

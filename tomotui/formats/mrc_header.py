"""The MRC header: sizes, data modes, byte order, pixel size, labels and extended headers.

The library mrcfile reads and lays out the header. Added here is what it leaves out: IMOD's
signed-byte flag and 4-bit data (mode 101), SerialEM's and old FEI extended headers, and the
refusal of files that are no MRC files. Headers are often careless, so nothing is refused here
that can still be read.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import re
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import mrcfile
import numpy as np
from mrcfile import constants, dtypes, utils
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError

HEADER_BYTES: int = dtypes.HEADER_DTYPE.itemsize
_IMOD_STAMP = 1146047817
_EXTRA = np.dtype(
    {  # Fields of SerialEM and IMOD; offsets within the bytes that mrcfile calls extra2.
        "names": ["nint", "nreal", "imod_stamp", "imod_flags"],
        "formats": ["<i2", "<i2", "<i4", "<i4"],
        "offsets": [16, 18, 40, 44],
        "itemsize": dtypes.HEADER_DTYPE["extra2"].itemsize,
    }
)
_COMPLEX = (3, 4)
_FOUR_BIT = 101
_EXTENDED_LIMIT_BYTES = 2**27
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}
_FILTERS = threading.Lock()
_INTENSITY = re.compile(
    r"intensity\s*=\s*stored\s*\*\s*([-+.\deE]+)\s*\+\s*([-+.\deE]+)", re.IGNORECASE
)


@dataclass(frozen=True)
class MrcHeader:
    """What an MRC header says.

    Attributes
    ----------
    shape
        Sections, rows, columns (z, y, x).
    dtype
        Type of the stored values, with the file's byte order; unsigned bytes for 4-bit data.
    pixel_size_angstrom
        Along x; 0 when the header does not say.
    data_offset
        Bytes before the first image.
    intensity_scale, intensity_offset
        From a label ``intensity = stored * S + O``; 1 and 0 when there is none.
    raw
        The header as mrcfile's record, in the file's byte order.
    """

    path: Path
    shape: tuple[int, int, int]
    mode: int
    dtype: np.dtype[np.generic]
    pixel_size_angstrom: float
    data_offset: int
    is_stack: bool
    labels: tuple[str, ...]
    extended_type: str
    intensity_scale: float
    intensity_offset: float
    raw: Any = field(repr=False, compare=False)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of an image."""
        n_x = self.shape[2]
        return (n_x + 1) // 2 if self.mode == _FOUR_BIT else n_x * self.dtype.itemsize

    @property
    def section_bytes(self) -> int:
        """Bytes of one image."""
        return self.row_bytes * self.shape[1]

    @property
    def expected_bytes(self) -> int:
        """Size of the whole file."""
        return self.data_offset + self.section_bytes * self.shape[0]

    @property
    def is_four_bit(self) -> bool:
        """True when two pixels share a byte."""
        return self.mode == _FOUR_BIT


@contextlib.contextmanager
def without_complaints() -> Iterator[None]:
    """Keep mrcfile's warnings about careless headers from the user.

    The filters of warnings belong to the whole process: one thread at a time may change them.
    """
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Any, MrcHeader]]:
    """Open a file, compressed or not, with its headers read and its data still to come.

    Yields
    ------
    mrcfile's reader, standing before the data, and the header.

    Raises
    ------
    FormatError
        The file is missing, cannot be read, is no MRC file, or its data mode cannot be used.
    """
    try:
        _check_possible(path)
        with without_complaints():
            try:
                mrc = mrcfile.open(path, permissive=True, header_only=True)
            except ValueError as error:  # A negative size, when the byte order misled it.
                raise FormatError(f"{path} cannot be read by mrcfile: {error}") from error
        with mrc:
            yield mrc, _understood(mrc.header, path)
    except FileNotFoundError:
        raise FormatError(f"{path} does not exist", "check the path") from None
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.strerror:
            raise FormatError(f"{path} cannot be read: {error.strerror}") from error
        raise FormatError(f"{path} cannot be read: {error}", "copy it again") from error


def _check_possible(path: Path) -> None:
    """Refuse what is no MRC file, which mrcfile would read gigabytes of extended header from."""
    with _OPENERS.get(path.suffix, open)(path, "rb") as file:
        first = file.read(HEADER_BYTES)
    if len(first) < HEADER_BYTES:
        raise FormatError(
            f"{path} is truncated: an MRC header has {HEADER_BYTES} bytes, the file holds "
            f"{len(first)}",
            "copy it again",
        )
    _in_possible_order(np.frombuffer(first, dtypes.HEADER_DTYPE).reshape(()), path)


def _in_possible_order(raw: Any, path: Path) -> Any:
    """Return the header in the byte order that makes sense.

    mrcfile believes the machine stamp, then the mode; bytes (mode 0) fit either order.
    """
    for candidate in raw, raw.view(raw.dtype.newbyteorder()):
        sizes = (int(candidate[name]) for name in ("nx", "ny", "nz"))
        if (
            0 <= int(candidate["mode"]) <= _FOUR_BIT
            and all(0 < n < 2**20 for n in sizes)
            and 0 <= int(candidate["nsymbt"]) <= _EXTENDED_LIMIT_BYTES
        ):
            return candidate
    raise FormatError(
        f"{path} is not an MRC file: its header gives no possible size and data mode",
        "check that it is an image stack and was copied whole",
    )


def _understood(raw: Any, path: Path) -> MrcHeader:
    raw = _in_possible_order(raw, path)
    mode = int(raw["mode"])
    if mode in _COMPLEX:
        raise FormatError(
            f"{path} holds complex numbers (MRC mode {mode}: a Fourier transform)",
            "give the images in real space",
        )
    labels = _labels(raw)
    scale, offset = _intensity(labels)
    return MrcHeader(
        path=path,
        shape=(int(raw["nz"]), int(raw["ny"]), int(raw["nx"])),
        mode=mode,
        dtype=_stored_dtype(raw, mode, path),
        pixel_size_angstrom=_pixel_size(raw),
        data_offset=HEADER_BYTES + int(raw["nsymbt"]),
        is_stack=int(raw["ispg"]) == constants.IMAGE_STACK_SPACEGROUP,
        labels=labels,
        extended_type=raw["exttyp"].item().decode("ascii", "replace").strip("\x00 "),
        intensity_scale=scale,
        intensity_offset=offset,
        raw=raw,
    )


def _stored_dtype(raw: Any, mode: int, path: Path) -> np.dtype[np.generic]:
    if mode == _FOUR_BIT or (mode == 0 and _bytes_are_unsigned(raw)):
        return np.dtype("u1")
    try:
        stored: np.dtype[np.generic] = utils.dtype_from_mode(mode)
    except ValueError:
        raise FormatError(
            f"{path} has the unknown MRC data mode {mode}",
            "convert it to 8-bit, 16-bit or 32-bit values",
        ) from None
    return stored.newbyteorder(_byte_order(raw))


def _byte_order(raw: Any) -> Literal["<", ">"]:
    order: Literal["<", ">"] = utils.normalise_byte_order(raw.dtype["mode"].byteorder)
    return order


def _extra(raw: Any) -> Any:
    """Return the fields of SerialEM and IMOD."""
    layout = _EXTRA.newbyteorder(_byte_order(raw))
    return np.frombuffer(raw["extra2"].tobytes(), layout)[0]


def _bytes_are_unsigned(raw: Any) -> bool:
    """Mode 0 is signed by the standard, but many programs have written unsigned bytes."""
    extra = _extra(raw)
    if int(extra["imod_stamp"]) == _IMOD_STAMP:
        return not int(extra["imod_flags"]) & 1
    return float(raw["dmin"]) >= 0 and 127 < float(raw["dmax"]) <= 255


def _pixel_size(raw: Any) -> float:
    # In double precision, unlike mrcfile's voxel_size: 1350 A over 1000 pixels is 1.35.
    samples, cell = int(raw["mx"]), float(raw["cella"]["x"])
    if samples <= 0 or not np.isfinite(cell) or cell <= 0:
        return 0.0
    return cell / samples


def _labels(raw: Any) -> tuple[str, ...]:
    # All ten are looked at: the count of labels is often left at 0.
    texts = (utils.printable_string_from_bytes(label).strip() for label in raw["label"])
    return tuple(text for text in texts if text)


def _intensity(labels: tuple[str, ...]) -> tuple[float, float]:
    for label in labels:
        if match := _INTENSITY.search(label):
            return float(match.group(1)), float(match.group(2))
    return 1.0, 0.0


def intensity_label(scale: float, offset: float) -> str:
    """Return the label that says how stored values become physical ones."""
    return f"tomotui: intensity = stored * {scale:.9g} + {offset:.9g}"


def make_header(
    shape: tuple[int, int, int],
    dtype: np.dtype[np.generic],
    pixel_size_angstrom: float,
    *,
    is_stack: bool,
    statistics: tuple[float, float, float, float],
    labels: tuple[str, ...],
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> bytes:
    """Return an MRC2014 header, little-endian, without the time of writing.

    Parameters
    ----------
    shape
        Sections, rows, columns.
    dtype
        Type of the stored values.
    statistics
        Minimum, maximum, mean and standard deviation of the stored values.
    origin_angstrom
        Place (x, y, z) of the first voxel.
    """
    header = np.zeros((), dtypes.HEADER_DTYPE.newbyteorder("<"))
    sizes = shape[::-1]
    for axis, n in zip("xyz", sizes, strict=True):
        header[f"n{axis}"] = header[f"m{axis}"] = n
    header["mode"] = utils.mode_from_dtype(dtype)
    header["cella"] = tuple(n * pixel_size_angstrom for n in sizes)
    header["cellb"] = (90, 90, 90)
    header["origin"] = origin_angstrom
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["dmin"], header["dmax"], header["dmean"], header["rms"] = statistics
    header["ispg"] = constants.IMAGE_STACK_SPACEGROUP if is_stack else constants.VOLUME_SPACEGROUP
    header["nversion"] = 20141
    header["map"] = constants.MAP_ID
    header["machst"] = tuple(utils.machine_stamp_from_byte_order("<"))
    # IMOD's stamp with the signed-byte flag: without it, readers guess the sign of bytes.
    extra = np.zeros((), _EXTRA)
    extra["imod_stamp"], extra["imod_flags"] = _IMOD_STAMP, 1
    header["extra2"] = np.void(extra.tobytes())
    # A blank label would be one that the count below promises and nobody finds.
    texts = [label for label in labels if label.strip()][:10]
    header["nlabl"] = len(texts)
    for i, text in enumerate(texts):
        header["label"][i] = text.encode("ascii", "replace")[:80].ljust(80)
    return header.tobytes()


def extended_tilts_deg(mrc: Any, header: MrcHeader) -> NDArray[np.float64] | None:
    """Read stage tilts from a SerialEM, FEI1/FEI2 or old FEI extended header.

    Parameters
    ----------
    mrc
        mrcfile's reader of the file, still open.

    Returns
    -------
    Degrees per section, shape ``[n_sections]``; ``None`` when there are none.
    """
    if mrc.extended_header is None:  # The file ends within it.
        return None
    if header.extended_type in ("FEI1", "FEI2"):
        with without_complaints():
            records = mrc.indexed_extended_header
        return None if records is None else _plausible(records["Alpha tilt"].astype(np.float64))
    if header.extended_type in ("SERI", ""):
        extended = mrc.extended_header.tobytes()
        tilts = _serialem_tilts(header, extended)
        return tilts if tilts is not None else _old_fei_tilts(header, extended)
    return None


def _serialem_tilts(header: MrcHeader, extended: bytes) -> NDArray[np.float64] | None:
    """SerialEM keeps ``nint`` bytes a section; flag 1 puts the tilt, times 100, first."""
    extra, n = _extra(header.raw), header.shape[0]
    step, flags = int(extra["nint"]), int(extra["nreal"])
    if step < 2 or not flags & 1 or flags >= 2**9 or len(extended) < n * step:
        return None
    values = np.frombuffer(extended[: n * step], "u1").reshape(n, step)[:, :2]
    order = _byte_order(header.raw)
    return np.ascontiguousarray(values).view(order + "i2")[:, 0].astype(np.float64) / 100


def _old_fei_tilts(header: MrcHeader, extended: bytes) -> NDArray[np.float64] | None:
    """Old FEI headers keep 32 floats for each of 1024 sections; the first is the tilt."""
    extra, n = _extra(header.raw), header.shape[0]
    if int(extra["nint"]) != 0 or int(extra["nreal"]) != 32 or len(extended) < n * 128:
        return None
    tilts = np.frombuffer(extended[: n * 128], _byte_order(header.raw) + "f4").reshape(n, 32)
    return _plausible(tilts[:, 0].astype(np.float64))


def _plausible(tilts: NDArray[np.float64]) -> NDArray[np.float64] | None:
    usable = np.isfinite(tilts).all() and (np.abs(tilts) <= 90).all() and np.ptp(tilts) > 0
    return tilts if usable else None

"""Movies: the frames of one exposure, read one by one, whatever the camera wrote.

All frames come with the first row at the bottom of the picture, as in MRC files. TIFF files
have it at the top; IMOD, SerialEM, MotionCor2, RELION and Warp turn them upside down on reading,
and so does this module: gain references in MRC fit then, and the hand of the specimen is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.mrc import MrcStack
from tomotui.formats.stacks import TIFF_SUFFIXES

EER_SUFFIXES = (".eer", ".ecc")
MRC_SUFFIXES = (".mrc", ".mrcs", ".st")
MOVIE_SUFFIXES = (*MRC_SUFFIXES, *TIFF_SUFFIXES, *EER_SUFFIXES)

Frame = NDArray[Any]


@dataclass(frozen=True)
class Fractions:
    """How many of the raw frames of an EER movie become one frame.

    Attributes
    ----------
    raw_frames
        Raw frames to a fraction; goes before the dose.
    dose_e_per_a2
        Exposure of a fraction.
    exposure_e_per_a2
        Exposure of the whole movie; ``None`` when unknown.
    default_number
        Fractions of a movie of which neither is known.
    """

    raw_frames: int | None = None
    dose_e_per_a2: float = 0.5
    exposure_e_per_a2: float | None = None
    default_number: int = 8

    def bounds(self, n_raw: int) -> NDArray[np.int64]:
        """Return the first raw frame of each fraction, and the end: no raw frame is left out.

        Fractions differ by one raw frame at most.
        """
        if self.raw_frames is not None:
            number = n_raw / self.raw_frames
        elif self.exposure_e_per_a2:
            number = self.exposure_e_per_a2 / self.dose_e_per_a2
        else:
            number = float(self.default_number)
        number = int(np.clip(round(number), 1, n_raw))
        return np.linspace(0, n_raw, number + 1).round().astype(np.int64)


class Movie:
    """An open movie.

    Parameters
    ----------
    path
        Its file.
    shape
        Frames, rows, columns.
    read
        Returns a frame with the numbers of the file, first row at the bottom.
    close
        Lets go of the file.
    share
        Share of the exposure that each frame has, ``[n_frames]``; equal shares by default.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        read: Callable[[int], Frame],
        close: Callable[[], None],
        share: NDArray[np.float64] | None = None,
    ) -> None:
        self.path, self.shape = path, shape
        self._read, self._close = read, close
        n = shape[0]
        self.share = np.full(n, 1.0 / max(n, 1)) if share is None else share

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.shape[0]

    def read(self, index: int) -> Frame:
        """Return one frame with the numbers of the file, shape ``[y, x]``.

        Raises
        ------
        FormatError
            The file is damaged or cut off there.
        """
        if not 0 <= index < self.shape[0]:
            raise IndexError(f"{self.path} has frames 0 to {self.shape[0] - 1}, not {index}")
        return self._read(index)

    def close(self) -> None:
        """Let go of the file."""
        self._close()

    def __len__(self) -> int:
        return self.shape[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def is_movie_name(path: Path | str) -> bool:
    """Return whether a file's name has an ending that movies have."""
    return Path(path).suffix.lower() in MOVIE_SUFFIXES


def open_movie(path: Path | str, fractions: Fractions | None = None) -> Movie:
    """Open a movie by the ending of its name: MRC, TIFF or EER.

    Parameters
    ----------
    fractions
        For EER: how raw frames are summed while they are read; others are left as they are.

    Raises
    ------
    FormatError
        The file is missing, truncated, has no frames, or is of a kind that cannot be read.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.exists():
        raise FormatError(f"the movie {path} does not exist", "check the folder of the movies")
    if path.is_file() and path.stat().st_size == 0:
        raise FormatError(f"the movie {path} is empty (0 bytes)", "copy it again")
    if suffix in EER_SUFFIXES:
        from tomotui.formats.eer import open_eer

        movie = open_eer(path, fractions or Fractions())
    elif suffix in TIFF_SUFFIXES:
        movie = _open_tiff(path)
    elif suffix in MRC_SUFFIXES:
        movie = _open_mrc(path)
    else:
        raise FormatError(
            f"{path} is no movie that can be read", f"give one of {', '.join(MOVIE_SUFFIXES)}"
        )
    if not all(movie.shape):
        movie.close()
        raise FormatError(f"the movie {path} has no frames", "leave it out or copy it again")
    return movie


def _open_mrc(path: Path) -> Movie:
    stack = MrcStack(path)
    return Movie(path, stack.shape, stack.read_stored, stack.close)


def _open_tiff(path: Path) -> Movie:
    from tomotui.formats.tiff import TiffStack

    stack = TiffStack(path)
    try:
        stack.check_whole()
    except FormatError:
        stack.close()
        raise
    return Movie(path, stack.shape, stack.read_stored, stack.close)

"""Opening any image stack, and finding the images that cannot be used."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.mrc import MrcStack

Image = NDArray[np.float32]
STACK_SUFFIXES = (".mrc", ".mrcs", ".st", ".ali", ".tif", ".tiff", ".mrc.gz", ".mrc.bz2")
TIFF_SUFFIXES = (".tif", ".tiff")
_DARK_FRACTION = 0.2


class ImageStack(Protocol):
    """What every reader of image stacks offers; sizes in pixels, images ``[y, x]`` float32."""

    path: Path
    shape: tuple[int, int, int]
    pixel_size_angstrom: float
    intensity_scale: float
    intensity_offset: float

    @property
    def tilts_deg(self) -> tuple[float, ...] | None:
        """Stage tilts that the file itself carries."""
        ...

    def read(self, index: int) -> Image:
        """Return one image as stored."""
        ...

    def read_all(self, indices: Iterable[int] | None = None) -> Image:
        """Return some images as stored, shape ``[n, y, x]``."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_stack(path: Path | str) -> ImageStack:
    """Open an MRC or TIFF stack by the ending of its name.

    Raises
    ------
    FormatError
        The file is missing, truncated, or of a kind that cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() in TIFF_SUFFIXES:
        from tomotui.formats.tiff import TiffStack

        return TiffStack(path)
    return MrcStack(path)


@dataclass(frozen=True)
class ImageStatistics:
    """What one pass over an image found.

    Attributes
    ----------
    mean, deviation
        Of the finite pixels, as stored.
    n_not_finite
        Pixels that are NaN or infinite.
    verdict
        ``empty`` (all pixels equal), ``not finite`` (some pixels are no numbers), ``dark`` (far
        darker than the others) or ``good``.
    """

    index: int
    mean: float
    deviation: float
    minimum: float
    maximum: float
    n_not_finite: int
    verdict: Literal["good", "dark", "empty", "not finite"] = "good"


def check_image(image: Image, index: int = 0) -> ImageStatistics:
    """Measure one image, shape ``[y, x]``, and say whether it can be used by itself."""
    finite = np.isfinite(image)
    n_bad = int(image.size - np.count_nonzero(finite))
    values = image[finite] if n_bad else image.reshape(-1)
    if not values.size:
        return ImageStatistics(index, 0.0, 0.0, 0.0, 0.0, n_bad, "not finite")
    low, high = float(values.min()), float(values.max())
    verdict: Literal["good", "empty", "not finite"] = "good"
    if n_bad:
        verdict = "not finite"
    elif low == high:
        verdict = "empty"
    mean = float(values.mean(dtype=np.float64))
    return ImageStatistics(
        index, mean, float(values.std(dtype=np.float64)), low, high, n_bad, verdict
    )


def scan_images(stack: ImageStack) -> Iterator[ImageStatistics]:
    """Measure the images of a stack one by one, without holding more than one."""
    for index in range(stack.shape[0]):
        yield check_image(stack.read(index), index)


def judge_images(statistics: Sequence[ImageStatistics]) -> list[ImageStatistics]:
    """Mark the images that are far darker than the rest, as behind a grid bar.

    An image is dark when its mean is under a fifth of the median mean. That is a statement
    about counts, so it is made only where all images have positive means.
    """
    means = np.array([s.mean for s in statistics if s.verdict == "good"])
    if not means.size or means.min() < 0:
        return list(statistics)
    limit = _DARK_FRACTION * float(np.median(means))
    return [_darkened(s) if s.verdict == "good" and s.mean < limit else s for s in statistics]


def _darkened(s: ImageStatistics) -> ImageStatistics:
    return ImageStatistics(
        s.index, s.mean, s.deviation, s.minimum, s.maximum, s.n_not_finite, "dark"
    )


def image_warnings(statistics: Sequence[ImageStatistics], used: Collection[int] = ()) -> list[str]:
    """Return one sentence for each kind of faulty image, with the numbers of the tilts.

    Parameters
    ----------
    used
        Numbers of faulty images that are used all the same, for their good pixels.
    """
    meanings = {
        "empty": "all pixels are equal",
        "not finite": "some pixels are no numbers (NaN)",
        "dark": "far darker than the other images",
    }
    warnings = []
    for verdict, meaning in meanings.items():
        for is_used, fate in (False, "excluded"), (True, "the other pixels are used"):
            found = [
                str(s.index)
                for s in statistics
                if s.verdict == verdict and (s.index in used) == is_used
            ]
            if found:
                word = "tilt" if len(found) == 1 else "tilts"
                warnings.append(f"{word} {', '.join(found)}: {meaning}; {fate}")
    return warnings


def sha256(path: Path | str) -> str:
    """Return the SHA-256 checksum of a file, hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

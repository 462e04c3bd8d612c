"""Back-projection from the common frame, section by section.

Rows of images are rows of the volume. In space, a section gathers from every tilt the columns it
falls on, between which it interpolates: one sparse matrix, which moves whole rows. In Fourier
space the shift of a section is exact: at every frequency along x the sections are one small
matrix times the tilts, and nothing is interpolated.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.filters import fast_length
from tomotui.algorithms.reconstruct.frame import Frame

Operator = Literal["linear", "fourier"]

MAX_MATRIX_ENTRIES = 40_000_000


class Backprojector(ABC):
    """Smears images of some tilts over sections of the volume.

    Parameters
    ----------
    frame
        Stretched frame of the tilts.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.slope = frame.slope
        self.n_x = frame.sampling.n_x
        self.first_column = frame.n_columns // 2 - self.n_x // 2

    @abstractmethod
    def take(self, images: Tensor) -> None:
        """Take the images, ``[n_tilts, n_columns, n_rows]``, that the next sections are from."""

    @abstractmethod
    def sections(self, depths: np.ndarray) -> Tensor:
        """Return the sum over tilts at depths in voxels, ``[len(depths), n_x, n_rows]``."""


class LinearBackprojector(Backprojector):
    """Interpolates linearly between columns.

    On a CPU a sparse matrix keeps each row of the volume in the cache while it gathers from all
    tilts. On a GPU whole sections are shifted and added, which streams through its cache.
    """

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self._images: Tensor | None = None
        self._known: dict[bytes, Tensor] = {}

    def take(self, images: Tensor) -> None:
        """See `Backprojector`."""
        self._images = images.contiguous()

    def sections(self, depths: np.ndarray) -> Tensor:
        """See `Backprojector`."""
        assert self._images is not None
        if self._images.is_cuda:
            return shift_and_add(self._images, self.slope, self.n_x, depths)
        n_tilts, n_columns, n_rows = self._images.shape
        out = self._images.new_empty(len(depths), self.n_x, n_rows)
        at_once = max(1, MAX_MATRIX_ENTRIES // (2 * self.n_x * n_tilts))
        rows = self._images.view(n_tilts * n_columns, n_rows)
        for first in range(0, len(depths), at_once):
            some = depths[first : first + at_once]
            matrix = self._matrix(some)
            out[first : first + at_once] = (matrix @ rows).view(len(some), self.n_x, n_rows)
        return out

    def _matrix(self, depths: np.ndarray) -> Tensor:
        """Return the interpolation, kept while the same sections are asked for again."""
        key = depths.tobytes()
        if key not in self._known:
            self._known = {key: _torch_matrix(self._scipy_matrix(depths))}
        return self._known[key]

    def _scipy_matrix(self, depths: np.ndarray) -> scipy.sparse.csr_array:
        """Return the matrix from image columns ``[tilt, column]`` to voxels ``[z, x]``."""
        n_columns, n_tilts = self.frame.n_columns, len(self.slope)
        moved = depths[:, None] * self.slope
        whole = np.floor(moved).astype(np.int64)
        fraction = (moved - whole).astype(np.float32)
        x = np.arange(self.n_x) + self.first_column
        left = x[None, :, None] + whole[:, None, :]
        columns = np.stack([left, left + 1], axis=-1)
        weights = np.stack([1 - fraction, fraction], axis=-1)[:, None]
        inside = (columns >= 0) & (columns < n_columns)
        columns += (np.arange(n_tilts) * n_columns)[:, None]
        per_voxel = inside.reshape(len(depths) * self.n_x, -1).sum(axis=1)
        indptr = np.concatenate([[0], np.cumsum(per_voxel)])
        data = np.broadcast_to(weights, columns.shape)[inside]
        shape = (len(depths) * self.n_x, n_tilts * n_columns)
        return scipy.sparse.csr_array((data, columns[inside], indptr), shape=shape)


def _torch_matrix(matrix: scipy.sparse.csr_array) -> Tensor:
    # A notice of PyTorch about the age of its sparse tensors; nothing a user can act on.
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    return torch.sparse_csr_tensor(
        torch.from_numpy(matrix.indptr.astype(np.int32)),
        torch.from_numpy(matrix.indices.astype(np.int32)),
        torch.from_numpy(matrix.data),
        size=matrix.shape,
        check_invariants=False,
    )


def shift_and_add(images: Tensor, slope: np.ndarray, n_x: int, depths: np.ndarray) -> Tensor:
    """Back-project by moving whole images along x.

    Parameters
    ----------
    images
        ``[n_tilts, n_columns, n_rows]``, contiguous.
    slope
        Columns moved per section of each tilt.
    n_x
        Columns of the result.
    depths
        Sections in voxels from the middle.

    Returns
    -------
    ``[len(depths), n_x, n_rows]``.
    """
    n_columns = images.shape[1]
    out = images.new_zeros(len(depths), n_x, images.shape[2])
    start = n_columns // 2 - n_x // 2
    for section, depth in zip(out, depths.tolist(), strict=True):
        for image, per_section in zip(images, slope.tolist(), strict=True):
            moved = depth * per_section
            whole = int(np.floor(moved))
            fraction = moved - whole
            for column, weight in ((start + whole, 1 - fraction), (start + whole + 1, fraction)):
                low, high = max(0, -column), min(n_x, n_columns - column)
                if low < high and weight > 0:
                    section[low:high].add_(image[column + low : column + high], alpha=weight)
    return out


class FourierBackprojector(Backprojector):
    """Moves sections exactly, by phases at every frequency along x."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        reach = int(np.ceil(np.abs(self.slope).max() * frame.sampling.n_z / 2))
        # What is asked for beyond the images must fall into the padding, not round the corner.
        beyond = max(0, reach + 8 - self.first_column)
        self.padded = fast_length(frame.n_columns + beyond)
        self._spectrum: Tensor | None = None

    def take(self, images: Tensor) -> None:
        """See `Backprojector`."""
        spectrum = torch.fft.rfft(images, n=self.padded, dim=1)
        self._spectrum = spectrum.transpose(0, 1).contiguous()

    def sections(self, depths: np.ndarray) -> Tensor:
        """See `Backprojector`."""
        spectrum = self._spectrum
        assert spectrum is not None
        frequency = torch.fft.rfftfreq(self.padded, dtype=torch.float64)
        moved = torch.from_numpy(depths[:, None] * self.slope)
        cycles = frequency[:, None, None] * moved
        # Whole turns are taken out in double precision; what is left is exact in single.
        angle = (2 * np.pi * (cycles - cycles.round())).to(spectrum.device, torch.float32)
        measured = frequency[:, None] <= 0.5 * torch.from_numpy(self.frame.cosine) + 1e-6
        waves = torch.polar(torch.ones_like(angle), angle)
        waves *= measured[:, None].to(spectrum.device)
        volume = torch.fft.irfft(torch.matmul(waves, spectrum), n=self.padded, dim=0)
        return volume[self.first_column : self.first_column + self.n_x].transpose(0, 1)


def make_backprojector(operator: Operator, frame: Frame) -> Backprojector:
    """Return the back-projector of a name."""
    return LinearBackprojector(frame) if operator == "linear" else FourierBackprojector(frame)


def undo_lean(sections: Tensor, depths: np.ndarray, frame: Frame) -> Tensor:
    """Move sections along y to where the lean of the specimen has them, and cut off the rims.

    Parameters
    ----------
    sections
        ``[n_z, n_x, n_rows]`` at depths in voxels.

    Returns
    -------
    ``[n_z, n_x, n_y]``.
    """
    n_y, n_rows = frame.sampling.n_y, sections.shape[-1]
    first = frame.n_rows // 2 - n_y // 2
    if abs(frame.row_slope) > 1e-9:
        moved = torch.from_numpy(depths * frame.row_slope).to(sections)
        frequency = torch.fft.rfftfreq(n_rows, device=sections.device)
        angle = -2 * np.pi * frequency * moved[:, None]
        shift = torch.polar(torch.ones_like(angle), angle)[:, None, :]
        spectrum = torch.fft.rfft(sections, dim=-1) * shift
        sections = torch.fft.irfft(spectrum, n=n_rows, dim=-1)
    return sections[..., first : first + n_y]

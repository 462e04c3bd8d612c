"""Parallel projection and back-projection about one axis, as a sparse matrix and its transpose.

With the tilt axis along y, every row (y) of an image meets only the same row of the volume, and
the two-dimensional problem in (x, z) is the same for all rows. The linear interpolation from
image columns to voxels is therefore one sparse matrix, and whole rows are moved by one sparse
times dense product: contiguous in memory, an exact adjoint pair, on any device.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

Kernel = Literal["linear", "cubic"]


class SingleAxisProjector:
    """Projector for images whose tilt axis lies along y.

    Parameters
    ----------
    tilt_deg
        Tilt of each image in degrees, ``n_tilts`` of them.
    n_columns
        Columns of the images (along x, across the tilt axis).
    n_x
        Voxels of the volume along x.
    z_voxels
        Depths of the volume's sections in voxels from the specimen's centre.
    device, dtype
        Where and in what precision the products are computed.
    kernel
        How columns are interpolated: ``linear`` between two, or ``cubic`` between four (Keys
        1981, IEEE Trans. ASSP 29:1153), at twice the price; what is measured to a fraction of a
        pixel needs it.

    Notes
    -----
    Voxel (x, z) falls on column ``x cos(tilt) + z sin(tilt)`` from the centre ``n // 2``
    (``tomotui.geometry.tilt`` with the axis along y). Columns outside an image contribute
    nothing. Images are ``[n_tilts, n_columns, n_rows]`` (x before y) and volumes
    ``[n_z, n_x, n_rows]``, so that rows along y stay contiguous.
    """

    def __init__(
        self,
        tilt_deg: Sequence[float] | np.ndarray,
        n_columns: int,
        n_x: int,
        z_voxels: Sequence[float] | np.ndarray,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        kernel: Kernel = "linear",
    ) -> None:
        self.tilt_deg = np.asarray(tilt_deg, dtype=np.float64)
        self.z_voxels = np.asarray(z_voxels, dtype=np.float64)
        self.n_tilts, self.n_columns = len(self.tilt_deg), n_columns
        self.n_x, self.n_z = n_x, len(self.z_voxels)
        self.device, self.dtype = torch.device(device), dtype
        matrix = _interpolation_matrix(self.tilt_deg, n_columns, n_x, self.z_voxels, kernel)
        self._scipy = matrix
        self._back = self._to_torch(matrix)
        self._self_projection: Tensor | None = None

    @cached_property
    def _forward(self) -> Tensor:
        """The transposed matrix, which back-projection alone has no need of."""
        return self._to_torch(self._scipy.T.tocsr())

    def _to_torch(self, matrix: scipy.sparse.csr_array) -> Tensor:
        # A notice of PyTorch about the age of its sparse tensors; nothing a user can act on.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        index = np.int64 if matrix.nnz > np.iinfo(np.int32).max else np.int32
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(index)),
            torch.from_numpy(matrix.indices.astype(index)),
            torch.from_numpy(matrix.data).to(self.dtype),
            size=matrix.shape,
            check_invariants=False,
        ).to(self.device)

    def backproject(self, images: Tensor) -> Tensor:
        """Smear images over the volume.

        Parameters
        ----------
        images
            Shape ``[n_tilts, n_columns, n_rows]``.

        Returns
        -------
        Sum over tilts, shape ``[n_z, n_x, n_rows]``.
        """
        rows = images.reshape(self.n_tilts * self.n_columns, -1)
        return (self._back @ rows).reshape(self.n_z, self.n_x, -1)

    def project(self, volume: Tensor) -> Tensor:
        """Sum a volume along the beam of every tilt: the adjoint of `backproject`.

        Parameters
        ----------
        volume
            Shape ``[n_z, n_x, n_rows]``.

        Returns
        -------
        Images, shape ``[n_tilts, n_columns, n_rows]``.
        """
        rows = volume.reshape(self.n_z * self.n_x, -1)
        return (self._forward @ rows).reshape(self.n_tilts, self.n_columns, -1)

    def project_own(self, images: Tensor) -> Tensor:
        """Back-project every image alone and project it again at its own tilt.

        What remains of ``project(backproject(images))`` after subtracting this is, for every
        tilt, made from the other tilts only.
        """
        if self._self_projection is None:
            self._self_projection = self._to_torch(self._own_matrix())
        rows = images.reshape(self.n_tilts * self.n_columns, -1)
        return (self._self_projection @ rows).reshape(images.shape)

    def _own_matrix(self) -> scipy.sparse.csr_array:
        by_column = self._scipy.tocsc()
        blocks = []
        for tilt in range(self.n_tilts):
            part = by_column[:, tilt * self.n_columns : (tilt + 1) * self.n_columns]
            blocks.append(part.T @ part)
        return scipy.sparse.csr_array(scipy.sparse.block_diag(blocks, format="csr"))

    def path_length(self) -> Tensor:
        """Return how much of the volume each column sees, in voxels: ``[n_tilts, n_columns]``."""
        ones = torch.ones(self.n_z * self.n_x, 1, dtype=self.dtype, device=self.device)
        return (self._forward @ ones).reshape(self.n_tilts, self.n_columns)


def _interpolation_matrix(
    tilt_deg: np.ndarray, n_columns: int, n_x: int, z_voxels: np.ndarray, kernel: Kernel
) -> scipy.sparse.csr_array:
    """Return the matrix from image columns ``[tilt, column]`` to voxels ``[z, x]``."""
    tilt = np.deg2rad(tilt_deg)
    x = np.arange(n_x) - n_x // 2
    column = x[None, :, None] * np.cos(tilt) + z_voxels[:, None, None] * np.sin(tilt)
    column += n_columns // 2
    left = np.floor(column).astype(np.int64)
    fraction = (column - left).astype(np.float32)
    if kernel == "linear":
        columns = np.stack([left, left + 1], axis=-1)
        weights = np.stack([1 - fraction, fraction], axis=-1)
    else:
        columns = left[..., None] + np.arange(-1, 3)
        weights = _keys_weights(fraction)
    inside = (columns >= 0) & (columns < n_columns)
    columns += (np.arange(len(tilt)) * n_columns)[:, None]
    per_voxel = inside.reshape(len(z_voxels) * n_x, -1).sum(axis=1)
    indptr = np.concatenate([[0], np.cumsum(per_voxel)])
    return scipy.sparse.csr_array(
        (weights[inside], columns[inside], indptr),
        shape=(len(z_voxels) * n_x, len(tilt) * n_columns),
    )


def _keys_weights(fraction: np.ndarray) -> np.ndarray:
    """Return the weights of the four samples around a place, ``[..., 4]``."""
    f = fraction
    return np.stack(
        [
            ((2 - f) * f - 1) * f / 2,
            ((3 * f - 5) * f * f + 2) / 2,
            ((4 - 3 * f) * f + 1) * f / 2,
            (f - 1) * f * f / 2,
        ],
        axis=-1,
    )

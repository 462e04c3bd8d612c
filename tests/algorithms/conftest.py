from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.geometry import TiltGeometry

BlobImages = Callable[..., Tensor]


@pytest.fixture(scope="session")
def blob_images() -> BlobImages:
    """Images of dark Gaussian blobs, exactly where the projection equation puts them."""

    def make(
        points_angstrom: np.ndarray,
        geometry: TiltGeometry,
        shape: tuple[int, int],
        pixel_size_angstrom: float,
        sigma_px: float = 2.0,
    ) -> Tensor:
        height, width = shape
        places = torch.from_numpy(geometry.project(points_angstrom)) / pixel_size_angstrom
        x = torch.arange(width) - width // 2 - places[..., 0, None]
        y = torch.arange(height) - height // 2 - places[..., 1, None]
        by_x, by_y = (torch.exp(-(d**2) / (2 * sigma_px**2)) for d in (x, y))
        return -torch.einsum("tpy,tpx->tyx", by_y, by_x).float()

    return make

from __future__ import annotations

import numpy as np
import pytest
import torch

from tomotui.geometry import TiltGeometry
from tomotui.imaging.projector import SingleAxisProjector

TILTS = np.array([-60.0, -33.0, -5.0, 0.0, 12.0, 47.0])
DEPTHS = np.arange(14) - 7


@pytest.fixture(scope="module")
def projector() -> SingleAxisProjector:
    return SingleAxisProjector(TILTS, 40, 36, DEPTHS)


def test_projection_is_the_adjoint_of_back_projection(projector: SingleAxisProjector) -> None:
    torch.manual_seed(0)
    images, volume = torch.rand(6, 40, 5), torch.rand(14, 36, 5)
    one = float((projector.project(volume).double() * images).sum())
    other = float((projector.backproject(images).double() * volume).sum())
    assert one == pytest.approx(other, rel=1e-4)
    assert projector.project(volume).shape == images.shape
    assert projector.backproject(images).shape == volume.shape


@pytest.mark.parametrize(("z", "x", "y"), [(3, 22, 1), (11, 10, 4), (7, 18, 0)])
def test_a_voxel_falls_where_the_projection_equation_says(
    projector: SingleAxisProjector, z: int, x: int, y: int
) -> None:
    volume = torch.zeros(14, 36, 5)
    volume[z, x, y] = 1
    images = projector.project(volume)
    expected = TiltGeometry.of(TILTS).project([x - 18, y, z - 7])[:, 0, 0]
    column = torch.arange(40, dtype=torch.float32) - 20
    found = (images[:, :, y] * column).sum(dim=1) / images[:, :, y].sum(dim=1)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(images[:, :, y].sum(dim=1), 1, atol=1e-5)
    others = [row for row in range(5) if row != y]
    assert images[:, :, others].abs().max() == 0


def test_depths_may_be_anywhere() -> None:
    slab = SingleAxisProjector(TILTS, 40, 36, [5.0])
    whole = SingleAxisProjector(TILTS, 40, 36, DEPTHS)
    images = torch.rand(6, 40, 3)
    torch.testing.assert_close(slab.backproject(images)[0], whole.backproject(images)[12])


def test_own_projection_is_that_of_each_image_alone(projector: SingleAxisProjector) -> None:
    torch.manual_seed(1)
    images = torch.rand(6, 40, 3)
    own = projector.project_own(images)
    for tilt in range(6):
        alone = torch.zeros_like(images)
        alone[tilt] = images[tilt]
        expected = projector.project(projector.backproject(alone))[tilt]
        torch.testing.assert_close(own[tilt], expected, rtol=1e-4, atol=1e-4)


def test_path_length_is_the_projection_of_ones(projector: SingleAxisProjector) -> None:
    path = projector.path_length()
    ones = projector.project(torch.ones(14, 36, 1))[..., 0]
    torch.testing.assert_close(path, ones)
    untilted = TILTS.tolist().index(0.0)
    assert path[untilted, 2:38].tolist() == pytest.approx([14] * 36)
    centre = path[:, 18:23].mean(dim=1)
    np.testing.assert_allclose(centre, 14 / np.cos(np.deg2rad(TILTS)), rtol=0.06)


def test_columns_beside_the_volume_stay_empty() -> None:
    projector = SingleAxisProjector([0.0], 40, 20, np.arange(4) - 2)
    image = projector.project(torch.ones(4, 20, 2))[0]
    assert image[:10].abs().max() == 0
    assert image[30:].abs().max() == 0
    assert (image[10:30] == 4).all()


def test_voxels_that_no_image_sees_stay_empty() -> None:
    projector = SingleAxisProjector([0.0, 20.0], 20, 60, np.arange(4) - 2)
    volume = projector.backproject(torch.ones(2, 20, 2))
    assert volume[:, :15].abs().max() == 0
    assert volume[:, 46:].abs().max() == 0
    assert volume[2, 30].tolist() == pytest.approx([2, 2])

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from tomotui.geometry.symmetry import symmetry_rotations
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.slices import (
    FourierGrid,
    HalfPlane,
    SliceSource,
    SliceSums,
    interpolation_window,
)

SIZE = 24
SIGMA_PX = 1.6
CENTRE_PX = torch.tensor([2.3, -4.1, 3.6])


def blob(size: int = SIZE, centre: Tensor = CENTRE_PX, sigma: float = SIGMA_PX) -> Tensor:
    line = torch.arange(size) - size // 2
    x, y, z = (torch.exp(-((line - at) ** 2) / (2 * sigma**2)) for at in centre)
    return z[:, None, None] * y[None, :, None] * x


def blob_transform(points: Tensor, size: int = SIZE, centre: Tensor = CENTRE_PX) -> Tensor:
    """Return the Fourier transform of the blob at frequencies in cycles per box."""
    k = points / size
    fall = torch.exp(-2 * math.pi**2 * SIGMA_PX**2 * k.square().sum(dim=-1))
    angle = -2 * math.pi * (k @ centre)
    return (2 * math.pi * SIGMA_PX**2) ** 1.5 * torch.polar(fall, angle)


def points_in_ball(n: int, radius: float, seed: int = 0) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    directions = torch.randn(n, 3, generator=chance)
    directions /= directions.norm(dim=1, keepdim=True)
    return directions * radius * torch.rand(n, 1, generator=chance) ** (1 / 3)


def random_slices(n: int, seed: int = 0) -> tuple[HalfPlane, Tensor]:
    """Return a plane, and where turned copies of it lie, ``[n, k, 3]``."""
    plane = HalfPlane(SIZE)
    turns = torch.as_tensor(Rotation.random(n, random_state=seed).as_matrix()).float()
    return plane, plane.frequencies @ turns[:, :2]


def solved(values: Tensor, weights: Tensor, grid: FourierGrid) -> Tensor:
    inside = grid.frequency() <= grid.radius
    quotient = torch.where(inside, values / weights.clamp_min(1e-3), 0)
    return grid.uncut(quotient) / interpolation_window(grid.size)


def error(found: Tensor, expected: Tensor) -> float:
    """Return the root mean square error, as a share of what was expected."""
    return float(
        (found - expected).abs().square().mean().sqrt() / expected.abs().square().mean().sqrt()
    )


def correlation(first: Tensor, second: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])


def test_a_spectrum_is_read_as_the_analytic_one() -> None:
    points = points_in_ball(4000, 11.0)
    found = SliceSource(blob(), 11.0).read(points)
    expected = blob_transform(points)
    # What lies a quarter of the box from the middle is read 2 % wrong, nearer the middle less.
    assert error(found, expected) < 0.025
    near = torch.tensor([1.5, -1.0, 2.0])
    found = SliceSource(blob(centre=near), 11.0).read(points)
    assert error(found, blob_transform(points, centre=near)) < 0.01


def test_the_gradient_is_that_of_the_analytic_spectrum() -> None:
    points = points_in_ball(2000, 11.0)
    values, gradient = SliceSource(blob(), 11.0, with_gradient=True).read_with_gradient(points)
    expected = blob_transform(points)
    slope = -4 * math.pi**2 * SIGMA_PX**2 * points / SIZE**2 - 2j * math.pi * CENTRE_PX / SIZE
    slope = slope * expected[:, None]
    assert error(values, expected) < 0.025
    assert error(gradient, slope) < 0.025


def test_the_other_half_of_space_is_the_conjugate() -> None:
    points = points_in_ball(500, 11.0)
    source = SliceSource(blob(), 11.0, with_gradient=True)
    values, gradient = source.read_with_gradient(points)
    mates, mate_gradient = source.read_with_gradient(-points)
    assert torch.allclose(mates, values.conj(), atol=1e-4)
    assert torch.allclose(mate_gradient, -gradient.conj(), atol=1e-4)
    assert torch.allclose(source.read(points), values, atol=1e-5)


def test_a_grid_is_cut_out_and_put_back() -> None:
    grid = FourierGrid(SIZE, 11.0)
    cut = grid.cut(blob())
    assert cut.shape == grid.shape
    assert (grid.uncut(cut) - blob()).abs().max() < 2e-3
    with pytest.raises(ValueError, match="radius must lie between 0 and 12"):
        FourierGrid(SIZE, 12.0)


def test_shares_of_grid_points_make_a_whole() -> None:
    grid = FourierGrid(SIZE, 11.0)
    index, shares, mirrored = grid.around(points_in_ball(1000, 11.0))
    assert torch.allclose(shares.sum(dim=1), torch.ones(1000))
    assert index.min() >= 0
    assert index.max() < grid.n_points
    assert 300 < mirrored.sum() < 700


def test_a_volume_is_put_together_from_its_slices() -> None:
    plane, points = random_slices(100)
    sums = SliceSums(SIZE, 11.0)
    source = SliceSource(blob(), 11.0)
    flat = points.reshape(-1, 3)
    sums.add(flat, source.read(flat), torch.ones(len(flat)))
    volume = solved(*sums.spectrum(), sums.grid)
    assert len(plane.radius) == points.shape[1]
    assert correlation(volume, blob()) > 0.998
    assert (volume - blob()).abs().max() < 0.05


def test_the_order_of_adding_does_not_show() -> None:
    _, points = random_slices(6)
    source = SliceSource(blob(), 11.0)
    spectra = []
    for order in (range(6), reversed(range(6))):
        sums = SliceSums(SIZE, 11.0)
        for at in order:
            sums.add(points[at], source.read(points[at]), torch.full((points.shape[1],), 0.7))
        spectra.append(sums.spectrum()[0])
    assert torch.equal(*spectra)


def test_symmetry_is_put_into_the_sums() -> None:
    group = torch.as_tensor(symmetry_rotations("C3")).float()
    _, points = random_slices(60)
    source = SliceSource(blob(), 11.0)
    once, turned = SliceSums(SIZE, 11.0), SliceSums(SIZE, 11.0)
    flat = points.reshape(-1, 3)
    values, weights = source.read(flat), torch.ones(len(flat))
    once.add(flat, values, weights)
    for rotation in group:
        turned.add(flat @ rotation.T, values / 3, weights / 3)
    values, weights = once.symmetrised(group)
    wanted, wanted_weights = turned.spectrum()
    inside = once.grid.frequency() < 10.5
    assert correlation(weights[inside], wanted_weights[inside]) > 0.9
    found = solved(values, weights, once.grid)
    assert correlation(found, solved(wanted, wanted_weights, once.grid)) > 0.998
    # Turned by a third about z, the map is the same (a box is not, so its corners are cut off).
    copy = SliceSource(found * soft_ball(SIZE, 9.0, 3.0), 8.0)
    places = points_in_ball(500, 8.0)
    there, here = copy.read(places @ group[1].T), copy.read(places)
    assert error(there, here) < 0.06


@pytest.mark.parametrize("size", [16, 18])
def test_half_a_plane_has_one_of_each_pair_from_the_inside_out(size: int) -> None:
    plane = HalfPlane(size)
    assert (plane.radius.diff() >= 0).all()
    assert plane.radius.max() <= size / 2 - 1
    together = torch.cat([plane.frequencies, -plane.frequencies])
    assert len(torch.unique(together, dim=0)) == 2 * len(plane.frequencies)
    for radius in (2.0, 5.5):
        n = plane.within(radius)
        assert plane.radius[n - 1] <= radius + 1e-4
        assert plane.radius[n] > radius
    # All of the disc but the origin is there.
    line = np.arange(-size, size + 1)
    inside = np.hypot(line[:, None], line) <= size / 2 - 1
    assert 2 * len(plane.radius) == inside.sum() - 1


def test_images_become_terms_about_their_middle_and_images_again() -> None:
    plane = HalfPlane(SIZE)
    image = blob()[SIZE // 2 + 3]
    line = torch.arange(SIZE) - SIZE // 2
    kx, ky = plane.frequencies[7]
    wave = torch.polar(
        torch.ones(SIZE, SIZE), -2 * math.pi * (ky * line[:, None] + kx * line) / SIZE
    )
    terms = plane.transform(image)
    assert torch.allclose(terms[7], (image * wave).sum(), atol=1e-4)
    back = plane.image(terms)
    assert (back - (image - image.mean())).abs().max() < 2e-3 * image.max()
    few = plane.image(terms[: plane.within(4.0)])
    assert torch.allclose(
        plane.transform(few)[plane.within(4.0) :].abs().max(), torch.zeros(()), atol=1e-4
    )

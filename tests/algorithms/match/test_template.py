from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from tomotui.algorithms.match.field import Band, prepare, search_sampling
from tomotui.algorithms.match.template import (
    centred,
    in_frame_of,
    make_template,
    symmetry_agreement,
)
from tomotui.algorithms.match.tiles import plan_tiles
from tomotui.imaging.potential import sample
from tomotui.simulate.shapes import shape


def blob(shape_zyx: tuple[int, int, int], at_zyx: tuple[float, float, float]) -> torch.Tensor:
    axes = [torch.arange(n) - a for n, a in zip(shape_zyx, at_zyx, strict=True)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return 3 + torch.exp(-(z**2 + y**2 + 0.5 * x**2) / 18)


def test_a_map_is_moved_to_its_centre_of_mass() -> None:
    density = centred(blob((40, 44, 48), (22, 18, 28)), 5.0)
    # The map's own centre is voxel (20, 22, 24).
    assert density.moved_angstrom == pytest.approx((20.0, -20.0, 10.0), abs=0.5)
    side = density.values.shape[0]
    peak = np.unravel_index(int(density.values.argmax()), density.values.shape)
    assert peak == (side // 2,) * 3
    assert float(density.values[0].abs().max()) < 0.1


def test_a_mask_moves_with_its_map() -> None:
    values = blob((40, 44, 48), (22, 18, 28))
    density = centred(values, 5.0)
    mask = in_frame_of(density, (values > 3.5).float(), 5.0)
    side = mask.values.shape[0]
    assert float(mask.values[side // 2, side // 2, side // 2]) == 1.0
    assert float(mask.values.sum()) == pytest.approx(float((values > 3.5).sum()), rel=0.02)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (torch.zeros(8, 8, 8), "empty"),
        (torch.full((8, 8, 8), float("nan")), "not numbers"),
        (-blob((20, 20, 20), (10, 10, 10)), "is dark"),
    ],
)
def test_a_map_without_protein_is_refused(values: torch.Tensor, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        centred(values, 5.0)


def test_symmetry_is_told_from_the_template() -> None:
    made = sample(shape("proteasome"), "p", 5.0)
    density = centred(torch.from_numpy(made.potential_v), 5.0)
    template = make_template(density, 10.0, 30.0, density.radius_angstrom)
    assert symmetry_agreement(template.density, "D7") > 0.9
    assert symmetry_agreement(template.density, "C1") == 1.0
    assert symmetry_agreement(template.density, "T") < 0.8


def test_the_mirrored_template_is_another_and_the_null_has_its_amplitudes() -> None:
    made = sample(shape("globule"), "g", 5.0)
    density = centred(torch.from_numpy(made.potential_v), 5.0)
    plain = make_template(density, 10.0, 25.0, density.radius_angstrom)
    mirrored = make_template(density, 10.0, 25.0, density.radius_angstrom, mirror=True)
    middle = plain.density.shape[0] // 2
    assert torch.allclose(
        plain.density[middle + 2], mirrored.density[middle - 2], atol=1e-4 * plain.density.max()
    )
    assert plain.null is not None
    power = [torch.fft.rfftn(v).abs().square().flatten() for v in (plain.density, plain.null)]
    assert float(torch.corrcoef(torch.stack(power))[0, 1]) > 0.6
    flat = torch.stack([plain.density.flatten(), plain.null.flatten()])
    assert abs(float(torch.corrcoef(flat)[0, 1])) < 0.4


def test_turning_a_template_turns_its_points() -> None:
    values = torch.zeros(32, 32, 32)
    values[16, 16, 24] = 1.0  # along +x
    density = type(centred(blob((20, 20, 20), (10, 10, 10)), 5.0))(values, 5.0, 60.0, (0, 0, 0))
    template = make_template(density, 10.0, 20.0, 60.0, with_null=False)
    # Right-handed about z: +x goes to +y.
    turn = torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]])
    turned = template.turned(turn)[0, 0]
    half = template.box // 2
    assert np.unravel_index(int(turned.argmax()), turned.shape) == (half, half + 4, half)


@pytest.mark.parametrize(
    ("voxel", "resolution", "expected"),
    [
        (10, 30, Fraction(1)),
        (10, 60, Fraction(1, 2)),
        (10, 45, Fraction(2, 3)),
        (14, 30, Fraction(1)),
    ],
)
def test_the_search_samples_no_finer_than_its_detail(
    voxel: float, resolution: float, expected: Fraction
) -> None:
    assert search_sampling(voxel, resolution) == expected


@pytest.mark.parametrize("sampling", [Fraction(1), Fraction(2, 3), Fraction(1, 2), Fraction(3, 8)])
def test_places_of_the_search_are_those_of_the_tomogram(sampling: Fraction) -> None:
    noise = torch.randn((36, 50, 47), generator=torch.Generator().manual_seed(1))
    volume = -blob((36, 50, 47), (20, 31, 12)) + 0.3 * noise
    field = prepare(volume, 10.0, Band(60.0, 0.0, False), sampling, 10)
    inside = field.values[tuple(slice(field.margin, field.margin + n) for n in field.shape)]
    peak = np.unravel_index(int(inside.argmax()), inside.shape)
    (position,) = field.positions_angstrom(np.array([peak]))
    expected = 10.0 * np.array([12 - 23, 31 - 25, 20 - 18])
    assert np.abs(position - expected).max() <= 0.51 * field.voxel_size_angstrom
    assert field.values.shape == tuple(n + 9 for n in field.shape)


def test_a_tomogram_of_no_numbers_or_no_contrast_is_refused() -> None:
    band = Band(60.0, 0.0, True)
    with pytest.raises(ValueError, match="not numbers"):
        prepare(torch.full((20, 20, 20), float("inf")), 10.0, band, Fraction(1), 8)
    with pytest.raises(ValueError, match="the same"):
        prepare(torch.ones(20, 20, 20), 10.0, band, Fraction(1), 8)


def test_gold_does_not_outshine_the_rest() -> None:
    volume = torch.randn(24, 30, 30)
    volume[12, 15, 15] = -5000.0
    field = prepare(volume, 10.0, Band(30.0, 0.0, False), Fraction(1), 8)
    assert float(field.values.abs().max()) < 9 * float(field.values.std())


def test_tiles_cover_every_place_once_and_fit_the_memory() -> None:
    plan = plan_tiles((70, 131, 200), 24, "cpu", 90)
    seen = np.zeros((70, 131, 200), dtype=int)
    for tile in plan.tiles:
        z, y, x = (slice(s, s + n) for s, n in zip(tile.start, tile.size, strict=True))
        seen[z, y, x] += 1
    assert (seen == 1).all()
    small = plan_tiles((400, 400, 400), 24, "cpu", budget_bytes=30_000_000)
    assert np.prod(small.shape) * 24 <= 30_000_000

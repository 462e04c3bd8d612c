"""The search itself: every orientation at every voxel, and the best of each voxel kept.

Template and null are the real and imaginary part of one complex kernel, so that one transform
there and one back give both correlations (without a null, two orientations share a kernel). A
kernel fills a small corner of its tile: its transform is three products with slim Fourier
matrices, which skip what is empty. Under a ball the local deviation is the same for all
orientations, and divides the best of them once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.match.field import Field
from tomotui.algorithms.match.kernels import Kernels
from tomotui.algorithms.match.tiles import Plan, Tile
from tomotui.algorithms.parallel import Ranks

BLOCK = 64
"""Orientations between two chances to stop and go on later."""

LEAST_DEVIATION_SHARE = 0.5
"""Of the median local deviation: places with less, as beyond the images, count as with so much."""

MADE_TOGETHER = 8
"""Transforms whose kernels are made at once."""

N_CALIBRATION = 12
"""Orientations from which the deviation of scores is taken."""

Told = Callable[[float], None]


@dataclass
class Best:
    """The best score of every voxel so far.

    Attributes
    ----------
    scores
        Of the template and, where there is one, of the null, ``[z, y, x, 1 or 2]``; before
        division by the local deviation where that is the same for all orientations.
    index
        Orientation of the template's best score, ``[z, y, x]``; -1 for none.
    blocks_done
        Blocks of orientations that have been searched.
    """

    scores: Tensor
    index: Tensor
    blocks_done: int = 0

    @classmethod
    def nothing(cls, shape: tuple[int, int, int], n_scores: int, device: torch.device) -> Best:
        """Return the best of no orientation."""
        scores = torch.full((*shape, n_scores), -math.inf, device=device)
        return cls(scores, torch.full(shape, -1, dtype=torch.int32, device=device))

    def shared(self, ranks: Ranks, device: torch.device) -> None:
        """Take the best over all processes; where scores are equal, the first orientation.

        Parameters
        ----------
        device
            Where processes exchange what they have.
        """
        if ranks.count == 1:
            return
        scores, index = self.scores.to(device, copy=True), self.index.to(device)
        ranks.max_(scores)
        far = torch.iinfo(torch.int32).max
        is_best = (self.scores[..., 0].to(device) == scores[..., 0]) & (index >= 0)
        order = torch.where(is_best, index, far)
        ranks.min_(order)
        self.scores.copy_(scores)
        self.index.copy_(torch.where(order == far, -1, order))


class Search:
    """A search of one field with the kernels of one template.

    Parameters
    ----------
    field
        The tomogram.
    kernels
        The template.
    rotations
        Orientations to try, ``[n, 3, 3]``.
    plan
        How the field is cut.
    ranks
        Processes that share the orientations.
    """

    def __init__(
        self, field: Field, kernels: Kernels, rotations: Tensor, plan: Plan, ranks: Ranks
    ) -> None:
        self.field, self.kernels, self.plan, self.ranks = field, kernels, plan, ranks
        self.device = kernels.transfer.device
        self.rotations = rotations.float().to(self.device)
        self.kept_on = self.device if plan.maps_stay else torch.device("cpu")
        box = kernels.template.box
        self._matrices = [fourier_matrix(n, box, self.device) for n in plan.shape]
        self._buffer = torch.empty(
            (plan.at_once, *plan.shape), dtype=torch.complex64, device=self.device
        )
        self._single: Tensor | None = None
        self.deviation = self._local_deviation()
        level = float(self.deviation.flatten()[:: max(1, self.deviation.numel() // 2**22)].median())
        self._least_deviation = max(LEAST_DEVIATION_SHARE * level, 1e-30)
        self.deviation.clamp_min_(self._least_deviation)

    @property
    def n_blocks(self) -> int:
        """Number of blocks of orientations."""
        return -(-len(self.rotations) // BLOCK)

    def start(self) -> Best:
        """Return the state before the first block."""
        return Best.nothing(self.field.shape, 1 + int(self.kernels.has_null), self.kept_on)

    def run(self, best: Best, told: Told, block_done: Callable[[Best], None]) -> None:
        """Search all blocks that are not done yet.

        Parameters
        ----------
        best
            Changed in place.
        told
            Called often with the share done; may raise to stop, and ``best`` stays sound.
        block_done
            Called after each block, when all processes know the same.
        """
        for block in range(best.blocks_done, self.n_blocks):
            first = block * BLOCK
            self._search(self._own_share(first), best, first, told)
            best.shared(self.ranks, self.device)
            best.blocks_done = block + 1
            block_done(best)

    def _own_share(self, first: int) -> list[int]:
        """Return the orientations of a block that are this process's.

        Whole groups, so that none is worked on in other company than by one process alone.
        """
        numbers = range(first, min(first + BLOCK, len(self.rotations)))
        size = self._per_transform * max(MADE_TOGETHER, self.plan.at_once)
        groups = [numbers[at : at + size] for at in range(0, len(numbers), size)]
        return [one for group in groups[self.ranks.rank :: self.ranks.count] for one in group]

    def finished(self, best: Best) -> Tensor:
        """Return the scores of the best orientations, ``[z, y, x, 1 or 2]``, -1 to 1."""
        if self.kernels.has_own_mask:
            return best.scores
        return best.scores / self.deviation.to(best.scores.device)[..., None]

    def null_deviation(self) -> float:
        """Return the standard deviation of scores of single orientations, robustly.

        Of the null where there is one, otherwise of the template.
        """
        n = len(self.rotations)
        numbers = torch.linspace(0, n - 1, min(n, N_CALIBRATION)).round().long().tolist()
        found = []
        for tile in self.plan.tiles:
            for _, correlations, deviations in self._correlations(numbers, tile):
                channel = correlations[..., -1] if self.kernels.has_null else correlations[..., 0]
                if deviations is None:
                    deviations = _part(self.deviation, tile).to(self.device)
                scores = channel / deviations
                flat = scores.flatten()
                found.append(flat[:: max(1, flat.numel() // 200_000)].abs().cpu())
        return 1.4826 * float(torch.cat(found)[:: max(1, len(found) // 16)].median())

    def _search(self, numbers: list[int], best: Best, first: int, told: Told) -> None:
        n_tiles = len(self.plan.tiles)
        for at, tile in enumerate(self.plan.tiles):
            scores = _part(best.scores, tile).to(self.device)
            index = _part(best.index, tile).to(self.device)
            for done, (group, correlations, deviations) in enumerate(
                self._correlations(numbers, tile)
            ):
                if deviations is not None:
                    correlations = correlations / deviations[..., None]
                self._update(scores, index, correlations, group)
                share = (at + (done + 1) * self._per_transform / max(1, len(numbers))) / n_tiles
                told(min(1.0, (first + share * BLOCK) / len(self.rotations)))
            if self.kept_on != self.device:
                _part(best.scores, tile).copy_(scores)
                _part(best.index, tile).copy_(index)

    @property
    def _per_transform(self) -> int:
        return 1 if self.kernels.has_null or self.kernels.has_own_mask else 2

    def _update(self, scores: Tensor, index: Tensor, found: Tensor, group: list[int]) -> None:
        """Take the correlations of one transform into the best ones."""
        if self.kernels.has_null:
            index.masked_fill_(found[..., 0] > scores[..., 0], group[0])
            torch.maximum(scores, found, out=scores)
            return
        for channel, number in enumerate(group):
            one = found[..., channel]
            index.masked_fill_(one > scores[..., 0], number)
            torch.maximum(scores[..., 0], one, out=scores[..., 0])

    def _correlations(
        self, numbers: list[int], tile: Tile
    ) -> Iterator[tuple[list[int], Tensor, Tensor | None]]:
        """Yield for each transform its orientations, correlations, and deviations under own masks.

        Correlations are ``[z, y, x, 2]``.
        """
        spectrum = self._spectrum(tile)
        moments = self._spectrum(tile, with_square=True) if self.kernels.has_own_mask else None
        per_transform, at_once = self._per_transform, self.plan.at_once
        together = max(MADE_TOGETHER, at_once)
        for start in range(0, len(numbers), per_transform * together):
            chosen = numbers[start : start + per_transform * together]
            kernels, masks = self.kernels.make(self.rotations[chosen])
            packed = _packed(kernels, per_transform)
            groups = [chosen[i : i + per_transform] for i in range(0, len(chosen), per_transform)]
            for first in range(0, len(groups), at_once):
                part = slice(first, first + at_once)
                both = torch.view_as_real(self._correlated(packed[part], spectrum))
                found = [_valid(one, tile) for one in both]
                deviations: list[Tensor | None] = [None] * len(found)
                if moments is not None:
                    deviations = self._own_deviations(masks[part], moments, tile)
                yield from zip(groups[part], found, deviations, strict=True)

    def _own_deviations(self, masks: Tensor, moments: Tensor, tile: Tile) -> list[Tensor | None]:
        """Return the local deviations under masks that turned along."""
        sums = torch.view_as_real(self._correlated(_as_complex(masks), moments))
        return [
            self._deviation(_valid(one, tile), mask.sum()).clamp_min(self._least_deviation)
            for one, mask in zip(sums, masks, strict=True)
        ]

    def _correlated(self, kernels: Tensor, spectrum: Tensor) -> Tensor:
        """Return correlations of complex kernels ``[n, box, box, box]`` with a tile."""
        buffer = self._buffer[: len(kernels)]
        along_z, along_y, along_x = self._matrices
        n, box = kernels.shape[0], kernels.shape[-1]
        partly = along_z @ kernels.reshape(n, box, box * box)
        partly = along_y @ partly.reshape(n, -1, box, box)
        torch.matmul(partly.reshape(-1, box), along_x.T, out=buffer.view(-1, buffer.shape[-1]))
        buffer *= spectrum
        return torch.fft.ifftn(buffer, dim=(1, 2, 3))

    def _spectrum(self, tile: Tile, with_square: bool = False) -> Tensor:
        """Return the transform of a tile, or of it and, imaginary, its square."""
        if not with_square and self._single is not None:
            return self._single
        box = self.kernels.template.box
        ends = [s + n + box - 1 for s, n in zip(tile.start, tile.size, strict=True)]
        part = self.field.values[tuple(slice(s, e) for s, e in zip(tile.start, ends, strict=True))]
        values = torch.zeros(self.plan.shape, dtype=torch.complex64, device=self.device)
        inside = tuple(slice(0, n) for n in part.shape)
        values.real[inside] = part.to(self.device)
        if with_square:
            values.imag[inside] = part.to(self.device).square()
        spectrum = torch.fft.fftn(values)
        if not with_square and len(self.plan.tiles) == 1:
            self._single = spectrum
        return spectrum

    def _local_deviation(self) -> Tensor:
        """Return the standard deviation of the field under the ball about each voxel."""
        found = torch.empty(self.field.shape, device=self.kept_on)
        ball = self.kernels.ball[None]
        for tile in self.plan.tiles:
            moments = self._spectrum(tile, with_square=True)
            sums = torch.view_as_real(self._correlated(_as_complex(ball[:, None]), moments))[0]
            _part(found, tile).copy_(self._deviation(_valid(sums, tile), ball.sum()))
        return found

    @staticmethod
    def _deviation(sums: Tensor, weight: Tensor) -> Tensor:
        mean, square = sums[..., 0] / weight, sums[..., 1] / weight
        return (square - mean.square()).clamp_min(0).sqrt()


def fourier_matrix(n: int, box: int, device: torch.device | str) -> Tensor:
    """Return what makes of ``box`` samples the ``n`` terms of the transform of their mirror image.

    So that a product with a tile's spectrum is that of a correlation, ``[n, box]``.
    """
    turns = torch.outer(torch.arange(n), torch.arange(box)).remainder(n).double() / n
    return torch.exp(2j * math.pi * turns).to(torch.complex64).to(device)


def _packed(kernels: Tensor, per_transform: int) -> Tensor:
    """Return complex kernels ``[m, box, box, box]`` of real ones ``[n, k, box, box, box]``."""
    if kernels.shape[1] == 2:
        return torch.complex(kernels[:, 0], kernels[:, 1])
    if per_transform == 1:
        return _as_complex(kernels)
    single = kernels[:, 0]
    if len(single) % 2:
        single = torch.cat([single, torch.zeros_like(single[:1])])
    return torch.complex(single[0::2], single[1::2])


def _as_complex(kernels: Tensor) -> Tensor:
    return torch.complex(kernels[:, 0], torch.zeros_like(kernels[:, 0]))


def _part(volume: Tensor, tile: Tile) -> Tensor:
    """Return the places of a tile in a map, ``[z, y, x, ...]``, as a view."""
    z, y, x = (slice(s, s + n) for s, n in zip(tile.start, tile.size, strict=True))
    return volume[z, y, x]


def _valid(volume: Tensor, tile: Tile) -> Tensor:
    n_z, n_y, n_x = tile.size
    return volume[:n_z, :n_y, :n_x]

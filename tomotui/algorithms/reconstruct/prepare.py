"""Bring raw images into the common frame, filtered and weighted, ready for back-projection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.filters import ColumnFilter, filter_columns
from tomotui.algorithms.reconstruct.frame import Frame, local_sections, sample_frame
from tomotui.imaging.exposure import exposure_weights
from tomotui.imaging.masks import edge_taper

MAX_PIXELS_AT_ONCE = 16_000_000


@dataclass(frozen=True)
class Weighting:
    """How images are weighted before back-projection.

    Attributes
    ----------
    column_filter
        Filter across the tilt axis; ``None`` where another one follows.
    exposure_e_per_a2
        Exposure up to the middle of each image for the exposure filter, ``[n_tilts]``; ``None``
        for no filter.
    voltage_kv
        Acceleration voltage.
    """

    column_filter: ColumnFilter | None = "hamming"
    exposure_e_per_a2: Tensor | None = None
    voltage_kv: float = 300.0


def normalise(images: Tensor, reference: Tensor | None = None) -> Tensor:
    """Give each image zero mean and unit deviation.

    Parameters
    ----------
    images
        ``[n_tilts, height, width]``.
    reference
        Images whose deviation counts instead, so that halves of the frames keep the contrast of
        the whole. Where they hold counts, those of the images are brought to the same mean.
    """
    mean = images.mean(dim=(-2, -1), keepdim=True)
    if reference is None:
        deviation = images.std(dim=(-2, -1), keepdim=True)
    else:
        deviation = reference.std(dim=(-2, -1), keepdim=True)
        whole = reference.mean(dim=(-2, -1), keepdim=True)
        counts = (whole > deviation) & (mean > 0)
        deviation = torch.where(counts, deviation * mean / whole, deviation)
    return (images - mean) / deviation.clamp_min(1e-12)


class FrameImages:
    """The images of some tilts in their common frame, filtered.

    Parameters
    ----------
    images
        Binned and from `normalise`, ``[n_tilts, height, width]``.
    frame
        Frame of those tilts.
    weighting
        What to make of them.
    device
        Where to work when it is not where the images are; results come back to them.
    """

    def __init__(
        self,
        images: Tensor,
        frame: Frame,
        weighting: Weighting,
        device: torch.device | str | None = None,
    ) -> None:
        self.frame, self.weighting = frame, weighting
        self.device = images.device if device is None else torch.device(device)
        self.sections = local_sections(frame)
        self._raw: Tensor | None = images
        self._prepared: Tensor | None = None
        self._made: tuple[float, Tensor] | None = None

    def at(self, depth: float) -> Tensor:
        """Return the images that a section (in voxels from the middle) is made of.

        Returns
        -------
        ``[n_tilts, n_columns, n_rows]``, the tilt axis along the last dimension; the same tensor
        again as long as there is no other.
        """
        if self.frame.local is None:
            depth = 0.0
        if self._made is None or self._made[0] != depth:
            if self._prepared is None:
                assert self._raw is not None
                self._prepared = self._in_parts(self._raw, self._prepare, self._raw.shape)
                self._raw = None
            shape = (len(self._prepared), self.frame.n_columns, self.frame.n_rows)

            def sample(images: Tensor, chosen: np.ndarray) -> Tensor:
                return self._sample(images, chosen, depth)

            self._made = (depth, self._in_parts(self._prepared, sample, shape))
            if self.frame.local is None:
                self._prepared = None
        return self._made[1]

    def select(self, indices: Sequence[int]) -> FrameImages:
        """Return the images of some tilts."""
        chosen = list(indices)
        other = FrameImages.__new__(FrameImages)
        other.frame, other.weighting = self.frame.select(chosen), self.weighting
        other.device, other.sections = self.device, self.sections
        other._raw = other._prepared = None
        depth, made = 0.0, self.at(0.0)
        other._made = (depth, made[chosen])
        if self._prepared is not None:
            other._prepared = self._prepared[chosen]
        return other

    def _in_parts(
        self,
        images: Tensor,
        work: Callable[[Tensor, np.ndarray], Tensor],
        shape: Sequence[int],
    ) -> Tensor:
        """Work on some tilts at a time: transforms of a whole stack would need many times it."""
        at_once = max(1, MAX_PIXELS_AT_ONCE // int(np.prod(shape[1:])))
        out = images.new_empty(*shape)
        for first in range(0, len(images), at_once):
            chosen = np.arange(first, min(len(images), first + at_once))
            some = images[first : first + at_once].to(self.device)
            out[first : first + at_once] = work(some, chosen)
        return out

    def _prepare(self, images: Tensor, chosen: np.ndarray) -> Tensor:
        """Filter by exposure and fade the borders out."""
        weighting = self.weighting
        shape = (images.shape[-2], images.shape[-1])
        if weighting.exposure_e_per_a2 is not None:
            weights = exposure_weights(
                shape,
                self.frame.sampling.voxel_size_angstrom,
                weighting.exposure_e_per_a2.to(images)[chosen],
                weighting.voltage_kv,
            )
            images = torch.fft.irfft2(torch.fft.rfft2(images) * weights, s=shape)
        return images * edge_taper(shape, 0.02, images.device)

    def _sample(self, images: Tensor, chosen: np.ndarray, depth: float) -> Tensor:
        frame = self.frame.select(chosen)
        sampled = sample_frame(images, frame, depth)
        if self.weighting.column_filter is None:
            return sampled
        return filter_columns(sampled, self.weighting.column_filter, frame)


def weight_images(
    images: Tensor,
    frame: Frame,
    weighting: Weighting,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return `FrameImages` for the middle section, ``[n_tilts, n_columns, n_rows]``."""
    return FrameImages(images, frame, weighting, device).at(0.0)

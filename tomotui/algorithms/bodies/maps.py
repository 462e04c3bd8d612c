"""Maps of bodies: from what is left of the views when the other bodies are taken away."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.bodies.equations import bodies_in_views
from tomotui.algorithms.bodies.poses import BodyPoses
from tomotui.algorithms.refine.maps import HalfMaps, signal_to_noise
from tomotui.algorithms.refine.reconstruct import Spectra, add_views
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews
from tomotui.imaging.fsc import fourier_shell_correlation
from tomotui.imaging.slices import SliceSource, SliceSums

Array = NDArray[np.float64]


def about_pivot(volume: Tensor, pivot_px: NDArray[np.int64]) -> Tensor:
    """Return a map with a voxel (x, y, z) from its middle brought there; it wraps around."""
    x, y, z = pivot_px.tolist()
    return torch.roll(volume, (-z, -y, -x), dims=(-3, -2, -1))


def add_bodies(
    sums: Sequence[SliceSums],
    sources: Sequence[SliceSource],
    views: SeriesViews,
    model: SeriesModel,
    poses: BodyPoses,
    pivots_angstrom: Array,
    n_terms: int,
) -> None:
    """Put views into the sums of each body, less what the other bodies look like.

    Parameters
    ----------
    sums
        Of each body, in the frame of the reference.
    sources
        Of each body about its pivot.
    n_terms
        Fourier terms that the sources say something about; beyond them nothing is taken away.
    """
    shown = bodies_in_views(sources, views, model, poses, n_terms)
    left = views.data[..., :n_terms] - torch.stack(shown).sum(dim=0)
    everything = len(views.plane.radius)
    for number, mine in enumerate(shown):
        data = views.data.clone()
        data[..., :n_terms] = left + mine
        whole = poses.whole(number, pivots_angstrom)
        add_views(
            sums[number],
            replace(views, data=data),
            whole.cameras(model, data.device),
            views.offsets_px(model, whole.positions_angstrom),
            everything,
        )


def joined(parts: Sequence[Spectra]) -> Spectra:
    """Return sums over all parts."""
    return functools.reduce(Spectra.joined, parts)


def body_maps(
    spectra: tuple[Spectra, Spectra],
    others: tuple[Tensor, Tensor],
    mask: Tensor,
    pixel_size_angstrom: float,
) -> HalfMaps:
    """Solve for the half maps of a body, and judge them within its mask.

    Parameters
    ----------
    spectra
        Of its two halves.
    others
        The other bodies of each half as they lie at rest. They come back where masks overlap: what
        two bodies share was taken away from either, and would fade from round to round.
    """
    first, second = (one.volume() + other for one, other in zip(spectra, others, strict=True))
    fsc = fourier_shell_correlation(first, second, pixel_size_angstrom, mask)
    trusted = signal_to_noise(fsc)
    references = tuple(
        (one.volume(trusted) + other) * mask for one, other in zip(spectra, others, strict=True)
    )
    return HalfMaps(
        (first, second),
        (references[0], references[1]),
        mask,
        fsc,
        fsc.resolution(),
        pixel_size_angstrom,
    )


def composite(bodies: Sequence[HalfMaps], consensus: HalfMaps) -> HalfMaps:
    """Return the bodies put together as they lie at rest, judged within the consensus' mask."""
    shares = [one.mask / consensus.mask.clamp_min(1e-3) for one in bodies]
    first, second = (
        torch.stack(
            [one.halves[half] * share for one, share in zip(bodies, shares, strict=True)]
        ).sum(dim=0)
        for half in (0, 1)
    )
    references = [torch.stack([one.references[half] for one in bodies]).sum(0) for half in (0, 1)]
    pixel = consensus.pixel_size_angstrom
    fsc = fourier_shell_correlation(first, second, pixel, consensus.mask)
    return replace(
        consensus,
        halves=(first, second),
        references=(references[0], references[1]),
        fsc=fsc,
        resolution_angstrom=fsc.resolution(),
    )

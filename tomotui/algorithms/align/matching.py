"""Projection matching of whole images: every tilt against what all other tilts predict."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.align.correlate import Correlation, correlate, find_peaks, information
from tomotui.algorithms.align.geometry import AxisGeometry, remove_gauge
from tomotui.algorithms.align.prepare import WorkingImages
from tomotui.imaging.fourier import Rings
from tomotui.imaging.projector import SingleAxisProjector
from tomotui.imaging.resample import sample_aligned

CONVERGED_PX = 0.02


@dataclass(frozen=True)
class Matched:
    """The agreement of a geometry with the images.

    Attributes
    ----------
    information
        Intrinsic quality in nats per pixel, mean over tilts.
    per_tilt
        The same for each tilt, ``[n_tilts]``.
    """

    information: float
    per_tilt: Tensor


class ProjectionMatcher:
    """Leave-one-out projection matching at one sampling.

    All tilts are back-projected once with a ramp filter; projecting the volume again and taking
    away what each image contributed to its own projection leaves, for every tilt, the
    prediction of all others. The price of a round does not grow with leaving one out.

    Parameters
    ----------
    working
        Prepared images.
    thickness_angstrom
        Depth of the slab that may hold matter.
    """

    def __init__(self, working: WorkingImages, thickness_angstrom: float) -> None:
        self.working = working
        size = working.frame_px
        n_z = max(8, round(thickness_angstrom / working.pixel_size_angstrom)) | 1
        depth = torch.arange(n_z).numpy() - n_z // 2
        device = working.images.device
        tilts = working.tilt_deg.cpu().numpy()
        self.projector = SingleAxisProjector(tilts, size, size, depth, device)
        self.rings = Rings(size, device=device)
        self._ramp = torch.fft.fftfreq(size, device=device).abs()[:, None]
        full_path = n_z / torch.cos(torch.deg2rad(working.tilt_deg))
        seen = self.projector.path_length() / full_path[:, None]
        self._seen = ((seen - 0.5) / 0.3).clamp(0, 1)[:, :, None]

    def volume(self, geometry: AxisGeometry) -> Tensor:
        """Return the ramp-filtered back-projection, ``[n_z, n_x, n_y]``."""
        return self.projector.backproject(self._filtered(self._aligned(geometry)))

    def _aligned(self, geometry: AxisGeometry) -> Tensor:
        shift = geometry.shift_angstrom / self.working.pixel_size_angstrom
        size = self.working.frame_px
        return sample_aligned(self.working.images, geometry.axis_per_tilt(), shift, (size, size))

    def _filtered(self, aligned: Tensor) -> Tensor:
        spectrum = torch.fft.fft(aligned, dim=1) * self._ramp
        return torch.fft.ifft(spectrum, dim=1).real.contiguous()

    def _correlate(self, geometry: AxisGeometry) -> Correlation:
        aligned = self._aligned(geometry)
        filtered = self._filtered(aligned)
        volume = self.projector.backproject(filtered)
        predicted = self.projector.project(volume) - self.projector.project_own(filtered)
        shift = geometry.shift_angstrom / self.working.pixel_size_angstrom
        size = self.working.frame_px
        window = self.working.window.expand(self.working.n_tilts, -1, -1)
        mask = sample_aligned(window, geometry.axis_per_tilt(), shift, (size, size), "bilinear")
        mask = mask * self._seen
        return correlate(aligned * mask, predicted * mask, self.rings)

    def measure(self, geometry: AxisGeometry) -> Matched:
        """Return how well a geometry explains the images, without changing it."""
        return self._matched(self._correlate(geometry))

    def _matched(self, correlation: Correlation) -> Matched:
        per_tilt = information(correlation.coherence, self.rings)
        return Matched(float(per_tilt.mean()), per_tilt)

    def refine(
        self, geometry: AxisGeometry, rounds: int, max_shift_px: float
    ) -> tuple[AxisGeometry, Matched]:
        """Move all images at once onto their predictions, until they stay.

        Parameters
        ----------
        geometry
            Where to begin.
        rounds
            Most rounds to do.
        max_shift_px
            Largest motion of an image in one round.

        Returns
        -------
        The geometry with the best agreement seen, and that agreement.
        """
        best: tuple[AxisGeometry, Matched] | None = None
        for _ in range(rounds):
            correlation = self._correlate(geometry)
            matched = self._matched(correlation)
            if best is None or matched.information > best[1].information:
                best = geometry, matched
            moved, _ = find_peaks(correlation.maps, max_shift_px)
            moved = remove_gauge(moved, geometry.tilt_deg)
            geometry = geometry.moved(moved * self.working.pixel_size_angstrom)
            if float(moved.square().sum(dim=1).mean().sqrt()) < CONVERGED_PX:
                break
        final = self.measure(geometry)
        if best is None or final.information > best[1].information:
            best = geometry, final
        return best

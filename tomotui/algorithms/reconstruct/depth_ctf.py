"""Correction of the contrast transfer function that follows the specimen in depth.

For one section of the volume, the points that an image shows lie on a plane that the tilt has
turned, and so their defocus grows evenly across the tilt axis; the next section's lies a little
lower or higher. Every image is therefore corrected at a set of evenly spaced defocus values, of
which each pixel takes the two next to its own, in proportion: no seams. Going through the volume
the set moves on by one now and then, and nothing is corrected twice. As in the slabs of Turonova
et al. (2017, J. Struct. Biol. 199:187), but the images change far more finely than a slab there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tomotui.algorithms.reconstruct.filters import fast_length
from tomotui.algorithms.reconstruct.frame import Frame
from tomotui.imaging.ctf import CtfOptics, ctf_phase, defocus_along

Array = NDArray[np.float64]
Correction = Literal["flip", "wiener"]

PLANE_STEP_RAD = 0.7
"""Phase at the voxels' Nyquist frequency between two defocus values: at most 6 % are lost."""

SLAB_STEP_RAD = 0.2
"""Phase at Nyquist between the middles of two slabs."""


@dataclass(frozen=True)
class SeriesCtf:
    """The contrast transfer function of some tilts.

    Attributes
    ----------
    defocus_u_angstrom, defocus_v_angstrom, astigmatism_angle_deg, phase_shift_deg
        At the specimen's centre, ``[n_tilts]``; angles in the raw image, from +x towards +y.
    handedness
        +1 when defocus grows with the depth ``q_z``.
    optics
        Voltage, spherical aberration, amplitude contrast.
    """

    defocus_u_angstrom: Array
    defocus_v_angstrom: Array
    astigmatism_angle_deg: Array
    phase_shift_deg: Array
    handedness: int
    optics: CtfOptics

    def select(self, indices: ArrayLike) -> SeriesCtf:
        """Return that of some tilts, in the order given."""
        chosen = np.asarray(indices, dtype=np.intp)
        return replace(
            self,
            defocus_u_angstrom=self.defocus_u_angstrom[chosen],
            defocus_v_angstrom=self.defocus_v_angstrom[chosen],
            astigmatism_angle_deg=self.astigmatism_angle_deg[chosen],
            phase_shift_deg=self.phase_shift_deg[chosen],
        )


@dataclass(frozen=True)
class _Strip:
    """Columns of one image that are transformed together; ``first .. last`` are kept."""

    first: int
    last: int


class DepthCtf:
    """Images of one frame, corrected for any section.

    Parameters
    ----------
    frame
        Of the images.
    ctf
        Of the same tilts.
    correction
        ``flip`` makes all amplitudes positive; ``wiener`` also weights each by
        ``CTF / (CTF^2 + 1 / SNR)``.
    snr
        Signal over noise for ``wiener``.
    keep_bytes
        Room for corrected images that the next section needs again.
    device
        Where to transform.
    """

    def __init__(
        self,
        frame: Frame,
        ctf: SeriesCtf,
        correction: Correction,
        snr: float = 1.0,
        keep_bytes: int = 2**30,
        device: torch.device | str = "cpu",
    ) -> None:
        self.frame, self.ctf = frame, ctf
        self.images = torch.empty(0)
        self.correction, self.snr = correction, snr
        self.keep_bytes = keep_bytes
        self.device = torch.device(device)
        voxel = frame.sampling.voxel_size_angstrom
        nyquist = 0.5 / voxel
        per_angstrom = np.pi * ctf.optics.wavelength_angstrom * nyquist**2
        self.step_angstrom = PLANE_STEP_RAD / per_angstrom
        self.sections_per_slab = max(1, int(SLAB_STEP_RAD / per_angstrom / voxel))
        greatest = float(np.abs([ctf.defocus_u_angstrom, ctf.defocus_v_angstrom]).max())
        reach = voxel * (frame.n_columns + frame.sampling.n_z) / 2
        spread = ctf.optics.wavelength_angstrom * (greatest + reach) * nyquist / voxel
        self.margin = int(np.ceil(spread)) + 8
        self._strips = [self._cut(tilt) for tilt in range(frame.n_tilts)]
        self._kept: dict[tuple[int, int, int], Tensor] = {}
        self._used: dict[tuple[int, int, int], Tensor] = {}
        self._out: Tensor | None = None

    def at(self, depth: float, images: Tensor) -> Tensor:
        """Return images as a section sees them.

        Parameters
        ----------
        depth
            Of the section, in voxels from the middle.
        images
            In the frame, ``[n_tilts, n_columns, n_rows]``; other ones than before make what is
            kept of those worthless.

        Returns
        -------
        As ``images``; overwritten by the next call.
        """
        if images is not self.images:
            self.images, self._kept = images, {}
        if self._out is None:
            self._out = torch.zeros_like(images)
        self._used = {}
        for tilt, strips in enumerate(self._strips):
            for number, strip in enumerate(strips):
                self._fill(tilt, number, strip, depth, self._out[tilt, strip.first : strip.last])
        self._kept = self._used
        return self._out

    def _fill(self, tilt: int, number: int, strip: _Strip, depth: float, out: Tensor) -> None:
        """Blend the corrected images of one strip."""
        defocus = self._offset(tilt, strip, depth) / self.step_angstrom
        first = int(torch.floor(defocus.min()))
        last = int(torch.ceil(defocus.max()))
        wanted = range(first, last + 1)
        missing = [plane for plane in wanted if (tilt, number, plane) not in self._kept]
        made = dict(zip(missing, self._corrected(tilt, strip, missing), strict=True))
        total = torch.zeros(out.shape, device=self.device, dtype=out.dtype)
        for plane in wanted:
            key = (tilt, number, plane)
            image = made[plane] if plane in made else self._kept[key]
            total.addcmul_(image, (1 - (defocus - plane).abs()).clamp_min(0))
            if (len(self._used) + 1) * image.numel() * 4 <= self.keep_bytes:
                self._used[key] = image
        out.copy_(total)

    def _offset(self, tilt: int, strip: _Strip, depth: float) -> Tensor:
        """Return defocus beyond that of the specimen's centre, Angstrom, ``[columns, rows]``."""
        by_x, by_row, by_z = self.frame.depth_slopes(tilt)
        like: dict[str, Any] = {"device": self.device, "dtype": self.images.dtype}
        x = torch.arange(strip.first, strip.last, **like) - self.frame.n_columns // 2
        rows = torch.arange(self.frame.n_rows, **like) - self.frame.n_rows // 2
        scale = self.ctf.handedness * self.frame.sampling.voxel_size_angstrom
        # Without lean all rows are alike.
        along = by_row * rows[None, :] if abs(by_row) > 1e-9 else rows.new_zeros(1, 1)
        offset: Tensor = scale * (by_x * x[:, None] + along + by_z * depth)
        return offset

    def _corrected(self, tilt: int, strip: _Strip, planes: list[int]) -> list[Tensor]:
        """Return one strip corrected at some defocus values."""
        if not planes:
            return []
        columns, n_rows = self.frame.n_columns, self.frame.n_rows
        margin = self._margin_columns(tilt)
        first, last = max(0, strip.first - margin), min(columns, strip.last + margin)
        shape = (fast_length(last - first + margin), fast_length(n_rows + self.margin))
        spectrum = torch.fft.rfft2(self.images[tilt, first:last].to(self.device), s=shape)
        phase, per_angstrom = self._phase(tilt, shape)
        inner = slice(strip.first - first, strip.last - first)
        found = []
        for plane in planes:
            transfer = torch.sin(phase + per_angstrom * (plane * self.step_angstrom))
            factor = self._factor(transfer)
            image = torch.fft.irfft2(spectrum * factor, s=shape)
            found.append(image[inner, :n_rows].clone())
        return found

    def _factor(self, transfer: Tensor) -> Tensor:
        if self.correction == "flip":
            return torch.sign(transfer)
        noise = 1 / self.snr
        return transfer * ((1 + noise) / (transfer.square() + noise))

    def _phase(self, tilt: int, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return the phase at the specimen's centre and its growth with defocus, float32."""
        k2, azimuth = raw_frequencies(self.frame, tilt, shape, self.device)
        ctf = self.ctf
        defocus = defocus_along(
            azimuth,
            float(ctf.defocus_u_angstrom[tilt]),
            float(ctf.defocus_v_angstrom[tilt]),
            float(ctf.astigmatism_angle_deg[tilt]),
        )
        phase = ctf_phase(k2, defocus, float(ctf.phase_shift_deg[tilt]), ctf.optics)
        return (phase % (2 * np.pi)).float(), ctf.optics.phase_per_defocus(k2).float()

    def _margin_columns(self, tilt: int) -> int:
        cosine = float(self.frame.cosine[tilt]) if self.frame.stretched else 1.0
        return int(np.ceil(self.margin / cosine))

    def _cut(self, tilt: int) -> list[_Strip]:
        """Cut an image into strips so that the fewest pixels are transformed."""
        frame = self.frame
        columns = frame.n_columns
        if frame.stretched:
            # Beyond its own rim an image is zero.
            reach = (frame.sampling.n_x / frame.cosine[tilt] + 4) / 2
            first = max(0, int(columns // 2 - reach) - 1)
            last = min(columns, int(columns // 2 + reach) + 2)
        else:
            first, last = 0, columns
        by_x, _, by_z = frame.depth_slopes(tilt)
        per_column = abs(by_x) * frame.sampling.voxel_size_angstrom / self.step_angstrom
        through = by_z * frame.sampling.n_z * frame.sampling.voxel_size_angstrom
        margin = self._margin_columns(tilt)
        counts = np.arange(1, max(2, (last - first) // 64 + 1))
        width = (last - first) / counts
        planes = width * per_column + through / self.step_angstrom + 2
        best = int(counts[np.argmin((1 + 2 * margin / width) * planes)])
        edges = np.linspace(first, last, best + 1).round().astype(int).tolist()
        return [_Strip(low, high) for low, high in pairwise(edges)]


def raw_frequencies(
    frame: Frame, tilt: int, shape: tuple[int, int], device: torch.device | str
) -> tuple[Tensor, Tensor]:
    """Return the frequencies of a frame's grid as the raw image has them.

    Parameters
    ----------
    shape
        Of the transformed array, columns before rows.

    Returns
    -------
    Squared frequency in 1/A^2 and azimuth in radians from the raw image's +x towards +y, on the
    grid of ``rfft2``, float64.
    """
    along_x = torch.fft.fftfreq(shape[0], dtype=torch.float64, device=device)[:, None]
    along_r = torch.fft.rfftfreq(shape[1], dtype=torch.float64, device=device)[None, :]
    angle = np.deg2rad(frame.geometry.axis_deg[tilt])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # Places grow by the matrix, frequencies by its inverse transposed.
    matrix = turn @ np.linalg.inv(frame.jacobian(tilt)).T / frame.sampling.voxel_size_angstrom
    raw_x = matrix[0, 0] * along_x + matrix[0, 1] * along_r
    raw_y = matrix[1, 0] * along_x + matrix[1, 1] * along_r
    return raw_x**2 + raw_y**2, torch.atan2(raw_y, raw_x)

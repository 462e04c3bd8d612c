"""The contrast transfer function, for whole batches of images and rings.

    CTF = sin(pi L dz k^2 - pi/2 Cs L^3 k^4 + phase shift + asin(amplitude contrast))

Underfocus is positive, so that the function starts positive. The defocus along a direction a is
``mean + half * cos 2(a - angle)``; the angle of defocus U runs from +x towards +y (row index).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PLANCK_TIMES_C_EV_A = 12_398.419_8
ELECTRON_REST_ENERGY_EV = 510_998.95

Number = float | Tensor


@dataclass(frozen=True)
class CtfOptics:
    """What all images of a microscope share.

    Parameters
    ----------
    voltage_kv, spherical_aberration_mm, amplitude_contrast
        As in the metadata of a tilt series; the contrast is a share between 0 and 1.
    """

    voltage_kv: float = 300.0
    spherical_aberration_mm: float = 2.7
    amplitude_contrast: float = 0.07

    @property
    def wavelength_angstrom(self) -> float:
        """Relativistic wavelength of the electrons (0.0197 A at 300 kV)."""
        energy = self.voltage_kv * 1e3
        return PLANCK_TIMES_C_EV_A / math.sqrt(energy * (2 * ELECTRON_REST_ENERGY_EV + energy))

    def phase_per_defocus(self, k2: Tensor) -> Tensor:
        """Return radians per Angstrom of defocus at squared frequencies in 1/A^2."""
        return math.pi * self.wavelength_angstrom * k2

    def phase_in_focus(self, k2: Tensor) -> Tensor:
        """Return the phase in radians at zero defocus and without a phase plate."""
        cs = self.spherical_aberration_mm * 1e7
        aberration = 0.5 * math.pi * cs * self.wavelength_angstrom**3 * k2**2
        return math.asin(self.amplitude_contrast) - aberration


def ctf_phase(
    k2: Tensor, defocus_angstrom: Number, phase_shift_deg: Number, optics: CtfOptics
) -> Tensor:
    """Return the argument of the sine in radians; all arguments broadcast.

    Parameters
    ----------
    k2
        Squared frequencies, 1/A^2. The phase reaches hundreds of radians, so float64 is wise.
    """
    shift = phase_shift_deg * (math.pi / 180.0)
    return optics.phase_per_defocus(k2) * defocus_angstrom + optics.phase_in_focus(k2) + shift


def ctf_1d(
    frequency_per_angstrom: Tensor,
    defocus_angstrom: Number,
    phase_shift_deg: Number,
    optics: CtfOptics,
) -> Tensor:
    """Return the transfer along a line of frequencies.

    Parameters
    ----------
    frequency_per_angstrom
        Shape ``[n]``.
    defocus_angstrom, phase_shift_deg
        Numbers or tensors ``[...]``.

    Returns
    -------
    Float32, ``[..., n]``.
    """
    device = frequency_per_angstrom.device
    k2 = frequency_per_angstrom.double().square()
    defocus, shift = (_column(v, device, 1) for v in (defocus_angstrom, phase_shift_deg))
    return torch.sin(ctf_phase(k2, defocus, shift, optics)).float()


def ctf_2d(
    shape: tuple[int, int],
    pixel_size_angstrom: float,
    defocus_u_angstrom: Number,
    defocus_v_angstrom: Number,
    astigmatism_angle_deg: Number,
    phase_shift_deg: Number,
    optics: CtfOptics,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return the transfer on the grid of ``rfft2``; gradients flow to tensors.

    Parameters
    ----------
    shape
        Height and width of the images.
    pixel_size_angstrom
        Angstrom per pixel.
    defocus_u_angstrom, defocus_v_angstrom, astigmatism_angle_deg, phase_shift_deg
        Numbers or tensors that broadcast to a batch ``[...]``.
    optics
        Voltage, spherical aberration and amplitude contrast.
    device
        Where to work; that of the first tensor by default.

    Returns
    -------
    Float32, ``[..., height, width // 2 + 1]``. The phase is worked out in float64 (float32 on
    devices without it), image by image of the batch at once: 16 bytes per pixel and image.
    """
    values = (defocus_u_angstrom, defocus_v_angstrom, astigmatism_angle_deg, phase_shift_deg)
    place = _device_of(values, device)
    u, v, angle, shift = (_column(value, place, 2) for value in values)
    k2, azimuth = frequency_polar(shape, pixel_size_angstrom, place)
    defocus = defocus_along(azimuth, u, v, angle)
    return torch.sin(ctf_phase(k2, defocus, shift, optics)).float()


def defocus_along(azimuth_rad: Tensor, u: Number, v: Number, angle_deg: Number) -> Tensor:
    """Return the defocus along directions, in the unit of ``u`` and ``v``; all broadcast."""
    turned = azimuth_rad - angle_deg * (math.pi / 180.0)
    return 0.5 * (u + v) + 0.5 * (u - v) * torch.cos(2 * turned)


def frequency_polar(
    shape: tuple[int, int], pixel_size_angstrom: float, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Return squared frequency in 1/A^2 and azimuth in radians on the grid of ``rfft2``.

    The azimuth is counted from +x towards +y, that is, towards a growing row index.
    """
    dtype = _wide_dtype(torch.device(device))
    height, width = shape
    ky = torch.fft.fftfreq(height, d=pixel_size_angstrom, dtype=dtype, device=device)[:, None]
    kx = torch.fft.rfftfreq(width, d=pixel_size_angstrom, dtype=dtype, device=device)[None, :]
    return kx**2 + ky**2, torch.atan2(ky.expand(height, kx.shape[1]), kx)


def _wide_dtype(device: torch.device) -> torch.dtype:
    """Return float64 where the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def _device_of(values: tuple[Number, ...], device: torch.device | str | None) -> torch.device:
    if device is not None:
        return torch.device(device)
    tensors = [value for value in values if isinstance(value, Tensor)]
    return tensors[0].device if tensors else torch.device("cpu")


def _column(value: Number, device: torch.device, n_dims: int) -> Tensor:
    """Return a value with room for the ``n_dims`` frequency axes after its batch axes."""
    tensor = torch.as_tensor(value).to(device=device, dtype=_wide_dtype(device))
    return tensor[(..., *(None,) * n_dims)]

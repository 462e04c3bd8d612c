"""What rings a cell should show: their phase, and how much of them the window leaves.

The model of a flattened spectrum is ``background - envelope * cos(2 phase)``, the power of
``sin^2`` with both smooth factors left free.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tomotui.algorithms.ctf.spectra import Spectra
from tomotui.imaging.ctf import CtfOptics


class RingModel:
    """Phases and attenuation of the rings of all cells.

    Parameters
    ----------
    spectra
        The polar grid, the windows and the cells' tilts.
    optics
        Of the microscope.
    """

    def __init__(self, spectra: Spectra, optics: CtfOptics) -> None:
        self.spectra, self.optics = spectra, optics
        k2 = spectra.k2
        self.phase_per_defocus = (2 * optics.phase_per_defocus(k2)).float()
        self.phase_in_focus = (2 * optics.phase_in_focus(k2)).float()
        self._cells_of = spectra.tilt

    def attenuation(self, defocus_angstrom: Tensor, gradient: Tensor) -> Tensor:
        """Return what the windows leave of the rings, ``[tilts, sectors, rings]``.

        Parameters
        ----------
        defocus_angstrom
            Mean defocus of each tilt, ``[tilts]``.
        gradient
            Depth per Angstrom along image x and y, ``[tilts, 2]``.
        """
        spectra = self.spectra
        wavelength = self.optics.wavelength_angstrom
        cs = self.optics.spherical_aberration_mm * 1e7
        k2 = spectra.k2[None]
        k = k2.sqrt()
        displaced = 2 * wavelength * k * (defocus_angstrom[:, None, None] - cs * wavelength**2 * k2)
        turn = spectra.azimuth_rad[None, :] - spectra.axis_rad[:, None]
        variance = spectra.sigma_angstrom.square()
        narrow = torch.cos(turn).square() / variance[:, :1]
        wide = torch.sin(turn).square() / variance[:, 1:]
        unresolved = displaced.square() * (narrow + wide)[:, :, None] / 4
        cos, sin = torch.cos(spectra.axis_rad), torch.sin(spectra.axis_rad)
        across = gradient[:, 0] * cos + gradient[:, 1] * sin
        along = gradient[:, 1] * cos - gradient[:, 0] * sin
        spread = across.square() * variance[:, 0] + along.square() * variance[:, 1]
        washed = (math.pi * wavelength * k2).square() * spread[:, None, None]
        return torch.exp(-unresolved - washed).float()

    def phase(
        self, defocus_angstrom: Tensor, phase_shift_deg: Tensor, n_rings: int | None = None
    ) -> Tensor:
        """Return twice the CTF's phase in radians, ``[cells, sectors, rings]``.

        Parameters
        ----------
        defocus_angstrom
            Of each cell along each sector, ``[cells, sectors]``.
        phase_shift_deg
            Of each tilt, ``[tilts]``.
        n_rings
            Only the first so many; all by default.
        """
        shift = torch.deg2rad(2 * phase_shift_deg).float()[self._cells_of]
        varying = self.phase_per_defocus[:, :n_rings] * defocus_angstrom.float()[:, :, None]
        return varying.add_(self.phase_in_focus[:, :n_rings]).add_(shift[:, None, None])

    def sum_over_cells(self, values: Tensor) -> Tensor:
        """Add up cells of the same tilt; first axis cells to tilts."""
        n = self.spectra.n_tilts
        out = torch.zeros(n, *values.shape[1:], dtype=values.dtype, device=values.device)
        return out.index_add_(0, self._cells_of, values)

"""What the screen of a training draws: a side view and its spectrum, before and as it learns."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.restore.material import Material
    from tomotui.algorithms.restore.network import RestorationNet

Image = NDArray[np.float32]
LARGEST_SHARE = 0.04
"""Of the time of a training that its drawings may take."""

SLAB = 48
"""Rows (y) about the plane that is drawn which the network is shown."""

LONGEST = 256
"""Voxels of the view along x and z."""


class TrainingView:
    """Draws one place again and again while the network learns.

    Parameters
    ----------
    path
        The ``.npz`` that is written anew at every drawing: ``before``, ``after``,
        ``spectrum_before``, ``spectrum_after`` (log power, the middle is frequency 0), ``step``
        and ``voxel_size_angstrom``; protein is dark.
    material
        The tomogram.
    method
        ``3d`` or ``2d``.
    """

    def __init__(self, path: Path, material: Material, method: str) -> None:
        self.path, self.material, self.method = path, material, method
        self.first = self._place()
        self.seconds = 0.0

    def maybe_draw(self, network: RestorationNet, device: str, step: int, elapsed: float) -> None:
        """Draw when that has taken little of the time so far (s)."""
        if self.seconds <= LARGEST_SHARE * elapsed:
            began = time.monotonic()
            self.draw(network, device, step)
            self.seconds += time.monotonic() - began

    def draw(self, network: RestorationNet, device: str, step: int) -> None:
        """Write the view as the network sees it by now."""
        import torch

        from tomotui.algorithms.restore.inference import restore_planes, restore_volume

        multiple = network.architecture.multiple
        with torch.inference_mode():
            network.eval()
            block = self._block(self.material.inputs.mean(dim=0))
            if self.method == "2d":
                after = restore_planes(network, block, multiple, device)
            else:
                after = restore_volume(network, block, LONGEST, device)
        before = self._block(self.material.targets.mean(dim=0))
        middle = before.shape[1] // 2
        views = [-block[:, middle - 1 : middle + 2].mean(dim=1).cpu() for block in (before, after)]
        spectra = [_spectrum(one) for one in views]
        temporary = self.path.with_name(f".{self.path.stem}.partial.npz")
        np.savez(
            temporary,
            before=views[0].numpy(),
            after=views[1].numpy(),
            spectrum_before=spectra[0],
            spectrum_after=spectra[1],
            step=step,
            voxel_size_angstrom=self.material.voxel_size_angstrom,
        )
        temporary.replace(self.path)

    def _place(self) -> tuple[int, int, int]:
        """Return where the block begins: about the rows with most to see."""
        power = (self.material.inputs.mean(dim=0) * self.material.clear).square()
        n_z, n_y, n_x = self.material.shape
        by_row = power.mean(dim=(0, 2)).cpu().numpy()
        smooth = np.convolve(by_row, np.ones(5) / 5, mode="same")
        inner = slice(n_y // 5, n_y - n_y // 5)
        row = inner.start + int(np.argmax(smooth[inner]))
        return (
            max(0, (n_z - LONGEST) // 2),
            int(np.clip(row - SLAB // 2, 0, max(0, n_y - SLAB))),
            max(0, (n_x - LONGEST) // 2),
        )

    def _block(self, volume: Tensor) -> Tensor:
        z, y, x = self.first
        return volume[z : z + LONGEST, y : y + SLAB, x : x + LONGEST]


def _spectrum(view: Tensor) -> Image:
    """Return the logarithm of the power of a tapered side view, frequency 0 in the middle."""
    values = view.numpy()
    window = np.hanning(values.shape[0])[:, None] * np.hanning(values.shape[1])
    power = np.abs(np.fft.fftshift(np.fft.fft2((values - values.mean()) * window))) ** 2
    return np.asarray(np.log(power + 1e-6 * power.mean()), dtype=np.float32)

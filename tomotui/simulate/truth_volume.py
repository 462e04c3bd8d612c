"""The specimen as a volume: what a perfect reconstruction would show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import map_coordinates, spline_filter

from tomotui.imaging.potential import Template
from tomotui.simulate.microscope import GOLD_EXCESS_V
from tomotui.simulate.parameters import SimulationParameters
from tomotui.simulate.projection import bilayer_layers
from tomotui.simulate.specimen import CROWD_BEAD_SIGMA_ANGSTROM, Specimen

Array = NDArray[np.floating]


def true_volume(
    specimen: Specimen, parameters: SimulationParameters, binning: int
) -> NDArray[np.float32]:
    """Return the potential above that of ice, in volts: protein is bright.

    It covers as many Angstrom along x and y as the images and the thickness along z; voxel
    ``n // 2`` of each axis is the specimen's centre. No exposure damage, no CTF.

    Parameters
    ----------
    binning
        Voxel size in pixels; the content is limited to the volume's Nyquist frequency.

    Returns
    -------
    float32, shape ``[z, y, x]``.
    """
    pixel = parameters.pixel_size_angstrom * binning
    height, width = parameters.shape_yx
    depth = max(2, int(np.ceil(specimen.thickness_angstrom / pixel)))
    volume = _Volume((depth, max(1, height // binning), max(1, width // binning)), pixel)
    if len(specimen.crowd_angstrom):
        _add_crowd(volume, specimen)
    filtered = [spline_filter(binned(t, binning), order=3) for t in specimen.templates]
    for particle in specimen.particles:
        template = specimen.templates[particle.species]
        reach = template.radius_angstrom + 2 * pixel
        for window, offsets in volume.around(particle.position_angstrom, reach):
            reference = offsets @ particle.rotation
            side = filtered[particle.species].shape[0]
            index = np.moveaxis(reference[..., ::-1], -1, 0) / pixel + side // 2
            volume.data[window] += map_coordinates(
                filtered[particle.species], index, order=3, prefilter=False, output=np.float32
            )
    for vesicle in specimen.vesicles:
        reach = vesicle.radius_angstrom + 60 + pixel
        for window, offsets in volume.around(vesicle.position_angstrom, reach):
            r = np.sqrt((offsets**2).sum(axis=-1))
            volume.data[window] += _bilayer(r, vesicle.radius_angstrom, pixel)
    radius = 0.5 * specimen.gold_diameter_angstrom
    for centre in specimen.gold_angstrom:
        for window, offsets in volume.around(centre, radius + 2 * pixel):
            r = np.sqrt((offsets**2).sum(axis=-1))
            volume.data[window] += GOLD_EXCESS_V * np.clip((radius - r) / pixel + 0.5, 0, 1)
    return volume.data


class _Volume:
    """A volume and the coordinates in it."""

    def __init__(self, shape_zyx: tuple[int, int, int], pixel_size_angstrom: float) -> None:
        self.data: NDArray[np.float32] = np.zeros(shape_zyx, dtype=np.float32)
        self.pixel = pixel_size_angstrom

    def around(
        self, centre_angstrom: Array, reach_angstrom: float
    ) -> list[tuple[tuple[slice, ...], Array]]:
        """Return the window about a point and the offsets (x, y, z) of its voxels, if any."""
        shape = np.array(self.data.shape)
        centre = np.asarray(centre_angstrom)[::-1] / self.pixel + shape // 2
        reach = reach_angstrom / self.pixel
        low = np.maximum(0, np.ceil(centre - reach)).astype(int)
        high = np.minimum(shape, np.floor(centre + reach).astype(int) + 1)
        if (low >= high).any():
            return []
        axes = [
            (np.arange(a, b) - c) * self.pixel for a, b, c in zip(low, high, centre, strict=True)
        ]
        z, y, x = np.meshgrid(*axes, indexing="ij")
        window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        return [(window, np.stack([x, y, z], axis=-1))]


def binned(template: Template, binning: int) -> NDArray[np.float32]:
    """Return a template at a coarser voxel, cropped in Fourier space; the centre stays."""
    potential = template.potential_v
    if binning == 1:
        return potential
    side = potential.shape[0]
    coarse = 2 * int(np.ceil(side / binning / 2))
    # An even multiple of the coarse side, so that both grids share their frequencies.
    padded = np.zeros((coarse * binning,) * 3, dtype=np.float32)
    start = coarse * binning // 2 - side // 2
    padded[start : start + side, start : start + side, start : start + side] = potential
    spectrum = fft.fftshift(fft.fftn(fft.ifftshift(padded)))
    low = coarse * binning // 2 - coarse // 2
    crop = spectrum[low : low + coarse, low : low + coarse, low : low + coarse].copy()
    crop[0] = crop[:, 0] = crop[:, :, 0] = 0
    result = fft.fftshift(fft.ifftn(fft.ifftshift(crop)).real) / binning**3
    return np.asarray(result, dtype=np.float32)


def _bilayer(r: Array, radius: float, pixel: float) -> Array:
    """Return a bilayer's potential at distances from its centre, blurred to the voxel."""
    blur2 = pixel**2 / 12
    return np.asarray(
        sum(
            volts * s / np.sqrt(s**2 + blur2) * np.exp(-((r - layer) ** 2) / (2 * (s**2 + blur2)))
            for layer, s, volts in bilayer_layers(radius)
        )
    )


def _add_crowd(volume: _Volume, specimen: Specimen) -> None:
    """Add the small proteins' beads as Gaussians, by way of the nearest voxels."""
    shape = np.array(volume.data.shape)
    index = np.round(specimen.crowd_angstrom[:, ::-1] / volume.pixel + shape // 2).astype(int)
    inside = ((index >= 0) & (index < shape)).all(axis=1)
    flat = np.ravel_multi_index(tuple(index[inside].T), volume.data.shape)
    counts = np.bincount(flat, minlength=volume.data.size).reshape(shape)
    spectrum = fft.rfftn(counts.astype(np.float32))
    frequencies = [fft.fftfreq(n, volume.pixel) for n in volume.data.shape[:2]]
    frequencies.append(fft.rfftfreq(volume.data.shape[2], volume.pixel))
    for axis, k in enumerate(frequencies):
        decay = np.exp(-2 * np.pi**2 * CROWD_BEAD_SIGMA_ANGSTROM**2 * k**2).astype(np.float32)
        spectrum *= decay.reshape([-1 if a == axis else 1 for a in range(3)])
    beads = fft.irfftn(spectrum, s=volume.data.shape)
    volume.data += beads * np.float32(specimen.crowd_excess_v_a3 / volume.pixel**3)

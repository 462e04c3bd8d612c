"""The images that the microscope takes of a specimen.

Matter is a weak phase object: an image is ``1 - 2 CTF(phase)`` times the electrons that come
through without losing energy. The phase is the projected potential above ice; each particle and
membrane has the CTF of its centre's depth. Gold also absorbs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from tomotui.simulate.acquisition import Acquisition
from tomotui.simulate.chance import Chance, generator
from tomotui.simulate.optics import (
    ICE_MOLECULES_PER_A3,
    ICE_STRUCTURE_FACTOR,
    WATER_POTENTIAL_V_A3,
    Optics,
    astigmatic_defocus,
    exposure_filter,
)
from tomotui.simulate.parameters import SimulationParameters
from tomotui.simulate.projection import (
    LEAFLET_OFFSET_ANGSTROM,
    FrequencyGrid,
    TemplateProjector,
    bead_image,
    sphere_thickness,
    vesicle_transform,
)
from tomotui.simulate.specimen import CROWD_BEAD_SIGMA_ANGSTROM, Specimen

Array = NDArray[np.float64]

DARK_TRANSMISSION = 0.02
GOLD_EXCESS_V = 20.0
GOLD_PATH_ANGSTROM = 50.0
"""Thickness of gold that lets 1/e of the electrons through the objective aperture."""

_LEAST_TRANSMISSION = 0.03
_MOST_GOLD_PHASE_RAD = 0.5
_LEAST_INTENSITY = 0.02
_BATCH = 32


class Microscope:
    """Takes the images of one specimen, one at a time.

    Parameters
    ----------
    parameters
        Optics, dose, detector and noise.
    specimen
        What lies in the ice.
    acquisition
        Geometry, defocus and dose of each image.
    """

    def __init__(
        self, parameters: SimulationParameters, specimen: Specimen, acquisition: Acquisition
    ) -> None:
        self.parameters = parameters
        self.specimen = specimen
        self.acquisition = acquisition
        self.optics = Optics.of(parameters)
        self.pixel = parameters.pixel_size_angstrom
        self._spread = self._delocalisation_px()
        self._projectors = [
            TemplateProjector(t, self._box_px(t.radius_angstrom)) for t in specimen.templates
        ]
        boxes = [p.grid.shape_yx[0] for p in self._projectors]
        self._margin = max([64, *boxes]) // 2 + 8
        height, width = parameters.shape_yx
        self._canvas_grid = FrequencyGrid(
            (
                fft.next_fast_len(height + 2 * self._margin, real=True),
                2 * fft.next_fast_len(width // 2 + self._margin, real=True),
            ),
            self.pixel,
        )

    def _delocalisation_px(self) -> float:
        """Return how far the finest detail spreads at the greatest defocus, pixels."""
        p, a = self.parameters, self.acquisition
        depth = 0.5 * self.pixel * float(np.hypot(*p.shape_yx))
        tilt = np.deg2rad(np.abs(a.geometry.tilt_deg).max())
        depth = depth * np.tan(tilt) + p.thickness_angstrom
        defocus = float(np.abs([a.defocus_u_angstrom, a.defocus_v_angstrom]).max()) + depth
        nyquist = 0.5 / self.pixel
        return self.optics.delocalisation_angstrom(nyquist, defocus) / self.pixel

    def _box_px(self, radius_angstrom: float) -> int:
        """Return an even side that holds an object and what its CTF spreads."""
        half = radius_angstrom / self.pixel + self._spread + 4
        return 2 * int(fft.next_fast_len(int(np.ceil(half)), real=True))

    def contrast(self, tilt: int) -> tuple[Array, Array]:
        """Return the relative contrast of all that scatters, and the gold's transmission.

        Returns
        -------
        ``-2 CTF(phase)`` faded by the exposure, and the share of the beam that gold lets
        through, both shaped as the image.
        """
        organic, gold, absorbed = (self._canvas() for _ in range(3))
        self._add_particles(organic, tilt)
        self._add_vesicles(organic, tilt)
        spectrum = fft.rfft2(organic.image)
        if len(self.specimen.crowd_angstrom):
            spectrum += self._crowd_spectrum(tilt)
        if self.parameters.exposure_damage:
            a = self.acquisition
            spectrum *= exposure_filter(
                np.sqrt(self._canvas_grid.k2),
                float(a.prior_dose_e_per_a2[tilt]),
                float(a.dose_e_per_a2[tilt]),
                self.parameters.voltage_kv,
            )
        organic.image = fft.irfft2(spectrum, s=self._canvas_grid.shape_yx)
        self._add_gold(gold, absorbed, tilt)
        return organic.cropped() + gold.cropped(), np.exp(-absorbed.cropped())

    def expected(self, tilt: int) -> Array:
        """Return the expected number of counted electrons in each pixel."""
        return self.expected_pair(tilt)[0]

    def expected_pair(self, tilt: int, with_clean: bool = False) -> tuple[Array, Array | None]:
        """Return the expected counts with the ice's noise and, on request, without it."""
        contrast, transmission = self.contrast(tilt)
        clean = self._intensity(contrast, transmission, tilt) if with_clean else None
        if self.parameters.ice_noise > 0:
            contrast = contrast + self._ice(tilt)
        return self._intensity(contrast, transmission, tilt), clean

    def _intensity(self, contrast: Array, transmission: Array, tilt: int) -> Array:
        """Return the expected counts for a contrast, seen by the detector."""
        p = self.parameters
        intensity = np.maximum(1 + contrast, _LEAST_INTENSITY)
        intensity *= np.maximum(transmission, _LEAST_TRANSMISSION)
        intensity *= self.mean_electrons(tilt)
        if p.mtf_at_nyquist < 1:
            grid = FrequencyGrid(p.shape_yx, self.pixel)
            exponent = grid.k2 * (2 * self.pixel) ** 2
            spectrum = fft.rfft2(intensity) * p.mtf_at_nyquist**exponent
            intensity = np.maximum(fft.irfft2(spectrum, s=p.shape_yx), 0)
        return np.asarray(intensity)

    def expose(self, expected: Array, tilt: int) -> Array:
        """Count electrons and return what the detector stores, before its number type."""
        p = self.parameters
        counts = expected
        if p.shot_noise:
            counts = generator(p.seed, Chance.SHOT, tilt).poisson(expected).astype(np.float64)
        return np.asarray(counts * p.counts_per_electron, dtype=np.float64)

    def mean_electrons(self, tilt: int) -> float:
        """Return the electrons counted per pixel behind bare ice."""
        p, a = self.parameters, self.acquisition
        slope = float(a.geometry.stage_matrices[tilt, 2, 2])
        through = np.exp(-p.thickness_angstrom / (p.mean_free_path_angstrom * slope))
        if tilt in a.dark_tilts:
            through *= DARK_TRANSMISSION
        return float(a.dose_e_per_a2[tilt] * self.pixel**2 * through * p.detection_efficiency)

    def _canvas(self) -> _Canvas:
        return _Canvas(self._canvas_grid.shape_yx, self.parameters.shape_yx, self._margin)

    def _defocus(self, grid: FrequencyGrid, tilt: int) -> NDArray[np.floating]:
        """Return the defocus of the specimen's centre in each direction, Angstrom."""
        a = self.acquisition
        return astigmatic_defocus(
            grid.kx,
            grid.ky,
            float(a.defocus_u_angstrom[tilt]),
            float(a.defocus_v_angstrom[tilt]),
            float(a.astigmatism_angle_deg[tilt]),
        )

    def _contrast_transfer(self, grid: FrequencyGrid, tilt: int, depths: Array) -> Array:
        """Return ``-2 sigma CTF`` at each depth, contrast per volt Angstrom, ``[n, ny, nx]``."""
        slope = self.optics.phase_by_defocus(grid.k2)
        base = slope * self._defocus(grid, tilt) + self.optics.phase_at_focus(grid.k2)
        offset = self.parameters.handedness * np.asarray(depths)[:, None, None]
        phase = base.astype(np.float32) + slope.astype(np.float32) * offset.astype(np.float32)
        return np.asarray(-2 * self.optics.interaction_rad_per_v_a * np.sin(phase))

    def _canvas_position(self, tilt: int, points: Array) -> tuple[Array, Array]:
        """Return positions (x, y) in canvas pixels and depths of points."""
        projected = self.acquisition.project(tilt, points)
        height, width = self.parameters.shape_yx
        centre = np.array([width // 2, height // 2]) + self._margin
        return projected[:, :2] / self.pixel + centre, projected[:, 2]

    def _visible(self, position: Array, reach_px: float) -> NDArray[np.intp]:
        """Return which objects touch the image."""
        height, width = self.parameters.shape_yx
        low = self._margin - reach_px
        high = self._margin + np.array([width, height]) + reach_px
        return np.flatnonzero(((position > low) & (position < high)).all(axis=1))

    def _add_particles(self, canvas: _Canvas, tilt: int) -> None:
        camera = self.acquisition.geometry.projection_matrices[tilt]
        for species, projector in enumerate(self._projectors):
            members = [m for m in self.specimen.particles if m.species == species]
            if not members:
                continue
            points = np.array([m.position_angstrom for m in members])
            rotations = np.array([camera @ m.rotation for m in members])
            position, depth = self._canvas_position(tilt, points)
            visible = self._visible(position, projector.grid.shape_yx[0] / 2)
            for start in range(0, len(visible), _BATCH):
                some = visible[start : start + _BATCH]
                spectra = projector.slices(rotations[some])
                self._add_spectra(
                    canvas, projector.grid, spectra, position[some], depth[some], tilt
                )

    def _add_spectra(
        self,
        canvas: _Canvas,
        grid: FrequencyGrid,
        spectra: NDArray,
        position: Array,
        depth: Array,
        tilt: int,
    ) -> None:
        """Give projections their CTF and sub-pixel position, and add them to the canvas."""
        whole = np.round(position).astype(int)
        half = grid.shape_yx[0] // 2
        shift = (position - whole + half) * self.pixel
        spectra = spectra * self._contrast_transfer(grid, tilt, depth)
        spectra = spectra * grid.shift_phase(shift).astype(np.complex64)
        images = fft.irfft2(spectra, s=grid.shape_yx)
        for image, (x, y) in zip(images, whole - half, strict=True):
            canvas.add(image, x, y)

    def _add_vesicles(self, canvas: _Canvas, tilt: int) -> None:
        for vesicle in self.specimen.vesicles:
            position, depth = self._canvas_position(tilt, vesicle.position_angstrom[None])
            outer = vesicle.radius_angstrom + 2 * LEAFLET_OFFSET_ANGSTROM
            box = self._box_px(outer)
            if not len(self._visible(position, box / 2)):
                continue
            grid = FrequencyGrid((box, box), self.pixel)
            spectrum = vesicle_transform(grid, vesicle.radius_angstrom)[None]
            self._add_spectra(canvas, grid, spectrum, position, depth, tilt)

    def _crowd_spectrum(self, tilt: int) -> NDArray:
        """Return the transform of the small proteins' contrast, in layers of like depth."""
        grid = self._canvas_grid
        position, depth = self._canvas_position(tilt, self.specimen.crowd_angstrom)
        visible = self._visible(position, self._margin)
        position, depth = position[visible], depth[visible]
        # Within a layer the phase of the CTF errs by less than 0.15 rad at Nyquist.
        nyquist2 = 0.25 / self.pixel**2
        layer = float(np.clip(0.3 / self.optics.phase_by_defocus(np.array(nyquist2)), 50, 1000))
        number = np.round(depth / layer).astype(int)
        form = self.specimen.crowd_excess_v_a3 / self.pixel**2
        blob = form * np.exp(-2 * np.pi**2 * CROWD_BEAD_SIGMA_ANGSTROM**2 * grid.k2)
        # Laying points on four pixels blurs them with a triangle, undone here.
        blob /= np.sinc(grid.kx * self.pixel) ** 2 * np.sinc(grid.ky * self.pixel) ** 2
        total = np.zeros(grid.k2.shape, dtype=np.complex128)
        for n in np.unique(number):
            image = bead_image(position[number == n], grid.shape_yx)
            transfer = self._contrast_transfer(grid, tilt, np.array([n * layer]))[0]
            total += fft.rfft2(image) * transfer
        return np.asarray(total * blob)

    def _add_gold(self, contrast: _Canvas, absorbed: _Canvas, tilt: int) -> None:
        """Add the beads' phase contrast and the logarithm of what they absorb."""
        if not len(self.specimen.gold_angstrom):
            return
        radius = 0.5 * self.specimen.gold_diameter_angstrom
        position, depth = self._canvas_position(tilt, self.specimen.gold_angstrom)
        box = self._box_px(radius)
        grid = FrequencyGrid((box, box), self.pixel)
        sigma = self.optics.interaction_rad_per_v_a
        for i in self._visible(position, box / 2):
            corner = np.round(position[i]).astype(int) - box // 2
            centre = position[i] - corner
            thickness = self.pixel * sphere_thickness(
                (float(centre[0]), float(centre[1])), radius / self.pixel, box
            )
            absorbed.add(thickness / GOLD_PATH_ANGSTROM, *corner)
            # Beyond a weak phase the contrast no longer grows with it.
            phase = _MOST_GOLD_PHASE_RAD * np.tanh(
                sigma * GOLD_EXCESS_V * thickness / _MOST_GOLD_PHASE_RAD
            )
            transfer = self._contrast_transfer(grid, tilt, depth[i : i + 1])[0] / sigma
            contrast.add(fft.irfft2(fft.rfft2(phase) * transfer, s=grid.shape_yx), *corner)

    def _ice(self, tilt: int) -> Array:
        """Return the contrast of the ice's own structure, drawn anew for each image.

        Water moves by more than its own size during one exposure, so that no two images share
        this noise. Its variance is that of the molecules in a column, times the structure
        factor of water at low frequency. It fills the tilted slab, in layers of like depth.
        """
        p = self.parameters
        grid = FrequencyGrid(p.shape_yx, self.pixel)
        slope = float(self.acquisition.geometry.stage_matrices[tilt, 2, 2])
        molecules = ICE_MOLECULES_PER_A3 * self.pixel**2 * p.thickness_angstrom / slope
        deviation = WATER_POTENTIAL_V_A3 * np.sqrt(molecules * ICE_STRUCTURE_FACTOR)
        deviation *= p.ice_noise / self.pixel**2
        chance = generator(p.seed, Chance.ICE, tilt)
        middle = self._ice_depth(tilt)
        half = 0.5 * p.thickness_angstrom / slope
        # Within a layer the phase of the CTF errs by less than 0.5 rad at Nyquist.
        nyquist2 = np.array(0.25 / self.pixel**2)
        layer = float(np.clip(1.0 / self.optics.phase_by_defocus(nyquist2), 50, 2000))
        lowest, highest = (np.array([middle.min() - half, middle.max() + half]) / layer).round()
        total = np.zeros(grid.k2.shape, dtype=np.complex128)
        for depth in layer * np.arange(lowest, highest + 1):
            low, high = depth - 0.5 * layer, depth + 0.5 * layer
            inside = np.minimum(middle + half, high) - np.maximum(middle - half, low)
            share = np.clip(inside, 0, None) / (2 * half)
            noise = np.sqrt(share) * chance.standard_normal(p.shape_yx)
            transfer = self._contrast_transfer(grid, tilt, np.array([depth]))[0]
            total += fft.rfft2(noise) * transfer
        return np.asarray(deviation * fft.irfft2(total, s=p.shape_yx))

    def _ice_depth(self, tilt: int) -> Array:
        """Return the depth at which each pixel's ray meets the middle of the ice, Angstrom."""
        geometry = self.acquisition.geometry
        camera = geometry.projection_matrices[tilt]
        gradient = camera[2, :2] @ np.linalg.inv(camera[:2, :2])
        height, width = self.parameters.shape_yx
        x = (np.arange(width) - width // 2) * self.pixel - geometry.shift_angstrom[tilt, 0]
        y = (np.arange(height) - height // 2) * self.pixel - geometry.shift_angstrom[tilt, 1]
        return np.asarray(gradient[0] * x[None, :] + gradient[1] * y[:, None])


class _Canvas:
    """An image with a margin, to which boxes are added."""

    def __init__(
        self, shape_yx: tuple[int, int], image_shape_yx: tuple[int, int], margin: int
    ) -> None:
        self.image: Array = np.zeros(shape_yx)
        self._window = (
            slice(margin, margin + image_shape_yx[0]),
            slice(margin, margin + image_shape_yx[1]),
        )

    def add(self, box: NDArray, x: int, y: int) -> None:
        """Add a box whose first pixel falls on (x, y), leaving out what falls outside."""
        height, width = self.image.shape
        y0, y1 = max(0, y), min(height, y + box.shape[0])
        x0, x1 = max(0, x), min(width, x + box.shape[1])
        if y0 < y1 and x0 < x1:
            self.image[y0:y1, x0:x1] += box[y0 - y : y1 - y, x0 - x : x1 - x]

    def cropped(self) -> Array:
        """Return the image without its margin."""
        return np.asarray(self.image[self._window], dtype=np.float64)

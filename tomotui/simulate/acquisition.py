"""How the tilt series was taken: order, dose, true geometry, defocus."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from tomotui.geometry import TiltGeometry
from tomotui.simulate.chance import Chance, generator
from tomotui.simulate.parameters import Scheme, SimulationParameters

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Deformation:
    """A smooth displacement of the image positions over the field and the tilts.

    Parameters
    ----------
    control_angstrom
        Displacement (x, y) at control points, shape ``[n_t, n_y, n_x, 2]``, interpolated by
        cubic splines.
    half_extent_angstrom
        The control points span -h..+h of the specimen's (x, y); beyond, the edge is repeated.
    n_tilts
        The control points span the tilts 0..n_tilts-1.
    """

    control_angstrom: Array
    half_extent_angstrom: tuple[float, float]
    n_tilts: int

    def displacement(self, tilt: int, points_angstrom: ArrayLike) -> Array:
        """Return the displacement (x, y) in Angstrom of specimen points ``[n, 3]`` in a tilt."""
        points = np.atleast_2d(np.asarray(points_angstrom, dtype=np.float64))
        n_t, n_y, n_x, _ = self.control_angstrom.shape
        hx, hy = self.half_extent_angstrom
        coordinates = np.stack(
            [
                np.full(len(points), tilt * (n_t - 1) / max(1, self.n_tilts - 1)),
                np.clip((points[:, 1] / hy + 1) / 2, 0, 1) * (n_y - 1),
                np.clip((points[:, 0] / hx + 1) / 2, 0, 1) * (n_x - 1),
            ]
        )
        return np.stack(
            [
                map_coordinates(self.control_angstrom[..., c], coordinates, order=3, mode="nearest")
                for c in range(2)
            ],
            axis=-1,
        )


@dataclass(frozen=True)
class Acquisition:
    """Everything that is known of each image, in the order of the stack.

    Parameters
    ----------
    nominal_tilt_deg, acquisition_order, prior_dose_e_per_a2, dose_e_per_a2
        What the metadata tell, shape ``[n_tilts]``.
    geometry
        The true geometry.
    defocus_u_angstrom, defocus_v_angstrom, astigmatism_angle_deg
        Of the specimen's centre, shape ``[n_tilts]``.
    """

    nominal_tilt_deg: Array
    acquisition_order: NDArray[np.int64]
    prior_dose_e_per_a2: Array
    dose_e_per_a2: Array
    geometry: TiltGeometry
    defocus_u_angstrom: Array
    defocus_v_angstrom: Array
    astigmatism_angle_deg: Array
    deformation: Deformation | None = None
    dark_tilts: tuple[int, ...] = field(default=())

    @property
    def n_tilts(self) -> int:
        """Number of images."""
        return len(self.nominal_tilt_deg)

    def project(self, tilt: int, points_angstrom: ArrayLike) -> Array:
        """Return image position (x, y) and depth of points in one tilt, shape ``[n, 3]``."""
        projected = self.geometry.select([tilt]).project(points_angstrom)[0]
        if self.deformation is not None:
            projected[:, :2] += self.deformation.displacement(tilt, points_angstrom)
        return projected


def acquire(parameters: SimulationParameters) -> Acquisition:
    """Draw the true geometry and optics of every image."""
    p = parameters
    n = p.n_tilts
    chance = generator(p.seed, Chance.GEOMETRY)
    nominal = p.tilt_min_deg + p.tilt_step_deg * np.arange(n, dtype=np.float64)
    order = acquisition_order(nominal, p.scheme)
    tilt = nominal + p.tilt_offset_deg + p.tilt_jitter_deg * chance.standard_normal(n)
    direction = chance.uniform(0, 2 * np.pi, n)
    length = chance.uniform(p.shift_min_angstrom, p.shift_max_angstrom, n)
    shift = length[:, None] * np.stack([np.cos(direction), np.sin(direction)], axis=-1)
    shift += p.shift_rms_angstrom * chance.standard_normal((n, 2))
    axis_deg = p.axis_deg + p.axis_wander_deg * _smooth_walk(n, chance)
    steps = p.shift_walk_angstrom * chance.standard_normal((n, 2))
    shift += np.cumsum(steps, axis=0)[order]
    geometry = TiltGeometry.of(
        tilt_deg=tilt,
        axis_deg=axis_deg,
        x_tilt_deg=p.x_tilt_deg,
        shift_angstrom=shift,
    )
    optics = generator(p.seed, Chance.DEFOCUS)
    defocus = p.defocus_angstrom + p.defocus_jitter_angstrom * optics.standard_normal(n)
    return Acquisition(
        nominal_tilt_deg=nominal,
        acquisition_order=order,
        prior_dose_e_per_a2=order.astype(np.float64) * p.dose_e_per_a2,
        dose_e_per_a2=np.full(n, p.dose_e_per_a2),
        geometry=geometry,
        defocus_u_angstrom=defocus + 0.5 * p.astigmatism_angstrom,
        defocus_v_angstrom=defocus - 0.5 * p.astigmatism_angstrom,
        astigmatism_angle_deg=np.full(n, p.astigmatism_angle_deg),
        deformation=_deformation(p) if p.deformation_angstrom > 0 else None,
        dark_tilts=p.dark_tilts,
    )


def acquisition_order(nominal_tilt_deg: Array, scheme: Scheme) -> NDArray[np.int64]:
    """Return each image's rank in time.

    ``dose-symmetric`` is 0, +, -, -, +, + ... (Hagen 2017, groups of two after the first),
    ``bidirectional`` goes from the middle to the positive end and then from the middle to the
    negative one, ``continuous`` from the negative to the positive end.
    """
    n = len(nominal_tilt_deg)
    middle = int(np.argmin(np.abs(nominal_tilt_deg)))
    up, down = list(range(middle + 1, n)), list(range(middle - 1, -1, -1))
    if scheme == "continuous":
        sequence = list(range(n))
    elif scheme == "bidirectional":
        sequence = [middle, *up, *down]
    else:
        sequence = [middle]
        side, other = up, down
        take = 1
        while side or other:
            sequence += side[:take]
            del side[:take]
            side, other, take = other, side, 2
    order = np.empty(n, dtype=np.int64)
    order[sequence] = np.arange(n)
    return order


def _smooth_walk(n: int, chance: np.random.Generator) -> Array:
    """Return a smooth curve of zero mean and unit RMS, shape ``[n]``."""
    t = np.linspace(0, 1, n)
    waves = np.arange(1, 4)
    phase = chance.uniform(0, 2 * np.pi, 3)
    weight = chance.standard_normal(3) / waves
    curve = (weight * np.cos(np.pi * waves * t[:, None] + phase)).sum(axis=1)
    curve -= curve.mean()
    rms = float(np.sqrt(np.mean(curve**2)))
    return np.asarray(curve / rms if rms > 0 else curve)


def _deformation(parameters: SimulationParameters) -> Deformation:
    """Draw control points whose mean over the field is zero in each of their tilts."""
    chance = generator(parameters.seed, Chance.DEFORMATION)
    control = chance.standard_normal((5, 4, 4, 2))
    control -= control.mean(axis=(1, 2), keepdims=True)
    control *= parameters.deformation_angstrom / np.sqrt(np.mean(control**2))
    height, width = parameters.shape_yx
    half = 0.5 * parameters.pixel_size_angstrom * float(np.hypot(height, width)) / np.sqrt(2)
    return Deformation(control, (half, half), parameters.n_tilts)

"""The joint fit of all tilts: Gauss-Newton on defocus, astigmatism, phase and specimen plane.

The phase of the rings is linear in every parameter, so that each step needs only five sums over
the rings of each cell and sector, whatever the number of parameters. The curvature that is left
at the end gives the standard errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.ctf.curves import Curves, fit_curves, ring_gain
from tomotui.algorithms.ctf.plane import depth_gradients, gradient_derivatives
from tomotui.algorithms.ctf.rings import RingModel
from tomotui.algorithms.ctf.search import CORRELATION
from tomotui.algorithms.ctf.state import (
    LEAST_SCATTER_ANGSTROM,
    MOST_SCATTER_ANGSTROM,
    Choices,
    Fitted,
    State,
    smooth_trend,
)
from tomotui.geometry import TiltGeometry
from tomotui.geometry.local import spline_weights

Array = NDArray[np.float64]

CONTROL_POINTS = 3
LEAST_TILTS_FOR_CHANGES = 9
ASTIGMATISM_SPREAD_ANGSTROM = 3000.0
ASTIGMATISM_CHANGE_ANGSTROM = 150.0
PHASE_CHANGE_DEG = 5.0
PLANE_SPREAD_DEG = 6.0
MOST_PLANE_DEG = 20.0
_STEPS = 12
_WALL = 100.0
_LEAST_GAIN = 0.05


class JointFit:
    """The joint fit of a series, for one hand.

    Parameters
    ----------
    model
        Rings of flattened spectra.
    geometry
        Of the tilts.
    order
        Rank of each tilt in time.
    choices
        What is fitted.
    """

    def __init__(
        self, model: RingModel, geometry: TiltGeometry, order: Array, choices: Choices
    ) -> None:
        self.model, self.geometry, self.choices = model, geometry, choices
        self.order = np.argsort(np.argsort(order, kind="stable"), kind="stable").astype(float)
        n = len(order)
        points = CONTROL_POINTS if n >= LEAST_TILTS_FOR_CHANGES else 1
        place = 2 * self.order / max(1, n - 1) - 1
        self.basis = spline_weights(points, place) if points > 1 else np.ones((n, 1))
        self._tilt = model.spectra.tilt.cpu().numpy()
        shift = geometry.shift_angstrom[self._tilt]
        self._place = model.spectra.place_angstrom.cpu().numpy() - shift
        angle = 2 * model.spectra.azimuth_rad.cpu().numpy()
        self._cos, self._sin = np.cos(angle), np.sin(angle)

    def start(self, defocus_angstrom: Array, phase_deg: float = 0.0) -> State:
        """Return a state without astigmatism, in the plane z = 0."""
        points = self.basis.shape[1]
        return State(
            defocus_angstrom=np.asarray(defocus_angstrom, dtype=np.float64),
            astigmatism_angstrom=np.zeros((points, 2)),
            phase_deg=np.full(points, float(phase_deg)),
            plane_deg=np.zeros(2),
            trend_angstrom=np.full(len(defocus_angstrom), float(np.median(defocus_angstrom))),
        )

    def phase_of_tilts(self, state: State) -> Array:
        """Return the phase shift of every tilt in degrees."""
        phase: Array = self.basis @ state.phase_deg
        return phase

    def astigmatism_of_tilts(self, state: State) -> Array:
        """Return half the astigmatism of every tilt as (cos, sin) of twice the angle."""
        both: Array = self.basis @ state.astigmatism_angstrom
        return both

    def rings(self, state: State, n_rings: int | None = None) -> tuple[Tensor, Tensor]:
        """Return attenuation ``[tilts, sectors, rings]`` and twice the phase of the cells.

        Parameters
        ----------
        n_rings
            Only the first so many; all by default.
        """
        device = self.model.spectra.power.device
        gradient = depth_gradients(self.geometry, state.plane_deg)
        defocus = self._cell_defocus(state, gradient)
        attenuation = self.model.attenuation(
            torch.from_numpy(state.defocus_angstrom).to(device),
            torch.from_numpy(gradient).to(device),
        )[..., :n_rings]
        shift = torch.from_numpy(self.phase_of_tilts(state)).to(device)
        phase = self.model.phase(torch.from_numpy(defocus).to(device), shift, n_rings)
        return attenuation, phase

    def cell_depth(self, state: State) -> Array:
        """Return the defocus of every cell minus that of its tilt, ``[cells]``."""
        gradient = depth_gradients(self.geometry, state.plane_deg)
        depth: Array = self.choices.hand * (gradient[self._tilt] * self._place).sum(axis=1)
        return depth

    def gain_of_tilts(
        self, curves: Curves, rings: Tensor, variance: Tensor, highest_per_angstrom: float
    ) -> Array:
        """Return what rings add to the logarithm of each tilt's likelihood (`ring_gain`).

        Parameters
        ----------
        curves, rings
            As `curves` gives them.
        variance
            Of the noise, ``[tilts, rings]``.
        """
        inside = self.model.spectra.frequency_per_angstrom <= highest_per_angstrom
        gain = ring_gain(self.model, rings, curves, inside / (CORRELATION * variance))
        array: Array = gain.cpu().numpy()
        return array

    def compare(
        self, one: Fitted, other: Fitted, variance: Tensor, highest_per_angstrom: float
    ) -> tuple[Tensor, Tensor]:
        """Compare two fits of the same spectra, tilt by tilt.

        Returns
        -------
        Logarithm of the likelihood of the one minus that of the other, and the squared distance
        of the two models in units of the noise, each ``[tilts]``.
        """
        tilt = self.model.spectra.tilt
        weight = self._weight(variance, highest_per_angstrom)
        first, second = (
            fit.curves.background.float()[tilt][:, None]
            + fit.curves.envelope.float()[tilt][:, None] * fit.rings
            for fit in (one, other)
        )
        apart = first - second
        middle = self.model.spectra.power - 0.5 * (first + second)
        sums = [weight * apart * middle, weight * apart.square()]
        votes, distance = (
            self.model.sum_over_cells(values.sum(dim=(1, 2)).double()) for values in sums
        )
        return votes, distance

    def _cell_defocus(self, state: State, gradient: Array) -> Array:
        """Return the defocus of every cell along every sector, ``[cells, sectors]``."""
        depth = (gradient[self._tilt] * self._place).sum(axis=1)
        stretch = self.astigmatism_of_tilts(state)[self._tilt]
        mean = state.defocus_angstrom[self._tilt] + self.choices.hand * depth
        out: Array = mean[:, None] + stretch[:, :1] * self._cos + stretch[:, 1:] * self._sin
        return out

    def curves(self, state: State, previous: Curves | None) -> tuple[Curves, Tensor]:
        """Return background and envelope for a state, and its rings."""
        attenuation, phase = self.rings(state)
        rings = -attenuation[self.model.spectra.tilt] * torch.cos(phase)
        tilt = torch.from_numpy(self.geometry.tilt_deg)
        return fit_curves(self.model, rings, tilt.to(rings.device), previous), rings

    def fit(self, state: State, highest_per_angstrom: float, rounds: int = 3) -> Fitted:
        """Fit up to a frequency, with curves and parameters in turn."""
        curves: Curves | None = None
        system: _System | None = None
        for _ in range(rounds):
            for _ in range(2 if curves is None else 1):
                curves, _rings = self.curves(state, curves)
            assert curves is not None
            state, system = self._descend(state, curves, highest_per_angstrom)
            state = self._with_trend(state, system)
        assert curves is not None
        assert system is not None
        curves, rings = self.curves(state, curves)
        return self._finish(state, curves, rings, system, highest_per_angstrom)

    def _descend(
        self, state: State, curves: Curves, highest_per_angstrom: float
    ) -> tuple[State, _System]:
        """Take damped Gauss-Newton steps (Levenberg-Marquardt) with the curves held."""
        damping = 1e-3
        system = self._system(state, curves, highest_per_angstrom)
        for _ in range(_STEPS):
            scale = np.diag(system.hessian)
            step = np.linalg.solve(system.hessian + np.diag(damping * scale + 1e-12), -system.slope)
            trial = self._moved(state, np.asarray(step, dtype=np.float64))
            ahead = self._system(trial, curves, highest_per_angstrom)
            if ahead.cost < system.cost:
                gained = system.cost - ahead.cost
                state, system, damping = trial, ahead, max(1e-6, damping / 5)
                if gained < _LEAST_GAIN:
                    break
            else:
                damping *= 10
                if damping > 1e4:
                    break
        return state, system

    def _system(self, state: State, curves: Curves, highest_per_angstrom: float) -> _System:
        """Return cost, slope and curvature of the negative logarithm of the posterior."""
        spectra = self.model.spectra
        tilt = spectra.tilt
        n_rings = self._rings_below(highest_per_angstrom)
        attenuation, phase = self.rings(state, n_rings)
        weight = self._weight(curves.variance, highest_per_angstrom)[..., :n_rings]
        height = (attenuation * curves.envelope.float()[:, None, :n_rings])[tilt]
        mean = curves.background.float()[tilt][:, None, :n_rings]
        cos, sin = torch.cos(phase), torch.sin(phase)
        residual = (spectra.power[..., :n_rings] - mean).addcmul_(height, cos)
        rate = height.mul_(sin)
        weighted = weight * rate
        pull, curve = weighted * residual, weighted.mul_(rate)
        per = self.model.phase_per_defocus[:, :n_rings]
        cost = 0.5 * float((weight * residual.square_()).sum(dtype=torch.float64))

        def summed(values: Tensor) -> Array:
            array: Array = values.sum(dim=-1).double().cpu().numpy().ravel()
            return array

        by_defocus, by_phase = self._directions(state)
        curve_per = curve * per
        g0, g1, g2 = summed(curve), summed(curve_per), summed(curve_per * per)
        slope = -(by_defocus.T @ summed(pull * per) + by_phase.T @ summed(pull))
        hessian = by_defocus.T @ (g2[:, None] * by_defocus)
        mixed = by_defocus.T @ (g1[:, None] * by_phase)
        hessian += mixed + mixed.T + by_phase.T @ (g0[:, None] * by_phase)
        return self._with_prior(state, cost, slope, hessian)

    def _rings_below(self, highest_per_angstrom: float) -> int:
        frequency = self.model.spectra.frequency_per_angstrom
        return max(1, int((frequency <= highest_per_angstrom).sum()))

    def _weight(self, variance: Tensor, highest_per_angstrom: float) -> Tensor:
        """Return inverse variances, cells that share noise counted once, zero above the band."""
        spectra = self.model.spectra
        inside = spectra.frequency_per_angstrom <= highest_per_angstrom
        per_tilt = (inside / (CORRELATION * variance)).float()
        return spectra.n_tiles[:, None, None] * spectra.n_pixels * per_tilt[spectra.tilt][:, None]

    def _layout(self) -> tuple[slice, slice, slice, slice]:
        n, points = self.basis.shape
        ends = np.cumsum([n, 2 * points, points, 2])
        starts = np.concatenate([[0], ends[:-1]])
        first, second, third, fourth = (
            slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)
        )
        return first, second, third, fourth

    def _directions(self, state: State) -> tuple[Array, Array]:
        """Return how defocus and phase (radians, doubled) of cells depend on the parameters."""
        points = self.basis.shape[1]
        _, stretch, phase, plane = self._layout()
        shape = (len(self._tilt), len(self._cos))
        by_defocus = np.zeros((*shape, plane.stop))
        by_phase = np.zeros_like(by_defocus)
        cells = np.arange(len(self._tilt))
        by_defocus[cells, :, self._tilt] = 1.0
        basis = self.basis[self._tilt]
        if self.choices.astigmatism:
            harmonics = np.stack([self._cos, self._sin], axis=-1)
            both = basis[:, None, :, None] * harmonics[None, :, None, :]
            by_defocus[..., stretch] = both.reshape(*shape, 2 * points)
        if self.choices.phase:
            by_phase[..., phase] = math.radians(2.0) * basis[:, None, :]
        if self.choices.plane:
            change = gradient_derivatives(self.geometry, state.plane_deg)[self._tilt]
            depth = np.einsum("cxa,cx->ca", change, self._place)
            by_defocus[..., plane] = self.choices.hand * depth[:, None, :]
        return by_defocus.reshape(-1, plane.stop), by_phase.reshape(-1, plane.stop)

    def _with_prior(self, state: State, cost: float, slope: Array, hessian: Array) -> _System:
        defocus, stretch, phase, plane = self._layout()
        data_defocus = np.diag(hessian)[defocus].copy()
        away = (state.defocus_angstrom - state.trend_angstrom) / state.scatter_angstrom
        # A Student distribution of 4 degrees of freedom: single tilts may lie far away.
        cost += float(2.5 * np.log1p(away**2 / 4).sum())
        robust = 1.25 / (1 + away**2 / 4) / state.scatter_angstrom**2
        slope[defocus] += robust * away * state.scatter_angstrom
        hessian[defocus, defocus] += np.diag(robust)
        points = self.basis.shape[1]
        change = np.eye(points) - 1.0 / points
        for values, part, whole, moves in (
            (
                state.astigmatism_angstrom.ravel(),
                stretch,
                ASTIGMATISM_SPREAD_ANGSTROM,
                ASTIGMATISM_CHANGE_ANGSTROM,
            ),
            (state.phase_deg, phase, 360.0, PHASE_CHANGE_DEG),
            (state.plane_deg, plane, PLANE_SPREAD_DEG, None),
        ):
            precision = np.eye(len(values)) / whole**2
            if moves is not None:
                precision += np.kron(change, np.eye(len(values) // points)) / moves**2
            cost += float(0.5 * values @ precision @ values)
            slope[part] += precision @ values
            hessian[part, part] += precision
        # Nobody leaves a specimen turned by more than this: a wall, lest the wrong hand hides.
        beyond = np.clip(state.plane_deg, -MOST_PLANE_DEG, MOST_PLANE_DEG) - state.plane_deg
        cost += float(0.5 * beyond @ beyond) * _WALL
        slope[plane] -= _WALL * beyond
        hessian[plane, plane] += _WALL * np.diag((beyond != 0).astype(float))
        return _System(cost, slope, hessian, data_defocus, robust)

    def _moved(self, state: State, step: Array) -> State:
        defocus, stretch, phase, plane = self._layout()
        return replace(
            state,
            defocus_angstrom=state.defocus_angstrom + step[defocus],
            astigmatism_angstrom=state.astigmatism_angstrom + step[stretch].reshape(-1, 2),
            phase_deg=state.phase_deg + step[phase],
            plane_deg=state.plane_deg + step[plane],
        )

    def _with_trend(self, state: State, system: _System) -> State:
        """Learn from the tilts that know their defocus what to expect of the others."""
        known = 1.0 / (1.0 / np.maximum(system.data_defocus, 1e-12) + LEAST_SCATTER_ANGSTROM**2)
        trend = smooth_trend(state.defocus_angstrom, known, self.order)
        sure = system.data_defocus * MOST_SCATTER_ANGSTROM**2 > 30
        if sure.sum() < 5:
            return replace(state, trend_angstrom=trend)
        away = np.abs(state.defocus_angstrom - trend)[sure]
        scatter = float(np.clip(1.4826 * np.median(away), LEAST_SCATTER_ANGSTROM, 3000.0))
        return replace(state, trend_angstrom=trend, scatter_angstrom=1.2 * scatter)

    def _finish(
        self,
        state: State,
        curves: Curves,
        rings: Tensor,
        system: _System,
        highest_per_angstrom: float,
    ) -> Fitted:
        covariance = np.linalg.inv(system.hessian)
        n = len(state.defocus_angstrom)
        error = np.sqrt(np.maximum(np.diag(covariance)[:n], 0))
        return Fitted(
            state=state,
            curves=curves,
            rings=rings,
            gain=self.gain_of_tilts(curves, rings, curves.variance, highest_per_angstrom),
            error_angstrom=error,
            shrinkage=system.prior_defocus / (system.prior_defocus + system.data_defocus),
        )


@dataclass(frozen=True)
class _System:
    """Cost and its derivatives; the tilts' own share of the curvature by defocus."""

    cost: float
    slope: Array
    hessian: Array
    data_defocus: Array
    prior_defocus: Array

"""The CTF of a tilt series: search, joint fit, handedness and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tomotui.algorithms.ctf.background import whiten
from tomotui.algorithms.ctf.detection import Search, search_defocus
from tomotui.algorithms.ctf.joint import JointFit
from tomotui.algorithms.ctf.quality import (
    RingCurves,
    display_spectra,
    highest_with_rings,
    ring_curves,
    tilt_significance,
)
from tomotui.algorithms.ctf.rings import RingModel
from tomotui.algorithms.ctf.spectra import ReadImage, Spectra, measure_spectra
from tomotui.algorithms.ctf.state import Choices, State
from tomotui.algorithms.ctf.tiles import choose_windows
from tomotui.algorithms.ctf.verdict import (
    LEAST_CONTRAST,
    LEAST_DETECTION,
    Fits,
    Hand,
    Verdict,
    judge_hand,
    judge_series,
)
from tomotui.geometry import TiltGeometry
from tomotui.imaging.ctf import CtfOptics

Array = NDArray[np.float64]

COARSEST_ANGSTROM = 40.0
NYQUIST_SHARE = 0.96
PIXEL_SHARE_OF_FINEST = 0.4
FEWEST_RINGS = 1.5
N_SEARCH_TILTS = 9
SEARCH_DEFOCUS_ANGSTROM = 40_000.0
FIRST_RINGS = 3.0
BAND_GROWTH = 1.25
_ASTIGMATISM_TRIALS_ANGSTROM = (400.0, 1000.0)
_N_DIRECTIONS = 8


class NoRingsPossible(ValueError):
    """The sampling cannot show rings at any defocus of the range."""


@dataclass(frozen=True)
class Settings:
    """What the user may choose.

    Attributes
    ----------
    defocus_range_angstrom
        Where to search the mean defocus.
    coarsest_angstrom, finest_angstrom
        Band of spacings; the coarsest is chosen by the sampling when ``None``.
    astigmatism
        Fit it.
    phase_plate
        ``off``: none, ``on``: fit it, ``auto``: only where the rings ask for it.
    hand
        +1 or -1 when known; ``None`` to find it.
    tile_size_angstrom
        Side of the squares that are transformed; chosen by the defocus when ``None``.
    """

    defocus_range_angstrom: tuple[float, float] = (3_000.0, 120_000.0)
    coarsest_angstrom: float | None = None
    finest_angstrom: float = 4.0
    astigmatism: bool = True
    phase_plate: Literal["off", "auto", "on"] = "off"
    hand: Hand | None = None
    tile_size_angstrom: float | None = None


@dataclass(frozen=True)
class Report:
    """What is told while the work goes on."""

    fraction: float
    message: str
    metrics: dict[str, tuple[float, str]]


Reporter = Callable[[Report], None]


@dataclass(frozen=True)
class SeriesCtf:
    """The outcome for the tilts of the input, in their order.

    Attributes
    ----------
    defocus_u_angstrom, defocus_v_angstrom, astigmatism_angle_deg, phase_shift_deg
        ``[tilts]``.
    error_angstrom
        Standard error of the mean defocus.
    shrinkage
        Share of the defocus that comes from the neighbours in time.
    significance
        Of each tilt's rings, standard deviations above nothing.
    curves
        For display, with score and resolution.
    hand, hand_score, hand_gain
        See `judge_hand`; the gain of the logarithm of the likelihood for -1 and +1.
    plane_deg
        Turn of the specimen's plane about x and y.
    highest_per_angstrom
        Up to where was fitted.
    search
        Of the mean defocus.
    """

    defocus_u_angstrom: Array
    defocus_v_angstrom: Array
    astigmatism_angle_deg: Array
    phase_shift_deg: Array
    error_angstrom: Array
    shrinkage: Array
    significance: Array
    curves: RingCurves
    spectrum_2d: Array
    spectrum_pixel_per_angstrom: float
    hand: Hand | None
    hand_score: float | None
    hand_gain: tuple[float, float]
    plane_deg: tuple[float, float]
    highest_per_angstrom: float
    search: Search
    verdict: Verdict
    note: str


@torch.inference_mode()
def fit_series(
    read: ReadImage,
    indices: Sequence[int],
    geometry: TiltGeometry,
    order: Sequence[float],
    pixel_size_angstrom: float,
    shape: tuple[int, int],
    optics: CtfOptics,
    settings: Settings,
    report: Reporter = lambda report: None,
) -> SeriesCtf:
    """Fit the CTF of all images of a series; one image alone will do.

    Parameters
    ----------
    read
        Gives the image of a section, ``[height, width]``; called once or twice for each.
    indices
        Sections to fit.
    geometry, order
        Of these sections; the order is their rank in time.
    pixel_size_angstrom, shape
        Of the images that ``read`` gives.
    report
        Called as the work goes on; may raise to stop it.

    Raises
    ------
    NoRingsPossible
        When the pixel is too coarse for the defocus range.
    """
    work = _Work(
        read,
        list(indices),
        geometry,
        np.asarray(order, dtype=float),
        pixel_size_angstrom,
        shape,
        optics,
        settings,
        report,
    )
    return work.run()


@dataclass(frozen=True)
class _Work:
    """One series on its way."""

    read: ReadImage
    indices: list[int]
    geometry: TiltGeometry
    order: Array
    pixel_size_angstrom: float
    shape: tuple[int, int]
    optics: CtfOptics
    settings: Settings
    report: Reporter

    @property
    def band_per_angstrom(self) -> tuple[float, float]:
        """Lowest and highest frequency that are looked at."""
        settings = self.settings
        highest = min(1 / settings.finest_angstrom, 0.5 * NYQUIST_SHARE / self.pixel_size_angstrom)
        coarsest = settings.coarsest_angstrom or max(COARSEST_ANGSTROM, 4.0 / highest)
        if (
            self.least_defocus(highest) > settings.defocus_range_angstrom[1]
            or coarsest * highest < 1.5
        ):
            raise NoRingsPossible(
                f"at {self.pixel_size_angstrom:.3g} A/px, down to {1 / highest:.3g} A, there is no "
                f"room for {FEWEST_RINGS:g} rings"
            )
        return 1 / coarsest, highest

    def least_defocus(self, highest_per_angstrom: float) -> float:
        """Return the defocus that still has enough rings below a frequency."""
        return FEWEST_RINGS / (self.optics.wavelength_angstrom * highest_per_angstrom**2)

    @property
    def defocus_range_angstrom(self) -> tuple[float, float]:
        """Defocus to try: what was asked for, where it has enough rings."""
        low, high = self.settings.defocus_range_angstrom
        return max(low, self.least_defocus(self.band_per_angstrom[1])), high

    def run(self) -> SeriesCtf:
        band = self.band_per_angstrom
        least = np.sort(np.argsort(np.abs(self.geometry.tilt_deg), kind="stable")[:N_SEARCH_TILTS])
        first = self._measure(least, SEARCH_DEFOCUS_ANGSTROM, 0.0, 0.2)
        search = self._search(first, least, self.defocus_range_angstrom)
        self._tell(0.25, f"mean defocus near {search.defocus_angstrom / 1e4:.2f} um", search)
        start = self._look_closer(first, least, search) if search.detection > 3 else None
        sure = search.detection >= LEAST_DETECTION and search.contrast >= LEAST_CONTRAST
        everything = np.arange(len(self.indices))
        around = search.defocus_angstrom if sure else SEARCH_DEFOCUS_ANGSTROM
        spectra = self._measure(everything, around, 0.25, 0.7)
        hands: tuple[Hand, ...] = (self.settings.hand,) if self.settings.hand else (1, -1)
        searches = {
            hand: self._search(spectra, everything, self._range(search, sure), hand)
            for hand in hands
        }
        fits = self._fit_hands(spectra, searches, start, band)
        return self._assemble(fits, searches, search)

    def _range(self, search: Search, sure: bool) -> tuple[float, float]:
        low, high = self.defocus_range_angstrom
        if not sure:
            return low, high
        middle = search.defocus_angstrom
        room = max(6_000.0, 0.25 * middle)
        return max(low, middle - room), min(high, middle + room)

    def _measure(
        self, chosen: NDArray[np.intp], defocus: float, start: float, stop: float
    ) -> Spectra:
        wanted = PIXEL_SHARE_OF_FINEST * self.settings.finest_angstrom
        working = max(self.pixel_size_angstrom, wanted)
        scale = self.pixel_size_angstrom / working
        geometry = self.geometry.select(chosen)
        windows = choose_windows(
            geometry,
            defocus,
            self.optics,
            working,
            (int(self.shape[0] * scale), int(self.shape[1] * scale)),
            self.settings.tile_size_angstrom,
        )

        def done(fraction: float) -> None:
            self.report(Report(start + (stop - start) * fraction, "power spectra", {}))

        spectra = measure_spectra(
            self.read,
            [self.indices[i] for i in chosen],
            geometry,
            windows,
            self.pixel_size_angstrom,
            wanted,
            self.band_per_angstrom,
            self.optics,
            done,
        )
        return whiten(spectra)

    def _search(
        self,
        spectra: Spectra,
        chosen: NDArray[np.intp],
        defocus_range: tuple[float, float],
        hand: Hand = 1,
    ) -> Search:
        return search_defocus(
            spectra,
            self.geometry.select(chosen),
            self.optics,
            hand,
            defocus_range,
            self.settings.phase_plate,
        )

    def _joint(self, spectra: Spectra, chosen: NDArray[np.intp], choices: Choices) -> JointFit:
        model = RingModel(spectra, self.optics)
        return JointFit(model, self.geometry.select(chosen), self.order[chosen], choices)

    def _choices(self, hand: Hand, search: Search, n_tilts: int) -> Choices:
        spread = float(np.ptp(self.geometry.tilt_deg)) if n_tilts > 1 else 0.0
        return Choices(
            hand=hand,
            astigmatism=self.settings.astigmatism,
            phase=search.with_phase,
            plane=n_tilts >= 5 and spread > 20,
        )

    def _look_closer(self, spectra: Spectra, chosen: NDArray[np.intp], search: Search) -> State:
        """Fit the least tilted images alone, from several astigmatisms; the best is returned."""
        choices = replace(self._choices(1, search, len(chosen)), plane=False)
        joint = self._joint(spectra, chosen, choices)
        plain = joint.start(search.per_tilt_angstrom, search.phase_deg)
        highest = self._first_band(search.defocus_angstrom)
        trials = [np.zeros(2)]
        if choices.astigmatism:
            turns = 2 * np.pi * np.arange(_N_DIRECTIONS) / _N_DIRECTIONS
            trials += [
                half * np.array([np.cos(turn), np.sin(turn)])
                for half in _ASTIGMATISM_TRIALS_ANGSTROM
                for turn in turns
            ]
        gains = []
        for trial in trials:
            state = replace(plain, astigmatism_angstrom=plain.astigmatism_angstrom * 0 + trial)
            curves, rings = joint.curves(state, None)
            curves, rings = joint.curves(state, curves)
            gains.append(joint.gain_of_tilts(curves, rings, curves.variance, highest).sum())
        best = trials[int(np.argmax(gains))]
        state = replace(plain, astigmatism_angstrom=plain.astigmatism_angstrom * 0 + best)
        return joint.fit(state, highest).state

    def _first_band(self, defocus_angstrom: float) -> float:
        """Return the frequency below which the first few rings lie."""
        lowest, highest = self.band_per_angstrom
        rings = FIRST_RINGS / (self.optics.wavelength_angstrom * max(defocus_angstrom, 1000.0))
        return float(np.clip(np.sqrt(lowest**2 + rings), 1.5 * lowest, highest))

    def _fit_hands(
        self,
        spectra: Spectra,
        searches: dict[Hand, Search],
        start: State | None,
        band: tuple[float, float],
    ) -> Fits:
        """Fit under each hand, the better one of the search first; it finds the band."""
        everything = np.arange(len(self.indices))
        ranked = sorted(searches, key=lambda hand: -searches[hand].best_score)
        reached: float | None = None
        found: Fits = {}
        for number, hand in enumerate(ranked):
            search = searches[hand]
            joint = self._joint(spectra, everything, self._choices(hand, search, len(everything)))
            state = joint.start(search.per_tilt_angstrom, search.phase_deg)
            if start is not None:
                state = replace(
                    state,
                    astigmatism_angstrom=state.astigmatism_angstrom * 0
                    + start.astigmatism_angstrom.mean(axis=0),
                )
            highest = self._first_band(search.defocus_angstrom)
            fitted = joint.fit(state, highest)
            while highest < band[1]:
                limit = reached or highest_with_rings(joint, fitted, highest * BAND_GROWTH)
                growth = BAND_GROWTH if reached is None else BAND_GROWTH**2
                wider = min(limit, highest * growth, band[1])
                if wider <= highest * 1.02:
                    break
                highest = wider
                fitted = joint.fit(fitted.state, highest)
                self.report(
                    Report(
                        0.7 + 0.14 * number + 0.12 * highest / band[1],
                        f"joint fit to {1 / highest:.1f} A, hand {hand:+d}",
                        {"resolution": (1 / highest, "angstrom")},
                    )
                )
            reached = highest
            found[hand] = (joint, fitted, highest)
        return found

    def _assemble(
        self,
        fits: Fits,
        searches: dict[Hand, Search],
        first: Search,
    ) -> SeriesCtf:
        hand, score, gain = judge_hand(fits)
        best = max(fits, key=lambda one: fits[one][1].gain.sum())
        joint, fitted, highest = fits[best]
        curves = ring_curves(joint, fitted, highest)
        significance = tilt_significance(fitted)
        search = searches[best]
        state = fitted.state
        verdict, note = judge_series(
            curves,
            significance,
            max(search.detection, first.detection),
            first if first.detection >= LEAST_DETECTION else search,
            self.geometry.tilt_deg,
            state.plane_deg,
        )
        if verdict == "bad":
            hand, score = None, None
        stretch = joint.astigmatism_of_tilts(state)
        half = np.hypot(stretch[:, 0], stretch[:, 1])
        picture, step = display_spectra(joint, fitted)
        self._tell(1.0, "done", search)
        return SeriesCtf(
            defocus_u_angstrom=state.defocus_angstrom + half,
            defocus_v_angstrom=state.defocus_angstrom - half,
            astigmatism_angle_deg=np.rad2deg(0.5 * np.arctan2(stretch[:, 1], stretch[:, 0])),
            phase_shift_deg=joint.phase_of_tilts(state),
            error_angstrom=fitted.error_angstrom,
            shrinkage=fitted.shrinkage,
            significance=significance,
            curves=curves,
            spectrum_2d=picture,
            spectrum_pixel_per_angstrom=step,
            hand=self.settings.hand or hand,
            hand_score=score,
            hand_gain=gain,
            plane_deg=(float(state.plane_deg[0]), float(state.plane_deg[1])),
            highest_per_angstrom=highest,
            search=first,
            verdict=verdict,
            note=note,
        )

    def _tell(self, fraction: float, message: str, search: Search) -> None:
        metrics = {
            "defocus": (search.defocus_angstrom, "angstrom"),
            "detection": (search.detection, "sigma"),
        }
        self.report(Report(fraction, message, metrics))

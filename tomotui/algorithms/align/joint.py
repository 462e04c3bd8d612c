"""Joint refinement: all unknowns of the geometry at once, by gradients through the reconstruction.

Around each landmark a small tomogram is made from all tilts, and each tilt's patch is compared
with what the others predict. The mutual information of patches and predictions is a function of
every shift and angle, both through the patch itself and through all predictions it is part of;
its gradient flows through sampling, back-projection and projection (whose adjoint is exact).
Nothing is relaxed tilt by tilt, so that slow drifts along the tilt angle, which move predictions
along with the images, are found as easily as the motion of a single image.

Motions of the whole specimen change no comparison; the gradient along them is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.align.correlate import LOWEST_RING, MAX_COHERENCE
from tomotui.algorithms.align.geometry import AxisGeometry, gauge_modes
from tomotui.algorithms.align.patches import PatchMatcher, Places
from tomotui.geometry.local import LocalField, spline_weights

Unknowns = dict[str, Tensor]


@dataclass(frozen=True)
class LocalFreedom:
    """How the specimen may bend.

    Attributes
    ----------
    half_extent_angstrom
        The nodes span ``-half .. +half`` of the specimen along (x, y).
    n_nodes, n_knots
        Nodes along each side, and along the tilts.
    deviation_angstrom
        Prior deviation of the displacement at a node.
    """

    half_extent_angstrom: tuple[float, float]
    n_nodes: int = 4
    n_knots: int = 5
    deviation_angstrom: float = 20.0


@dataclass(frozen=True)
class Freedom:
    """What may change beside shifts and the axis, and how far (prior deviations).

    Attributes
    ----------
    tilt_deg
        Of each image's tilt from the given one; 0 keeps the tilts.
    local
        Local displacements, or ``None`` for a solid specimen.
    marks_angstrom
        Of the landmarks from where they were found. A ball wants its feature in its middle; were
        it held, the pull would bend the shifts instead.
    """

    tilt_deg: float = 0.0
    local: LocalFreedom | None = None
    marks_angstrom: float = 15.0


class JointObjective:
    """The information that patches and their leave-one-out predictions share.

    Unknowns are in working pixels: angles are multiplied by the landmarks' mean distance from
    the axis, so that one step of a descent suits all of them.

    Parameters
    ----------
    matcher
        Balls around the landmarks, at the sampling to work at.
    geometry
        Where to begin.
    landmarks
        Positions (x, y, z) in Angstrom, ``[n, 3]``.
    freedom
        What may change.
    seen
        Whether a landmark can be used in a tilt, ``[n_tilts, n]``.
    n_groups
        Landmarks are sorted into so many groups by how well they are predicted, each with a
        coherence of its own: strong ones shall not drown the rest.
    """

    def __init__(
        self,
        matcher: PatchMatcher,
        geometry: AxisGeometry,
        landmarks: Tensor,
        freedom: Freedom,
        seen: Tensor | None = None,
        n_groups: int = 3,
    ) -> None:
        self.matcher, self.start, self.freedom = matcher, geometry, freedom
        self._cut_at = geometry
        self.landmarks = landmarks
        self.pixel = matcher.working.pixel_size_angstrom
        reach = landmarks[:, :2].square().sum(dim=1).mean().sqrt()
        self.lever_px = max(1.0, float(reach) / self.pixel)
        with torch.no_grad():
            self._patches, inside = matcher.extract(geometry, landmarks)
            self.seen = inside if seen is None else inside & seen
            self._group = self._groups(self._patches, n_groups)
        self._frequency = self._frequencies()
        self._bases = self._local_bases()
        self._modes = torch.linalg.qr(gauge_modes(geometry.tilt_deg).to(landmarks))[0]
        share = float(matcher.disc.square().sum()) / matcher.disc.numel()
        # A soft disc holds fewer independent terms than the square; Friedel mates are one.
        self._terms = 0.5 * share * matcher.rings.weight[LOWEST_RING:-1]

    def _groups(self, patches: Tensor, n_groups: int) -> Tensor:
        predicted = self.matcher.predict(patches) * self.matcher.disc
        patches = patches * self.matcher.disc
        cross = (patches * predicted).sum(dim=(0, 2, 3))
        power = patches.square().sum(dim=(0, 2, 3)) * predicted.square().sum(dim=(0, 2, 3))
        order = (cross / power.sqrt().clamp_min(1e-20)).argsort(descending=True)
        group = patches.new_zeros(len(order), n_groups)
        for number, chosen in enumerate(order.tensor_split(n_groups)):
            group[chosen, number] = 1.0
        return group

    def _local_bases(self) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return spline weights over tilts, along and across: ``[t, k]``, ``[n, j]``, ``[n, i]``.

        The knots over the tilts are spread over the angles.
        """
        local = self.freedom.local
        if local is None:
            return None
        tilt = self.start.tilt_deg.cpu().numpy()
        middle, half = (tilt.max() + tilt.min()) / 2, max(1.0, np.ptp(tilt) / 2)
        points = self.landmarks.cpu().numpy()
        weights = (
            spline_weights(local.n_knots, (tilt - middle) / half),
            spline_weights(local.n_nodes, points[:, 1] / local.half_extent_angstrom[1]),
            spline_weights(local.n_nodes, points[:, 0] / local.half_extent_angstrom[0]),
        )
        over_tilts, along, across = (torch.from_numpy(w).to(self.landmarks) for w in weights)
        return over_tilts, along, across

    def about(self, geometry: AxisGeometry) -> JointObjective:
        """Return the same objective with its origin at another geometry, to judge that one."""
        moved = copy(self)
        moved.start = geometry
        return moved

    def unknowns(self) -> Unknowns:
        """Return unknowns of zero: the geometry given."""
        n_tilts = self.start.n_tilts
        shapes: dict[str, tuple[int, ...]] = {"shift": (n_tilts, 2)}
        if self.freedom.local is None:  # a bending specimen could also turn in every image
            shapes["axis"] = (1,)
        if self.freedom.marks_angstrom > 0:
            shapes["marks"] = (len(self.landmarks), 3)
        if self.freedom.tilt_deg > 0:
            shapes["tilt"] = (n_tilts,)
        if (local := self.freedom.local) is not None:
            shapes["local"] = (local.n_knots, local.n_nodes, local.n_nodes, 2)
        return {name: self.landmarks.new_zeros(shape) for name, shape in shapes.items()}

    def places(self, unknowns: Unknowns) -> Places:
        """Return where the landmarks fall; gradients flow to the unknowns."""
        start = Places.of(self.start, self.landmarks, self.pixel)
        marks = self.landmarks / self.pixel + unknowns.get("marks", self.landmarks.new_zeros(3))
        tilt = torch.deg2rad(self.start.tilt_deg).to(marks)
        if "tilt" in unknowns:
            tilt = tilt + unknowns["tilt"] / self.lever_px
        x, y, z = marks.T
        across = x * torch.cos(tilt)[:, None] + z * torch.sin(tilt)[:, None]
        local = start.local
        if self._bases is not None:
            bend = torch.einsum("tk,nj,ni,kjic->tnc", *self._bases, unknowns["local"])
            local = bend if local is None else local + bend
        return Places(
            across,
            y.expand_as(across),
            start.axis + self._turn(unknowns),
            start.shift + self._shift(unknowns),
            local,
        )

    def _turn(self, unknowns: Unknowns) -> Tensor:
        """Return the change of the axis in radians, ``[1]``."""
        zero = self.landmarks.new_zeros(1)
        return unknowns.get("axis", zero) / self.lever_px

    def _shift(self, unknowns: Unknowns) -> Tensor:
        """Return the change of the shifts on the image, ``[n_tilts, 2]``.

        Motions of the whole specimen are left out: they would carry the features out of the
        balls about them.
        """
        across, along = unknowns["shift"].unbind(dim=1)
        across = across - self._modes @ (self._modes.T @ across)
        along = along - along.mean()
        return self.start.to_image(torch.stack([across, along], dim=1))

    def geometry(self, unknowns: Unknowns) -> AxisGeometry:
        """Return the geometry that unknowns stand for."""
        start = self.start
        changed = replace(
            start,
            axis_deg=start.axis_deg + float(torch.rad2deg(self._turn(unknowns))),
            shift_angstrom=start.shift_angstrom
            + self._shift(unknowns).to(start.shift_angstrom) * self.pixel,
        )
        if "tilt" in unknowns:
            turned = torch.rad2deg(unknowns["tilt"] / self.lever_px).to(start.tilt_deg)
            changed = replace(changed, tilt_deg=start.tilt_deg + turned - turned.mean())
        if self._bases is not None and self.freedom.local is not None:
            nodes = torch.einsum("tk,kjic->tjic", self._bases[0], unknowns["local"]) * self.pixel
            field = LocalField(
                nodes.double().cpu().numpy(), self.freedom.local.half_extent_angstrom
            )
            changed = replace(changed, local=field.added_to(start.local))
        return changed

    def gain(self, unknowns: Unknowns) -> Tensor:
        """Return what is to be made large: the information less the prior's objections, in nats."""
        return self.information(self.places(unknowns)).sum() - self.improbability(unknowns)

    def information(self, places: Places) -> Tensor:
        """Return the mutual information of patches and predictions in nats, ``[n_tilts]``.

        The windows on the images stay where they were cut; it is the predictions that move. An
        objective whose windows moved could gain by looking at something else.
        """
        matcher, rings = self.matcher, self.matcher.rings
        there = self._phases(places)
        size = (matcher.size, matcher.size)
        aligned = torch.fft.irfft2(torch.fft.rfft2(self._patches) * there.conj(), s=size)
        predicted = torch.fft.rfft2(matcher.predict(aligned)) * there
        used = self.seen[..., None, None] * matcher.disc
        image = torch.fft.rfft2(self._patches * used)
        other = torch.fft.rfft2(torch.fft.irfft2(predicted, s=size) * used)

        def pooled(values: Tensor) -> Tensor:
            return torch.einsum("tnk,ng->tgk", rings.sum(values), self._group)

        power = pooled(image.real**2 + image.imag**2) * pooled(other.real**2 + other.imag**2)
        shared = pooled(image.real * other.real + image.imag * other.imag)
        coherence = (shared / power.clamp_min(1e-20).sqrt()).clamp(0, MAX_COHERENCE)
        coherence = coherence[..., LOWEST_RING:-1]
        n_seen = self.seen.to(self._patches) @ self._group
        nats = -0.5 * self._terms * torch.log1p(-(coherence**2)) * n_seen[..., None]
        return nats.sum(dim=(-2, -1))

    def _frequencies(self) -> tuple[Tensor, Tensor]:
        size = self.matcher.size
        like: dict[str, Any] = {"device": self.landmarks.device, "dtype": self.landmarks.dtype}
        return torch.fft.fftfreq(size, **like)[:, None], torch.fft.rfftfreq(size, **like)[None, :]

    def _phases(self, places: Places) -> Tensor:
        """Return the factors that move a patch from where it was cut to where it belongs."""
        start = Places.of(self._cut_at, self.landmarks, self.pixel)
        moved = self.start.to_aligned(places.on_image() - start.on_image())
        across, along = moved[..., 0, None, None], moved[..., 1, None, None]
        turns = across * self._frequency[0] + along * self._frequency[1]
        return torch.polar(torch.ones_like(turns), -2 * torch.pi * turns)

    def improbability(self, unknowns: Unknowns) -> Tensor:
        """Return minus the logarithm of the prior."""
        total = self.landmarks.new_zeros(())
        if "tilt" in unknowns:
            deviation = np.deg2rad(self.freedom.tilt_deg) * self.lever_px
            total = total + 0.5 * (unknowns["tilt"] / deviation).square().sum()
        if "marks" in unknowns:
            deviation = self.freedom.marks_angstrom / self.pixel
            total = total + 0.5 * (unknowns["marks"] / deviation).square().sum()
        if "local" in unknowns and self.freedom.local is not None:
            deviation = self.freedom.local.deviation_angstrom / self.pixel
            total = total + 0.5 * (unknowns["local"] / deviation).square().sum()
        return total


class Together:
    """Several kinds of features, each at its own sampling, that share one geometry.

    Their information adds, and so does what each knows about every unknown.

    Parameters
    ----------
    objectives
        All with the same start and freedom; unknowns are in the pixels of the first.
    """

    def __init__(self, objectives: list[JointObjective]) -> None:
        self.objectives, self.first = objectives, objectives[0]
        self.start = self.first.start
        self.landmarks = torch.cat([objective.landmarks for objective in objectives])

    def unknowns(self) -> Unknowns:
        """Return unknowns of zero: the geometry given, and each kind's own landmarks."""
        unknowns = self.first.unknowns()
        unknowns.pop("marks", None)
        for number, objective in enumerate(self.objectives):
            if "marks" in (own := objective.unknowns()):
                unknowns[f"marks {number}"] = own["marks"]
        return unknowns

    def gain(self, unknowns: Unknowns) -> Tensor:
        """Return what is to be made large; priors that are shared count once."""
        total = self.first.gain(self._own(unknowns, 0))
        for number, objective in enumerate(self.objectives[1:], start=1):
            own = self._own(unknowns, number)
            total = total + objective.information(objective.places(own)).sum()
            alone = {name: value for name, value in own.items() if name == "marks"}
            total = total - objective.improbability(alone)
        return total

    def geometry(self, unknowns: Unknowns) -> AxisGeometry:
        """Return the geometry that unknowns stand for."""
        return self.first.geometry(self._own(unknowns, 0))

    def _own(self, unknowns: Unknowns, number: int) -> Unknowns:
        """Return the unknowns in the units of one objective."""
        own, objective = {}, self.objectives[number]
        lengths = self.first.pixel / objective.pixel
        angles = objective.lever_px / self.first.lever_px
        for name, value in unknowns.items():
            if name in ("shift", "local"):
                own[name] = value * lengths
            elif name in ("axis", "tilt"):
                own[name] = value * angles
            elif name == f"marks {number}":
                own["marks"] = value
        return own


def climb(
    objective: JointObjective | Together, iterations: int, tick: Callable[[], None] = lambda: None
) -> AxisGeometry:
    """Follow the gradient to the best geometry (L-BFGS with a line search).

    Parameters
    ----------
    objective
        What to make large.
    iterations
        Most steps; each costs little more than one evaluation of the objective.
    tick
        Called at every evaluation; may raise to stop.
    """
    unknowns = objective.unknowns()
    for value in unknowns.values():
        value.requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        list(unknowns.values()),
        max_iter=iterations,
        history_size=12,
        line_search_fn="strong_wolfe",
        tolerance_change=1e-6,
    )
    scale = 1.0 / max(1, objective.start.n_tilts * len(objective.landmarks))

    def evaluate() -> Any:
        tick()
        optimiser.zero_grad()
        loss = -objective.gain(unknowns) * scale
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(evaluate)
    return objective.geometry({name: value.detach() for name, value in unknowns.items()})


def clear_of(
    geometry: AxisGeometry, landmarks: Tensor, others: Tensor, distance_angstrom: float
) -> Tensor:
    """Return where no strong neighbour is seen beside a landmark, ``[n_tilts, n]``.

    Parameters
    ----------
    landmarks, others
        Positions (x, y, z) in Angstrom, ``[n, 3]`` and ``[m, 3]``; one that is in both does not
        disturb itself.
    """
    tilt = torch.deg2rad(geometry.tilt_deg).to(landmarks)[:, None]
    across = [p[:, 0] * torch.cos(tilt) + p[:, 2] * torch.sin(tilt) for p in (landmarks, others)]
    along = landmarks[:, None, 1] - others[None, :, 1]
    apart = torch.hypot(across[0][:, :, None] - across[1][:, None, :], along)
    itself = torch.cdist(landmarks, others) < 1.0
    apart = apart.masked_fill(itself, float("inf"))
    return apart.amin(dim=-1) > distance_angstrom

"""What a refinement has reached, as plain values: for checkpoints and for its results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.refine.particles import Cut, Level
from tomotui.algorithms.refine.poses import Poses
from tomotui.algorithms.refine.work import Work
from tomotui.algorithms.subtomograms.views import SeriesModel
from tomotui.geometry import TiltGeometry
from tomotui.geometry.local import LocalField

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gathered:
    """Particles of all processes by row; NaN in rows that are not there.

    Attributes
    ----------
    scores
        ``[n]``.
    view_scores
        Sum over the particles of each series by tilt, ``[t]`` each.
    """

    poses: Poses
    scores: Array
    view_scores: list[Array]


def gather(work: Work) -> Gathered:
    """Return poses and scores of the particles of all processes; all must ask."""
    totals = []
    for one in work.series:
        total = torch.as_tensor(one.view_scores.sum(axis=0), device=work.device)
        work.ranks.sum_(total)
        totals.append(total.cpu().numpy())
    return Gathered(
        Poses(
            work.all_rows([one.poses.rotations for one in work.series]),
            work.all_rows([one.poses.positions_angstrom for one in work.series]),
        ),
        work.all_rows([one.scores for one in work.series]),
        totals,
    )


def model_state(model: SeriesModel) -> dict[str, Any]:
    """Return what refinement changes of a model, as tensors and numbers."""
    geometry, local, ctf = model.geometry, model.local, model.ctf
    angles = np.stack([geometry.tilt_deg, geometry.x_tilt_deg, geometry.axis_deg])
    return {
        "angles": torch.as_tensor(angles),
        "shifts": torch.as_tensor(geometry.shift_angstrom),
        "nodes": None if local is None else torch.as_tensor(local.nodes_angstrom),
        "extent": None if local is None else list(local.half_extent_angstrom),
        "defocus": None
        if ctf is None
        else torch.as_tensor(np.stack([ctf.defocus_u_angstrom, ctf.defocus_v_angstrom])),
        "magnification": model.magnification,
    }


def has_changed(now: SeriesModel, before: SeriesModel, *what: str) -> bool:
    """Tell whether any of some parts of a model's state is another than before."""
    states = model_state(now), model_state(before)
    for a, b in ([state[key] for state in states] for key in what):
        if a is None or b is None:
            if a is not b:
                return True
        elif not torch.equal(torch.as_tensor(a), torch.as_tensor(b)):
            return True
    return False


def model_of_state(model: SeriesModel, state: dict[str, Any]) -> SeriesModel:
    """Return a model with what `model_state` has kept."""
    tilt, x_tilt, axis = state["angles"].cpu().numpy()
    geometry = TiltGeometry(tilt, x_tilt, axis, state["shifts"].cpu().numpy())
    local, ctf = None, model.ctf
    if state["nodes"] is not None:
        width, height = state["extent"]
        local = LocalField(state["nodes"].cpu().numpy(), (width, height))
    if ctf is not None and state["defocus"] is not None:
        u, v = state["defocus"].cpu().numpy()
        ctf = replace(ctf, defocus_u_angstrom=u, defocus_v_angstrom=v)
    return replace(
        model, geometry=geometry, local=local, ctf=ctf, magnification=state["magnification"]
    )


def work_state(work: Work) -> dict[str, Any]:
    """Return what refinement has changed of the particles and series; all processes must ask."""

    def rows(values: list[Array]) -> Tensor:
        return torch.as_tensor(work.all_rows(values))

    level, series = work.store.level, work.series
    cuts = [one.cut or Cut(level, one.model, one.poses.positions_angstrom) for one in series]
    most = max((one.model.n_tilts for one in series), default=0)
    views = [np.pad(one.view_scores, ((0, 0), (0, most - one.model.n_tilts))) for one in series]
    return {
        "level": [level.binning, level.box],
        "pixel": work.pixel_size_angstrom,
        "rotations": rows([one.poses.rotations for one in series]),
        "positions": rows([one.poses.positions_angstrom for one in series]),
        "scores": rows([one.scores for one in series]),
        "view_scores": rows(views),
        "halves": rows([one.halves.astype(np.float64) for one in series]),
        "models": [model_state(one.model) for one in series],
        "cut_models": [model_state(one.model) for one in cuts],
        "cut_positions": rows([one.positions_angstrom for one in cuts]),
        "noise": work.store.noise,
    }


def take_up_work(work: Work, state: dict[str, Any]) -> None:
    """Take up what `work_state` has kept of the same particles."""
    level = Level(*state["level"])
    work.store.at(level)
    work.store.noise = dict(state["noise"])
    work.pixel_size_angstrom = state["pixel"]
    names = ("rotations", "positions", "scores", "view_scores", "halves", "cut_positions")
    kept = {name: state[name].cpu().numpy() for name in names}
    for one, model, cut_model in zip(
        work.series, state["models"], state["cut_models"], strict=True
    ):
        mine = {name: values[one.rows] for name, values in kept.items()}
        one.cut = Cut(level, model_of_state(one.model, cut_model), mine["cut_positions"])
        one.model = model_of_state(one.model, model)
        one.poses = Poses(mine["rotations"], mine["positions"])
        one.scores = mine["scores"]
        one.view_scores = mine["view_scores"][:, : one.model.n_tilts].copy()
        one.halves = mine["halves"].astype(np.int64)

"""The landscape of a small hinge: records, files, motions, going on, and what may be wrong."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.benchmarks.heterogeneity_structures import write_atoms
from tests.stages.conftest import QUICK_LANDSCAPE, PosedSample, Run, map_of
from tests.stages.hinged import (
    DIAMETER_ANGSTROM,
    PIVOT,
    PIXEL_ANGSTROM,
    Hinged,
    atoms_at,
)
from tomotui.formats.mrc import read_volume, write_volume
from tomotui.formats.structures import atom_positions
from tomotui.geometry.mixtures import MovingMixture
from tomotui.geometry.poses import angles_of_matrices
from tomotui.records import Landscape
from tomotui.stages import get
from tomotui.stages.base import Cancelled, ParameterError, StageError, StageResult

N_FRAMES = 11


def landscape_of(result: StageResult) -> Landscape:
    return next(one for one in result.records if isinstance(one, Landscape))


def arrays_of(result: StageResult) -> dict[str, Any]:
    with np.load(landscape_of(result).path) as file:
        return dict(file)


def along_first(arrays: dict[str, Any]) -> np.ndarray:
    return np.asarray(arrays["coordinates"] @ arrays["axes"][0])


# What comes out


def test_a_hinge_is_found_and_everybody_is_placed_on_it(hinged: Hinged, learnt: Any) -> None:
    result, task = learnt
    arrays = arrays_of(result)
    assert result.metrics["motions"] >= 1
    assert abs(spearmanr(along_first(arrays), hinged.truth_of(arrays["uids"]))[0]) > 0.9
    assert result.metrics["agreement"] > 0.9
    assert f"among {len(hinged.table)} particles; halves agree by" in result.summary
    assert not task.warnings


def test_records_tell_where_they_come_from(hinged: Hinged, learnt: Any) -> None:
    result, _ = learnt
    record, consensus, whole = landscape_of(result), map_of(result), hinged.records[0]
    assert (record.name, record.method) == ("hinged landscape", "mixture")
    assert record.particle_set_uid == consensus.particle_set_uid == whole.uid
    assert (record.map_uid, consensus.made_by) == (consensus.uid, "landscape")
    assert record.n_coordinates == QUICK_LANDSCAPE["coordinates"]
    assert record.n_motions == result.metrics["motions"]
    assert record.agreement == result.metrics["agreement"]
    assert consensus.n_particles == len(hinged.table)
    values, pixel = read_volume(Path(consensus.unfiltered_path or ""))
    assert values.shape == consensus.size_xyz[::-1]
    assert pixel == pytest.approx(PIXEL_ANGSTROM)


def test_every_particle_has_a_place_and_an_error(hinged: Hinged, learnt: Any) -> None:
    arrays, n, d = arrays_of(learnt[0]), len(hinged.table), QUICK_LANDSCAPE["coordinates"]
    assert sorted(arrays["uids"].tolist()) == sorted(hinged.table.uids.tolist())
    assert arrays["coordinates"].shape == arrays["spread"].shape == (n, d)
    assert (arrays["spread"] > 0).all()
    assert sorted(set(arrays["halves"].tolist())) == [0, 1]
    np.testing.assert_allclose(np.linalg.norm(arrays["axes"], axis=1), 1, atol=1e-6)
    assert len(arrays["deviations"]) == d
    assert arrays["evident"][0] > arrays["by_chance"][0]


def test_the_faces_can_draw_it(learnt: Any) -> None:
    """At rest the mixture looks like the map; along the first motion it moves as motion1 does."""
    result, task = learnt
    arrays, consensus = arrays_of(result), map_of(result)
    mixture = MovingMixture.from_arrays(arrays)
    values, pixel = read_volume(Path(consensus.path))
    box = len(values)
    still = mixture.volume(np.zeros(2, dtype=np.float32), box, pixel)
    assert np.corrcoef(still.ravel(), values.ravel())[0, 1] > 0.9
    frames = sorted((task.folder / "motion1").glob("frame*.mrc"))
    assert len(frames) == N_FRAMES
    first, last = (read_volume(frames[at])[0] for at in (0, -1))
    ends = [
        mixture.volume(
            (side * arrays["deviations"][0] * arrays["axes"][0]).astype("f4"), box, pixel
        )
        for side in (-2, 2)
    ]
    np.testing.assert_allclose(last - first, ends[1] - ends[0], atol=1e-3 * np.ptp(values))


def test_how_it_goes_is_shown(learnt: Any) -> None:
    _, task = learnt
    assert len(task.metrics["gain"]) == len(task.metrics["cost"]) == QUICK_LANDSCAPE["epochs"]
    assert task.metrics["strength"][0] > 1
    assert any("Gaussians of" in message for message in task.messages)
    assert task.fractions == sorted(task.fractions)
    assert not (task.folder / "checkpoint.pt").exists()


# An atomic model, a mask


def test_an_atomic_model_moves_along(learnt: Any) -> None:
    """The model counts from the corner of the map that it was fitted to, and stays there."""
    _, task = learnt
    path = task.artifacts["motion1-model"]
    models = gemmi.read_structure(str(path))
    assert len(models) == N_FRAMES
    at_rest = atom_positions(task.folder / "fitted.pdb")
    ends = [np.array([one.atom.pos.tolist() for one in models[at].all()]) for at in (0, -1)]
    steps = ends[1] - ends[0]
    z = at_rest[:, 2] - 20 * PIXEL_ANGSTROM
    way = steps[z > PIVOT[2] + 40].mean(axis=0) - steps[z < -60].mean(axis=0)
    # The head turns about x: it goes along y.
    assert abs(way[1]) > 10
    assert abs(way[0]) < 0.3 * abs(way[1])


def test_only_what_lies_in_the_focus_moves(landscape: Run, tmp_path: Path) -> None:
    values = np.zeros((24, 24, 24), dtype=np.float32)
    values[14:] = 1
    write_volume(tmp_path / "head.mrc", values, PIXEL_ANGSTROM)
    result, _ = landscape(tmp_path, focus="head.mrc")
    arrays = arrays_of(result)
    mixture = MovingMixture.from_arrays(arrays)
    moved, rest = mixture.at(np.array([2.0, 0], dtype=np.float32))[0], mixture.centres_angstrom
    steps = np.linalg.norm(moved - rest, axis=1)
    below = rest[:, 2] < PIXEL_ANGSTROM
    assert steps[below].max() < 1e-3
    assert steps[~below].max() > 2


# Where there is nothing


def test_particles_that_are_all_alike_show_no_motion(
    posed: PosedSample, landscape: Run, tmp_path: Path
) -> None:
    table = replace(
        posed.table,
        angles_deg=angles_of_matrices(posed.rotations),
        positions_angstrom=posed.positions_angstrom,
    )
    result, task = landscape(tmp_path, table, posed.records)
    record = landscape_of(result)
    assert result.summary == f"{len(table)} particles show no motion beyond noise"
    assert task.warnings == ["the particles show no motion beyond noise"]
    assert (record.n_motions, record.agreement) == (0, None)
    # Nothing was learnt of it, and nothing is shown as if it moved.
    assert "gain" not in task.metrics
    assert not list(tmp_path.glob("motion*"))


# Going on


def test_what_was_stopped_goes_on_to_the_same_end(
    hinged: Hinged, learnt: Any, landscape: Run, tmp_path: Path
) -> None:
    stopped, others = tmp_path / "stopped", tmp_path / "others"
    with pytest.raises(Cancelled):
        landscape(stopped, cancel_at=0.6)
    assert (stopped / "checkpoint.pt").is_file()
    shutil.copytree(stopped, others)
    result, task = landscape(stopped)
    assert not any("all particles: epoch 1" in message for message in task.messages)
    assert any("half 2: epoch 1" in message for message in task.messages)
    found, expected = arrays_of(result), arrays_of(learnt[0])
    assert found["uids"].tolist() == expected["uids"].tolist()
    np.testing.assert_allclose(found["coordinates"], expected["coordinates"], atol=1e-4)
    assert result.summary == learnt[0].summary
    # Other particles have other anchors: what was learnt of these is no use to them.
    _, task = landscape(others, hinged.table.select(range(10)))
    assert any("of other choices or particles" in message for message in task.messages)


# What may be wrong


def test_particles_that_cannot_tell_are_refused(
    hinged: Hinged, landscape: Run, tmp_path: Path
) -> None:
    table = hinged.table
    blind = replace(table, angles_deg=np.full_like(table.angles_deg, np.nan))
    with pytest.raises(StageError, match=r"no particle of hinged has an orientation.*Run match"):
        landscape(tmp_path, blind)
    with pytest.raises(StageError, match="hinged has 3 particles to average; at least 4"):
        landscape(tmp_path, table.select(range(3)))
    one_half = replace(table, halves=np.zeros(len(table), dtype=np.int64))
    with pytest.raises(StageError, match=r"40 and 0 particles.*split-halves hinged"):
        landscape(tmp_path, one_half)
    anywhere = np.random.default_rng(0).normal(0, 300, (len(table), 3))
    nowhere = replace(table, positions_angstrom=table.positions_angstrom + anywhere)
    with pytest.raises(StageError, match=r"halves of hinged agree .*Refine the particles first"):
        landscape(tmp_path, nowhere)


def test_places_that_are_wrong_are_not_told_as_motion_without_a_word(
    hinged: Hinged, landscape: Run, tmp_path: Path
) -> None:
    chance = np.random.default_rng(0)
    wrong = hinged.table.positions_angstrom + chance.normal(0, 20, (len(hinged.table), 3))
    _, task = landscape(tmp_path, replace(hinged.table, positions_angstrom=wrong))
    assert "places or orientations are wrong" in " ".join(task.warnings)


def test_files_that_cannot_be_used_are_named_before_any_work(
    landscape: Run, tmp_path: Path
) -> None:
    (tmp_path / "bad.pdb").write_text("nothing")
    write_volume(tmp_path / "flat.mrc", np.ones((8, 16, 16), dtype=np.float32), PIXEL_ANGSTROM)
    for choices, words in (
        ({"focus": "nowhere.mrc"}, r"the mask .*nowhere\.mrc is not there"),
        ({"focus": "flat.mrc"}, r"flat\.mrc is no mask"),
        ({"model": "nowhere.pdb"}, r"the model .*nowhere\.pdb is not there"),
        ({"model": "bad.pdb"}, r"bad\.pdb: holds no atoms"),
    ):
        with pytest.raises(StageError, match=words):
            landscape(tmp_path, **choices)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bad.pdb", "flat.mrc"]


def test_files_of_something_else_are_refused(landscape: Run, tmp_path: Path) -> None:
    write_volume(tmp_path / "empty.mrc", np.zeros((24, 24, 24), dtype=np.float32), PIXEL_ANGSTROM)
    with pytest.raises(StageError, match=r"empty\.mrc holds nothing of the map.*export map"):
        landscape(tmp_path, focus="empty.mrc")
    write_atoms(tmp_path / "far.pdb", atoms_at(0.0) - 300)
    with pytest.raises(StageError, match=r"far\.pdb does not lie in the map: fit it"):
        landscape(tmp_path, model="far.pdb")


def test_choices_that_cannot_be_are_refused(landscape: Run, tmp_path: Path) -> None:
    for n in (0, 9):
        with pytest.raises(ParameterError, match="coordinates"):
            get("landscape").validate({"coordinates": n})
    with pytest.raises(StageError, match=f"500 A shows nothing.* {DIAMETER_ANGSTROM:.0f} A"):
        landscape(tmp_path, resolution_angstrom=500.0)
    with pytest.raises(StageError, match="gaussians: 2 are too few"):
        landscape(tmp_path, gaussians=2)

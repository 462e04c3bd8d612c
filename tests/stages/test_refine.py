"""Refinement on two small series: poses, maps, records and tilts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.stages.conftest import (
    BOX,
    DIAMETER_ANGSTROM,
    MISALIGNED_ANGSTROM,
    PIXEL_ANGSTROM,
    Polished,
    PosedSample,
    Run,
    alignments,
    errors_of,
    map_of,
    refined_set,
)
from tomotui.algorithms.refine.helix import CENTRAL_SHARE, Helix, helically_averaged
from tomotui.formats.mrc import read_volume, write_volume
from tomotui.geometry.poses import angles_of_matrices, matrices_of_angles
from tomotui.imaging.masks import soft_ball
from tomotui.records import Alignment, Ctf
from tomotui.records.particle_table import ParticleTable
from tomotui.stages.averaging_inputs import dealt_halves

NYQUIST = 2 * PIXEL_ANGSTROM


# From picks to a map


def test_poses_are_found_without_orientations(
    posed: PosedSample, refine: Run, tmp_path: Path
) -> None:
    result, _ = refine(tmp_path, posed.table, iterations="P,p", first_resolution_angstrom=60.0)
    (table,) = result.particles
    errors = errors_of(posed, table)
    assert np.median(errors.turn_deg) < 1.0
    assert np.mean(errors.turn_deg < 5.0) > 0.9
    assert np.median(errors.angstrom) < 0.2 * PIXEL_ANGSTROM
    record = map_of(result)
    assert record.resolution_angstrom == pytest.approx(NYQUIST, rel=0.15)
    whole, pixel = read_volume(Path(record.unfiltered_path or ""))
    truth, _ = read_volume(posed.reference)
    middle = (slice((len(whole) - BOX) // 2, (len(whole) - BOX) // 2 + BOX),) * 3
    mask = read_volume(Path(record.mask_path or ""))[0][middle] > 0.5
    assert pixel == PIXEL_ANGSTROM
    assert np.corrcoef(whole[middle][mask], truth[mask])[0, 1] > 0.9


def test_directions_limit_the_search(posed: PosedSample, refine: Run, tmp_path: Path) -> None:
    """A reference upside down is best met by particles that stand on their heads."""
    values, pixel = read_volume(posed.reference)
    turned = np.roll(values[::-1, :, ::-1], (1, 1), axis=(0, 2))
    write_volume(tmp_path / "turned.mrc", np.ascontiguousarray(turned), pixel)
    angles = angles_of_matrices(posed.rotations)
    angles[:, 0] = np.nan
    table = replace(posed.table, angles_deg=angles)
    choices = {
        "iterations": "P",
        "first_resolution_angstrom": 70.0,
        "reference": str(tmp_path / "turned.mrc"),
    }
    result, _ = refine(tmp_path, table, cone_deg=30.0, **choices)
    (found,) = result.particles
    z_found, z_true = matrices_of_angles(found.angles_deg)[:, :, 2], posed.rotations[:, :, 2]
    cosines = (z_found * z_true[posed.rows_of(found)]).sum(axis=1)
    assert (cosines > np.cos(np.deg2rad(30.1))).all()


# What is made


def test_shifts_of_tilts_come_back(polished: Polished) -> None:
    given = {one.series_uid: one for one in polished.records if isinstance(one, Alignment)}
    made = alignments(polished.result)
    assert len(made) == 2
    for one in made:
        before = given[one.series_uid]
        moved = np.array(
            [
                [
                    new.shift_x_angstrom - old.shift_x_angstrom,
                    new.shift_y_angstrom - old.shift_y_angstrom,
                ]
                for new, old in zip(one.tilts, before.tilts, strict=True)
            ]
        )
        left = moved + polished.errors_angstrom[one.series_uid]
        left -= left.mean(axis=0)
        assert np.sqrt((left**2).sum(axis=1).mean()) < 0.3 * MISALIGNED_ANGSTROM
        assert one.uid != before.uid
        assert one.source == "tomotui refine"
        assert [t.index for t in one.tilts] == [t.index for t in before.tilts]


def test_records_tell_where_they_come_from(posed: PosedSample, polished: Polished) -> None:
    result = polished.result
    whole, made, record = posed.records[0], refined_set(result), map_of(result)
    assert (made.name, made.parent_uid, made.made_by) == ("ribosome-refined", whole.uid, "refine")
    assert set(made.alignment_uids) == {one.uid for one in alignments(result)}
    assert set(made.ctf_uids) == {one.uid for one in result.records if isinstance(one, Ctf)}
    for one in result.records:
        if isinstance(one, Ctf):
            assert one.alignment_uid in made.alignment_uids
    assert record.particle_set_uid == made.uid
    assert (record.made_by, record.n_particles, record.symmetry) == ("refine", 24, "C1")
    (table,) = result.particles
    assert set(table.set_uids) == {made.uid}
    assert sorted(table.origins) == sorted(posed.table.uids)
    assert not set(table.uids) & set(posed.table.uids)
    assert (table.scores > 0).all()
    assert sorted(np.bincount(table.halves)) == [12, 12]
    assert result.metrics["resolution"] == record.resolution_angstrom
    assert result.summary.startswith("24 particles, ")


def test_maps_and_details_are_there(polished: Polished) -> None:
    record = map_of(polished.result)
    paths = [record.path, *(record.half_paths or ()), record.mask_path, record.unfiltered_path]
    for path in (*paths, record.local_resolution_path):
        values, pixel = read_volume(Path(path or ""))
        assert values.shape == record.size_xyz[::-1]
        assert np.isfinite(values).all()
        assert pixel == pytest.approx(record.pixel_size_angstrom)
    halves = [read_volume(Path(path))[0] for path in record.half_paths or ()]
    whole, _ = read_volume(Path(record.unfiltered_path or ""))
    np.testing.assert_allclose(whole, np.mean(halves, axis=0), atol=1e-4 * whole.max())
    with np.load(record.details_path or "") as found:
        details = dict(found)
    assert details["iteration_letter"].tolist() == list("pptptdp")
    assert details["iteration_number"].tolist() == list(range(1, 8))
    for name in ("pixel_angstrom", "resolution_angstrom", "score", "change_deg", "seconds"):
        assert np.isfinite(details[f"iteration_{name}"]).all()
    assert details["iteration_kept"].dtype == bool
    assert details["iteration_resolution_angstrom"][-1] == pytest.approx(record.resolution_angstrom)
    curves = [details[f"fsc_{name}"] for name in ("unmasked", "masked", "randomised", "corrected")]
    assert {len(one) for one in curves} == {len(details["fsc_frequency_per_angstrom"])}
    assert details["series_names"].tolist() == ["one", "two"]
    for number in (0, 1):
        assert details[f"tilt_deg_{number}"].shape == (21,)
        assert details[f"tilt_shift_angstrom_{number}"].shape == (21, 2)
        assert details[f"tilt_defocus_change_angstrom_{number}"].shape == (21,)
        assert details[f"motion_points_angstrom_{number}"].shape == (12, 2)
        assert details[f"motion_angstrom_{number}"].shape == (21, 12, 2)
        assert np.abs(details[f"motion_angstrom_{number}"]).max() < 1e-6
        # Tilts near the plane say more than the last and steepest ones.
        score = details[f"tilt_score_{number}"]
        assert score[8:13].mean() > 2 * score[[0, -1]].mean() > 0
    assert details["view_rotations"].shape == (24, 3, 3)


def test_those_who_watch_see_the_map_evolve(polished: Polished) -> None:
    with np.load(polished.task.folder / "progress.npz") as details:
        assert details["iteration_number"].tolist() == list(range(1, 8))
    assert read_volume(polished.task.artifacts["progress-map"])[0].shape == (34, 34, 34)
    assert len(polished.task.metrics["resolution"]) == 7


def test_a_series_that_stays_as_it_was_gives_no_new_alignment(
    polished: Polished, posed: PosedSample, refine: Run, tmp_path: Path
) -> None:
    result, _ = refine(tmp_path)
    assert {one.kind for one in result.records} == {"particle_set", "map"}
    assert not refined_set(result).alignment_uids
    # What was refined before goes on to be how the images are seen.
    again = {one.series_uid: one for one in (*alignments(polished.result),)}
    records = [again.get(getattr(one, "series_uid", ""), one) if one.kind == "alignment" else one
               for one in posed.records]  # fmt: skip
    records[0] = refined_set(polished.result).replace(ctf_uids=())
    result, _ = refine(tmp_path / "again", records=records)
    assert not alignments(result)
    assert set(refined_set(result).alignment_uids) == set(
        refined_set(polished.result).alignment_uids
    )


def test_halves_are_kept_and_kin_stay_together(near: ParticleTable) -> None:
    given = replace(near, halves=np.arange(len(near)) // 2 % 2)
    assert (dealt_halves(given, 0) == given.halves).all()
    kin = near.select(np.repeat(np.arange(len(near)), 3))
    mates = replace(kin, origins=kin.uids, uids=np.array([f"m{i}" for i in range(len(kin))]))
    halves = dealt_halves(mates, 0).reshape(-1, 3)
    assert (halves == halves[:, :1]).all()
    assert sorted(np.bincount(halves[:12, 0])) == [6, 6]
    assert (dealt_halves(mates, 0) == dealt_halves(mates, 0)).all()
    assert not (dealt_halves(mates, 0) == dealt_halves(mates, 1)).all()


def test_the_same_mask_judges_all_maps(refine: Run, tmp_path: Path, posed: PosedSample) -> None:
    ball = soft_ball(BOX, 8.0, 4.0).numpy()
    write_volume(tmp_path / "ball.mrc", ball, PIXEL_ANGSTROM)
    result, _ = refine(tmp_path, mask=str(tmp_path / "ball.mrc"))
    mask, _ = read_volume(Path(map_of(result).mask_path or ""))
    np.testing.assert_allclose(mask[1:-1, 1:-1, 1:-1], ball, atol=0.05)


def test_maps_of_filaments_are_helical(refine: Run, tmp_path: Path) -> None:
    result, _ = refine(tmp_path, helix_rise_angstrom=40.0, helix_twist_deg=30.0)
    rise, twist = result.metrics["rise"], result.metrics["twist"]
    assert abs(rise - 40.0) <= 4.0
    assert abs(twist - 30.0) <= 5.0
    assert f"rise {rise:.3f} A, twist {twist:+.3f} deg" in result.summary
    record = map_of(result)
    for path in record.half_paths or ():
        values = torch.from_numpy(read_volume(Path(path))[0])
        helix = Helix(rise, twist, CENTRAL_SHARE * DIAMETER_ANGSTROM)
        again = helically_averaged(values, PIXEL_ANGSTROM, helix)
        inside = soft_ball(len(values), 9.0, 2.0)
        pair = torch.stack([(one * inside).flatten() for one in (values, again)])
        assert float(torch.corrcoef(pair)[0, 1]) > 0.97


@pytest.mark.slow
def test_a_reference_of_the_wrong_hand_is_noticed(
    posed: PosedSample, refine: Run, tmp_path: Path
) -> None:
    values, pixel = read_volume(posed.reference)
    wrong = np.roll(values[:, :, ::-1], 1, axis=2)
    write_volume(tmp_path / "wrong.mrc", np.ascontiguousarray(wrong), pixel)
    choices: dict[str, object] = {"iterations": "P", "first_resolution_angstrom": 60.0}
    few = posed.table.select(np.arange(0, len(posed.table), 2))
    choices["reference"] = str(tmp_path / "wrong.mrc")
    _, task = refine(tmp_path / "wrong", few, **choices)
    assert any("mirror=true" in warning for warning in task.warnings)
    _, task = refine(tmp_path / "right", few, mirror=True, **choices)
    assert not any("mirror" in warning for warning in task.warnings)
    assert task.metrics["mirror gain"][0] < 0

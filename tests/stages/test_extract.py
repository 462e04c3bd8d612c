from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.extract.volumes import sharing_window
from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.refine.equations import slice_points
from tomotui.algorithms.refine.reconstruct import Spectra
from tomotui.formats.mrc import read_header, read_volume
from tomotui.formats.relion import RelionSeries, read_relion
from tomotui.formats.relion_particles import read_relion_particles
from tomotui.formats.star import read_star
from tomotui.geometry import TiltGeometry
from tomotui.geometry.poses import angles_of_matrices, matrices_of_angles
from tomotui.imaging.ctf import CtfOptics, ctf_2d
from tomotui.imaging.exposure import exposure_weights
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.slices import HalfPlane, SliceSums
from tomotui.records import ParticleSet
from tomotui.records.particle_table import ParticleTable
from tomotui.stages.base import Cancelled, StageError

BOX, PIXEL = 32, 12.0


class Run(NamedTuple):
    """An extraction that was run."""

    folder: Path
    result: Any
    task: Any

    def table(self, name: str = "particles.star") -> dict[str, list[Any]]:
        return read_star(self.folder / name)["particles"]


@pytest.fixture(scope="module")
def truth(posed: Any) -> ParticleTable:
    """The particles at their true poses."""
    return replace(
        posed.table,
        positions_angstrom=posed.positions_angstrom,
        angles_deg=angles_of_matrices(posed.rotations),
        halves=np.arange(len(posed.table)) % 2,
    )


def extract(
    stage_runner: ModuleType,
    posed: Any,
    table: ParticleTable,
    folder: Path,
    cancel_at: float | None = None,
    **choices: Any,
) -> Run:
    # Series are named as from the project's folder, which is the task's here.
    task = stage_runner.RecordingTask(folder, "sample", threads=1, cancel_at=cancel_at)
    values = {"binning": 1, "box_px": BOX, **choices}
    result = stage_runner.run_stage("extract", task, posed.records, values, table)
    return Run(folder, result, task)


@pytest.fixture(scope="module")
def both(posed: Any, truth: ParticleTable, stage_runner: ModuleType, tmp_path_factory: Any) -> Run:
    """Stacks, and volumes turned as the reference."""
    folder = tmp_path_factory.mktemp("extract")
    return extract(stage_runner, posed, truth, folder, shape="both", orientation="pose")


def agreement(found: Tensor, posed: Any) -> float:
    """Return the correlation with the true map within the particle."""
    true, _ = read_volume(posed.reference)
    ball = soft_ball(BOX, 11.0, 1.0) > 0.5
    pair = torch.stack([found[ball], torch.from_numpy(true)[ball]])
    return float(torch.corrcoef(pair)[0, 1])


def volumes(run: Run) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield data, squared transfer and multiplicity of every particle."""
    table = run.table("particles_3d.star")
    for image, weights in zip(table["rlnImageName"], table["rlnCtfImage"], strict=True):
        data, _ = read_volume(run.folder / image)
        both, _ = read_volume(run.folder / weights)
        squared, multiplicity = torch.from_numpy(both).split(BOX)
        yield torch.from_numpy(data), squared, multiplicity


def test_volumes_averaged_by_their_weights_are_the_map(both: Run, posed: Any) -> None:
    data, weights = torch.zeros(BOX, BOX, BOX), torch.zeros(BOX, BOX, BOX // 2 + 1)
    for one, squared, multiplicity in volumes(both):
        assert (squared >= 0).all()
        # Most transfer is less than one, but tilts of little noise are scaled up.
        assert squared.sum() < 1.5 * multiplicity.sum()
        data, weights = data + one, weights + squared
    spectrum = torch.fft.rfftn(torch.fft.ifftshift(data))
    damped = spectrum / (weights + 0.05 * weights[weights > 0].mean())
    average = torch.fft.fftshift(torch.fft.irfftn(damped, s=(BOX,) * 3)) / sharing_window(BOX)
    assert agreement(average, posed) > 0.9
    single, _, _ = next(volumes(both))
    assert agreement(single, posed) < 0.8


def relion_transfer(series: RelionSeries, depth: np.ndarray) -> Tensor:
    """Return what RELION takes the transfer of one particle's images for, from its files alone."""
    ctf = series.ctf("s")
    assert ctf is not None
    columns = series.rows
    optics = CtfOptics(series.voltage_kv, series.spherical_aberration_mm, series.amplitude_contrast)
    u, v, angle = (
        torch.tensor([getattr(tilt, name) for tilt in ctf.tilts])
        for name in ("defocus_u_angstrom", "defocus_v_angstrom", "astigmatism_angle_deg")
    )
    change = torch.as_tensor(depth * (ctf.handedness or 1))
    bare = ctf_2d((BOX, BOX), PIXEL, u + change, v + change, angle, 0.0, optics)
    exposure = torch.tensor(columns["rlnMicrographPreExposure"]).float()
    scale = torch.tensor(columns["rlnCtfScalefactor"]).float()
    return bare * exposure_weights((BOX, BOX), PIXEL, exposure) * scale[:, None, None]


def test_stacks_and_tables_are_enough_to_make_the_map(both: Run, posed: Any) -> None:
    """As RELION would: nothing but what the files say."""
    table = both.table()
    listing = both.folder / "aligned_tilt_series.star"
    series = {one.name: one for one in read_relion(listing, project_folder=both.folder)}
    particles = read_relion_particles(both.folder / "particles.star", {"one": "one", "two": "two"})
    plane, sums = HalfPlane(BOX), SliceSums(BOX, BOX / 2 - 1)
    for row, particle in enumerate(particles):
        one = series[particle.tomogram_uid]
        geometry = TiltGeometry.from_alignment(one.alignment("s").alignment)
        where = [particle.x_angstrom, particle.y_angstrom, particle.z_angstrom]
        seen = geometry.project(where)[:, 0]
        frames = np.array([int(n) for n in table["rlnTomoVisibleFrames"][row][1:-1].split(",")])
        images, pixel = read_volume(both.folder / table["rlnImageName"][row])
        assert (len(images), pixel) == (frames.sum(), PIXEL)
        assert len(frames) == geometry.n_tilts
        angles = [particle.rot_deg, particle.tilt_deg, particle.psi_deg]
        camera = geometry.projection_matrices @ matrices_of_angles([angles])[0]
        shown = torch.as_tensor(frames == 1)
        transfer = relion_transfer(one, seen[:, 2]).flatten(1)[:, plane.flat][shown]
        points = slice_points(plane.frequencies, torch.as_tensor(camera).float()[shown])
        values = plane.transform(torch.from_numpy(images))
        sums.add(points.reshape(-1, 3), values.reshape(-1), transfer.square().reshape(-1))
    spectra = Spectra.of(sums, torch.eye(3)[None], Ranks())
    volume = spectra.volume(torch.full((BOX // 2,), 10.0))
    assert agreement(volume, posed) > 0.9


def test_identities_and_choices_are_in_the_tables(both: Run, truth: ParticleTable) -> None:
    stacks, turned = both.table(), both.table("particles_3d.star")
    uids = [name.split("/")[1] for name in stacks["rlnTomoParticleName"]]
    assert uids == truth.uids.tolist()
    assert stacks["rlnRandomSubset"] == (truth.halves + 1).tolist()
    assert all(
        f"{uid}_stack2d.mrcs" in n for uid, n in zip(uids, stacks["rlnImageName"], strict=True)
    )
    blocks = read_star(both.folder / "particles.star")
    assert blocks["general"] == {"rlnTomoSubTomosAre2DStacks": [1]}
    assert blocks["optics"]["rlnCtfDataAreCtfPremultiplied"] == [1]
    assert blocks["optics"]["rlnImagePixelSize"] == [PIXEL]
    # Turned volumes carry their pose themselves.
    assert set(turned["rlnAngleRot"]) == {0.0}
    assert turned["rlnTomoSubtomogramTilt"] == pytest.approx(truth.angles_deg[:, 1].tolist())
    for name, table in (("optimisation_set", "particles"), ("optimisation_set_3d", "particles_3d")):
        (entry,) = read_star(both.folder / f"{name}.star").values()
        assert entry["rlnTomoParticlesFile"][0].endswith(f"{table}.star")
    back = read_relion_particles(both.folder / "particles_3d.star", {"one": "1", "two": "2"})
    found = np.array([[one.rot_deg, one.tilt_deg, one.psi_deg] for one in back], dtype=float)
    assert matrices_of_angles(found) == pytest.approx(
        matrices_of_angles(truth.angles_deg), abs=1e-4
    )
    labels = read_header(both.folder / stacks["rlnImageName"][0]).labels
    assert any("protein is bright" in label for label in labels)
    assert both.result.metrics["particles"] == len(truth)
    assert any("MiB" in message for message in both.task.messages)


def test_images_themselves_are_bright_where_the_particle_is(
    posed: Any, truth: ParticleTable, stage_runner: ModuleType, tmp_path: Path
) -> None:
    run = extract(stage_runner, posed, truth, tmp_path, premultiply=False, data_type="float16")
    table = run.table()
    assert read_star(run.folder / "particles.star")["optics"]["rlnCtfDataAreCtfPremultiplied"] == [
        0
    ]
    stacks = [read_volume(run.folder / name)[0] for name in table["rlnImageName"]]
    mean = np.mean([stack.mean(axis=0) for stack in stacks], axis=0)
    line = np.arange(BOX) - BOX // 2
    distance = np.hypot(line[:, None], line)
    assert mean[distance < 6].mean() > 3 * abs(mean[distance > 13].mean())
    y, x = np.unravel_index(mean.argmax(), mean.shape)
    assert np.hypot(y - BOX // 2, x - BOX // 2) < 6


def test_what_is_whole_is_kept_and_what_is_torn_is_made_again(
    posed: Any, truth: ParticleTable, stage_runner: ModuleType, tmp_path: Path
) -> None:
    first = extract(stage_runner, posed, truth, tmp_path)
    paths = [tmp_path / name for name in first.table()["rlnImageName"]]
    before = [path.read_bytes() for path in paths]
    paths[3].unlink()
    paths[5].write_bytes(before[5][:2000])
    paths[0].touch()
    times = [path.stat().st_mtime_ns if path.is_file() else 0 for path in paths]
    again = extract(stage_runner, posed, truth, tmp_path)
    changed = [i for i, path in enumerate(paths) if path.stat().st_mtime_ns != times[i]]
    assert changed == [3, 5]
    assert paths[3].read_bytes()[1024:] == before[3][1024:]
    assert any(f"{len(truth) - 2} particles were there already" in m for m in again.task.messages)
    assert again.table()["rlnImageName"] == first.table()["rlnImageName"]


def test_a_stopped_extraction_leaves_no_table_and_goes_on(
    posed: Any, truth: ParticleTable, stage_runner: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(Cancelled):
        extract(stage_runner, posed, truth, tmp_path, cancel_at=0.4)
    assert not (tmp_path / "particles.star").exists()
    assert len(list(tmp_path.glob("Subtomograms/one/*.mrcs"))) == 12
    assert not list(tmp_path.rglob("*.partial"))
    assert extract(stage_runner, posed, truth, tmp_path).result.metrics["particles"] == len(truth)


def test_tilts_that_are_left_out_are_in_no_file(
    posed: Any, truth: ParticleTable, stage_runner: ModuleType, tmp_path: Path
) -> None:
    record = posed.all("tilt_series")[0]
    tilts = [tilt.replace(excluded=tilt.index == 4) for tilt in record.tilts]
    task = stage_runner.RecordingTask(tmp_path, "sample", threads=1)
    records = posed.replaced(record.replace(tilts=tilts))
    stage_runner.run_stage("extract", task, records, {"binning": 2, "box_px": 16}, truth)
    series = {
        one.name: one
        for one in read_relion(tmp_path / "aligned_tilt_series.star", project_folder=tmp_path)
    }
    assert len(series["one"].nominal_tilts_deg) == len(tilts) - 1
    assert record.tilts[4].nominal_tilt_deg not in series["one"].nominal_tilts_deg
    table = Run(tmp_path, None, task).table()
    for name, frames, image in zip(
        table["rlnTomoName"], table["rlnTomoVisibleFrames"], table["rlnImageName"], strict=True
    ):
        seen = frames[1:-1].split(",")
        assert len(seen) == len(series[name].nominal_tilts_deg)
        images, pixel = read_volume(tmp_path / image)
        assert (images.shape, pixel) == ((seen.count("1"), 16, 16), 2 * PIXEL)


def test_particles_off_the_edge_are_told_and_left_out(
    posed: Any, truth: ParticleTable, stage_runner: ModuleType, tmp_path: Path
) -> None:
    positions = truth.positions_angstrom.copy()
    positions[2] = [5000.0, 0.0, 0.0]
    run = extract(stage_runner, posed, replace(truth, positions_angstrom=positions), tmp_path)
    assert run.result.metrics["off_edge"] == 1
    assert any(str(truth.uids[2]) in warning for warning in run.task.warnings)
    assert not any(truth.uids[2] in name for name in run.table()["rlnImageName"])
    with pytest.raises(StageError, match=r"(?s)is shown by 3 tilts.*smaller box_px"):
        extract(stage_runner, posed, truth.select([2]), tmp_path / "far", box_px=512)


def test_bad_input_ends_in_one_clear_message(
    posed: Any, truth: ParticleTable, stage_runner: ModuleType, tmp_path: Path
) -> None:
    unknown = replace(truth, angles_deg=np.full_like(truth.angles_deg, np.nan))
    with pytest.raises(StageError, match=r"(?s)has an orientation.*Run match or refine"):
        extract(stage_runner, posed, unknown, tmp_path / "a", shape="volumes", orientation="pose")
    elsewhere = replace(truth, tomogram_uids=np.full(len(truth), "old", dtype="U16"))
    with pytest.raises(StageError, match="no particle of ribosome lies in the tomograms at hand"):
        extract(stage_runner, posed, elsewhere, tmp_path / "b")
    (own,) = posed.all("particle_set")
    sizeless = posed.replaced(own.replace(diameter_angstrom=None))
    task = stage_runner.RecordingTask(tmp_path / "c", "sample", threads=1)
    with pytest.raises(StageError, match=r"(?s)diameter of ribosome is not known.*box_px"):
        stage_runner.run_stage("extract", task, sizeless, {"binning": 1}, truth)
    several = [*posed.records, ParticleSet(name="other")]
    with pytest.raises(StageError, match="several particle sets"):
        stage_runner.run_stage("extract", task, several, {}, truth)
    # The stack was exchanged for another.
    record = posed.all("tilt_series")[0]
    with pytest.raises(StageError, match="Put the imported file back"):
        stage_runner.run_stage(
            "extract", task, posed.replaced(record.replace(width_px=100)), {}, truth
        )
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "Subtomograms").write_text("a file where a folder shall be")
    with pytest.raises(StageError, match=r"(?s)Subtomograms/one cannot be made"):
        extract(stage_runner, posed, truth, tmp_path / "d")
    (tmp_path / "e" / "particles.star").mkdir(parents=True)
    with pytest.raises(StageError, match=r"(?s)tables cannot be written.*particles are kept"):
        extract(stage_runner, posed, truth, tmp_path / "e")

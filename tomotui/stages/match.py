"""match: find copies of a known structure, and how they are turned, by its template."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tomotui.records import ParticleSet
from tomotui.stages.base import Cancelled, Inputs, Stage, StageError, StageResult, Task
from tomotui.stages.match_choices import MatchParameters
from tomotui.stages.match_files import (
    forget_search,
    keep_search,
    resumed_search,
    write_details,
    write_scores,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tomotui.algorithms.match.choose import Chosen
    from tomotui.algorithms.match.search import Best, Search
    from tomotui.algorithms.match.template import Density, MatchTemplate
    from tomotui.records.particle_table import Candidates
    from tomotui.stages.restore_inputs import Subject

CHECKPOINT_SECONDS = 60.0
VOXELS_PER_RESOLUTION = 3.0
DIAMETER_PER_RESOLUTION = 6.0
"""Detail of a sixth of the particle tells it from others, at steps of nearly 10 degrees."""

LEAST_SYMMETRY = 0.85
"""Correlation of a template with itself, turned as its symmetry says, below which it is doubted."""

SAME_SHARE = 0.25
"""Of the diameter: candidates so near to a judged particle are that particle."""


class MatchStage(Stage):
    """Candidates with orientations, scores, and a threshold that says what chance would make."""

    name = "match"
    title = "Match"
    summary = "Find particles and their orientations by a template, with a statistical threshold."
    parameters_type = MatchParameters
    reports = (
        "candidates",
        "above_threshold",
        "threshold",
        "threshold_sigma",
        "best_score",
        "orientations",
        "places",
    )
    takes = ("tilt_series", "tomogram", "alignment")
    optional = ("ctf",)
    gives = ("particle_set",)
    needs = "gpu"
    shares_work = True

    def outlook(self, parameters: MatchParameters) -> str:
        """Say how many orientations are tried, where the choices tell."""
        from tomotui.geometry.angles import angular_step_deg, n_orientations
        from tomotui.geometry.symmetry import symmetry_rotations

        step, resolution = parameters.angle_step_deg, parameters.resolution_angstrom
        if step is None and resolution and parameters.diameter_angstrom:
            step = angular_step_deg(resolution, parameters.diameter_angstrom)
        if step is None:
            return ""
        try:
            order = len(symmetry_rotations(parameters.symmetry))
        except ValueError:
            return ""
        return f"about {n_orientations(step) // order:,} orientations at every voxel"

    def run(self, task: Task, inputs: Inputs, parameters: MatchParameters) -> StageResult:
        """Search the tomogram of one series."""
        import torch

        from tomotui.formats.errors import FormatError
        from tomotui.stages.match_inputs import subject_of

        torch.set_num_threads(task.threads)
        subject = subject_of(task, inputs)
        with torch.inference_mode():
            try:
                return _Match(task, subject, parameters).run()
            except FormatError as error:
                raise StageError(str(error)) from error


@dataclass(frozen=True)
class _Sizes:
    """What follows from template, tomogram and wishes, in Angstrom and degrees."""

    radius: float
    resolution: float
    step: float


class _Match:
    """One tomogram at work."""

    def __init__(self, task: Task, subject: Subject, parameters: MatchParameters) -> None:
        self.task, self.subject, self.parameters = task, subject, parameters
        self.saved_at = time.monotonic()
        self.sigma = 1.0

    def run(self) -> StageResult:
        """Read, search, choose, refine and write."""
        parameters, tomogram = self.parameters, self.subject.tomogram
        density, sizes = self._template()
        poses = self._orientations(sizes)
        search = self._prepared(density, sizes, poses)
        best = self._searched(search)
        chosen, allowed_count = self._chosen(search, best, sizes)
        self.task.progress(0.92, f"{len(chosen.peaks)} peaks")
        candidates = self._candidates(search, best, chosen, poses, sizes)
        self.task.progress(0.98, "writing")
        stem = f"{self.subject.series.name}_{self._set_name()}"
        write_scores(self.task, tomogram, stem, search.field, chosen, parameters.data_type)
        write_details(self.task, search.field, chosen, self.sigma)
        forget_search(self.task)
        least = self._threshold(chosen)
        n_kept = len(candidates.table)
        n_above = int((candidates.table.scores >= least).sum())
        metrics = {
            "candidates": float(n_kept),
            "above_threshold": float(n_above),
            "threshold": least,
            "threshold_sigma": least / self.sigma,
            "best_score": float(chosen.peaks.scores[0]) if len(chosen.peaks) else 0.0,
            "orientations": float(len(poses)),
            "places": float(allowed_count),
        }
        sigmas = f"({least / self.sigma:.1f} sigma)"
        summary = f"{n_above} candidates, threshold {least:.3g} {sigmas}"
        if n_kept > n_above:
            lowest = float(candidates.table.scores.min())
            by_chance = min(round(float(chosen.tail.expected(lowest))), n_kept)
            summary += f", and {n_kept - n_above} below it for review, {by_chance} of all by chance"
        if parameters.mirror:
            summary += f", mirrored, best {metrics['best_score']:.3g}"
        self.task.log(f"{tomogram.path}: {summary}")
        return StageResult(candidates=(candidates,), metrics=metrics, summary=summary)

    def _template(self) -> tuple[Density, _Sizes]:
        from tomotui.geometry.angles import angular_step_deg
        from tomotui.stages.match_inputs import find_file, read_template

        parameters, tomogram = self.parameters, self.subject.tomogram
        voxel = tomogram.pixel_size_angstrom
        self.task.progress(0.01, "reading the template")
        path = find_file(self.task, parameters.template, "template")
        density = read_template(path, parameters.template_pixel_size_angstrom, voxel)
        radius = (parameters.diameter_angstrom or 2 * density.radius_angstrom) / 2
        resolution = parameters.resolution_angstrom or max(
            VOXELS_PER_RESOLUTION * voxel, 2 * radius / DIAMETER_PER_RESOLUTION
        )
        if resolution < 2 * voxel:
            self.task.warn(f"voxels of {voxel:.4g} A hold nothing finer than {2 * voxel:.4g} A")
            resolution = 2 * voxel
        least = min(tomogram.size_xyz) * voxel
        if 2 * radius > least:
            raise StageError(
                f"a particle of {2 * radius:.0f} A is larger than the tomogram "
                f"{tomogram.path}, which is {least:.0f} A along its shortest side.",
                "Check the template's voxel size (template_pixel_size_angstrom) and "
                "diameter_angstrom.",
            )
        step = parameters.angle_step_deg or angular_step_deg(resolution, 2 * radius)
        moved = float(np.linalg.norm(density.moved_angstrom))
        if moved > voxel:
            x, y, z = density.moved_angstrom
            self.task.log(
                f"the template's centre of mass lies at ({x:.1f}, {y:.1f}, {z:.1f}) A from its "
                "file's centre: particles are placed by it"
            )
        return density, _Sizes(radius, resolution, min(step, 60.0))

    def _orientations(self, sizes: _Sizes) -> NDArray[np.float64]:
        from tomotui.geometry.angles import orientation_grid

        parameters = self.parameters
        try:
            return orientation_grid(
                sizes.step,
                parameters.symmetry,
                parameters.cone_deg,
                in_plane_deg=parameters.in_plane_deg,
            )
        except ValueError as error:
            raise StageError(f"{error}.", "Check symmetry, angle_step_deg and cone_deg.") from error

    def _prepared(self, density: Density, sizes: _Sizes, poses: NDArray[np.float64]) -> Search:
        """Return the search, ready to run; refuses what does not fit into the memory."""
        import torch

        from tomotui.algorithms.match.field import Band, prepare, search_sampling
        from tomotui.algorithms.match.kernels import Kernels
        from tomotui.algorithms.match.search import Search
        from tomotui.algorithms.match.template import symmetry_agreement
        from tomotui.algorithms.match.tiles import plan_tiles
        from tomotui.algorithms.parallel import Ranks
        from tomotui.stages.match_inputs import comb_to_match
        from tomotui.stages.restore_inputs import read_tomogram

        parameters, tomogram = self.parameters, self.subject.tomogram
        voxel, device = tomogram.pixel_size_angstrom, torch.device(self.task.device)
        sampling = search_sampling(voxel, sizes.resolution)
        template = self._sampled(density, sizes, voxel / float(sampling))
        agreement = symmetry_agreement(template.density, parameters.symmetry)
        if agreement < LEAST_SYMMETRY:
            self.task.warn(
                f"the template is not of symmetry {parameters.symmetry}, or its axes lie "
                f"otherwise: turned so it agrees with itself by {agreement:.2f} only"
            )
        places = [-(-n * sampling.numerator // sampling.denominator) for n in tomogram.size_xyz]
        shape = (places[2], places[1], places[0])
        plan = plan_tiles(shape, template.box, device, parameters.tile)
        self._check_memory(plan, shape, template.box)
        self.task.progress(0.02, "reading the tomogram")
        volume = read_tomogram(self.task, self.subject, tomogram.path)
        self.task.progress(0.03, "filtering")
        band = Band(sizes.resolution, parameters.high_pass_angstrom, parameters.whiten)
        try:
            field = prepare(volume, voxel, band, sampling, template.box)
        except ValueError as error:
            raise StageError(
                f"{self.task.resolve(tomogram.path)}: {error}.", "Reconstruct the series again."
            ) from error
        kernels = Kernels.of(
            template.on(device), comb_to_match(self.task, self.subject), field.filter
        )
        if plan.maps_stay:
            field = field.on(device)
        self.task.log(
            f"{len(poses)} orientations {sizes.step:.2f} degrees apart, to "
            f"{sizes.resolution:.3g} A at voxels of {field.voxel_size_angstrom:.3g} A; template of "
            f"{2 * sizes.radius:.0f} A in a box of {template.box}; {len(plan.tiles)} tiles of "
            f"{' x '.join(map(str, plan.shape[::-1]))}"
        )
        return Search(field, kernels, torch.from_numpy(poses), plan, Ranks())

    def _sampled(self, density: Density, sizes: _Sizes, voxel_size: float) -> MatchTemplate:
        from tomotui.algorithms.match.template import make_template
        from tomotui.stages.match_inputs import find_file, read_mask

        parameters = self.parameters
        mask = None
        if parameters.template_mask:
            path = find_file(self.task, parameters.template_mask, "mask")
            mask = read_mask(path, parameters.template_pixel_size_angstrom, density)
        return make_template(
            density,
            voxel_size,
            sizes.resolution,
            sizes.radius,
            mask=mask,
            mirror=parameters.mirror,
            with_null=parameters.null,
            shape_statistics=parameters.statistics == "shape",
            seed=parameters.seed,
        )

    def _check_memory(self, plan: object, shape: tuple[int, int, int], box: int) -> None:
        import psutil

        from tomotui.algorithms.match.tiles import Plan, needed_bytes

        assert isinstance(plan, Plan)
        needed, free = needed_bytes(plan, shape, box), psutil.virtual_memory().available
        if needed > free:
            raise StageError(
                f"matching in {self.subject.tomogram.path} needs {needed / 2**30:.1f} GiB of "
                f"memory, {free / 2**30:.1f} GiB are free.",
                "Reconstruct with larger voxels, choose a coarser resolution_angstrom, or a "
                "smaller tile.",
            )

    def _searched(self, search: Search) -> Best:
        """Search, from where an attempt before has stopped."""
        of = f"{self.subject.tomogram.uid} {self.parameters.model_dump_json()}"
        best = resumed_search(self.task, search, of)
        began, at_first = time.monotonic(), best.blocks_done / max(1, search.n_blocks)

        def told(share: float) -> None:
            rate = (share - at_first) * len(search.rotations) / (time.monotonic() - began + 1e-9)
            done = round(share * len(search.rotations))
            words = f"{done} of {len(search.rotations)} orientations, {rate:.1f} a second"
            try:
                self.task.progress(0.05 + 0.85 * share, words)
            except Cancelled:
                keep_search(self.task, best, of)
                raise

        def block_done(state: Best) -> None:
            now = time.monotonic()
            if search.ranks.rank == 0 and now - self.saved_at > CHECKPOINT_SECONDS:
                self.saved_at = now
                keep_search(self.task, state, of)

        search.run(best, told, block_done)
        return best

    def _chosen(self, search: Search, best: Best, sizes: _Sizes) -> tuple[Chosen, int]:
        from tomotui.algorithms.match.choose import choose
        from tomotui.stages.match_inputs import Limits, allowed_places

        parameters = self.parameters
        edge, gold = parameters.edge_angstrom, parameters.gold_angstrom
        limits = Limits(
            (parameters.z_min_angstrom, parameters.z_max_angstrom),
            sizes.radius / 2 if edge is None else edge,
            sizes.radius if gold is None else gold,
            parameters.specimen_mask,
        )
        allowed = allowed_places(self.task, search.field, self.subject, limits)
        self.sigma = search.null_deviation()
        chosen = choose(
            search.finished(best),
            search.kernels.template.radius_voxels,
            allowed,
            parameters.expected_false_positives,
            self.sigma,
            len(search.rotations),
        )
        return chosen, int(allowed.sum())

    def _threshold(self, chosen: Chosen) -> float:
        """Return the score from which on peaks count as particles."""
        given = self.parameters.min_score
        return chosen.threshold if given is None else given

    def _least_score(self, chosen: Chosen) -> float:
        """Return the score from which on peaks are kept, if only for review."""
        from tomotui.algorithms.match.significance import likely_particles

        threshold, scores = self._threshold(chosen), chosen.peaks.scores
        if self.parameters.min_score is not None or not self.parameters.for_review:
            return threshold
        likely = likely_particles(scores, chosen.tail)
        wanted = min(max(self.parameters.for_review, likely), len(scores))
        if not wanted:
            return threshold
        return min(threshold, float(scores[wanted - 1]))

    def _candidates(
        self,
        search: Search,
        best: Best,
        chosen: Chosen,
        poses: NDArray[np.float64],
        sizes: _Sizes,
    ) -> Candidates:
        """Return the candidates, refined."""
        from tomotui.algorithms.match.peaks import refined_places
        from tomotui.algorithms.match.refine import refine_poses
        from tomotui.algorithms.match.significance import uncertainties
        from tomotui.geometry.poses import angles_of_matrices
        from tomotui.records.particle_table import Candidates, ParticleTable

        parameters, least = self.parameters, self._least_score(chosen)
        peaks = chosen.peaks.select(chosen.peaks.scores >= least)
        if len(peaks) > parameters.max_candidates:
            self.task.warn(
                f"{len(peaks)} candidates: the best {parameters.max_candidates} are kept"
            )
            peaks = peaks.select(slice(0, parameters.max_candidates))
        numbers = best.index.cpu().numpy()[tuple(peaks.voxels.T)]
        rotations = poses[numbers]
        if parameters.refine and len(peaks):

            def told(share: float) -> None:
                self.task.progress(0.92 + 0.06 * share, "refining candidates")

            refined = refine_poses(
                search.field, search.kernels, peaks.voxels, rotations, sizes.step, told
            )
            places, rotations = refined.places, refined.rotations
        else:
            places = refined_places(chosen.scores, peaks.voxels)
        uncertainty = uncertainties(peaks.scores, self._threshold(chosen), self.sigma)
        tomogram = self.subject.tomogram
        table = ParticleTable.of(
            tomogram.uid,
            search.field.positions_angstrom(places),
            angles_deg=angles_of_matrices(rotations),
            scores=peaks.scores,
            uncertainties=uncertainty,
            priorities=uncertainty,
            source="match",
        )
        particle_set = ParticleSet(
            name=self._set_name(),
            species=self._set_name(),
            diameter_angstrom=2 * sizes.radius,
            symmetry=parameters.symmetry.upper(),
        )
        within = SAME_SHARE * 2 * sizes.radius
        return Candidates(particle_set, tomogram.uid, table, within)

    def _set_name(self) -> str:
        return self.parameters.particles or Path(self.parameters.template).name.partition(".")[0]

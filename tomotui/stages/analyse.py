"""analyse: how particles lie to each other, and from where they are seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomotui.records import Alignment, ParticleSet, TiltSeries, Tomogram
from tomotui.stages.analyse_files import write_details, write_table
from tomotui.stages.base import (
    Inputs,
    SampleParameters,
    Stage,
    StageError,
    StageResult,
    Task,
    parameter,
)
from tomotui.stages.particle_choice import (
    Decisions,
    chosen_particles,
    in_tomograms,
    one_set,
)

if TYPE_CHECKING:
    from tomotui.algorithms.analyse.chains import Chains
    from tomotui.algorithms.analyse.neighbours import (
        Crowding,
        Neighbours,
        PairDistribution,
        Region,
    )
    from tomotui.algorithms.analyse.views import Coverage, Tumbling
    from tomotui.records.particle_table import ParticleTable

Array = NDArray[np.float64]

NEAR_DIAMETERS = 1.5
FARTHEST_DIAMETERS = 6.0
DETAIL_PER_DIAMETER = 0.08
"""Of the diameter: the detail that coverage is told for, about what a first average shows."""

EVIDENT = 4.0
"""Standard deviations of chance, beyond which something is said in words."""


class AnalyseParameters(SampleParameters):
    """The choices of looking at how particles lie."""

    particles: tuple[str, ...] = parameter(
        (), "The particle set, such as a refined one; needed where there are several."
    )
    decisions: Decisions = parameter(
        "kept", "Particles to look at: kept leaves rejected ones out, accepted takes no others."
    )
    min_score: float | None = parameter(None, "Least score of particles to look at.")
    classes: tuple[int, ...] = parameter((), "Classes to look at; all when none is named.")
    near_angstrom: float | None = parameter(
        None,
        "Within which neighbours are counted; one and a half diameters when not said.",
        unit="angstrom",
        gt=0,
    )
    farthest_angstrom: float | None = parameter(
        None,
        "Up to which pairs are counted; six diameters when not said.",
        unit="angstrom",
        gt=0,
    )
    link_angstrom: float | None = parameter(
        None,
        "Link neighbours to chains, such as polysomes, over no more than this; without exit and "
        "entry from centre to centre. No chains when not said.",
        unit="angstrom",
        gt=0,
    )
    exit_xyz: tuple[float, ...] = parameter(
        (),
        "Where a chain leaves the reference: x, y and z in Angstrom from its centre, such as the "
        "mRNA exit of a ribosome.",
    )
    entry_xyz: tuple[float, ...] = parameter(
        (), "Where a chain enters the reference: x, y and z in Angstrom from its centre."
    )
    seed: int = parameter(0, "Of the points by chance.", group="advanced", ge=0)


class AnalyseStage(Stage):
    """Neighbours, pair distribution, orientations, coverage and chains of a particle set."""

    name = "analyse"
    title = "Analyse particles"
    summary = "Measure how particles lie to each other, and how evenly they are seen."
    parameters_type = AnalyseParameters
    reports = ("particles", "tomograms", "chains", "links")
    takes = ("tilt_series", "tomogram", "alignment", "particle_set")
    scope = "sample"
    takes_particles = True

    def run(self, task: Task, inputs: Inputs, parameters: AnalyseParameters) -> StageResult:
        """Look at the particles in the tomograms of the series among the inputs."""
        return _Analysis(task, inputs, parameters).run()


@dataclass(frozen=True)
class Place:
    """The particles of one tomogram and what was found of them.

    Attributes
    ----------
    name
        Of the tilt series.
    table
        The particles.
    rotations
        ``[n, 3, 3]``, NaN where unknown.
    region
        Where particles may lie.
    beams
        Of its tilts, ``[n_tilts, 3]``.
    neighbours
        Of each particle.
    chains
        ``None`` where none were asked for.
    """

    name: str
    table: ParticleTable
    rotations: Array
    region: Region
    beams: Array
    neighbours: Neighbours
    chains: Chains | None


@dataclass(frozen=True)
class Findings:
    """What was found over all tomograms; ``None`` where it cannot be told.

    Attributes
    ----------
    crowding, pairs
        Of the places of particles.
    tumbling, coverage, view_map
        Of those whose orientation is known.
    links_by_chance
        Links that particles would have if they were turned by chance.
    """

    crowding: Crowding | None
    pairs: PairDistribution
    tumbling: Tumbling | None
    coverage: Coverage | None
    view_map: NDArray[np.int64] | None
    links_by_chance: float | None


class _Analysis:
    """One particle set at work."""

    def __init__(self, task: Task, inputs: Inputs, parameters: AnalyseParameters) -> None:
        self.task, self.inputs, self.parameters = task, inputs, parameters
        self.set: ParticleSet = one_set(inputs)
        diameter = self.set.diameter_angstrom
        if diameter is None and None in (parameters.near_angstrom, parameters.farthest_angstrom):
            raise StageError(
                f"the diameter of {self.set.name} is not known.",
                f"Say it: tomotui particles change {self.set.name} --diameter ANGSTROM; or say "
                "near_angstrom and farthest_angstrom.",
            )
        self.near = parameters.near_angstrom or NEAR_DIAMETERS * (diameter or 0.0)
        self.farthest = parameters.farthest_angstrom or FARTHEST_DIAMETERS * (diameter or 0.0)
        self.vectors = self._vectors()

    def _vectors(self) -> tuple[Array, Array] | None:
        """Return where chains leave and enter; ``None`` where centres are linked."""
        given = self.parameters.exit_xyz, self.parameters.entry_xyz
        if not any(given):
            return None
        if [len(one) for one in given] != [3, 3]:
            raise StageError(
                "exit_xyz and entry_xyz take three numbers each, and both are needed.",
                "Write them as exit_xyz=60,80,0 and entry_xyz=-70,60,20.",
            )
        if self.parameters.link_angstrom is None:
            raise StageError(
                "how far a chain reaches from exit to entry is not said.", "Say link_angstrom."
            )
        leaving, entering = (np.array(one, dtype=np.float64) for one in given)
        return leaving, entering

    def run(self) -> StageResult:
        """Look at each tomogram, then at all together, and write down what was found."""
        places = self._places()
        self.task.progress(0.5, "comparing with chance")
        findings = self._findings(places)
        self.task.progress(0.9, "writing")
        write_table(self.task, places)
        write_details(self.task, places, findings)
        metrics = self._metrics(places, findings)
        for name, value in metrics.items():
            self.task.metric(name, value)
        return StageResult(metrics=metrics, summary=_in_words(places, findings))

    def _places(self) -> list[Place]:
        parameters = self.parameters
        table = chosen_particles(
            self.inputs, parameters.decisions, parameters.min_score, parameters.classes
        )
        tomograms = self.inputs.all(Tomogram)
        uids = [one.uid for one in tomograms]
        if not np.isin(table.tomogram_uids, uids).any():
            raise StageError(
                f"no particle of {self.set.name} that is wanted lies in the newest tomograms; "
                f"{len(table)} lie in others.",
                "Choose others with decisions, min_score, classes or series, or pick again.",
            )
        table = in_tomograms(self.task, table, uids)
        filled = [one for one in tomograms if (table.tomogram_uids == one.uid).any()]
        found = []
        for number, tomogram in enumerate(filled):
            self.task.progress(0.5 * number / len(filled), "looking for neighbours")
            found.append(self._place(tomogram, table.select(table.tomogram_uids == tomogram.uid)))
        return found

    def _place(self, tomogram: Tomogram, table: ParticleTable) -> Place:
        from tomotui.algorithms.analyse.neighbours import Region, nearest_neighbours
        from tomotui.algorithms.analyse.views import beams
        from tomotui.geometry.poses import matrices_of_angles
        from tomotui.geometry.tilt import TiltGeometry

        series = {one.uid: one.name for one in self.inputs.all(TiltSeries)}
        alignments = {one.uid: one for one in self.inputs.all(Alignment)}
        alignment = alignments.get(tomogram.alignment_uid)
        if alignment is None:
            raise StageError(
                f"the alignment that {tomogram.path} was made with is not there.",
                "Run align and reconstruct again, or leave the series out.",
            )
        rotations = matrices_of_angles(table.angles_deg)
        positions = table.positions_angstrom
        size = np.array(tomogram.size_xyz) * tomogram.pixel_size_angstrom
        return Place(
            series[tomogram.series_uid],
            table,
            rotations,
            Region.of(positions, size),
            beams(TiltGeometry.from_alignment(alignment, included_only=True)),
            nearest_neighbours(positions, rotations, self.near, self.set.symmetry),
            self._chains(positions, rotations),
        )

    def _chains(self, positions: Array, rotations: Array) -> Chains | None:
        from tomotui.algorithms.analyse.chains import directed_chains, plain_chains

        longest = self.parameters.link_angstrom
        if longest is None:
            return None
        if self.vectors is None:
            return plain_chains(positions, longest)
        return directed_chains(positions, rotations, *self.vectors, longest)

    def _findings(self, places: list[Place]) -> Findings:
        from tomotui.algorithms.analyse.chains import directed_by_chance
        from tomotui.algorithms.analyse.neighbours import crowding, pair_distribution
        from tomotui.algorithms.analyse.views import coverage, tumbling, view_map, views

        seed, regions = self.parameters.seed, [one.region for one in places]
        known = [one.rotations[_is_known(one.rotations)] for one in places]
        together = np.concatenate(known)
        seen = views(known, [one.beams for one in places], seed)
        links = None
        if self.vectors is not None and self.parameters.link_angstrom is not None:
            links = sum(
                directed_by_chance(
                    one.table.positions_angstrom[_is_known(one.rotations)],
                    *self.vectors,
                    self.parameters.link_angstrom,
                    seed,
                )
                for one in places
            )
        return Findings(
            crowding([one.neighbours.distance_angstrom for one in places], regions, seed),
            pair_distribution(
                [one.table.positions_angstrom for one in places], regions, self.farthest
            ),
            tumbling(together) if len(together) else None,
            coverage(seen, float(np.rad2deg(DETAIL_PER_DIAMETER)), self.set.symmetry),
            view_map(together) if len(together) else None,
            links,
        )

    def _metrics(self, places: list[Place], findings: Findings) -> dict[str, float]:
        near = np.concatenate([one.neighbours.count for one in places])
        metrics = {
            "particles": float(len(near)),
            "tomograms": float(len(places)),
            "neighbours within reach": float(near.mean()),
        }
        if findings.crowding is not None:
            metrics["nearest neighbour, A"] = findings.crowding.median_angstrom
            metrics["nearest neighbour over chance"] = findings.crowding.ratio
        peak = findings.pairs.peak()
        if peak is not None:
            metrics["pairs peak at, A"], metrics["pairs peak over chance"] = peak
        if findings.tumbling is not None:
            metrics["order to the beam"] = findings.tumbling.order
            metrics["polarity to the beam"] = findings.tumbling.polarity
        if findings.coverage is not None:
            metrics["coverage efficiency"] = findings.coverage.efficiency
            metrics["directions unseen"] = findings.coverage.unseen
        chains = [one.chains for one in places if one.chains is not None]
        if chains:
            sizes = np.concatenate([one.sizes for one in chains])
            metrics["chains"] = float(len(sizes))
            metrics["share in chains"] = float(sizes.sum() / len(near))
            metrics["longest chain"] = float(sizes.max(initial=0))
        if findings.links_by_chance is not None:
            metrics["links"] = float(sum(len(one.links) for one in chains))
            metrics["links by chance"] = findings.links_by_chance
        return metrics


def _is_known(rotations: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(rotations).all(axis=(1, 2)))


def _in_words(places: list[Place], findings: Findings) -> str:
    """Return what a user wants to know first, in one line."""
    said = [f"{sum(len(one.table) for one in places)} particles in {len(places)} tomograms"]
    crowd, seen, turned = findings.crowding, findings.coverage, findings.tumbling
    if crowd is not None:
        how = "as by chance"
        if abs(crowd.deviations) > EVIDENT:
            how = "clustered" if crowd.ratio < 1 else "kept apart"
        said.append(f"neighbours at {crowd.median_angstrom:.0f} A, {how}")
    if seen is not None:
        said.append(f"coverage {seen.efficiency:.2f}")
    if turned is not None and abs(turned.order_deviations) > EVIDENT:
        said.append("along the beam" if turned.order > 0 else "across the beam")
    chains = [one.chains for one in places if one.chains is not None]
    if chains:
        sizes = np.concatenate([one.sizes for one in chains])
        said.append(f"{len(sizes)} chains up to {sizes.max(initial=0)} long")
    return "; ".join(said)

"""What a classification writes and gives: classes with their maps, and who is of which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomotui.records import AnyRecord, Classification, Map, ParticleSet
from tomotui.stages.averaged_particles import AveragedParticles
from tomotui.stages.base import StageResult, Task
from tomotui.stages.map_files import half_maps_record, write_arrays, write_map

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.classify.aligning import AligningClasses, ClassState
    from tomotui.algorithms.classify.course import Gain
    from tomotui.algorithms.classify.mixture import ClassPlan, Round
    from tomotui.algorithms.refine.maps import HalfMaps
    from tomotui.records.particle_table import ParticleTable
    from tomotui.stages.classify import ClassifyParameters

Array = NDArray[np.float64]

CLASSES_FILE = "classes.npz"
PROGRESS_FILE = "progress.npz"
PROGRESS_MAP_FILE = "progress.mrc"

NOISE = "noise"
EMPTY_SHARE = 0.005
"""Of the particles, below which a class is called empty."""

MOSTLY_NOISE = 0.7
"""Share of the class of noise, above which something is wrong."""


@dataclass(frozen=True)
class Found:
    """What a classification has come to.

    Attributes
    ----------
    rounds
        Of the best run, and those with alignment after it.
    agreements
        Adjusted Rand index between runs, ``[r, r]``.
    gain
        How much better several classes foretell particles than one does.
    n_aligned
        Rounds with alignment.
    """

    state: ClassState
    rounds: Sequence[Round]
    agreements: Array
    gain: Gain
    n_aligned: int = 0

    def after(self, state: ClassState, done: Round) -> Found:
        """Return what it has come to after one more round with alignment."""
        done = replace(done, number=len(self.rounds) + 1)
        return replace(self, state=state, rounds=[*self.rounds, done], n_aligned=self.n_aligned + 1)

    def by_population(self) -> Found:
        """Return the same with the largest class first."""
        n = self.state.n_maps
        order = np.argsort(-self.state.probabilities[:, :n].sum(axis=0), kind="stable")
        rest = np.arange(n, self.state.probabilities.shape[1])
        columns = np.r_[order, rest]
        rounds = [replace(one, populations=one.populations[columns]) for one in self.rounds]
        return replace(self, state=self.state.reordered(order), rounds=rounds)

    @property
    def noise_share(self) -> float:
        """Of the particles, in classes without a map."""
        return float(self.state.probabilities[:, self.state.n_maps :].sum(axis=1).mean())

    @property
    def reproducibility(self) -> float | None:
        """Mean agreement of two runs; ``None`` for a single run."""
        from tomotui.algorithms.classify.agreement import mean_agreement

        return mean_agreement(self.agreements)

    def as_state(self) -> dict[str, Any]:
        """Return it as tensors and plain values."""
        import torch

        return {
            **self.state.state(),
            "rounds": [
                {**asdict(one), "populations": one.populations.tolist()} for one in self.rounds
            ],
            "agreements": torch.as_tensor(self.agreements),
            "gain": asdict(self.gain),
            "n_aligned": self.n_aligned,
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Found:
        """Return what `as_state` has kept."""
        from tomotui.algorithms.classify.aligning import ClassState
        from tomotui.algorithms.classify.course import Gain
        from tomotui.algorithms.classify.mixture import Round

        rounds = [
            Round(**{**one, "populations": np.array(one["populations"])}) for one in state["rounds"]
        ]
        return cls(
            ClassState.of_state(state),
            rounds,
            state["agreements"].cpu().numpy(),
            Gain(**state["gain"]),
            state["n_aligned"],
        )


class ClassFiles:
    """Writes classes.

    Parameters
    ----------
    averaged
        The particles.
    plan
        How they are sorted.

    Attributes
    ----------
    names
        Of the classes, that of noise last.
    """

    def __init__(
        self,
        task: Task,
        averaged: AveragedParticles,
        plan: ClassPlan,
        parameters: ClassifyParameters,
    ) -> None:
        self.task, self.averaged, self.plan = task, averaged, plan
        self.parameters = parameters
        self.names = [f"class {n}" for n in range(1, plan.n_classes + 1)]
        self.names += [NOISE] * plan.has_noise_class

    # While it goes on

    def show(self, volumes: Tensor, populations: Array) -> None:
        """Write the largest class as it is now, and slices of all, for those who watch."""
        pixel = self.averaged.maps.pixel_size_angstrom
        largest = int(np.argmax(populations[: self.plan.n_classes]))
        path = self.task.folder / PROGRESS_MAP_FILE
        write_map(path, volumes[largest], pixel)
        middle = volumes.shape[-1] // 2
        slices = self.task.folder / PROGRESS_FILE
        write_arrays(
            slices,
            {
                "names": np.array(self.names),
                "populations": populations,
                "slices": volumes[:, middle].float().cpu().numpy(),
                "pixel_size_angstrom": pixel,
            },
        )
        self.task.artifact("progress-map", path)
        self.task.artifact("class-slices", slices)

    def say(self, found: Found) -> None:
        """Say whether there are classes at all, and whether the same come out again."""
        gain = found.gain
        self.task.log(
            f"several classes foretell a particle they do not know by {gain.mean:.2f} +- "
            f"{gain.error:.2f} better than one does (log-likelihood; the map of all by "
            f"{gain.of_map:.0f} better than nothing)"
        )
        if found.reproducibility is not None:
            self.task.log(f"adjusted Rand index between runs: {found.reproducibility:.2f}")
        for words in self._doubts(found):
            self.task.warn(words)

    def _doubts(self, found: Found) -> list[str]:
        from tomotui.algorithms.classify.course import ALIKE

        doubts = []
        if self.plan.has_noise_class and found.noise_share > MOSTLY_NOISE:
            doubts.append("most particles look like noise: too few of them, or wrong orientations")
        if self.plan.n_classes > 1 and not found.gain.is_evident:
            doubts.append("the classes are not different beyond noise")
        if found.reproducibility is not None and found.reproducibility < ALIKE:
            doubts.append(
                f"the classes are not reproducible (runs agree by {found.reproducibility:.2f})"
            )
        return doubts

    # In the end

    def result(self, found: Found, aligning: AligningClasses) -> StageResult:
        """Make the maps, write everything, and describe it as records."""
        state, whole = found.state, self.averaged.set
        base = self.parameters.name or whole.name
        made = ParticleSet(
            name=f"{base} classes",
            species=whole.species,
            diameter_angstrom=self.averaged.diameter,
            symmetry=whole.symmetry,
            parent_uid=whole.uid,
            made_by="class",
            alignment_uids=whole.alignment_uids,
            ctf_uids=whole.ctf_uids,
        )
        table = self._particles(state, made)
        maps = self._maps(state, aligning, made, base)
        path = self.task.folder / CLASSES_FILE
        write_arrays(path, self._arrays(found, table))
        self.task.artifact("classes", path)
        populations = state.probabilities.mean(axis=0)
        record = Classification(
            name=f"{base} classes",
            particle_set_uid=made.uid,
            map_uids=tuple(one.uid for one in maps),
            path=self.task.relative(path),
            n_classes=self.plan.n_classes,
            populations=tuple(populations.tolist()),
            reproducibility=found.reproducibility,
        )
        records: list[AnyRecord] = [made, *reversed(maps), record]
        metrics = {"particles": float(len(table)), "gain": found.gain.mean}
        if found.reproducibility is not None:
            metrics["reproducibility"] = found.reproducibility
        return StageResult(
            records=tuple(records),
            particles=(table,),
            metrics=metrics,
            summary=self._summary(found, populations),
        )

    def _particles(self, state: ClassState, made: ParticleSet) -> ParticleTable:
        """Return the particles, each with its most probable class, as they lie in it."""
        from tomotui.geometry.poses import angles_of_matrices

        rows = np.arange(len(state.probabilities))
        lying = state.probabilities[:, : state.n_maps].argmax(axis=1)
        return self.averaged.subjects.table.descendants(
            made.uid,
            positions_angstrom=state.positions_angstrom[lying, rows],
            angles_deg=angles_of_matrices(state.rotations[lying, rows]),
            classes=state.labels + 1,
            halves=self.averaged.subjects.halves,
        )

    def _maps(
        self, state: ClassState, aligning: AligningClasses, made: ParticleSet, base: str
    ) -> list[Map]:
        counts = np.bincount(state.labels, minlength=self.plan.n_all)
        records = []
        for number, maps in enumerate(aligning.maps(state)):
            if maps is None:
                continue
            self._say_reached(number, maps, int(counts[number]))
            records.append(
                half_maps_record(
                    self.task,
                    maps,
                    stem=f"class{number + 1:02d}",
                    name=f"{base} class {number + 1}",
                    symmetry=self.averaged.set.symmetry,
                    particle_set_uid=made.uid,
                    n_particles=int(counts[number]),
                    made_by="classify",
                )
            )
        return records

    def _say_reached(self, number: int, maps: HalfMaps, n: int) -> None:
        reached = maps.resolution_angstrom
        words = f"{reached:.1f} A" if np.isfinite(reached) else "the halves agree on nothing"
        self.task.log(f"{self.names[number]}: {n} particles, {words}")

    def _arrays(self, found: Found, table: ParticleTable) -> dict[str, Any]:
        return {
            "uids": table.uids,
            "probabilities": found.state.probabilities,
            "names": np.array(self.names),
            "populations": np.array([one.populations for one in found.rounds]),
            "changed": np.array([one.changed for one in found.rounds]),
            "scores": np.array([one.score for one in found.rounds]),
            "agreements": found.agreements,
            "gain": np.array([found.gain.mean, found.gain.error, found.gain.of_map]),
            "is_evident": np.array(found.gain.is_evident),
        }

    def _summary(self, found: Found, populations: Array) -> str:
        shares = [
            f"{name} empty" if share < EMPTY_SHARE else f"{name} {share:.0%}"
            for name, share in zip(self.names, populations.tolist(), strict=True)
        ]
        words = [f"{len(found.state.probabilities)} particles: {', '.join(shares)}"]
        doubts = self._doubts(found)
        if not doubts and found.reproducibility is not None:
            words.append(f"runs agree by {found.reproducibility:.2f}")
        return "; ".join(words + doubts)

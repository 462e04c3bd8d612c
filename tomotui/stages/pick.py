"""pick: look for the species that a network has learnt, everywhere in a tomogram."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tomotui.records import Alignment, Network, ParticleSet, TiltSeries, Tomogram
from tomotui.records.particle_table import Candidates, ParticleTable
from tomotui.stages.base import Inputs, Stage, StageError, StageResult, Task
from tomotui.stages.pick_choices import PickParameters
from tomotui.stages.pick_inputs import PURPOSE, Picker, Species, load_picker, load_volume

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.pick.search import Maps, Peaks
    from tomotui.algorithms.pick.volumes import Volume

SAME_SHARE = 0.4
"""A candidate nearer than this to a judged particle, over the diameter, is that particle."""

FEATURE_SIDE = 24


class PickStage(Stage):
    """Candidates of every species that a network has learnt."""

    name = "pick"
    title = "Pick"
    summary = "Look for particles with a network of pick-train; candidates come with their odds."
    parameters_type = PickParameters
    reports = ()
    takes = ("tilt_series", "tomogram", "alignment", "network")
    optional = ("ctf",)
    gives = ("particle_set",)
    needs = "gpu"
    uses_network = PURPOSE

    def run(self, task: Task, inputs: Inputs, parameters: PickParameters) -> StageResult:
        """Look for particles in the tomogram of one series."""
        import torch

        torch.set_num_threads(task.threads)
        inputs.one(TiltSeries), inputs.one(Alignment), inputs.measured(Tomogram)
        return _Search(task, inputs, load_picker(task, inputs.one(Network)), parameters).run()


class _Search:
    """One tomogram at work."""

    def __init__(
        self, task: Task, inputs: Inputs, picker: Picker, parameters: PickParameters
    ) -> None:
        from tomotui.stages.restore_inputs import subjects_of

        self.task, self.picker, self.parameters = task, picker, parameters
        self.subject = subjects_of(task, inputs)[0]
        self.on_gpu = task.device.startswith("cuda")
        own, learnt = self.subject.tomogram.pixel_size_angstrom, picker.voxel_size_angstrom
        if own > 1.05 * learnt:
            raise StageError(
                f"{self.subject.series.name} is sampled at {own:.4g} A, more coarsely than the "
                f"{learnt:.4g} A that the network has learnt at.",
                "Reconstruct it more finely, or train on tomograms like it.",
            )

    def run(self) -> StageResult:
        """Read, look, and gather the candidates of every species."""
        from tomotui.algorithms.pick.search import look

        task, picker = self.task, self.picker
        task.progress(0.01, f"reading {self.subject.series.name}")
        volume = load_volume(task, self.subject, picker.voxel_size_angstrom, "cpu")
        maps = look(
            [picker.network],
            volume.image,
            self.parameters.tile or (256 if self.on_gpu else 160),
            task.device,
            self.parameters.looks or (4 if self.on_gpu else 2),
            lambda fraction: task.progress(0.2 + 0.7 * fraction, "looking for particles"),
        )
        task.progress(0.92, "gathering candidates")
        gathering = _Gathering(self, volume, maps)
        found = [
            gathering.candidates(number, species) for number, species in enumerate(picker.species)
        ]
        counts = {one.particle_set.name: len(one.table) for one in found}
        sure = {one.particle_set.name: int((one.table.scores >= 0.5).sum()) for one in found}
        words = ", ".join(f"{sure[name]} {name} of {counts[name]} candidates" for name in counts)
        return StageResult(
            candidates=tuple(found),
            metrics={f"{name} above 0.5": float(count) for name, count in sure.items()},
            summary=words,
        )


class _Gathering:
    """The candidates in the maps of one tomogram."""

    def __init__(self, search: _Search, volume: Volume, maps: Maps) -> None:
        self.search, self.volume, self.maps = search, volume, maps
        self.voxel_angstrom = float(np.mean(volume.voxel_zyx_angstrom))

    @cached_property
    def mass(self) -> Tensor:
        """The mass of the tomogram, the same for all species."""
        from tomotui.algorithms.pick.centring import mass_of

        return mass_of(self.volume.image, self.voxel_angstrom)

    def candidates(self, number: int, species: Species) -> Candidates:
        """Return the candidates of a species, with what they are worth and when to judge them."""
        from tomotui.algorithms.pick.informative import MOST_COMPARED, priorities, uncertainty
        from tomotui.algorithms.pick.search import features_at

        picker, tomogram = self.search.picker, self.search.subject.tomogram
        peaks = self._peaks(number, species)
        shares = picker.calibrations[number].share(peaks.logits)
        uncertain = uncertainty(shares, peaks.spread)
        first = np.argsort(-uncertain, kind="stable")[:MOST_COMPARED]
        features = features_at(
            picker.network,
            self.volume.image,
            peaks.voxels[first],
            FEATURE_SIDE,
            self.search.task.device,
        )
        table = ParticleTable.of(
            tomogram.uid,
            self.volume.to_angstrom(peaks.voxels),
            scores=shares,
            uncertainties=uncertain,
            priorities=priorities(uncertain, features),
            source="find",
        )
        kind = ParticleSet(
            name=species.name,
            species=species.name,
            diameter_angstrom=species.diameter_angstrom,
            symmetry=species.symmetry,
        )
        return Candidates(kind, tomogram.uid, table, SAME_SHARE * species.diameter_angstrom)

    def _peaks(self, number: int, species: Species) -> Peaks:
        """Return the peaks of a species, where its particles are and where they are wanted."""
        from tomotui.algorithms.pick.search import find_peaks

        chosen, volume = self.search.parameters, self.volume
        diameter = species.diameter_angstrom / self.voxel_angstrom
        least = self.search.picker.calibrations[number].logit_of(max(chosen.min_score, 1e-6))
        peaks = find_peaks(self.maps, number, diameter, chosen.max_candidates, least)
        at_mass = species.is_marked_at_mass if chosen.centre == "auto" else chosen.centre == "mass"
        if at_mass:
            peaks = _moved_to_mass(peaks, self.mass, diameter)
        kept = volume.depth_angstrom(peaks.voxels) >= chosen.edge_angstrom
        across = chosen.gold_angstrom
        across = species.diameter_angstrom / 2 if across is None else across
        if across > 0:
            kept &= ~volume.is_beside_gold(peaks.voxels, across)
        return peaks.select(kept)


def _moved_to_mass(peaks: Peaks, mass: Tensor, diameter_voxel: float) -> Peaks:
    """Move candidates to their centres of mass; of those that meet the best one stays."""
    from tomotui.algorithms.pick.centring import centred
    from tomotui.algorithms.pick.search import SEPARATION, Peaks
    from tomotui.geometry.points import kept_apart

    places = centred(mass, peaks.voxels, diameter_voxel)
    moved = Peaks(places, peaks.logits, peaks.spread)
    return moved.select(kept_apart(places, diameter_voxel * SEPARATION))

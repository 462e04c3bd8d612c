"""extract: particles cut out of the tilt images, as stacks or volumes for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tomotui import __version__
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
    with_orientation,
)

if TYPE_CHECKING:
    from tomotui.algorithms.extract.crops import Cutter
    from tomotui.records.particle_table import ParticleTable
    from tomotui.stages.aligned_images import AlignedImages
    from tomotui.stages.extract_files import Kind
    from tomotui.stages.restore_inputs import Subject

BOX_PER_DIAMETER = 1.6
BATCH_BYTES = 2**28
"""Working memory for the particles that are cut at once."""


class ExtractParameters(SampleParameters):
    """The choices of an extraction."""

    particles: tuple[str, ...] = parameter((), "The particle set; needed where there are several.")
    shape: Literal["stacks", "volumes", "both"] = parameter(
        "stacks",
        "stacks: an image for each tilt that shows the particle (RELION 5, cryoDRGN-ET); "
        "volumes: a subtomogram and its weights (RELION 4, STOPGAP and others).",
    )
    binning: int = parameter(2, "Pixels of the images for one of the particles.", ge=1, le=32)
    box_px: int | None = parameter(
        None,
        "Side of the particles in binned pixels, even; 1.6 diameters when not said.",
        ge=8,
        le=2048,
        multiple_of=2,
    )
    orientation: Literal["specimen", "pose"] = parameter(
        "specimen", "Volumes as they lie in the specimen, or turned as the reference lies."
    )
    decisions: Decisions = parameter(
        "kept", "Particles to take: kept leaves rejected ones out, accepted takes no others."
    )
    min_score: float | None = parameter(None, "Least score of particles to take.")
    classes: tuple[int, ...] = parameter((), "Classes to take; all when none is named.")
    premultiply: bool = parameter(
        True,
        "Multiply the images of stacks with their contrast transfer, as RELION expects; without "
        "it they are the images themselves. Volumes always are.",
    )
    room: float = parameter(
        2.0,
        "Side of the box in which images are multiplied with their transfer, over that of the "
        "particles.",
        group="advanced",
        ge=1,
        le=4,
    )
    fewest_tilts: int = parameter(
        3, "Tilts that must show a particle for it to be taken.", group="advanced", ge=1
    )
    data_type: Literal["float16", "float32"] = parameter(
        "float32", "Number format of the files.", group="advanced"
    )


class ExtractStage(Stage):
    """Stacks and volumes of particles, with the tables that RELION reads."""

    name = "extract"
    title = "Extract"
    summary = "Cut particles out of the tilt images for RELION and other programs."
    parameters_type = ExtractParameters
    reports = ("particles", "off_edge", "gigabytes")
    takes = ("tilt_series", "tomogram", "alignment", "particle_set")
    optional = ("ctf",)
    scope = "sample"
    takes_particles = True

    def run(self, task: Task, inputs: Inputs, parameters: ExtractParameters) -> StageResult:
        """Cut the particles of all series."""
        import torch

        torch.set_num_threads(task.threads)
        return _Extraction(task, inputs, parameters).run()


class _Extraction:
    """All series at work."""

    def __init__(self, task: Task, inputs: Inputs, parameters: ExtractParameters) -> None:
        from tomotui.formats.relion_subtomograms import Sampling
        from tomotui.stages.averaging_inputs import check_pixel_sizes
        from tomotui.stages.extract_files import ExtractFiles
        from tomotui.stages.restore_inputs import subjects_of

        self.task, self.parameters = task, parameters
        self.set = one_set(inputs)
        self.subjects = subjects_of(task, inputs)
        check_pixel_sizes(self.subjects)
        self.table = self._table(inputs)
        self.box_px = self._box_px()
        self.kinds: list[Kind] = ["stacks", "volumes"]
        if parameters.shape != "both":
            self.kinds = [parameters.shape]
        labels = (
            f"tomotui {__version__}: particles of tilt images; protein is bright",
            f"of the set {self.set.name}"[:80],
        )
        sampling = Sampling(parameters.binning, self.box_px, parameters.premultiply)
        self.files = ExtractFiles(task, sampling, parameters.data_type, labels)
        self.n_taken = self.n_kept = 0
        self.off_edge: list[str] = []

    def _table(self, inputs: Inputs) -> ParticleTable:
        parameters, task = self.parameters, self.task
        table = chosen_particles(
            inputs, parameters.decisions, parameters.min_score, parameters.classes
        )
        table = in_tomograms(task, table, [one.tomogram.uid for one in self.subjects])
        if not len(table):
            raise StageError(
                f"no particle of {self.set.name} lies in the tomograms at hand.",
                "Name another set with particles, or accept some of this one.",
            )
        if parameters.orientation == "pose" and parameters.shape != "stacks":
            table = with_orientation(task, table, self.set.name)
        return table

    def _box_px(self) -> int:
        if self.parameters.box_px:
            return self.parameters.box_px
        diameter = self.set.diameter_angstrom
        if not diameter:
            raise StageError(
                f"the diameter of {self.set.name} is not known.",
                "Say the box: --set box_px=..., or the diameter: tomotui particles change "
                f"{self.set.name} --diameter ANGSTROM",
            )
        pixel = self.subjects[0].series.pixel_size_angstrom * self.parameters.binning
        return max(8, 2 * round(BOX_PER_DIAMETER * diameter / pixel / 2))

    def run(self) -> StageResult:
        """Go through the series, and write the tables last."""
        done = 0
        for subject in self.subjects:
            here = self.table.select(self.table.tomogram_uids == subject.tomogram.uid)
            if len(here):
                self._extract(subject, here, done)
                done += len(here)
        if not self.n_taken:
            raise StageError(
                f"no particle of {self.set.name} is shown by {self.parameters.fewest_tilts} tilts "
                f"in a box of {self.box_px} pixels.",
                "Choose a smaller box_px, or fewest_tilts.",
            )
        self._tell()
        self.files.write_tables(self.parameters.orientation == "pose")
        near_edge = f", {len(self.off_edge)} too near the edge" if self.off_edge else ""
        return StageResult(
            metrics={
                "particles": float(self.n_taken),
                "off_edge": float(len(self.off_edge)),
                "gigabytes": self.files.bytes_written / 1e9,
            },
            summary=f"{self.n_taken} particles of {self.set.name}{near_edge}",
        )

    def _tell(self) -> None:
        """Say which particles are not there, and what was there before."""
        if self.off_edge:
            listed = ", ".join(self.off_edge[:5]) + (", ..." if len(self.off_edge) > 5 else "")
            self.task.warn(
                f"{len(self.off_edge)} particles are too near the edge of the images: fewer than "
                f"{self.parameters.fewest_tilts} tilts show them. They are left out: {listed}"
            )
        if self.n_kept:
            self.task.log(f"the files of {self.n_kept} particles were there already and are kept")

    def _extract(self, subject: Subject, table: ParticleTable, done: int) -> None:
        """Cut the particles of one series, a batch at a time."""
        from tomotui.stages.aligned_images import AlignedImages

        name, share = subject.series.name, done / len(self.table)
        self.task.progress(share, f"{name}: reading the images")
        aligned = AlignedImages(
            self.task, subject.series, subject.alignment, [self.parameters.binning]
        )
        cutter = self._cutter(subject, aligned, share)
        visible = cutter.visible(table.positions_angstrom)
        enough = visible.sum(axis=1) >= self.parameters.fewest_tilts
        self.off_edge += table.uids[~enough].tolist()
        table, visible = table.select(enough), visible[enough]
        if not len(table):
            return
        cutter.measure_noise(table.positions_angstrom)
        self.files.begin(subject, aligned, cutter)
        size = min(len(table), max(1, BATCH_BYTES // cutter.bytes_per_particle))
        images, batch = cutter.images.numel() * 4, size * cutter.bytes_per_particle
        self.task.log(
            f"{name}: {len(table)} particles in a box of {self.box_px} pixels; the images take "
            f"{images / 2**20:.0f} MiB, {size} particles at a time {batch / 2**20:.0f} MiB"
        )
        for first in range(0, len(table), size):
            rows = np.arange(first, min(first + size, len(table)))
            share = (done + first) / len(self.table)
            self.task.progress(share, f"{name}: {first} of {len(table)} particles")
            for kind in self.kinds:
                self._batch(cutter, table.select(rows), visible[rows], kind)
        self.n_taken += len(table)

    def _cutter(self, subject: Subject, aligned: AlignedImages, share: float) -> Cutter:
        from tomotui.algorithms.extract.crops import Cutter
        from tomotui.algorithms.subtomograms.views import contrast_images
        from tomotui.stages.averaging_inputs import series_model
        from tomotui.stages.loading import load_binned

        binning, series = self.parameters.binning, subject.series
        images = load_binned(self.task, series, aligned.used, binning, share, share)
        model = series_model(subject, aligned)
        return Cutter(
            contrast_images(images),
            series.pixel_size_angstrom * binning,
            model,
            self.box_px,
            self.parameters.room,
        )

    def _batch(
        self, cutter: Cutter, table: ParticleTable, visible: NDArray[np.bool_], kind: Kind
    ) -> None:
        """Cut and write the particles of a batch whose files are not there yet."""
        import torch

        from tomotui.algorithms.extract.volumes import joined_crops
        from tomotui.geometry.poses import matrices_of_angles

        listed = [
            self.files.listed(one, seen, kind)
            for one, seen in zip(table.particles(), visible, strict=True)
        ]
        missing = [row for row, one in enumerate(listed) if not self.files.is_whole(one)]
        self.n_kept += len(listed) - len(missing)
        if not missing:
            return
        table = table.select(missing)
        premultiplied = kind == "volumes" or self.parameters.premultiply
        crops = cutter.cut(table.positions_angstrom, premultiplied)
        cameras = np.repeat(cutter.model.geometry.projection_matrices[None], len(table), axis=0)
        if self.parameters.orientation == "pose" and kind == "volumes":
            cameras = cameras @ matrices_of_angles(table.angles_deg)[:, None]
        seen_by = torch.as_tensor(cameras, dtype=torch.float32, device=crops.images.device)
        for number, row in enumerate(missing):
            self.task.raise_if_cancelled()
            if kind == "stacks":
                self.files.write_stack(listed[row], crops.images[number])
            else:
                whole = joined_crops(crops, number, seen_by[number], cutter.plane)
                self.files.write_volume(listed[row], whole)

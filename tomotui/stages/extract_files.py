"""The files of an extraction: one or two for each particle, and the tables that lead to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.mrc import write_stack, write_volume
from tomotui.formats.mrc_header import HEADER_BYTES
from tomotui.formats.relion_subtomograms import (
    DATA_ENDING,
    STACK_ENDING,
    WEIGHTS_ENDING,
    Extracted,
    Sampling,
    write_optimisation_set,
    write_subtomograms,
    write_weights,
)
from tomotui.formats.relion_writing import RelionTomogram, write_relion
from tomotui.records import Alignment, Ctf, Particle, TiltSeries
from tomotui.stages.base import StageError, Task

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.extract.crops import Cutter
    from tomotui.algorithms.extract.volumes import Subtomogram
    from tomotui.stages.aligned_images import AlignedImages
    from tomotui.stages.restore_inputs import Subject

Kind = Literal["stacks", "volumes"]

FOLDER = "Subtomograms"
"""As in RELION's own jobs."""

TABLES: dict[Kind, tuple[str, str]] = {
    "stacks": ("particles.star", "optimisation_set.star"),
    "volumes": ("particles_3d.star", "optimisation_set_3d.star"),
}


@dataclass(frozen=True)
class _Series:
    """A series whose particles are written, as RELION is told of it."""

    record: TiltSeries
    alignment: Alignment
    ctf: Ctf | None
    tomogram: RelionTomogram


class ExtractFiles:
    """Writes particles, and in the end what RELION reads.

    Parameters
    ----------
    task
        In whose folder they go. Files are named from the project's folder, where RELION is to be
        started.
    sampling
        Of the particles.
    mode
        Number format.
    labels
        Words for the headers.

    Attributes
    ----------
    bytes_written
        By this run.
    """

    def __init__(
        self,
        task: Task,
        sampling: Sampling,
        mode: Literal["float16", "float32"],
        labels: Sequence[str],
    ) -> None:
        self.task, self.sampling, self.mode, self.labels = task, sampling, mode, tuple(labels)
        self.bytes_written = 0
        self._series: dict[str, _Series] = {}
        self._found: dict[Kind, list[Extracted]] = {"stacks": [], "volumes": []}
        self._folder, self._pixel = task.folder, 1.0

    def begin(self, subject: Subject, aligned: AlignedImages, cutter: Cutter) -> None:
        """Go on with the particles of a series."""
        record, alignment, ctf = subject.series, subject.alignment, subject.ctf
        self._folder = self.task.folder / FOLDER / record.name
        self._pixel = cutter.pixel
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StageError(
                f"{self._folder} cannot be made: {error.strerror}.",
                "Check the folder's permissions.",
            ) from error
        used, model = aligned.used, cutter.model
        kept = [tilt.replace(excluded=tilt.index not in used) for tilt in alignment.tilts]
        if model.ctf is None or ctf is None:
            ctf = None
        else:
            # What the transfer was made with where nobody has measured the hand.
            ctf = ctf.replace(handedness=model.ctf.handedness)
        tomogram = subject.tomogram
        finer = tomogram.pixel_size_angstrom / record.pixel_size_angstrom
        x, y, z = (round(n * finer) for n in tomogram.size_xyz)
        exposures = (
            np.zeros(len(used)) if model.exposure_e_per_a2 is None else model.exposure_e_per_a2
        )
        self._series[tomogram.uid] = _Series(
            record,
            alignment.replace(tilts=tuple(sorted(kept, key=lambda tilt: tilt.index))),
            ctf,
            RelionTomogram(
                (x, y, z),
                dict(zip(used, cutter.scales.tolist(), strict=True)),
                dict(zip(used, exposures.tolist(), strict=True)),
            ),
        )

    # Particles

    def listed(self, particle: Particle, visible: NDArray[np.bool_], kind: Kind) -> Extracted:
        """Put a particle into the table, and return where its files go."""

        def named(ending: str) -> str:
            return self.task.relative(self._folder / f"{particle.uid}{ending}")

        if kind == "stacks":
            one = Extracted(particle, visible, named(STACK_ENDING))
        else:
            one = Extracted(particle, visible, named(DATA_ENDING), named(WEIGHTS_ENDING))
        self._found[kind].append(one)
        return one

    def is_whole(self, one: Extracted) -> bool:
        """Tell whether a particle's files are there already: they appear whole or not at all."""
        return all(
            path.is_file() and path.stat().st_size == size for path, size in self._sizes(one)
        )

    def _sizes(self, one: Extracted) -> list[tuple[Path, int]]:
        """Return the files of a particle and how many bytes each must have."""
        box, item = self.sampling.box_px, 2 if self.mode == "float16" else 4
        if not one.weights:
            numbers = [(one.image, int(one.visible.sum()) * box**2)]
        else:
            numbers = [(one.image, box**3), (one.weights, 2 * box**2 * (box // 2 + 1))]
        return [(self.task.resolve(name), HEADER_BYTES + item * n) for name, n in numbers]

    def write_stack(self, one: Extracted, images: Tensor) -> None:
        """Write the images of a particle that show it, of all tilts ``[t, n, n]``."""
        shown = images.cpu().numpy()[one.visible]
        try:
            write_stack(self.task.resolve(one.image), shown, self._pixel, self.mode, self.labels)
        except FormatError as error:
            raise StageError(str(error)) from error
        self._count(one)

    def write_volume(self, one: Extracted, found: Subtomogram) -> None:
        """Write the volume of a particle, and its weights before it."""
        weights, data = self.task.resolve(one.weights), self.task.resolve(one.image)
        squared, multiplicity = found.squared_transfer.cpu(), found.multiplicity.cpu()
        try:
            write_weights(
                weights, squared.numpy(), multiplicity.numpy(), self._pixel, self.mode, self.labels
            )
            write_volume(data, found.data.cpu().numpy(), self._pixel, self.mode, self.labels)
        except FormatError as error:
            raise StageError(str(error)) from error
        self._count(one)

    def _count(self, one: Extracted) -> None:
        self.bytes_written += sum(size for _, size in self._sizes(one))

    # Tables

    def write_tables(self, are_turned: bool) -> None:
        """Write the tables of particles and series.

        Parameters
        ----------
        are_turned
            Whether volumes lie as the reference.
        """
        try:
            self._write_tables(are_turned)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StageError(
                f"{self.task.folder}: the tables cannot be written: {reason}.",
                "Free some room, and try again: the particles are kept.",
            ) from error

    def _write_tables(self, are_turned: bool) -> None:
        folder = self.task.folder
        entries = [(one.record, one.alignment, one.ctf) for one in self._series.values()]
        tomograms = write_relion(
            folder,
            entries,
            tomograms={one.record.name: one.tomogram for one in self._series.values()},
            named_from=self.task.relative(folder),
        )
        records = {uid: one.record for uid, one in self._series.items()}
        for kind, found in self._found.items():
            if not found:
                continue
            table, entrance = (folder / name for name in TABLES[kind])
            turned = are_turned and kind == "volumes"
            partial = table.with_name(f".{table.name}")
            write_subtomograms(partial, found, records, self.sampling, turned)
            partial.replace(table)
            write_optimisation_set(
                entrance, self.task.relative(table), self.task.relative(tomograms)
            )
            self.task.artifact(f"{kind}-particles", table)
            self.task.artifact(f"{kind}-optimisation-set", entrance)
        self.task.artifact("tilt-series", tomograms)

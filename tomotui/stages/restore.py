"""restore: fill the missing wedge of a tomogram and take its noise away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tomotui import __version__
from tomotui.records import Alignment, Network, TiltSeries, Tomogram, new_uid
from tomotui.stages.base import (
    Inputs,
    Parameters,
    Stage,
    StageError,
    StageResult,
    Task,
    parameter,
)
from tomotui.stages.network_files import load_network
from tomotui.stages.restore_train import PURPOSE

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.restore.honesty import Honesty
    from tomotui.algorithms.restore.material import Material
    from tomotui.algorithms.restore.network import RestorationNet
    from tomotui.stages.restore_inputs import Subject
    from tomotui.stages.tomogram_files import Written

NULL_SIDE = 128
LEAST_FILLED, MOST_NULL = 0.2, 0.1
"""Correlations of what is filled with what was kept back, below and above which there is a word of
warning."""

SECTIONS_AT_ONCE = 16


class RestoreParameters(Parameters):
    """The choices of restoring a tomogram."""

    network: str = parameter("", "Name of the network; the newest that restores when empty.")
    task: Literal["denoise-fill", "fill-only"] = parameter(
        "denoise-fill",
        "Take noise away and fill the missing wedge, or fill the wedge and leave all else alone.",
    )
    keep_measured: Literal["auto", "on", "off"] = parameter(
        "auto",
        "Put the measured part of Fourier space back exactly as it was; auto does so for "
        "fill-only. Otherwise measured and restored are blended by what the halves tell.",
    )
    uncertainty: bool = parameter(
        False, "Also write the standard deviation of several answers: doubles the time."
    )
    null_test: bool = parameter(
        True,
        "Report how well a wedge is filled of which the truth is known, the tomogram lying on its "
        "side, and what is made of data without structure and of noise.",
    )
    tile: int | None = parameter(
        None,
        "Longest side of the tiles that the network sees; 320 on a GPU, 192 elsewhere.",
        unit="voxel",
        group="advanced",
        ge=64,
        le=512,
    )
    data_type: Literal["float32", "float16"] = parameter(
        "float32", "Number format of the volume.", group="advanced"
    )

    @property
    def puts_back(self) -> bool:
        """Whether the measured part is put back exactly."""
        if self.keep_measured == "auto":
            return self.task == "fill-only"
        return self.keep_measured == "on"


class RestoreStage(Stage):
    """A tomogram without the wedge, labelled as what it is."""

    name = "restore"
    title = "Restore"
    summary = "Fill the missing wedge and take noise away, by a network of restore-train."
    parameters_type = RestoreParameters
    reports = ("filled_correlation", "null_correlation", "noise_share", "wedge_agreement")
    takes = ("tilt_series", "tomogram", "alignment", "network")
    optional = ("ctf",)
    gives = ("tomogram",)
    needs = "gpu"
    uses_network = PURPOSE

    def run(self, task: Task, inputs: Inputs, parameters: RestoreParameters) -> StageResult:
        """Restore the tomogram of one series."""
        import torch

        from tomotui.formats.errors import FormatError

        torch.set_num_threads(task.threads)
        inputs.one(TiltSeries), inputs.one(Alignment), inputs.measured(Tomogram)
        trained = load_restorer(task, inputs.one(Network))
        with torch.inference_mode():
            try:
                return _Restoration(task, inputs, trained, parameters).run()
            except FormatError as error:
                raise StageError(str(error)) from error


@dataclass(frozen=True)
class Trained:
    """A network and how it was trained."""

    record: Network
    network: RestorationNet
    method: Literal["3d", "2d"]
    voxel_size_angstrom: float


def load_restorer(task: Task, record: Network) -> Trained:
    """Return a trained network, ready on the device of the task.

    Raises
    ------
    StageError
        When its file is missing, torn, or of another program.
    """
    from tomotui.algorithms.restore.network import Architecture, RestorationNet

    def build(weights: dict[str, Tensor], kept: dict[str, Any]) -> Trained:
        network = RestorationNet(Architecture(**kept["architecture"]))
        network.load_state_dict(weights)
        return Trained(
            record,
            network.to(task.device).eval(),
            kept["method"],
            float(kept["voxel_size_angstrom"]),
        )

    return load_network(task, record, build, "restore-train")


class _Restoration:
    """One tomogram at work."""

    def __init__(
        self, task: Task, inputs: Inputs, trained: Trained, parameters: RestoreParameters
    ) -> None:
        from tomotui.stages.restore_inputs import subjects_of

        self.task, self.trained, self.parameters = task, trained, parameters
        self.subject: Subject = subjects_of(task, inputs)[0]
        self.name = self.subject.series.name
        self._check_sampling()

    def run(self) -> StageResult:
        """Read, restore, test, combine and write."""
        import torch

        from tomotui.stages.restore_inputs import load_material

        self.task.progress(0.01, f"reading {self.name}")
        material = load_material(self.task, self.subject, "cpu")
        puts_back = self.parameters.puts_back
        if not material.has_halves and not puts_back:
            self.task.warn(
                f"{self.name} has no half tomograms, so noise cannot be told from signal: what "
                "was measured is put back as it was"
            )
            puts_back = True
        share = 0.8 if not self.parameters.uncertainty else 0.4
        answers = torch.stack(
            [
                self._restored(half, 0.05 + share * n / len(material.inputs), share / 2)
                for n, half in enumerate(material.inputs)
            ]
        )
        spread = self._spread(material, answers) if self.parameters.uncertainty else None
        test = self._examined(material, answers) if self.parameters.null_test else None
        volume = self._combined(material, answers, puts_back)
        self.task.progress(0.96, "writing")
        written = self._write(volume, "restored", material)
        uncertainty = None
        if spread is not None:
            uncertainty = self._write(spread, "uncertainty", material, "standard deviation")
        record = self._record(written, uncertainty, puts_back)
        return StageResult(
            records=(record,), metrics=_metrics(test), summary=self._summary(test, puts_back)
        )

    def _check_sampling(self) -> None:
        learnt, own = self.trained.voxel_size_angstrom, self.subject.tomogram.pixel_size_angstrom
        if abs(own / learnt - 1) > 0.1:
            raise StageError(
                f"{self.name} is sampled at {own:.4g} A, but the network "
                f"{self.trained.record.name} has learnt at {learnt:.4g} A.",
                f"Reconstruct with voxel_size_angstrom={learnt:.4g}, or train another network.",
            )

    def _restored(
        self, volume: Tensor, first: float = 0.0, share: float = 0.0, words: str = "restoring"
    ) -> Tensor:
        """Return the network's answer to a standardised volume."""
        from tomotui.algorithms.restore.inference import restore_planes, restore_volume

        network, device = self.trained.network, self.task.device

        def told(fraction: float) -> None:
            if share:
                self.task.progress(first + share * fraction, words)
            else:
                self.task.raise_if_cancelled()

        if self.trained.method == "2d":
            return restore_planes(network, volume, network.architecture.multiple, device, told)
        longest = self.parameters.tile or (320 if device.startswith("cuda") else 192)
        multiple = network.architecture.multiple
        return restore_volume(network, volume, longest, device, told, multiple)

    def _spread(self, material: Material, answers: Tensor) -> Tensor:
        """Return the standard deviation of answers: of halves, turned about y, with dropout."""
        import torch

        self.trained.network.drop.train()
        torch.manual_seed(0)
        turned = torch.stack(
            [
                self._restored(half.flip(0, 2), 0.45 + 0.2 * n, 0.2, "uncertainty").flip(0, 2)
                for n, half in enumerate(material.inputs)
            ]
        )
        self.trained.network.drop.eval()
        return torch.cat([answers, turned]).std(dim=0) * material.scale

    def _examined(self, material: Material, answers: Tensor) -> Honesty:
        from tomotui.algorithms.restore.honesty import examine

        self.task.progress(0.88, "null test")
        found = examine(material, answers, self._restored, NULL_SIDE)
        if found.filled < LEAST_FILLED or found.null > MOST_NULL:
            self.task.warn(
                f"a wedge whose truth is known is filled with a correlation of {found.filled:.2f} "
                f"to it ({found.null:.2f} for data without structure): do not trust what the "
                "wedge shows. Train longer, or on more tomograms."
            )
        return found

    def _combined(self, material: Material, answers: Tensor, puts_back: bool) -> Tensor:
        """Return the volume to write, protein dark."""
        from tomotui.algorithms.restore.combine import blended, find_blend, put_back
        from tomotui.stages.restore_inputs import comb_of, read_tomogram

        if puts_back:
            tomogram = read_tomogram(self.task, self.subject, self.subject.tomogram.path)
            return put_back(material, tomogram, comb_of(self.subject), answers.mean(dim=0))
        blend = find_blend(material, answers)
        return material.mean - material.scale * blended(material, answers, blend)

    def _write(
        self, volume: Tensor, what: str, material: Material, words: str = "protein is dark"
    ) -> Written:
        from tomotui.algorithms.reconstruct.slabs import Slab
        from tomotui.stages.tomogram_files import VolumeSet, check_room, write_volumes

        n_z, n_y, n_x = volume.shape
        volume_set = VolumeSet(
            self.name,
            (n_x, n_y, n_z),
            material.voxel_size_angstrom,
            False,
            self.parameters.data_type,
            (
                f"tomotui {__version__}: {what} by a network; {words}",
                f"{self.name}; not for averaging",
            ),
            what,
        )
        check_room(self.task.folder, [volume_set], False, 0)

        def slabs() -> Iterator[Slab]:
            for first in range(0, n_z, SECTIONS_AT_ONCE):
                yield Slab(first, (volume[first : first + SECTIONS_AT_ONCE],))

        written = write_volumes(self.task, volume_set, slabs())
        self.task.artifact(written.paths[0].stem, written.paths[0])
        return written

    def _record(self, written: Written, uncertainty: Written | None, puts_back: bool) -> Tomogram:
        tomogram = self.subject.tomogram
        words = "restored, measured kept" if puts_back else "restored"
        return tomogram.replace(
            uid=new_uid(),
            path=self.task.relative(written.paths[0]),
            method=f"{words} {self.trained.method} of {tomogram.method}",
            half_paths=None,
            half_kind=None,
            window_low=written.window[0],
            window_high=written.window[1],
            thumbnail_path=self.task.relative(written.thumbnail),
            restored=True,
            network_uid=self.trained.record.uid,
            uncertainty_path=self.task.relative(uncertainty.paths[0]) if uncertainty else None,
        )

    def _summary(self, test: Honesty | None, puts_back: bool) -> str:
        words = f"{self.trained.method} by {self.trained.record.name}"
        if puts_back:
            words += ", measured kept"
        if test is not None:
            words += f", known wedge filled {test.filled:.2f}, null {test.null:.2f}"
        return words


def _metrics(test: Honesty | None) -> dict[str, float]:
    if test is None:
        return {}
    found = {
        "filled_correlation": test.filled,
        "null_correlation": test.null,
        "noise_share": test.noise_share,
    }
    if test.agreement is not None:
        found["wedge_agreement"] = test.agreement
    return {name: value for name, value in found.items() if np.isfinite(value)}

"""reconstruct: from aligned images to a tomogram."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from tomotui.records import Alignment, TiltSeries, Tomogram
from tomotui.stages.base import (
    Inputs,
    Parameters,
    Stage,
    StageError,
    StageResult,
    Task,
    parameter,
)

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.reconstruct.backproject import Slab

COARSE_VOXEL_ANGSTROM = 50.0
SEARCH_THICKNESS_ANGSTROM = 7000.0
THUMBNAIL_PX = 160
THUMBNAIL_SLAB_ANGSTROM = 100.0


class ReconstructParameters(Parameters):
    """The choices of weighted back-projection."""

    voxel_size_angstrom: float | None = parameter(
        None, "Voxel size; the binning decides when not given.", unit="angstrom", gt=0
    )
    binning: float = parameter(
        2.0, "Voxel size over pixel size, unless the voxel size is given.", ge=1, le=64
    )
    thickness_angstrom: float | None = parameter(
        None,
        "Thickness of the volume; found from the data when not given.",
        unit="angstrom",
        ge=100,
        le=50000,
    )
    filter: Literal["ramp", "hamming", "gaussian", "sirt-like"] = parameter(
        "hamming", "Weights across the tilt axis; sirt-like gives most contrast."
    )
    exposure_filter: bool = parameter(
        True, "Damp what radiation had destroyed, where the exposure is known."
    )
    halves: bool = parameter(
        True, "Also write two tomograms from every other tilt, for training networks."
    )
    data_type: Literal["float32", "float16"] = parameter(
        "float32",
        "Number format of the volumes; float16 halves the room, older programs cannot read it.",
        group="advanced",
    )


class ReconstructStage(Stage):
    """Weighted back-projection at any sampling, with half tomograms and an instant preview."""

    name = "reconstruct"
    title = "Reconstruct"
    summary = "Back-project the aligned tilts into a tomogram; thickness is found by itself."
    parameters_type = ReconstructParameters
    takes = ("tilt_series", "alignment")
    gives = ("tomogram",)
    needs = "gpu"

    def run(self, task: Task, inputs: Inputs, parameters: ReconstructParameters) -> StageResult:
        """Reconstruct one series from its latest alignment."""
        import torch

        from tomotui.formats.errors import FormatError

        torch.set_num_threads(task.threads)
        series, alignment = inputs.one(TiltSeries), inputs.one(Alignment)
        if alignment.verdict == "bad":
            task.warn(f"the alignment was judged bad: {alignment.note}")
        with torch.inference_mode():
            try:
                return _Reconstruction(task, series, alignment, parameters).run()
            except FormatError as error:
                raise StageError(str(error)) from error


@dataclass
class _Preview:
    """What is gathered while slabs pass by: voxels for the contrast, sections for the picture."""

    sample: list[np.ndarray]
    middle: np.ndarray | None = None
    sections: int = 0


class _Reconstruction:
    """One reconstruction at work."""

    def __init__(
        self,
        task: Task,
        series: TiltSeries,
        alignment: Alignment,
        parameters: ReconstructParameters,
    ) -> None:
        from tomotui.geometry import TiltGeometry

        self.task, self.series, self.parameters = task, series, parameters
        self.alignment = alignment
        by_index = {tilt.index: tilt for tilt in alignment.tilts}
        self.used = [
            tilt.index
            for tilt in series.tilts
            if not tilt.excluded and tilt.index in by_index and not by_index[tilt.index].excluded
        ]
        if len(self.used) < 3:
            raise StageError(
                f"{series.name}: only {len(self.used)} tilts may be used.",
                "Include more tilts, or align again.",
            )
        chosen = tuple(by_index[index] for index in self.used)
        self.geometry = TiltGeometry.from_alignment(alignment.replace(tilts=chosen))
        wanted = parameters.voxel_size_angstrom
        pixel = series.pixel_size_angstrom
        self.binning = parameters.binning if wanted is None else wanted / pixel
        if self.binning < 1 - 1e-6:
            raise StageError(
                f"{series.name}: a voxel size of {wanted} A is finer than the pixels of {pixel} A.",
                "Choose a larger voxel size.",
            )
        self.binning = max(1.0, self.binning)
        self.exposure_e_per_a2 = self._exposure()

    def run(self) -> StageResult:
        """Find the extent, write the volumes, and describe them."""
        from tomotui.algorithms.reconstruct.extent import contrast_window
        from tomotui.algorithms.reconstruct.prepare import normalise
        from tomotui.stages.loading import load_binned

        images = load_binned(self.task, self.series, self.used, self.binning, 0.0, 0.15)
        images = normalise(images)
        voxel = self.series.pixel_size_angstrom * self.binning
        thickness, found = self._thickness(images, voxel)
        n_x, n_y = self._sides(images)
        n_z = max(4, 2 * round(thickness / voxel / 2))
        self.task.progress(0.25, f"back-projecting {n_x} x {n_y} x {n_z} voxels of {voxel:.2f} A")
        paths, preview = self._write(images, voxel, n_z)
        low, high = contrast_window(np.concatenate(preview.sample))
        thumbnail = self._thumbnail(preview, voxel)
        halves = len(paths) == 3
        relative = [self.task.relative(path) for path in paths]
        tomogram = Tomogram(
            series_uid=self.series.uid,
            alignment_uid=self.alignment.uid,
            path=relative[0],
            size_xyz=(n_x, n_y, n_z),
            pixel_size_angstrom=voxel,
            method=f"wbp-{self.parameters.filter}",
            half_paths=(relative[1], relative[2]) if halves else None,
            half_kind="tilts" if halves else None,
            thickness_angstrom=found,
            window_low=low,
            window_high=high,
            thumbnail_path=self.task.relative(thumbnail),
        )
        for path in paths:
            self.task.artifact(path.stem, path)
        return StageResult(
            records=(tomogram,),
            metrics={"thickness_angstrom": thickness},
            summary=f"{voxel:.4g} A, {n_x}x{n_y}x{n_z} voxels, {len(self.used)} tilts",
        )

    def _exposure(self) -> list[float] | None:
        """Return the exposure up to the middle of each image; ``None`` where it is not known."""
        if not self.parameters.exposure_filter:
            return None
        tilts = [self.series.tilts[index] for index in self.used]
        if any(t.dose_e_per_a2 is None or t.prior_dose_e_per_a2 is None for t in tilts):
            self.task.warn("the exposure of the images is not known: no exposure filter")
            return None
        return [(t.prior_dose_e_per_a2 or 0.0) + (t.dose_e_per_a2 or 0.0) / 2 for t in tilts]

    def _weighted(self, images: Tensor, voxel: float) -> Tensor:
        import torch

        from tomotui.algorithms.reconstruct.prepare import Sampling, Weighting, weight_images
        from tomotui.imaging.resample import binning_correction

        n_x, n_y = self._sides(images)
        known = self.exposure_e_per_a2
        exposure = None if known is None else torch.tensor(known).to(images)
        weighting = Weighting(self.parameters.filter, exposure, self.series.voltage_kv)
        raw = (self.series.height_px, self.series.width_px)
        sampling = Sampling(voxel, n_x, n_y, binning_correction(raw, self.binning))
        return weight_images(images, self.geometry, sampling, weighting)

    def _sides(self, images: Tensor) -> tuple[int, int]:
        """Return the voxels along x and y; y follows the tilt axis, whichever side of the image."""
        height, width = images.shape[-2:]
        axis = np.deg2rad(self.geometry.axis_deg)
        lies_along_x = np.abs(np.sin(axis)).mean() > np.abs(np.cos(axis)).mean()
        return (height, width) if lies_along_x else (width, height)

    def _halves(self) -> list[list[int]]:
        """Return every other tilt, by angle, as positions among the used tilts."""
        order = np.argsort(self.geometry.tilt_deg).tolist()
        return [sorted(order[0::2]), sorted(order[1::2])]

    def _thickness(self, images: Tensor, voxel: float) -> tuple[float, float | None]:
        """Return the thickness to reconstruct, and that of the specimen where it was looked for."""
        import torch

        from tomotui.algorithms.reconstruct.backproject import backproject_slabs
        from tomotui.algorithms.reconstruct.extent import find_depth_range
        from tomotui.algorithms.reconstruct.prepare import normalise
        from tomotui.imaging.resample import bin_images

        if self.parameters.thickness_angstrom is not None:
            return self.parameters.thickness_angstrom, None
        self.task.progress(0.16, "looking for the specimen's faces")
        factor = max(1, round(COARSE_VOXEL_ANGSTROM / voxel))
        coarse = normalise(bin_images(images, factor))
        coarse_voxel = voxel * factor
        width = min(coarse.shape[-2:]) * coarse_voxel
        searched = min(SEARCH_THICKNESS_ANGSTROM, width)
        weighted = self._weighted(coarse, coarse_voxel)
        n_z = max(8, 2 * round(searched / coarse_voxel / 2))
        slabs = list(backproject_slabs(weighted, self.geometry, n_z, self._halves()))
        even, odd = (torch.cat([slab.parts[i] for slab in slabs]) for i in (0, 1))
        depth = find_depth_range(even, odd, coarse_voxel)
        self.task.log(
            f"specimen from {depth.lowest_angstrom:.0f} to {depth.highest_angstrom:.0f} A"
        )
        return min(depth.covering_angstrom, searched), depth.thickness_angstrom

    def _write(self, images: Tensor, voxel: float, n_z: int) -> tuple[list[Path], _Preview]:
        """Stream the volumes to disk."""
        from contextlib import ExitStack

        from tomotui.algorithms.reconstruct.backproject import backproject_slabs
        from tomotui.formats.mrc_writing import VolumeWriter

        n_x, n_y = self._sides(images)
        halves = self.parameters.halves
        names = ["tomogram", "half_even", "half_odd"] if halves else ["tomogram"]
        stem = self.series.name
        paths = [self.task.folder / f"{stem}_{name}.mrc" for name in names]
        preview = _Preview([])
        with ExitStack() as stack:
            writers = [
                stack.enter_context(
                    VolumeWriter(path, (n_z, n_y, n_x), voxel, self.parameters.data_type)
                )
                for path in paths
            ]
            weighted = self._weighted(images, voxel)
            subsets = self._halves() if halves else [list(range(len(self.used)))]
            for slab in backproject_slabs(weighted, self.geometry, n_z, subsets):
                whole = sum(slab.parts[1:], slab.parts[0])
                volumes = [whole, *(2 * part for part in slab.parts)] if halves else [whole]
                for writer, volume in zip(writers, volumes, strict=True):
                    writer.write(slab.first, volume.cpu().numpy())
                self._look(preview, slab, whole.cpu().numpy(), n_z, voxel)
                done = (slab.first + len(whole)) / n_z
                self.task.progress(0.25 + 0.7 * done, "back-projecting")
        return paths, preview

    def _look(
        self, preview: _Preview, slab: Slab, whole: np.ndarray, n_z: int, voxel: float
    ) -> None:
        """Gather voxels for the contrast and the sections around the middle for the picture."""
        n_y, n_x = whole.shape[1:]
        margin_y, margin_x = n_y // 8, n_x // 8
        reach = max(0, round(THUMBNAIL_SLAB_ANGSTROM / voxel / 2))
        for offset, section in enumerate(whole):
            index = slab.first + offset
            if abs(index - n_z // 2) <= n_z // 4:
                inner = section[margin_y : n_y - margin_y : 3, margin_x : n_x - margin_x : 3]
                preview.sample.append(inner.ravel()[::2].copy())
            if abs(index - n_z // 2) <= reach:
                preview.middle = section if preview.middle is None else preview.middle + section
                preview.sections += 1

    def _thumbnail(self, preview: _Preview, voxel: float) -> Path:
        """Write the mean of the middle sections, small, as an 8-bit image."""
        import torch

        from tomotui.algorithms.reconstruct.extent import contrast_window
        from tomotui.formats.mrc_writing import VolumeWriter
        from tomotui.imaging.resample import bin_images

        assert preview.middle is not None
        image = torch.from_numpy(np.ascontiguousarray(preview.middle / preview.sections))
        factor = max(1.0, max(image.shape) / THUMBNAIL_PX)
        small = bin_images(image, factor).numpy()
        path = self.task.folder / f"{self.series.name}_thumbnail.mrc"
        with VolumeWriter(
            path,
            (1, *small.shape),
            voxel * factor,
            "int8",
            value_range=contrast_window(small),
            is_stack=True,
        ) as writer:
            writer.write(0, small[None])
        return path

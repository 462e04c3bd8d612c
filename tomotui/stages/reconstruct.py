"""reconstruct: from aligned images to tomograms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tomotui import __version__
from tomotui.records import Alignment, AnyRecord, Ctf, TiltSeries, Tomogram
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
    from tomotui.algorithms.reconstruct.depth_ctf import SeriesCtf
    from tomotui.algorithms.reconstruct.volumes import Material, Recipe
    from tomotui.stages.aligned_images import Images
    from tomotui.stages.specimen_place import Place
    from tomotui.stages.tomogram_files import VolumeSet, Written


class ReconstructParameters(Parameters):
    """The choices of a reconstruction."""

    voxel_size_angstrom: float | None = parameter(
        None, "Voxel size; the binning decides when not given.", unit="angstrom", gt=0
    )
    binning: float = parameter(
        2.0, "Voxel size over pixel size, unless the voxel size is given.", ge=1, le=64
    )
    extra_binnings: tuple[float, ...] = parameter(
        (), "Further, coarser binnings to make from the same reading of the images.", max_length=4
    )
    thickness_angstrom: float | None = parameter(
        None,
        "Thickness of the volume; found from the data when not given.",
        unit="angstrom",
        ge=100,
        le=50000,
    )
    method: Literal["wbp", "sirt", "fourier"] = parameter(
        "wbp",
        "Weighted back-projection, SIRT, or Fourier inversion, which interpolates nothing.",
    )
    filter: Literal["ramp", "hamming", "gaussian", "exact", "sirt-like"] = parameter(
        "hamming",
        "Weights of wbp and fourier; exact fits the angles and the thickness there are, "
        "sirt-like gives the contrast of SIRT without iterating.",
    )
    iterations: int = parameter(
        20, "Of SIRT, and of the SIRT that sirt-like is like.", ge=1, le=500
    )
    ctf: Literal["auto", "flip", "wiener", "off"] = parameter(
        "auto",
        "Correction of the contrast transfer function at every depth, where it was measured: "
        "flip the phases (auto), or weight by the signal as well.",
    )
    ctf_snr: float = parameter(
        1.0, "Signal over noise of the weights of wiener.", group="advanced", gt=0, le=1e6
    )
    exposure_filter: bool = parameter(
        True, "Damp what radiation had destroyed, where the exposure is known."
    )
    halves: Literal["auto", "frames", "noise", "tilts", "off"] = parameter(
        "auto",
        "Also write two tomograms with independent noise for training networks: of every other "
        "frame where there are frames, otherwise with the images' noise dealt out (noise); or of "
        "every other tilt, each of which lacks what the other has measured.",
    )
    frame: Literal["centre", "level", "alignment"] = parameter(
        "centre",
        "Where the volume lies: with the specimen in the middle of its depth, where it clearly is "
        "not (centre); also turned so that it lies flat (level); or as it was aligned. An "
        "alignment in the new frame comes with it. Look at the side view after level: what is "
        "thick or holds one large cell may be taken for leaning.",
    )
    erase_gold: bool = parameter(False, "Find gold beads and fill them with what looks like ice.")
    gold_diameter_angstrom: float = parameter(
        100.0, "Diameter of the beads to erase.", unit="angstrom", group="advanced", ge=20, le=500
    )
    ome_zarr: bool = parameter(False, "Also write OME-Zarr, for viewers.", group="advanced")
    data_type: Literal["float32", "float16"] = parameter(
        "float32",
        "Number format of the volumes; float16 halves the room, older programs cannot read it.",
        group="advanced",
    )


class ReconstructStage(Stage):
    """Tomograms at any sampling, with halves and an instant preview."""

    name = "reconstruct"
    title = "Reconstruct"
    summary = "Make tomograms of the aligned tilts; thickness and lean are found by themselves."
    parameters_type = ReconstructParameters
    reports = ("thickness_angstrom", "lean_x_deg", "lean_y_deg")
    takes = ("tilt_series", "alignment")
    optional = ("ctf",)
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
                return _Reconstruction(task, series, alignment, inputs.maybe(Ctf), parameters).run()
            except FormatError as error:
                raise StageError(str(error)) from error


class _Reconstruction:
    """One reconstruction at work."""

    def __init__(
        self,
        task: Task,
        series: TiltSeries,
        alignment: Alignment,
        ctf: Ctf | None,
        parameters: ReconstructParameters,
    ) -> None:
        from tomotui.stages.aligned_images import AlignedImages

        self.task, self.series, self.parameters = task, series, parameters
        self.alignment, self.ctf_record = alignment, ctf
        self.binnings = self._binnings()
        self.source = AlignedImages(task, series, alignment, self.binnings)
        self.halves = self._kind_of_halves()
        self.exposure = self.source.exposure_e_per_a2() if parameters.exposure_filter else None
        self.ctf: SeriesCtf | None = None
        if parameters.ctf != "off":
            self.ctf = self.source.ctf(ctf, is_wanted=parameters.ctf != "auto")
        self.recipe = self._recipe()
        if parameters.ome_zarr:
            self._check_zarr()

    def run(self) -> StageResult:
        """Find the extent, write the volumes, and describe them."""
        from tomotui.stages.specimen_place import Wish, find_place
        from tomotui.stages.tomogram_files import check_room

        images = self.source.load(self.halves == "frames")
        wish = Wish(self.parameters.thickness_angstrom, self.parameters.frame)
        place = find_place(self.source, images.whole, wish)
        moved_records = [] if place.moved is None else self._move(place)
        images = self._without_gold(images, place)
        sets = [self._volume_set(images, binning, place) for binning in self.binnings]
        check_room(self.task.folder, sets, self.parameters.ome_zarr, self._scratch_bytes(sets))
        tomograms = []
        made = list(zip(self.binnings, sets, strict=True))
        for number, (binning, volume_set) in enumerate(made):
            span = (0.25 + 0.73 * number / len(sets), 0.25 + 0.73 * (number + 1) / len(sets))
            written = self._make(images, binning, volume_set, span)
            tomograms.append(self._record(volume_set, written, place))
        self._write_details(place)
        main = sets[0]
        # The newest record is the one that later stages take: that of the binning asked for.
        return StageResult(
            records=(*moved_records, *reversed(tomograms)),
            metrics=self._metrics(place),
            summary=f"{main.voxel_size_angstrom:.4g} A, {'x'.join(map(str, main.size_xyz))} "
            f"voxels, {len(self.source.used)} tilts" + place.in_words(),
        )

    def _binnings(self) -> list[float]:
        """Return the binnings, the one asked for first."""
        wanted, pixel = self.parameters.voxel_size_angstrom, self.series.pixel_size_angstrom
        first = self.parameters.binning if wanted is None else wanted / pixel
        kept: list[float] = []
        for binning in (first, *self.parameters.extra_binnings):
            if binning < 1 - 1e-6:
                raise StageError(
                    f"{self.series.name}: a voxel size of {binning * pixel:.4g} A is finer than "
                    f"the pixels of {pixel:.4g} A.",
                    "Choose a larger voxel size.",
                )
            if all(abs(binning - other) > 1e-6 for other in kept):
                kept.append(max(1.0, binning))
        return kept

    def _kind_of_halves(self) -> Literal["tilts", "frames", "noise"] | None:
        wanted = self.parameters.halves
        there = self.series.even_stack_path is not None and self.series.odd_stack_path is not None
        if wanted == "frames" and not there:
            raise StageError(
                f"{self.series.name} has no stacks of every other frame.",
                "Make them from the movies, or choose halves=noise.",
            )
        if wanted == "off":
            return None
        if wanted in ("tilts", "noise"):
            return wanted
        return "frames" if there else "noise"

    def _recipe(self) -> Recipe:
        from tomotui.algorithms.reconstruct.volumes import Recipe

        chosen = self.parameters
        correction: Any = "flip" if chosen.ctf == "auto" else chosen.ctf
        return Recipe(
            chosen.method,
            chosen.filter,
            chosen.iterations,
            correction if self.ctf is not None else None,
            chosen.ctf_snr,
        )

    def _check_zarr(self) -> None:
        from tomotui.formats.ome_zarr import zarr_is_there

        if not zarr_is_there():
            raise StageError(
                f"{self.series.name}: OME-Zarr needs the Python package zarr, which is not "
                "installed.",
                'Install it with: pip install "zarr>=3", or leave out ome_zarr.',
            )

    def _move(self, place: Place) -> list[AnyRecord]:
        """Go over to the specimen's frame, and return the records that belong to it."""
        from tomotui.stages.specimen_place import levelled_records

        assert place.moved is not None
        records = levelled_records(self.alignment, self.ctf_record, place)
        self.alignment = records.alignment
        self.source.follow(records.alignment)
        if records.ctf is not None:
            self.ctf_record = records.ctf
            if self.ctf is not None:
                deeper = self.ctf.handedness * place.moved.depth_angstrom
                self.ctf = replace(
                    self.ctf,
                    defocus_u_angstrom=self.ctf.defocus_u_angstrom + deeper,
                    defocus_v_angstrom=self.ctf.defocus_v_angstrom + deeper,
                )
            return [records.alignment, records.ctf]
        return [records.alignment]

    def _without_gold(self, images: Images, place: Place) -> Images:
        """Erase the beads from all images, where that is asked for."""
        if not self.parameters.erase_gold:
            return images
        from tomotui.algorithms.reconstruct.gold import erase_beads
        from tomotui.stages.aligned_images import Images
        from tomotui.stages.specimen_place import find_gold

        diameter = self.parameters.gold_diameter_angstrom
        beads = find_gold(self.source, images.whole, place, diameter)
        count = len(beads.places_angstrom)
        self.task.log(f"{count} gold beads are erased")
        source = self.source
        pixel = self.series.pixel_size_angstrom * source.finest
        whole, *halves = (
            erase_beads(each, beads, source.geometry, pixel, diameter, source.local, seed)
            for seed, each in enumerate((images.whole, *images.frame_halves))
        )
        return Images(whole, tuple(halves))

    def _volume_set(self, images: Images, binning: float, place: Place) -> VolumeSet:
        """Describe the volumes of one binning before they are made."""
        from tomotui.imaging.resample import binned_size
        from tomotui.stages.tomogram_files import VolumeSet

        voxel = self.series.pixel_size_angstrom * binning
        further = max(1.0, binning / self.source.finest)
        n_x, n_y = self.source.sides(images.whole)
        if further > 1 + 1e-6:
            n_x, n_y = binned_size(n_x, further), binned_size(n_y, further)
        n_z = max(4, 2 * round(place.covering_angstrom / voxel / 2))
        is_main = binning == self.binnings[0]
        stem = self.series.name if is_main else f"{self.series.name}_{voxel:.4g}A"
        corrected = f", CTF {self.recipe.correction}" if self.recipe.correction else ""
        return VolumeSet(
            stem,
            (n_x, n_y, n_z),
            voxel,
            self.halves is not None,
            self.parameters.data_type,
            (
                f"tomotui {__version__}: {self.recipe.name}{corrected}; protein is dark",
                f"{self.series.name}; {len(self.source.used)} tilts",
            ),
        )

    def _scratch_bytes(self, sets: list[VolumeSet]) -> int:
        """Return the room on disk for volumes that are iterated and too large for memory."""
        from tomotui.stages.tomogram_files import SCRATCH_BYTES

        if self.recipe.method != "sirt":
            return 0
        most = max(int(np.prod(each.size_xyz)) * 4 for each in sets)
        return len(sets[0].names) * most if most > SCRATCH_BYTES else 0

    def _make(
        self, images: Images, binning: float, volume_set: VolumeSet, span: tuple[float, float]
    ) -> Written:
        """Make and write the volumes of one binning."""
        from tomotui.algorithms.reconstruct.frame import Sampling
        from tomotui.algorithms.reconstruct.volumes import reconstruct_volumes
        from tomotui.stages.tomogram_files import Scratch, write_pyramid, write_volumes

        n_x, n_y, n_z = volume_set.size_xyz
        voxel = volume_set.voxel_size_angstrom
        words = f"{self.recipe.method}, {n_x} x {n_y} x {n_z} voxels of {voxel:.2f} A"
        self.task.progress(span[0], words)
        material, magnification = self._material(images, binning)

        def told(fraction: float) -> None:
            self.task.progress(span[0] + (span[1] - span[0]) * min(1.0, fraction), words)

        sampling = Sampling(voxel, n_x, n_y, n_z, magnification)
        with Scratch(self.task.folder) as scratch:
            slabs = reconstruct_volumes(
                material, sampling, self.recipe, self.task.device, scratch.array, told
            )
            written = write_volumes(self.task, volume_set, slabs)
        for path in written.paths:
            self.task.artifact(path.stem, path)
        if self.parameters.ome_zarr:
            pyramid = write_pyramid(self.task, written)
            self.task.artifact(pyramid.name, pyramid)
        return written

    def _material(self, images: Images, binning: float) -> tuple[Material, tuple[float, float]]:
        import torch

        from tomotui.algorithms.reconstruct.dealing import deal_noise
        from tomotui.algorithms.reconstruct.prepare import normalise
        from tomotui.algorithms.reconstruct.volumes import Material

        whole, _, magnification = self.source.binned(images.whole, binning)
        halves: Any = ()
        if self.halves == "tilts":
            halves = self.source.every_other_tilt()
        elif self.halves == "frames":
            halves = [
                normalise(self.source.binned(half, binning)[0], whole)
                for half in images.frame_halves
            ]
        elif self.halves == "noise":
            halves = deal_noise(normalise(whole), seed=0)
        known = self.exposure
        material = Material(
            normalise(whole),
            self.source.geometry,
            self.source.local,
            self.ctf,
            halves,
            None if known is None else torch.tensor(known),
            self.series.voltage_kv,
        )
        return material, magnification

    @property
    def _details_path(self) -> Path:
        return self.task.folder / f"{self.series.name}_details.npz"

    def _write_details(self, place: Place) -> None:
        """Write what the quality screen draws of the specimen's place."""
        if place.profile is None:
            return
        depth, profile, faces = place.profile
        np.savez(
            self._details_path,
            depth_angstrom=depth.astype(np.float32),
            density_profile=profile.astype(np.float32),
            faces_angstrom=np.asarray(faces, dtype=np.float32),
        )

    def _metrics(self, place: Place) -> dict[str, float]:
        found = {"thickness_angstrom": place.thickness_angstrom or place.covering_angstrom}
        if place.lean_deg is not None:
            found |= {"lean_x_deg": place.lean_deg[0], "lean_y_deg": place.lean_deg[1]}
        return found

    def _record(self, volume_set: VolumeSet, written: Written, place: Place) -> Tomogram:
        relative = [self.task.relative(path) for path in written.paths]
        corrected = self.recipe.correction is not None and self.ctf_record is not None
        return Tomogram(
            series_uid=self.series.uid,
            alignment_uid=self.alignment.uid,
            ctf_uid=self.ctf_record.uid if corrected and self.ctf_record else None,
            path=relative[0],
            size_xyz=volume_set.size_xyz,
            pixel_size_angstrom=volume_set.voxel_size_angstrom,
            method=self.recipe.name,
            half_paths=(relative[1], relative[2]) if self.halves else None,
            half_kind=self.halves,
            ctf_correction=self.recipe.correction if corrected else None,
            exposure_filtered=self.exposure is not None,
            thickness_angstrom=place.thickness_angstrom,
            window_low=written.window[0],
            window_high=written.window[1],
            thumbnail_path=self.task.relative(written.thumbnail),
            details_path=self.task.relative(self._details_path) if place.profile else None,
        )

"""What a stack and its metadata say, fact by fact, and from where."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tomotui.formats.acquisition import acquisition_order, summed_before
from tomotui.formats.errors import FormatError
from tomotui.formats.import_plan import Fact, FoundTomogram, Given, Source
from tomotui.formats.mdoc import Mdoc, exposure, read_mdoc
from tomotui.formats.said import Said
from tomotui.formats.stacks import open_stack
from tomotui.formats.tilts import read_angles
from tomotui.records import Ctf, Tilt, TiltSeries, new_uid

_SAME_TILT_DEG = 0.5


@dataclass
class Reading:
    """The plan while it is being made."""

    stack: Path
    given: Given
    facts: dict[str, Fact] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    tilts: tuple[Tilt, ...] = ()
    n_images: int = 0
    header_pixel_angstrom: float = 0.0
    header_tilts_deg: tuple[float, ...] | None = None
    mdoc: Mdoc | None = None
    said: Said | None = None
    dose_source: Source = "mdoc"
    ctf: Ctf | None = None
    tomogram: FoundTomogram | None = None
    series_uid: str = field(default_factory=new_uid)

    @property
    def is_complete(self) -> bool:
        """True when the tilts are known and nothing stands against them."""
        return bool(self.tilts) and not self.problems

    def attempt(self, step: Any) -> None:
        """Take a step; what it raises becomes a problem."""
        try:
            step()
        except FormatError as error:
            self.problems.append(str(error))

    def keep(self, name: str, value: Any, source: Source) -> None:
        """Note a fact."""
        self.facts[name] = Fact(value, source)

    def read_stack(self) -> None:
        """Learn what the header of the stack says."""
        with open_stack(self.stack) as images:
            self.n_images, height, width = images.shape
            self.header_pixel_angstrom = images.pixel_size_angstrom
            self.header_tilts_deg = images.tilts_deg
            scale, offset = images.intensity_scale, images.intensity_offset
        self.keep("width_px", width, "header")
        self.keep("height_px", height, "header")
        if (scale, offset) != (1.0, 0.0):
            self.keep("intensity_scale", scale, "header")
            self.keep("intensity_offset", offset, "header")

    def read_mdoc(self, path: Path) -> None:
        """Learn what the mdoc of the stack says."""
        mdoc = read_mdoc(path)
        if len(mdoc.sections) != self.n_images:
            raise FormatError(
                f"{path} has {len(mdoc.sections)} sections, {self.stack} has {self.n_images} "
                "images",
                "give the mdoc of this stack, or import with a tilt file instead",
            )
        image_file = mdoc.image_file.replace("\\", "/").split("/")[-1] if mdoc.image_file else ""
        if image_file and image_file != self.stack.name:
            if (self.stack.parent / image_file).is_file():
                raise FormatError(
                    f"{path} belongs to {image_file}, which lies beside {self.stack.name}",
                    f"give the mdoc of {self.stack.name}",
                )
            self.warnings.append(f"the mdoc was written for {image_file}")
        self.mdoc = mdoc
        self.warnings += mdoc.warnings()

    def find_tilts(self, path: Path | None) -> None:
        """Find the angles of all images."""
        angles, source = self._angles(path)
        if len(angles) != self.n_images:
            raise FormatError(
                f"{len(angles)} tilts are known for the {self.n_images} images of {self.stack}",
                "give a tilt file with one angle for each image",
            )
        if not np.isfinite(angles).all() or max(map(abs, angles)) > 90:
            raise FormatError(
                f"the tilts of {self.stack} run from {min(angles):g} to {max(angles):g} degrees",
                "give tilts between -90 and 90 degrees",
            )
        self.keep("tilts_deg", angles, source)
        if self.mdoc is not None and source == "tilt file":
            self._order_mdoc(angles)
        if len(angles) > 1 and max(angles) - min(angles) < 1:
            self.warnings.append("all tilts are alike: is this a tilt series?")

    def find_pixel_size(self) -> None:
        """Choose among the pixel sizes that are said."""
        header = self.header_pixel_angstrom
        said = self._mdoc_pixel_size()
        folder = self.said.pixel_size_angstrom if self.said else None
        given = self.given.get("pixel_size_angstrom")
        if given is not None and given <= 0:
            raise FormatError(
                f"a pixel size of {given:g} Angstrom was given for {self.stack}",
                "give the pixel size in Angstrom, above zero",
            )
        if given:
            self.keep("pixel_size_angstrom", given, "given")
        elif said:
            self.keep("pixel_size_angstrom", said, "mdoc")
        elif folder and self.said and header in (0.0, 1.0):
            self.keep("pixel_size_angstrom", folder, self.said.program)
        elif header > 0:
            self.keep("pixel_size_angstrom", header, "header")
        else:
            raise FormatError(
                f"the header of {self.stack} gives no pixel size (zero)",
                "give it in Angstrom with --pixel-size",
            )
        if self.facts["pixel_size_angstrom"].source == "header" and header == 1.0:
            self.warnings.append("a pixel size of exactly 1 A is often only a default: check it")
        used = float(self.facts["pixel_size_angstrom"].value)
        others = [(said, "the mdoc"), (header, "the header")]
        if self.said:
            others.append((folder or 0.0, f"the folder of {self.said.program}"))
        for other, where in others:
            if other and other != 1.0 and abs(other / used - 1) > 0.01:
                self.warnings.append(
                    f"{where} gives a pixel size of {other:.4g} A, {used:.4g} A is used"
                )

    def check_given(self) -> None:
        """Refuse what the user cannot have meant."""
        values = {
            "dose": self.given.get("dose_e_per_a2"),
            "voltage": self.given.get("voltage_kv"),
        }
        for name, value in values.items():
            if value is not None and not 0 < value < 1e4:
                raise FormatError(
                    f"a {name} of {value:g} was given for {self.stack}", "give one above zero"
                )

    def find_microscope(self) -> None:
        """Find the tilt axis and the optics."""
        given_axis = self.given.get("tilt_axis_deg")
        said_axis = self.mdoc.tilt_axis_deg if self.mdoc else None
        said = self.said
        if given_axis is not None:
            self.keep("nominal_tilt_axis_deg", given_axis, "given")
        elif said_axis is not None:
            self.keep("nominal_tilt_axis_deg", said_axis, "mdoc")
        elif said is not None and said.tilt_axis_deg is not None:
            self.keep("nominal_tilt_axis_deg", said.tilt_axis_deg, said.program)
        if given_axis is not None and said_axis is not None:
            apart = abs((given_axis - said_axis + 90) % 180 - 90)
            if apart > 5:
                self.warnings.append(
                    f"the mdoc gives a tilt axis of {said_axis:g} degrees, {given_axis:g} is used"
                )
        voltage = self.mdoc.voltage_kv if self.mdoc else None
        if voltage is not None and self.given.get("voltage_kv") is None:
            self.keep("voltage_kv", voltage, "mdoc")
        optics = {
            "voltage_kv": self.given.get("voltage_kv"),
            "spherical_aberration_mm": self.given.get("spherical_aberration_mm"),
            "amplitude_contrast": self.given.get("amplitude_contrast"),
        }
        for name, value in optics.items():
            if value is not None:
                self.keep(name, value, "given")
            elif name not in self.facts and said is not None and getattr(said, name) is not None:
                self.keep(name, getattr(said, name), said.program)
            elif name not in self.facts:
                self.keep(name, TiltSeries.model_fields[name].default, "assumed")

    def find_exposure(self) -> None:
        """Work out dose and order, and make the tilts."""
        angles = self.facts["tilts_deg"].value
        n = self.n_images
        given_dose = self.given.get("dose_e_per_a2")
        scheme = self.given.get("acquisition")
        dose: tuple[float | None, ...] = (given_dose,) * n
        prior: tuple[float | None, ...] = (None,) * n
        order: tuple[int, ...] | None = None
        source: Source = "derived"
        if self.mdoc is not None:
            known = exposure(self.mdoc.sections, given_dose)
            dose, prior, order, source = (
                known.dose_e_per_a2,
                known.prior_dose_e_per_a2,
                known.order,
                "mdoc",
            )
            if known.order_from == "ZValue" and scheme is None:
                self.warnings.append(
                    "the mdoc gives neither times nor prior doses: the images are taken to be in "
                    "order of acquisition"
                )
        tells_order = self.mdoc is not None and known.order_from != "ZValue"
        if self.said is not None and not tells_order:
            dose, prior, order, source = self._said_exposure(dose, prior, order, source)
        if scheme is not None and not tells_order:
            order, source = acquisition_order(angles, scheme), "given"
            prior = summed_before(dose, order)
        if given_dose is not None and order is None:
            self.warnings.append(
                "the order of acquisition is unknown, so the dose before each image is too: say "
                "how the series was acquired"
            )
        self._keep_exposure(dose, prior, order, source)
        defocus = self._target_defocus()
        self.tilts = tuple(
            Tilt(
                index=i,
                nominal_tilt_deg=angles[i],
                dose_e_per_a2=dose[i],
                prior_dose_e_per_a2=prior[i],
                acquisition_order=order[i] if order is not None else None,
                target_defocus_angstrom=defocus[i],
            )
            for i in range(n)
        )

    def _said_exposure(
        self,
        dose: tuple[float | None, ...],
        prior: tuple[float | None, ...],
        order: tuple[int, ...] | None,
        source: Source,
    ) -> tuple[tuple[float | None, ...], tuple[float | None, ...], tuple[int, ...] | None, Source]:
        """Complete dose and order by what the folder says."""
        assert self.said is not None
        if None in dose and self.said.dose_e_per_a2 is not None:
            self.dose_source = self.said.program
            dose, source = self.said.dose_e_per_a2, self.said.program
        if self.said.acquisition_order is not None:
            order, source = self.said.acquisition_order, self.said.program
            prior = summed_before(dose, order)
        return dose, prior, order, source

    def _angles(self, path: Path | None) -> tuple[tuple[float, ...], Source]:
        if path is not None:
            return read_angles(path, self.n_images), "tilt file"
        first, step = self.given.get("first_tilt_deg"), self.given.get("tilt_step_deg")
        if first is not None and step is not None:
            return tuple(first + step * i for i in range(self.n_images)), "given"
        if self.mdoc is not None:
            angles = [s.tilt_deg for s in self.mdoc.sections]
            if None not in angles:
                return tuple(a for a in angles if a is not None), "mdoc"
        if self.said is not None and self.said.tilts_deg is not None:
            return self.said.tilts_deg, self.said.program
        if self.header_tilts_deg is not None:
            return self.header_tilts_deg, "header"
        raise FormatError(
            f"nothing gives the tilts of {self.stack}",
            "give an mdoc, a .rawtlt file, or the first tilt and the step",
        )

    def _order_mdoc(self, angles: tuple[float, ...]) -> None:
        """Put the mdoc's sections into the order of the stack, which the tilt file knows."""
        assert self.mdoc is not None
        sections = self.mdoc.sections
        said = np.array([s.tilt_deg if s.tilt_deg is not None else np.nan for s in sections])
        if not np.isfinite(said).all() or np.abs(said - angles).max() < _SAME_TILT_DEG:
            return
        by_file, by_mdoc = np.argsort(angles, kind="stable"), np.argsort(said, kind="stable")
        apart = np.abs(np.asarray(angles)[by_file] - said[by_mdoc]).max()
        if apart >= _SAME_TILT_DEG:
            self.warnings.append(
                f"the tilt file and the mdoc disagree by up to {apart:.1f} degrees: the tilt "
                "file is used"
            )
            return
        ordered = [sections[0]] * len(sections)
        for position, section in zip(by_file, by_mdoc, strict=True):
            ordered[position] = sections[section]
        self.warnings.append(
            "the mdoc is in another order than the tilt file: its sections were matched by tilt"
        )
        self.mdoc = Mdoc(**{**self.mdoc.__dict__, "sections": tuple(ordered)})

    def _mdoc_pixel_size(self) -> float | None:
        """Return the mdoc's pixel size, scaled if the stack was binned since."""
        if self.mdoc is None or self.mdoc.pixel_size_angstrom is None:
            return None
        if self.mdoc.image_size_px is None:
            return self.mdoc.pixel_size_angstrom
        binning = self.mdoc.image_size_px[0] / float(self.facts["width_px"].value)
        if abs(binning - 1) > 0.02:
            self.warnings.append(
                f"the mdoc describes images {binning:.3g} times as wide as those of the stack: "
                "its pixel size is scaled"
            )
            return self.mdoc.pixel_size_angstrom * binning
        return self.mdoc.pixel_size_angstrom

    def _keep_exposure(
        self,
        dose: tuple[float | None, ...],
        prior: tuple[float | None, ...],
        order: tuple[int, ...] | None,
        source: Source,
    ) -> None:
        if any(value is not None for value in dose):
            given = self.given.get("dose_e_per_a2") is not None
            self.keep("dose_e_per_a2", dose, "given" if given else self.dose_source)
        if any(value is not None for value in prior):
            self.keep("prior_dose_e_per_a2", prior, source)
        if order is not None:
            self.keep("acquisition_order", order, source)

    def _target_defocus(self) -> tuple[float | None, ...]:
        given = self.given.get("target_defocus_angstrom")
        if given is not None:
            self.keep("target_defocus_angstrom", given, "given")
            return (given,) * self.n_images
        if self.mdoc is None:
            return (None,) * self.n_images
        defocus = tuple(s.target_defocus_angstrom for s in self.mdoc.sections)
        if defocus[0] is not None:
            self.keep("target_defocus_angstrom", defocus[0], "mdoc")
        return defocus

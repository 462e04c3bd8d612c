"""Understanding a stack: every fact, and from where, before anything is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from tomotui.formats.alignments import read_alignment
from tomotui.formats.ctfs import read_ctf
from tomotui.formats.errors import FormatError
from tomotui.formats.import_plan import FoundTomogram, Given, ImportPlan
from tomotui.formats.imported import ImportedAlignment
from tomotui.formats.mrc import MrcStack
from tomotui.formats.pairing import series_name
from tomotui.formats.reading import Reading
from tomotui.formats.said import Said, said_beside
from tomotui.formats.stacks import open_stack


def understand(
    stack: Path | str,
    mdoc: Path | str | None = None,
    tilts: Path | str | None = None,
    alignment: Path | str | None = None,
    ctf: Path | str | None = None,
    found_ctf: Path | str | None = None,
    tomogram: Path | str | None = None,
    **given: Unpack[Given],
) -> ImportPlan:
    """Say what is known about a stack without reading its images or writing anything.

    Parameters
    ----------
    tilts
        ``.rawtlt`` or ``.tlt`` with the nominal tilts in the order of the stack; goes before
        the mdoc's, whose sections are then put into the order of the stack.
    alignment
        IMOD ``.xf`` (``.tlt`` and ``.xtilt`` beside it are used), AreTomo ``.aln``,
        RELION 5 ``.star``, Warp ``.xml``, or ``.json`` of the CryoET data portal.
    ctf
        IMOD ``.defocus``, ``.txt`` of AreTomo or CTFFIND, RELION 5 ``.star``, Warp ``.xml``, or
        the metadata of the portal.
    found_ctf
        One that nobody asked for: left out, with a warning, when it does not fit.
    tomogram
        MRC volume that was made with the alignment.

    Returns
    -------
    A plan; what cannot be used is among its problems, nothing is raised.
    """
    reading = Understanding(Path(stack), given)
    reading.attempt(reading.read_stack)
    if reading.n_images:
        beside = [Path(one) if one else None for one in (tilts, alignment)]
        reading.attempt(lambda: reading.read_said(*beside))
        if mdoc is not None:
            reading.attempt(lambda: reading.read_mdoc(Path(mdoc)))
        reading.attempt(lambda: reading.find_tilts(Path(tilts) if tilts else None))
        reading.attempt(reading.find_pixel_size)
        reading.attempt(reading.check_given)
        reading.find_microscope()
        if not reading.problems:
            reading.find_exposure()
    imported = None
    if alignment is not None and reading.is_complete:
        imported = reading.read_alignment(Path(alignment))
    if ctf is not None and reading.is_complete:
        reading.attempt(lambda: reading.read_ctf(Path(ctf)))
    elif found_ctf is not None and reading.is_complete:
        reading.try_ctf(Path(found_ctf))
    if tomogram is not None and reading.is_complete:
        reading.attempt(lambda: reading.read_tomogram(Path(tomogram), imported is not None))
    return ImportPlan(
        stack=Path(stack),
        name=series_name(stack),
        mdoc=Path(mdoc) if mdoc else None,
        tilts_file=Path(tilts) if tilts else None,
        alignment_file=Path(alignment) if alignment else None,
        facts=reading.facts,
        tilts=reading.tilts,
        warnings=tuple(reading.warnings),
        problems=tuple(reading.problems),
        series_uid=reading.series_uid,
        alignment=imported.alignment if imported else None,
        local_shifts=imported.local_shifts if imported else None,
        ctf_file=Path(ctf or found_ctf or "") if reading.ctf or ctf else None,
        ctf=reading.ctf,
        tomogram_file=Path(tomogram) if tomogram else None,
        tomogram=reading.tomogram,
    )


@dataclass
class Understanding(Reading):
    """A reading that also takes over what other programs have found."""

    def read_said(self, tilts: Path | None, alignment: Path | None) -> None:
        """Learn what the folder says of the program that it is of."""
        found = said_beside(self.stack, tilts, alignment)
        if found is None:
            return
        self.said = said = found.fitting(self.n_images)
        self.warnings += said.warnings
        if said.thickness_px is not None:
            self.keep("thickness_px", said.thickness_px, said.program)
        if said.even_stack is not None and said.odd_stack is not None and self._are_halves(said):
            self.keep("even_stack_path", str(said.even_stack.absolute()), said.program)
            self.keep("odd_stack_path", str(said.odd_stack.absolute()), said.program)

    def _are_halves(self, said: Said) -> bool:
        """Return whether the sums of every other frame are of the size of the stack."""
        shape = (self.n_images, self.facts["height_px"].value, self.facts["width_px"].value)
        try:
            for half in (said.even_stack, said.odd_stack):
                with open_stack(half or self.stack) as images:
                    if images.shape != shape:
                        raise FormatError(f"{half} is of another size than {self.stack.name}")
        except FormatError as error:
            self.warnings.append(f"{error}: the halves are not taken along")
            return False
        return True

    def read_alignment(self, path: Path) -> ImportedAlignment | None:
        """Take over the alignment of another program."""
        try:
            imported = read_alignment(
                path,
                series_uid=self.series_uid,
                series_name=series_name(self.stack),
                image_size_px=(self.facts["width_px"].value, self.facts["height_px"].value),
                pixel_size_angstrom=float(self.facts["pixel_size_angstrom"].value),
                nominal_tilts_deg=self.facts["tilts_deg"].value,
            )
        except FormatError as error:
            self.problems.append(str(error))
            return None
        self.warnings += imported.warnings
        axis = self.facts.get("nominal_tilt_axis_deg")
        found = imported.alignment.included or imported.alignment.tilts
        refined = float(np.median([tilt.axis_deg for tilt in found]))
        if axis is not None and abs((refined - axis.value + 90) % 180 - 90) > 10:
            self.warnings.append(
                f"{path.name} has a tilt axis of {refined:.1f} degrees, {axis.value:g} was "
                f"expected ({axis.source})"
            )
        return imported

    def read_ctf(self, path: Path) -> None:
        """Take over the CTF of another program."""
        found = read_ctf(
            path,
            series_uid=self.series_uid,
            series_name=series_name(self.stack),
            nominal_tilts_deg=self.facts["tilts_deg"].value,
        )
        defocus = tuple((t.defocus_u_angstrom + t.defocus_v_angstrom) / 2 for t in found.tilts)
        self.keep("defocus_angstrom", defocus, "CTF file")
        if found.note:
            self.warnings.append(found.note)
        self.ctf = found

    def try_ctf(self, path: Path) -> None:
        """Take over a CTF that was found; what is wrong with it is only told."""
        try:
            self.read_ctf(path)
        except FormatError as error:
            self.warnings.append(f"{error}; it is left out")

    def read_tomogram(self, path: Path, is_aligned: bool) -> None:
        """Look at a tomogram: its header, and whether it is whole."""
        with MrcStack(path) as volume:
            z, y, x = volume.shape
            pixel = volume.pixel_size_angstrom
        if min(x, y, z) < 2 or not pixel > 0:
            raise FormatError(
                f"{path} is no tomogram: it has {x} x {y} x {z} voxels of {pixel:g} A",
                "give a volume whose header tells the size of its voxels",
            )
        if not is_aligned:
            raise FormatError(
                f"{path} cannot be taken over without the alignment that it was made with",
                "give that with --alignment, or leave the tomogram out",
            )
        unbinned = float(self.facts["pixel_size_angstrom"].value)
        widest = max(self.facts["width_px"].value, self.facts["height_px"].value) * unbinned
        if not 0.2 < max(x, y) * pixel / widest < 3:
            raise FormatError(
                f"{path} is {max(x, y) * pixel:.0f} A wide, the images of {self.stack} are "
                f"{widest:.0f} A",
                "give the tomogram of this series, or correct the size of its voxels",
            )
        self.warnings.append(
            f"the origin of {path.name} is taken to be its voxel n // 2; programs that put the "
            "axis half a voxel before make particles in it half a voxel off"
        )
        self.keep("tomogram_voxel_angstrom", pixel, "header")
        self.tomogram = FoundTomogram(path, (x, y, z), pixel)

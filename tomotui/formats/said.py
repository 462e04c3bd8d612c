"""What a program's folder says of a tilt series beside its tables of angles and transforms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Program = Literal["etomo", "AreTomo", "portal"]


@dataclass(frozen=True)
class Said:
    """Facts from a program's own records; ``None`` where they tell nothing.

    Attributes
    ----------
    program
        Whose folder it is.
    tilts_deg, dose_e_per_a2, acquisition_order
        One for each image of the stack; orders are counted from 0.
    thickness_px
        Of the tomogram, in pixels of the images.
    even_stack, odd_stack
        Sums of every other frame.
    warnings
        What was understood only in part, one sentence each.
    """

    program: Program
    pixel_size_angstrom: float | None = None
    tilt_axis_deg: float | None = None
    voltage_kv: float | None = None
    spherical_aberration_mm: float | None = None
    amplitude_contrast: float | None = None
    tilts_deg: tuple[float, ...] | None = None
    dose_e_per_a2: tuple[float, ...] | None = None
    acquisition_order: tuple[int, ...] | None = None
    thickness_px: float | None = None
    even_stack: Path | None = None
    odd_stack: Path | None = None
    warnings: tuple[str, ...] = ()

    def fitting(self, n_images: int) -> Said:
        """Return it without the tables that are not of a stack of so many images."""
        dose, order, tilts = self.dose_e_per_a2, self.acquisition_order, self.tilts_deg
        is_order = order is not None and sorted(order) == list(range(n_images))
        return replace(
            self,
            dose_e_per_a2=dose if dose is not None and len(dose) == n_images else None,
            acquisition_order=order if is_order else None,
            tilts_deg=tilts if tilts is not None and len(tilts) == n_images else None,
        )


def said_beside(
    stack: Path, tilts: Path | None = None, alignment: Path | None = None
) -> Said | None:
    """Return what the folder of a stack says; ``None`` when it is of no program known.

    Parameters
    ----------
    tilts, alignment
        The files that were chosen for the stack; they tell whose folder it is.

    Raises
    ------
    FormatError
        A file of the program is malformed.
    """
    from tomotui.formats.aretomo_folder import TILTS_ENDING, said_by_aretomo
    from tomotui.formats.etomo import read_etomo_folder
    from tomotui.formats.pairing import series_name
    from tomotui.formats.portal_series import METADATA, said_by_portal

    metadata = stack.with_name(METADATA)
    if metadata.is_file():
        return said_by_portal(metadata)
    if tilts is not None and tilts.name.endswith(TILTS_ENDING):
        return said_by_aretomo(tilts, stack)
    if alignment is not None and alignment.suffix == ".edf":
        folder = read_etomo_folder(alignment, series_name(stack))
        return Said(
            "etomo",
            pixel_size_angstrom=folder.pixel_size_angstrom,
            tilt_axis_deg=folder.tilt_axis_deg,
            thickness_px=folder.thickness_px,
        )
    return None

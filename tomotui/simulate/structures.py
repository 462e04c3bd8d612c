"""Particles from atomic models: their electrostatic potential in ice."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from tomotui.formats.errors import FormatError
from tomotui.formats.structures import read_atoms
from tomotui.imaging.potential import Matter, Template, atomic_matter, sample
from tomotui.simulate.parameters import SimulationError
from tomotui.simulate.shapes import SHAPES, shape


def template(name: str, pixel_size_angstrom: float) -> Template:
    """Return the potential of a generated shape or of an atomic model in a file.

    Parameters
    ----------
    name
        A shape such as ``ribosome`` or ``hinge@20``, or the path of a PDB or mmCIF file.

    Raises
    ------
    SimulationError
        When there is neither such a shape nor such a file, or the file has no atoms.
    """
    path = Path(name)
    if path.is_file():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        return _sampled_file(str(path), content, pixel_size_angstrom)
    if name.partition("@")[0] not in SHAPES:
        raise SimulationError(
            f"species {name!r} is neither a file nor a generated shape; "
            f"the shapes are {', '.join(sorted(SHAPES))}"
        )
    return _sampled_shape(name, pixel_size_angstrom)


@lru_cache(maxsize=32)
def _sampled_shape(name: str, pixel_size_angstrom: float) -> Template:
    return sample(shape(name), name, pixel_size_angstrom)


@lru_cache(maxsize=16)
def _sampled_file(path: str, content: str, pixel_size_angstrom: float) -> Template:
    """Sample a file; ``content`` makes a changed file a different one."""
    name = Path(path).name.split(".")[0]
    return sample(read_matter(Path(path)), name, pixel_size_angstrom)


def read_matter(path: Path) -> Matter:
    """Read the biological assembly of a PDB or mmCIF file.

    Raises
    ------
    SimulationError
        When the file cannot be read or has no atoms.
    """
    try:
        return atomic_matter(read_atoms(path))
    except FormatError as error:
        raise SimulationError(str(error)) from error

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from tomotui.imaging.potential import EXCLUDED_VOLUME_A3, ICE_POTENTIAL_V, VOLT_A2
from tomotui.simulate import SimulationError
from tomotui.simulate.shapes import SHAPES, shape
from tomotui.simulate.structures import read_matter, template

ATOM = "HETATM{n:5d}  P   PO4 A{n:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           P\n"


def phosphorus_pdb(path: Path, positions: list[tuple[float, float, float]]) -> Path:
    lines = [ATOM.format(n=i + 1, x=x, y=y, z=z) for i, (x, y, z) in enumerate(positions)]
    path.write_text("".join(lines) + "END\n")
    return path


def test_potential_integrates_to_the_scattering_factors(tmp_path: Path) -> None:
    path = phosphorus_pdb(tmp_path / "p.pdb", [(10, 0, 0), (-10, 0, 0)])
    made = template(str(path), 2.0)
    atom = VOLT_A2 * sum(gemmi.Element("P").c4322.a)
    expected = 2 * (atom - ICE_POTENTIAL_V * EXCLUDED_VOLUME_A3["P"])
    assert made.potential_v.sum() * 2.0**3 == pytest.approx(expected, rel=1e-3)


def test_atoms_sit_where_the_file_says_about_the_centre_of_mass(tmp_path: Path) -> None:
    path = phosphorus_pdb(tmp_path / "p.pdb", [(112, 50, 30), (100, 50, 30), (100, 50, 48)])
    made = template(str(path), 2.0)
    # The centre of mass is (104, 50, 36): the first atom is at (8, 0, -6).
    middle = made.potential_v.shape[0] // 2
    z, y, x = middle - 3, middle, middle + 4
    about = made.potential_v[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2]
    assert np.unravel_index(about.argmax(), about.shape) == (1, 1, 1)
    assert about.max() > 0.9 * made.potential_v.max()


def test_hydrogens_are_counted_when_the_file_has_none(tmp_path: Path) -> None:
    text = "".join(
        f"ATOM  {i:5d}  {name:3s} GLY A   1    {i * 1.5:8.3f}   0.000   0.000  1.00  0.00"
        f"           {name[0]}\n"
        for i, name in enumerate(["N", "CA", "C", "O"], start=1)
    )
    path = tmp_path / "gly.pdb"
    path.write_text(text + "END\n")
    # Glycine inside a chain: C2 H3 N O.
    assert read_matter(path).mass_kda == pytest.approx(0.05705, abs=1e-4)


def test_generated_shapes_have_realistic_masses_and_contrast() -> None:
    made = template("ribosome", 6.0)
    assert 2000 < made.mass_kda < 2700
    assert 120 < made.radius_angstrom < 170
    # Volts times volume per Dalton, as for atomic models of the same composition (4.1 to 4.4).
    excess = made.potential_v.sum() * 6.0**3 / (made.mass_kda * 1e3)
    assert 3.9 < excess < 4.5


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_every_shape_is_centred_and_repeatable(name: str) -> None:
    first, second = shape(name), shape(name)
    for a, b in zip(first.groups, second.groups, strict=True):
        np.testing.assert_array_equal(a.positions_angstrom, b.positions_angstrom)
    made = template(name, 8.0)
    n = made.potential_v.shape[0]
    grid = (np.indices((n,) * 3) - n // 2) * 8.0
    centre = (grid * made.potential_v).sum(axis=(1, 2, 3)) / made.potential_v.sum()
    assert np.abs(centre).max() < 4.0


def test_states_of_the_ribosome_differ_by_what_they_lack() -> None:
    whole, without_stalk = template("ribosome", 8.0), template("ribosome@1", 8.0)
    assert 10 < whole.mass_kda - without_stalk.mass_kda < 80


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such-shape", "the shapes are"),
        ("ribosome@9", "ribosome takes 0, 1, 2 or 3"),
        ("hinge@much", "an angle in degrees"),
    ],
)
def test_unknown_species_are_named_with_a_remedy(name: str, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        template(name, 6.0)


def test_a_file_without_atoms_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "empty.pdb"
    path.write_text("REMARK nothing here\n")
    with pytest.raises(SimulationError, match=r"empty\.pdb.*no atoms"):
        template(str(path), 6.0)


def test_a_real_structure_is_read_as_its_biological_assembly(shared_data: Path) -> None:
    made = template(str(shared_data / "structures" / "1bxn_rubisco.pdb.gz"), 6.0)
    assert 480 < made.mass_kda < 560
    assert 55 < made.radius_angstrom < 80
    excess = made.potential_v.sum() * 6.0**3 / (made.mass_kda * 1e3)
    assert 3.8 < excess < 4.4

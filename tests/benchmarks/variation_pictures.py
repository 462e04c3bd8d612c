"""Make the README's pictures of particles that vary, from simulated ribosomes.

    python tests/benchmarks/variation_pictures.py [--project DIR] [--scenes DIR]

Makes the project when it is not there yet (a quarter of an hour on two cores): 200 ribosomes whose
small subunit turns on the large one, and a mixture of ribosomes, large subunits and places where
nothing is; refined, sorted, and laid out in landscapes by the command line.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from heterogeneity_scenes import VariedSample, hinge, mixture
from pictures import Terminal, environment

from tomotui.formats.mrc import write_volume
from tomotui.project import Project
from tomotui.records import AnyRecord, TiltSeries

BOX_OF_REFERENCE = 52
TOMOTUI = (sys.executable, "-m", "tomotui")


def make_project(folder: Path, scenes: Path) -> None:
    """Take in both samples, and run every stage of variation on them."""
    turning, mixed = hinge(scenes, 1, "low"), mixture(scenes, 1, (0.5, 0.5), "low")
    with Project.create(folder, "variation") as project:
        for name, sample in (("ribosome", turning), ("subunits", mixed)):
            project.add_records(_named(sample, name))
            project.add_particle_tables([sample.table])
    reference = folder / "consensus.mrc"
    pixel = turning.pixel_size_angstrom
    write_volume(reference, turning.consensus(pixel, BOX_OF_REFERENCE).numpy(), pixel)
    begin = [f"reference={reference}", "first_resolution_angstrom=30", "search=false"]
    _run(folder, "refine", "particles=ribosome", "iterations=p,p", *begin)
    _run(folder, "classify", "particles=subunits")
    refined = "particles=ribosome-refined"
    _run(folder, "landscape", refined, "name=ribosome landscape")
    _run(folder, "landscape-maps", refined)
    _run(folder, "multibody", refined, "normals=axis", "name=ribosome bodies")


def _named(sample: VariedSample, name: str) -> list[AnyRecord]:
    """Return the records of a sample, its set by a name and its series numbered after it."""
    whole, *others = sample.records
    found: list[AnyRecord] = [whole.replace(name=name)]
    for one in others:
        is_series = isinstance(one, TiltSeries)
        found.append(one.replace(name=f"{name}_1") if is_series else one)
    return found


def _run(folder: Path, stage: str, *choices: str) -> None:
    command = [*TOMOTUI, "run", stage, "--project", str(folder), "--wait", "--set", *choices]
    subprocess.run(command, check=True)


def screens(folder: Path) -> None:
    """Show both landscapes and the classes, which come in this order in the list."""
    terminal = Terminal([*TOMOTUI, str(folder)], environment())
    terminal.wait(6)
    terminal.press("8", 6)
    terminal.press("m", 1)
    terminal.press("p", 1)
    # From wherever it was stopped to the beginning, and on to near the end.
    terminal.press(20 * ",", 2)
    terminal.press(16 * ".", 5)
    terminal.picture("variation-bodies")
    terminal.press("\x1b", 1)
    terminal.press("j", 4)
    terminal.press("\r", 1)
    for keys in (12 * "h", "i", 12 * "l" + 2 * "k", "i", 10 * "l" + 2 * "j", "i"):
        terminal.press(keys, 1)
    terminal.wait(5)
    terminal.picture("variation-landscape")
    terminal.press("\x1b[Z", 1)
    terminal.press("j", 5)
    terminal.picture("variation-classes")
    terminal.press("\r", 1)
    terminal.press("z", 4)
    terminal.picture("variation-class-maps")
    terminal.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--scenes", type=Path)
    asked = parser.parse_args()
    temporary = Path(tempfile.mkdtemp())
    folder = asked.project or temporary / "variation"
    if not folder.exists():
        make_project(folder, asked.scenes or temporary / "scenes")
    screens(folder)


if __name__ == "__main__":
    main()

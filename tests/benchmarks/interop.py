"""What comes back from the files of other programs: the errors of a round trip through each.

    python tests/benchmarks/interop.py [--tilts 41] [--particles 500] [--real FOLDER]

A series of 41 tilts with random axes, tilts, shifts (60 A rms) and CTF, on images of 3838 x 3710
pixels of 1.35 A, and particles with random poses in a tomogram of 10.8 A, are written as each
format and read again. Errors are the greatest ones, in pixels of the images, degrees and Angstrom.
With ``--real`` the files of other programs in a folder are read, and what is written of them again,
as each format, is compared with what was read.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from report import figure

from tomotui.formats.alignments import read_alignment
from tomotui.formats.aretomo import write_aln
from tomotui.formats.aretomo_ctf import write_ctf_text
from tomotui.formats.aretomo_folder import write_aretomo_folder
from tomotui.formats.ctfs import read_ctf
from tomotui.formats.etomo_writing import write_etomo
from tomotui.formats.imod import write_imod
from tomotui.formats.imod_defocus import write_imod_defocus
from tomotui.formats.known_tomograms import KnownTomogram
from tomotui.formats.mrc_header import make_header
from tomotui.formats.pairing import find_stacks, pair_files
from tomotui.formats.particle_files import (
    ReadingWords,
    WritingWords,
    particle_writers,
    read_particles,
)
from tomotui.formats.portal import write_portal_alignment
from tomotui.formats.portal_series import write_series_metadata
from tomotui.formats.portal_writing import WrittenRun, write_portal_run
from tomotui.formats.relion_set import RelionEntry, write_relion_set
from tomotui.formats.relion_writing import RelionTomogram, write_relion
from tomotui.formats.understanding import understand
from tomotui.formats.warp_writing import write_warp
from tomotui.geometry.poses import matrices_of_angles
from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Alignment, Ctf, Particle, Tilt, TiltCtf, TiltSeries

NAME, SIZE, PIXEL = "TS_01", (3838, 3710), 1.35
IMAGES: dict[str, Any] = {"image_size_px": SIZE, "pixel_size_angstrom": PIXEL}
TOMOGRAM = KnownTomogram(
    "tomogram", (480, 464, 150), 10.8, path=f"{NAME}.mrc", unbinned_angstrom=PIXEL
)
MOST_PX, MOST_DEG = 0.01, 0.001
ANGLES = ("tilt_deg", "axis_deg", "x_tilt_deg")


class Truth(NamedTuple):
    """What is written."""

    series: TiltSeries
    alignment: Alignment
    ctf: Ctf
    particles: list[Particle]

    @property
    def nominal(self) -> list[float]:
        return [tilt.nominal_tilt_deg for tilt in self.series.tilts]


def make_truth(n_tilts: int, n_particles: int) -> Truth:
    chance = np.random.default_rng(11)
    nominal = np.linspace(-60, 60, n_tilts)
    geometry = TiltGeometry.of(
        nominal + chance.normal(0, 0.1, n_tilts) + 1.5,
        84.7 + chance.normal(0, 0.2, n_tilts),
        0.0,
        chance.normal(0, 60, (n_tilts, 2)),
    )
    tilts = list(geometry.to_tilt_alignments())
    tilts[3] = tilts[3].replace(excluded=True)
    series = TiltSeries(
        name=NAME,
        stack_path=f"{NAME}.mrc",
        width_px=SIZE[0],
        height_px=SIZE[1],
        pixel_size_angstrom=PIXEL,
        tilts=tuple(Tilt(index=i, nominal_tilt_deg=float(t)) for i, t in enumerate(nominal)),
    )
    fits = tuple(
        TiltCtf(
            index=i,
            defocus_u_angstrom=float(v + 150),
            defocus_v_angstrom=float(v),
            astigmatism_angle_deg=float(a),
        )
        for i, (v, a) in enumerate(
            zip(chance.normal(3e4, 500, n_tilts), chance.uniform(-80, 80, n_tilts), strict=True)
        )
    )
    places = chance.uniform(-0.45, 0.45, (n_particles, 3)) * np.array(TOMOGRAM.size_xyz) * 10.8
    angles = chance.uniform([-180, 1, -180], [180, 179, 180], (n_particles, 3))
    particles = [
        Particle(
            uid=f"{i:024x}", tomogram_uid=TOMOGRAM.uid, x_angstrom=p[0], y_angstrom=p[1],
            z_angstrom=p[2], rot_deg=a[0], tilt_deg=a[1], psi_deg=a[2],
        )
        for i, (p, a) in enumerate(zip(places.tolist(), angles.tolist(), strict=True))
    ]  # fmt: skip
    return Truth(
        series,
        Alignment(series_uid=series.uid, tilts=tuple(tilts)),
        Ctf(series_uid=series.uid, tilts=fits, handedness=-1),
        particles,
    )


def alignment_files(truth: Truth, folder: Path) -> dict[str, Path]:
    """Write the alignment as every format; the file that each is read from."""
    write_imod(truth.alignment, folder / NAME, **IMAGES)
    write_aln(truth.alignment, folder / f"{NAME}.aln", **IMAGES)
    write_warp(truth.alignment, folder / f"{NAME}.xml", **IMAGES, ctf=truth.ctf)
    relion = write_relion(folder / "relion", [(truth.series, truth.alignment, truth.ctf)])
    write_portal_alignment(truth.alignment, folder / f"{NAME}.json", **IMAGES)
    files = {
        "IMOD .xf": f"{NAME}.xf",
        "AreTomo .aln": f"{NAME}.aln",
        "Warp .xml": f"{NAME}.xml",
        "CryoET portal .json": f"{NAME}.json",
    }
    return {name: folder / file for name, file in files.items()} | {"RELION 5 .star": relion}


def read(path: Path, nominal: list[float], size: tuple[int, int], pixel: float) -> Alignment:
    return read_alignment(
        path,
        series_uid="s",
        series_name=NAME,
        image_size_px=size,
        pixel_size_angstrom=pixel,
        nominal_tilts_deg=nominal,
    ).alignment


def difference(
    one: Alignment, other: Alignment, pixel: float, angles_of: tuple[str, ...] = ANGLES
) -> tuple[float, float]:
    """Return the greatest difference of shifts in pixels, and of angles in degrees."""
    kept = [i for i, t in enumerate(one.tilts) if not t.excluded and not other.tilts[i].excluded]
    a, b = (TiltGeometry.from_alignment(alignment).select(kept) for alignment in (one, other))
    shift = np.linalg.norm(a.shift_angstrom - b.shift_angstrom, axis=1).max() / pixel
    angles = [
        np.abs((getattr(a, name) - getattr(b, name) + 180) % 360 - 180).max() for name in angles_of
    ]
    return float(shift), float(max(angles))


def ctf_files(truth: Truth, folder: Path) -> dict[str, Path]:
    write_imod_defocus(truth.ctf, folder / f"{NAME}.defocus", tilt_deg=truth.nominal)
    write_ctf_text(truth.ctf, folder / f"{NAME}_CTF.txt")
    write_series_metadata(folder / "tiltseries_metadata.json", truth.series, ctf=truth.ctf)
    return {
        "IMOD .defocus": folder / f"{NAME}.defocus",
        "AreTomo, CTFFIND .txt": folder / f"{NAME}_CTF.txt",
        "CryoET portal .json": folder / "tiltseries_metadata.json",
        "RELION 5 .star": folder / "relion" / "aligned_tilt_series.star",
        "Warp .xml": folder / f"{NAME}.xml",
    }


def ctf_difference(one: Ctf, other: Ctf, without: set[int]) -> tuple[float, float]:
    pairs = [(a, b) for a, b in zip(one.tilts, other.tilts, strict=True) if a.index not in without]
    defocus = max(
        abs(getattr(a, f"defocus_{axis}_angstrom") - getattr(b, f"defocus_{axis}_angstrom"))
        for a, b in pairs
        for axis in "uv"
    )
    angle = max(
        abs((a.astigmatism_angle_deg - b.astigmatism_angle_deg + 90) % 180 - 90) for a, b in pairs
    )
    return defocus, angle


def particle_differences(truth: Truth, folder: Path) -> None:
    endings = {"csv": ".csv", "relion": ".star", "dynamo": ".tbl"}
    known = {NAME: TOMOGRAM}
    words = WritingWords(truth.particles, {TOMOGRAM.uid: NAME}, known, "ribosome", 270.0)
    for kind in ("csv", "relion", "dynamo", "eman", "imod", "copick", "portal"):
        place = folder / f"particles{endings.get(kind, '')}" / ("" if kind in endings else kind)
        written = particle_writers(place, kind, words)
        for path, write in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
        first = next(iter(written))
        map_path = first.with_suffix(".doc") if kind == "dynamo" else None
        found = read_particles(first, kind, known, ReadingWords(NAME, map_path=map_path))
        assert len(found) == len(truth.particles), kind
        axes = ("x_angstrom", "y_angstrom", "z_angstrom")
        places = [[[getattr(p, a) for a in axes] for p in ps] for ps in (truth.particles, found)]
        worst = float(np.linalg.norm(np.subtract(*places), axis=1).max())
        figure(f"{kind} particles: place", worst / PIXEL, "px", f"<= {MOST_PX}")
        if found[0].rot_deg is None:
            print(f"{kind} particles: no orientations in the format")
            continue
        angles = ("rot_deg", "tilt_deg", "psi_deg")
        poses = [
            matrices_of_angles([[getattr(p, a) for a in angles] for p in ps])
            for ps in (truth.particles, found)
        ]
        chord = np.linalg.norm(poses[0] - poses[1], axis=(1, 2)).max() / np.sqrt(2)
        figure(f"{kind} particles: turn", float(np.rad2deg(chord)), "deg", f"<= {MOST_DEG}")


def folder_writers(truth: Truth, place: Path) -> dict[str, Callable[[], object]]:
    """Return what writes the series as the folder of each program, by its name there."""
    series, alignment, ctf = truth.series, truth.alignment, truth.ctf
    stack = Path(series.stack_path)
    words: dict[str, Any] = {"stack": stack, "thickness_px": 1200}
    run = WrittenRun(series, stack, alignment, ctf)
    return {
        "etomo": lambda: write_etomo(place / "etomo", series, alignment, ctf, **words),
        "AreTomo": lambda: write_aretomo_folder(place / "AreTomo", series, alignment, ctf, **words),
        "portal": lambda: write_portal_run(place / "portal", run),
    }


def whole_folders(truth: Truth, folder: Path) -> None:
    """Write the series as whole folders, and import each as one gives it to the program."""
    place = folder / "folders"
    place.mkdir()
    # Only the header is read: the images take no room.
    stack = place / "raw.mrc"
    shape = (truth.series.n_tilts, SIZE[1], SIZE[0])
    header = make_header(
        shape, np.dtype("int8"), PIXEL, is_stack=True, statistics=(0.0, 0.0, 0.0, 0.0), labels=()
    )
    with stack.open("wb") as file:
        file.write(header)
        file.truncate(file.tell() + int(np.prod(shape)))
    truth = truth._replace(series=truth.series.replace(stack_path=str(stack)))
    left_out = {t.index for t in truth.alignment.tilts if t.excluded}
    for name, write in folder_writers(truth, place).items():
        write()
        (files,) = pair_files(find_stacks([place / name]))
        plan = understand(
            files.stack, files.mdoc, files.tilts, files.alignment, files.ctf, files.found_ctf
        )
        assert plan.alignment is not None, plan.problems
        assert plan.ctf is not None, plan.warnings
        assert {t.index for t in plan.alignment.tilts if t.excluded} == left_out, name
        px, deg = difference(truth.alignment, plan.alignment, PIXEL)
        figure(f"{name} folder: shift", px, "px", f"<= {MOST_PX}")
        figure(f"{name} folder: angles", deg, "deg", f"<= {MOST_DEG}")
        defocus, angle = ctf_difference(truth.ctf, plan.ctf, left_out)
        figure(f"{name} folder: defocus", defocus, "A", "<= 1")
        figure(f"{name} folder: astigmatism angle", angle, "deg", "<= 0.01")
    relion_set(truth, place / "RELION", stack)


def relion_set(truth: Truth, folder: Path, stack: Path) -> None:
    x, y, z = (round(n * TOMOGRAM.pixel_size_angstrom / PIXEL) for n in TOMOGRAM.size_xyz)
    tomogram = RelionTomogram((x, y, z), binning=TOMOGRAM.pixel_size_angstrom / PIXEL)
    entry = RelionEntry(truth.series, stack, truth.alignment, truth.ctf, tomogram)
    written = write_relion_set(folder, [entry], {"a": truth.particles}, {TOMOGRAM.uid: NAME})
    px, deg = difference(truth.alignment, read(written[-1], truth.nominal, SIZE, PIXEL), PIXEL)
    figure("RELION set: shift", px, "px", f"<= {MOST_PX}")
    figure("RELION set: angles", deg, "deg", f"<= {MOST_DEG}")
    found = read_particles(written[-1], "relion", {NAME: TOMOGRAM}, ReadingWords())
    worst = max(
        abs(a.x_angstrom - b.x_angstrom) for a, b in zip(truth.particles, found, strict=True)
    )
    figure("RELION set: place of particles", worst / PIXEL, "px", f"<= {MOST_PX}")


def round_trips(truth: Truth, folder: Path) -> None:
    for name, path in alignment_files(truth, folder).items():
        px, deg = difference(truth.alignment, read(path, truth.nominal, SIZE, PIXEL), PIXEL)
        figure(f"{name}: shift", px, "px", f"<= {MOST_PX}")
        figure(f"{name}: angles", deg, "deg", f"<= {MOST_DEG}")
    left_out = {t.index for t in truth.alignment.tilts if t.excluded}
    for name, path in ctf_files(truth, folder).items():
        found = read_ctf(path, series_uid="s", series_name=NAME, nominal_tilts_deg=truth.nominal)
        defocus, angle = ctf_difference(truth.ctf, found, left_out)
        figure(f"{name}: defocus", defocus, "A", "<= 1")
        figure(f"{name}: astigmatism angle", angle, "deg", "<= 0.01")
    whole_folders(truth, folder)
    particle_differences(truth, folder)


class RealFile(NamedTuple):
    """A file of another program, and what its stack was; without tilts, from -66 by 1.5."""

    name: str
    alignment: str
    tilts: str
    size: tuple[int, int]
    pixel: float


_ETOMO, _CETS = "etomofiles/test_data/TS_001/TS_001", "cets_imod/test_data"
_EMAN = "emanjson2imodxf/tests/example"
REAL = (
    RealFile("etomo", f"{_ETOMO}.xf", f"{_ETOMO}.rawtlt", (4092, 5760), 1.0),
    RealFile("etomo folder", f"{_ETOMO}.edf", f"{_ETOMO}.rawtlt", (4092, 5760), 6.192),
    RealFile(
        "IMOD",
        f"{_CETS}/alignment_files/TS_03.xf",
        f"{_CETS}/tilt_series/TS_03.tlt",
        (3838, 3710),
        1.35,
    ),
    RealFile("AreTomo", "cryoet_alignment/data/test.aln", "", (2032, 2032), 1.0),
    RealFile("EMAN2 to IMOD", f"{_EMAN}.xf", f"{_EMAN}.tlt", (1024, 1024), 10.0),
)


def real_files(root: Path, folder: Path) -> None:
    """Read files of other programs, write what was read as every format, and read that."""
    from tomotui.formats.tilts import read_angles

    writers: dict[str, Callable[[Alignment, Path, Any, float], object]] = {
        ".xf": lambda a, p, s, x: write_imod(
            a, p.with_suffix(""), image_size_px=s, pixel_size_angstrom=x
        ),
        ".aln": lambda a, p, s, x: write_aln(a, p, image_size_px=s, pixel_size_angstrom=x),
        ".xml": lambda a, p, s, x: write_warp(a, p, image_size_px=s, pixel_size_angstrom=x),
    }
    for one in REAL:
        path, nominal = root / one.alignment, [1.5 * i - 66 for i in range(90)]
        if one.tilts:
            nominal = list(read_angles(root / one.tilts))
        size = one.size
        alignment = read(path, nominal, size, one.pixel)
        for ending, write in writers.items():
            copy = folder / f"{one.name.replace(' ', '_')}{ending}"
            write(alignment, copy, size, one.pixel)
            # A tilt about x for each image has a place in IMOD's files only.
            compared = ANGLES if ending == ".xf" else ANGLES[:2]
            back = read(copy, nominal, size, one.pixel)
            px, deg = difference(alignment, back, one.pixel, compared)
            figure(f"real {one.name} as {ending}: shift", px, "px", f"<= {MOST_PX}")
            figure(f"real {one.name} as {ending}: angles", deg, "deg", f"<= {MOST_DEG}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tilts", type=int, default=41)
    parser.add_argument("--particles", type=int, default=500)
    parser.add_argument("--real", type=Path, help="folder of other programs' files")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        round_trips(make_truth(arguments.tilts, arguments.particles), Path(folder))
        if arguments.real is not None:
            real_files(arguments.real, Path(folder))


if __name__ == "__main__":
    main()

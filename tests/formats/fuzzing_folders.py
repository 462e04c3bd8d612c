"""Damaged files for the readers of other programs' folders: the file, and what lies beside it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.formats import fuzzing
from tests.formats.fuzzing import Target

Real = Callable[[str], tuple[bytes, ...]]
_TILTS = (-6.0, -3.0, 0.0, 3.0, 6.0)
_SERIES = "a" * 16
_XF = b"".join(b"  0.10  0.99 -0.99  0.10  %6.2f  -3.00\n" % n for n in range(5))
_EDF = b"""#Wed May 07 21:10:58 CEST 2025
Setup.DatasetName=ts
Setup.AxisType=Single Axis
Setup.PixelSize=0.5
Setup.ImageRotationA=85.3
Setup.AxisA.ExcludeProjections=2,4-5
Setup.RawImageStackExt=st
"""
_TILT_COM = b"""# Command file to run Tilt
$tilt -StandardInput
InputProjections ts.ali
IMAGEBINNED 2
TILTFILE ts.tlt
XTILTFILE ts.xtilt
THICKNESS 600
XAXISTILT 1.5
FULLIMAGE 64 48
SUBSETSTART 0 0
OFFSET 2.5 1.0
SHIFT 3.0 -4.0
EXCLUDELIST2 2,4-5
$if (-e ./savework) ./savework
"""
_ALIGN_COM = b"$xfproduct -StandardInput\nScaleShifts\t1.,4.\nExcludeList 2\n"
_TLT_TABLE = b"".join(b"%8.2f  %4d  %8.2f\n" % (t, n + 1, 3.0) for n, t in enumerate(_TILTS))
_SESSION = b"""{
     "Name":  "AreTomo3",
     "InSkips":  [a, b],
     "PixSize":  0.675000,
     "kV":  300,
     "Cs":  2.700000,
     "McBin":  2.000000,
     "AmpContrast":  0.070000
}
"""
_WARP = b"""<?xml version="1.0" encoding="utf-8"?>
<TiltSeries AreAnglesInverted="True" PlaneNormal="" LevelAngleX="0.5" LevelAngleY="1.0"
 MagnificationCorrection="1, 0, 0, 1" CTFResolutionEstimate="8.5">
  <Angles>6
3
0
-3
-6</Angles>
  <Dose>12
6
0
3
9</Dose>
  <UseTilt>True
True
False
True
True</UseTilt>
  <AxisAngle>85
85
85
85
85</AxisAngle>
  <AxisOffsetX>1
2
3
4
5</AxisOffsetX>
  <AxisOffsetY>-1
-2
-3
-4
-5</AxisOffsetY>
  <CTF><Param Name="PixelSize" Value="5" /><Param Name="Defocus" Value="3.0" /></CTF>
  <GridCTF Width="1" Height="1" Depth="5">
    <Node X="0" Y="0" Z="0" Value="3.0" />
    <Node X="0" Y="0" Z="1" Value="3.1" />
    <Node X="0" Y="0" Z="2" Value="3.2" />
    <Node X="0" Y="0" Z="3" Value="3.1" />
    <Node X="0" Y="0" Z="4" Value="3.0" />
  </GridCTF>
</TiltSeries>
"""
_TOMOSTAR = b"""
data_

loop_
_wrpMovieName #1
_wrpAngleTilt #2
_wrpAxisAngle #3
_wrpDose #4
""" + b"".join(b"ts_%d.mrc %.1f 85.0 %.1f\n" % (n, -t, 3.0 * n) for n, t in enumerate(_TILTS))
_ALIGNMENT = json.dumps(
    {
        "alignment_type": "GLOBAL",
        "per_section_alignment_parameters": [
            {"z_index": n, "tilt_angle": t, "volume_x_rotation": 0.0, "x_offset": 2.0,
             "y_offset": -1.0, "in_plane_rotation": [[0.1, -0.99], [0.99, 0.1]]}
            for n, t in enumerate(_TILTS)
        ],
    }
).encode()  # fmt: skip
_METADATA = json.dumps(
    {
        "pixel_spacing": 5.0, "acceleration_voltage": 300000, "total_flux": 120.0,
        "spherical_aberration_constant": 2.7, "tilt_axis": 85.0,
        "per_section_parameter": [
            {"z_index": n, "raw_angle": t, "frame_acquisition_order": n, "major_defocus": 30000,
             "minor_defocus": 29000.0, "astigmatic_angle": 45.0, "phase_shift": 0.0,
             "max_resolution": 8.0, "cross_correlation": 0.1}
            for n, t in enumerate(_TILTS)
        ],
    }
).encode()  # fmt: skip
_TOMOGRAM = json.dumps(
    {"voxel_spacing": 10.0, "size": {"x": 64, "y": 64, "z": 32}, "is_visualization_default": True}
).encode()
_POINTS = "\n".join(
    json.dumps(
        {"type": "orientedPoint", "location": {"x": 1.5, "y": 2.0, "z": n},
         "xyz_rotation_matrix": np.eye(3).tolist()}
    )
    for n in range(3)
).encode()  # fmt: skip
_SET = b"""
data_

_rlnTomoParticlesFile            particles.star
_rlnTomoTomogramsFile            tomograms.star
"""
_TOMOGRAMS = b"""
data_global

loop_
_rlnTomoName #1
_rlnTomoTiltSeriesPixelSize #2
_rlnTomoSizeX #3
_rlnTomoSizeY #4
_rlnTomoSizeZ #5
ts 2.0 640 480 300
"""
_CORNER = b"""
data_particles

loop_
_rlnTomoName #1
_rlnCoordinateX #2
_rlnCoordinateY #3
_rlnCoordinateZ #4
_rlnTomoSubtomogramRot #5
_rlnTomoSubtomogramTilt #6
_rlnTomoSubtomogramPsi #7
ts 100.0 20.0 50.0 10 20 30
ts 110.0 200.0 50.0 10 20 30
"""
_CONTOURS = b"tomogram,object,contour,x,y,z\nts,1,1,1.0,2.0,3.0\nts,1,1,10,20,30\nts,1,1,20,20,30\n"
_DYNAMO_MAP = b"1 tomograms/ts.mrc\n2 tomograms/other.mrc\n"
_MOVIES = b"ts_1.mrc -3.0 3.0\nts_2.mrc 0.0 3.0\nts_3.mrc 3.0 3.0\n"
_CIF_COLUMNS = (
    b"group_PDB", b"id", b"type_symbol", b"label_atom_id", b"label_alt_id", b"label_comp_id",
    b"label_asym_id", b"label_entity_id", b"label_seq_id", b"pdbx_PDB_ins_code", b"Cartn_x",
    b"Cartn_y", b"Cartn_z", b"occupancy", b"B_iso_or_equiv", b"pdbx_formal_charge",
    b"auth_seq_id", b"auth_asym_id", b"pdbx_PDB_model_num",
)  # fmt: skip
_CIF = (
    b"data_x\nloop_\n"
    + b"".join(b"_atom_site.%s\n" % name for name in _CIF_COLUMNS)
    + b"ATOM 1 N N . ALA A 1 1 ? 11.1 6.1 -6.5 1 20 ? 1 A 1\n"
    + b"ATOM 2 C CA . ALA A 1 1 ? 11.6 6.0 -5.1 1 20 ? 1 A 1\n"
)
_PROFILES = b"""default = "gpu"

[profiles.gpu]
partition = "gpu"
time = "04:00:00"
"""


def _beside(path: Path, **files: bytes) -> None:
    """Put files beside one, once."""
    for name, content in files.items():
        place = path.with_name(name.replace("__", "."))
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


def folder_targets(real: Real) -> list[Target]:
    """Return the readers of folders, and of the files that only they have."""
    return [
        *_imod_targets(real),
        *_warp_targets(),
        *_portal_targets(),
        *_set_targets(),
        *_other_targets(),
    ]


def _alignment(path: Path) -> object:
    from tomotui.formats.alignments import read_alignment

    return read_alignment(
        path,
        series_uid=_SERIES,
        series_name="ts",
        image_size_px=(64, 48),
        pixel_size_angstrom=5.0,
        nominal_tilts_deg=_TILTS,
    )


def _ctf(path: Path) -> object:
    from tomotui.formats.ctfs import read_ctf

    return read_ctf(path, series_uid=_SERIES, series_name="ts", nominal_tilts_deg=_TILTS)


def _imod_targets(real: Real) -> list[Target]:
    from tomotui.formats.aretomo_folder import read_session, read_tilt_table

    def edf(path: Path) -> object:
        _beside(path, ts__xf=_XF)
        return _alignment(path)

    def command(name: str) -> fuzzing.Read:
        """Read the folder that the damaged command file belongs to."""

        def read(path: Path) -> object:
            folder = path.parent / f"with {name}"
            _beside(folder / "ts.edf", ts__edf=_EDF, ts__prexg=_XF, ts__tltxf=_XF)
            (folder / name).write_bytes(path.read_bytes())
            return _alignment(folder / "ts.edf")

        return read

    return [
        Target("etomo edf", ".edf", edf, (_EDF, *real("*.edf")), is_slow=True),
        Target("etomo tilt.com", ".com", command("tilt.com"), (_TILT_COM,), is_slow=True),
        Target("etomo align.com", ".com", command("align.com"), (_ALIGN_COM,), is_slow=True),
        Target("AreTomo TLT", ".txt", read_tilt_table, (_TLT_TABLE,)),
        Target("AreTomo session", ".json", read_session, (_SESSION,), ()),
    ]


def _warp_targets() -> list[Target]:
    from tomotui.formats.tilts import read_angles
    from tomotui.formats.warp_rows import read_tomostar

    return [
        Target("Warp alignment", ".xml", _alignment, (_WARP,), is_slow=True),
        Target("Warp CTF", ".xml", _ctf, (_WARP,), is_slow=True),
        Target("tomostar", ".tomostar", read_tomostar, (_TOMOSTAR,), is_slow=True),
        Target("tomostar tilts", ".tomostar", read_angles, (_TOMOSTAR,), is_slow=True),
    ]


def _portal_targets() -> list[Target]:
    from tomotui.formats.known_tomograms import KnownTomogram
    from tomotui.formats.particle_files import ReadingWords, read_particles
    from tomotui.formats.portal_folder import PortalRun
    from tomotui.formats.portal_series import said_by_portal

    known = {"ts": KnownTomogram(uid="b" * 16, size_xyz=(64, 64, 32), pixel_size_angstrom=10.0)}

    def points(path: Path) -> object:
        return read_particles(path, "portal", known, ReadingWords("ts"))

    def run(path: Path) -> object:
        """Read points that count in the tomogram which the metadata tell of."""
        spacing = path.parent / "run" / "ts" / "Reconstructions" / "VoxelSpacing10.000"
        place = spacing / "Tomograms" / "100"
        place.mkdir(parents=True, exist_ok=True)
        (place / "tomogram_metadata.json").write_bytes(path.read_bytes())
        _beside(spacing / "Annotations" / "100" / "x", **{"a-1__0_point__ndjson": _POINTS})
        PortalRun(path.parent / "run" / "ts").tomogram()
        return read_particles(path.parent / "run", "portal", known, ReadingWords())

    return [
        Target("portal alignment", ".json", _alignment, (_ALIGNMENT,)),
        Target("portal series", ".json", said_by_portal, (_METADATA,)),
        Target("portal CTF", ".json", _ctf, (_METADATA,), is_slow=True),
        Target("portal tomogram", ".json", run, (_TOMOGRAM,), is_slow=True),
        Target("portal points", ".ndjson", points, (_POINTS,)),
    ]


def _set_targets() -> list[Target]:
    from tomotui.formats.relion_particles import read_relion_particles

    def leader(path: Path) -> object:
        _beside(path, particles__star=_CORNER, tomograms__star=_TOMOGRAMS)
        return read_relion_particles(path, {"ts": "b" * 16})

    def tomograms(path: Path) -> object:
        folder = path.parent / "with tomograms"
        _beside(folder / "x", particles__star=_CORNER, optimisation_set__star=_SET)
        (folder / "tomograms.star").write_bytes(path.read_bytes())
        return read_relion_particles(folder / "optimisation_set.star", {"ts": "b" * 16})

    return [
        Target("RELION set", ".star", leader, (_SET,), is_slow=True),
        Target("RELION tomograms", ".star", tomograms, (_TOMOGRAMS,), is_slow=True),
    ]


def _eer() -> bytes:
    """Return a small movie of electron events."""
    from tests.formats.conftest import _write_eer

    frames = (np.random.default_rng(0).random((4, 32, 48)) < 0.05).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.eer"
        _write_eer(path, list(frames))
        return path.read_bytes()


def _other_targets() -> list[Target]:
    from tomotui.cli.curate_script import read_script
    from tomotui.cli.errors import WorkFailed, WrongWords
    from tomotui.formats.contours import read_contours
    from tomotui.formats.dynamo import read_dynamo_map
    from tomotui.formats.eer import open_eer
    from tomotui.formats.known_tomograms import KnownTomogram
    from tomotui.formats.movie_series import understand_movies
    from tomotui.formats.movies import Fractions
    from tomotui.formats.structures import read_atoms
    from tomotui.jobs.cluster import profiles

    known = {"ts": KnownTomogram(uid="b" * 16, size_xyz=(64, 64, 32), pixel_size_angstrom=10.0)}

    def contours(path: Path) -> object:
        return read_contours(path, known)

    def eer(path: Path) -> object:
        with open_eer(path, Fractions(raw_frames=2)) as movie:
            return movie.read(0)

    return [
        Target("contours csv", ".csv", contours, (_CONTOURS,)),
        Target("Dynamo map", ".doc", read_dynamo_map, (_DYNAMO_MAP,)),
        Target("EER movie", ".eer", eer, (_eer(),), is_slow=True),
        Target("movie table", ".txt", understand_movies, (_MOVIES,)),
        Target("mmCIF", ".cif", read_atoms, (_CIF,)),
        Target("cluster.toml", ".toml", profiles._read, (_PROFILES,), (profiles.ProfileError,)),
        Target(
            "curate script", ".txt", read_script, (b"accept 1 2\nundo\nreject all\n",),
            (WorkFailed, WrongWords),
        ),
    ]  # fmt: skip

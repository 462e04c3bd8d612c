"""Damaged files for every reader: real ones with some bytes changed, and noise."""

from __future__ import annotations

import io
import json
import random
import resource
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from tomotui.formats.errors import FormatError

Read = Callable[[Path], object]
_MOST_BYTES = 12_000

TOKENS = (
    b"nan", b"-inf", b"1e999", b"-1", b"0", b"99999999999999999999", b"-0.0", b"1e-320", b"\x00",
    b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n\n", b"\t", b",", b";", b"\"", b"'", b"#", b"data_",
    b"loop_", b"_rln", b"[", b"]", b"{", b"}", b"[[[[" * 400, b"{\"a\":" * 400, b"null", b"true",
    b"../../../etc/passwd", b"/etc/passwd", b"%s%n", b"\xc3\x28", "\u202e\u0660".encode(),
    b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"1" * 5000, b"<!DOCTYPE x>",
    b"!!python/object/apply:os.system ['true']", b"cos\nsystem\n(S'true'\ntR.",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A reader, files that it can read, and what it may raise."""

    name: str
    suffix: str
    read: Read
    seeds: tuple[bytes, ...]
    allowed: tuple[type[BaseException], ...] = (FormatError,)
    is_slow: bool = False

    def input(self, number: int) -> bytes:
        """Return the n-th damaged file: the same one for the same number."""
        chance = random.Random(f"{self.name} {number}")
        if not self.seeds or chance.random() < 0.1:
            return chance.randbytes(chance.choice((0, 1, 7, 100, 1024, 3000)))
        content = bytearray(chance.choice(self.seeds))
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            _change(content, chance)
        return bytes(content)


def _change(content: bytearray, chance: random.Random) -> None:
    """Change something: what headers hold as readily as what follows."""
    end = len(content)
    if chance.random() < 0.3:
        end = min(end, 256)
    at = chance.randrange(end + 1)
    length = chance.choice((1, 1, 2, 4, 8, 40, 400))
    match chance.randrange(7):
        case 0:
            content[at : at + length] = chance.randbytes(length)
        case 1:
            del content[at : at + length]
        case 2:
            content[at:at] = chance.choice(TOKENS)
        case 3:
            token = chance.choice(TOKENS)
            content[at : at + len(token)] = token
        case 4:
            del content[at:]
        case 5:
            content[at:at] = content[at : at + length] * chance.choice((1, 3))
        case _:
            _change_word(content, chance)


def _change_word(content: bytearray, chance: random.Random) -> None:
    """Put something else in the place of one word or number of a text."""
    words = bytes(content).split()
    if not words:
        return
    word = chance.choice(words[:2000])
    at = content.find(word)
    content[at : at + len(word)] = chance.choice((*TOKENS, chance.choice(words[:2000])))


class Hung(BaseException):
    """A reader did not come back."""


class Verdict(NamedTuple):
    """What became of one file: read, refused in words of our own, or something else."""

    outcome: Literal["read", "refused", "wrong"]
    seconds: float
    words: str = ""


@contextmanager
def limits(seconds: float, more_bytes: int = 1 << 30) -> Iterator[None]:
    """Let a block take no longer, and no more memory, than it should."""
    usual = resource.getrlimit(resource.RLIMIT_AS)
    present = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (present + more_bytes, usual[1]))

    def give_up(*_: object) -> None:
        raise Hung(f"no answer after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, usual)


def _names_file(words: str, path: Path) -> bool:
    """Whether an error says which file is meant; one beside it may be."""
    return str(path.parent) in words


def judge(target: Target, path: Path, content: bytes) -> Verdict:
    """Let a reader read a file."""
    path.write_bytes(content)
    began = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(path)
    except target.allowed as error:
        named = str(error)
        if target.allowed == (FormatError,) and not _names_file(named, path):
            return Verdict("wrong", 0.0, f"does not name the file: {named[:200]}")
        return Verdict("refused", time.perf_counter() - began)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return Verdict("wrong", time.perf_counter() - began, f"{type(error).__name__}: {error}")
    return Verdict("read", time.perf_counter() - began)


def targets(interop: Path) -> list[Target]:
    """Return every reader; real files of other programs add to the seeds where there are any."""
    from tests.formats.fuzzing_folders import folder_targets

    real = _RealFiles(interop)
    return [
        *_text_targets(real),
        *_alignment_targets(real),
        *_particle_targets(real),
        *_image_targets(),
        *folder_targets(real),
        *_own_targets(),
    ]


class _RealFiles:
    """Small files of other programs, by their ending."""

    def __init__(self, folder: Path) -> None:
        self._paths = sorted(folder.rglob("*")) if folder.is_dir() else []

    def __call__(self, pattern: str, most: int = 12) -> tuple[bytes, ...]:
        found = [p for p in self._paths if p.is_file() and p.match(pattern)]
        small = [p for p in found if p.stat().st_size <= _MOST_BYTES]
        return tuple(p.read_bytes() for p in small[:: max(1, len(small) // most)])


_TILTS = (-6.0, -3.0, 0.0, 3.0, 6.0)
_SERIES = "a" * 16
_XF = b"".join(b"  0.99  0.01 -0.01  0.99  %6.2f  -3.00\n" % n for n in range(5))
_ANGLES = b"".join(b"%8.2f\n" % tilt for tilt in _TILTS)
_MDOC = b"""PixelSpacing = 5.4
ImageFile = ts.mrc
ImageSize = 64 48
DataMode = 1

[T = SerialEM: Digitized on titan]

""" + b"".join(
    b"[ZValue = %d]\nTiltAngle = %.2f\nExposureDose = 3.0\nPriorRecordDose = %d\n"
    b"RotationAngle = 85.3\nSubFramePath = D:\\frames\\ts_%d.tif\n"
    b"DateTime = 25-Nov-20  10:0%d:00\nNumSubFrames = 8\n\n" % (n, tilt, 3 * n, n, n)
    for n, tilt in enumerate(_TILTS)
)
_ALN = b"""# AreTomo Alignment / Priims bprmMn
# RawSize = 64 48 5
# NumPatches = 0
# SEC     ROT         GMAG       TX          TY      SMEAN     SFIT    SCALE     BASE     TILT
""" + b"".join(
    b"    %d   85.00    1.00000  %7.3f   -3.000     1.00     1.00     1.00     0.00   %6.2f\n"
    % (n, n, tilt)
    for n, tilt in enumerate(_TILTS)
)
_CTF = b"# Columns: #1 micrograph number; #2 - defocus 1 [A]; #3 - defocus 2\n" + b"".join(
    b"  %d  30000.0  29500.0  45.0  0.0  0.1  8.0  0.0\n" % n for n in range(1, 6)
)
_DEFOCUS = b"1 0 0 0 0 3\n" + b"".join(
    b"%d %d %.2f %.2f 3000.0 2950.0 45.0\n" % (n, n, tilt, tilt) for n, tilt in enumerate(_TILTS, 1)
)
_STAR = b"""
data_particles

loop_
_rlnTomoName #1
_rlnCenteredCoordinateXAngst #2
_rlnCenteredCoordinateYAngst #3
_rlnCenteredCoordinateZAngst #4
_rlnAngleRot #5
_rlnAngleTilt #6
_rlnAnglePsi #7
_rlnRandomSubset #8
_rlnClassNumber #9
ts 10.0 20.0 -5.0 10 20 30 1 1
ts 11.0 -20.0 -5.0 10 20 30 2 1
"""
_LIST = b"""
data_global

loop_
_rlnTomoName #1
_rlnVoltage #2
_rlnSphericalAberration #3
_rlnAmplitudeContrast #4
_rlnMicrographOriginalPixelSize #5
_rlnTomoHand #6
_rlnTomoTiltSeriesPixelSize #7
_rlnTomoTiltSeriesStarFile #8
ts 300.0 2.7 0.1 2.0 -1.0 2.0 %s
"""
_SERIES_STAR = b"""
data_ts

loop_
_rlnMicrographName #1
_rlnTomoNominalStageTiltAngle #2
_rlnMicrographPreExposure #3
_rlnTomoXTilt #4
_rlnTomoYTilt #5
_rlnTomoZRot #6
_rlnTomoXShiftAngst #7
_rlnTomoYShiftAngst #8
_rlnDefocusU #9
_rlnDefocusV #10
_rlnDefocusAngle #11
""" + b"".join(
    b"%06d@ts.mrc %.1f %.1f 0 %.1f 85 1.0 2.0 30000 29000 45\n" % (n, tilt, 3.0 * n, tilt)
    for n, tilt in enumerate(_TILTS, 1)
)
_PARTICLES_CSV = (
    b"tomogram,x,y,z,rot,tilt,psi,score,decision,class,half\n"
    b"ts,1.0,2.0,3.0,10,20,30,0.5,accepted,1,0\nts,-1,2,3,,,,,undecided,,\n"
)
_COPICK = json.dumps(
    {
        "pickable_object_name": "ribosome", "user_id": "me", "session_id": "1", "run_name": "ts",
        "points": [{"location": {"x": 1.0, "y": 2.0, "z": 3.0}, "instance_id": 0,
                    "transformation_": np.eye(4).tolist()}],
    }
).encode()  # fmt: skip
_EMAN = json.dumps(
    {
        "apix_unbin": 2.0,
        "boxes_3d": [[1.0, 2.0, 3.0, "manual", 1.0, 0], [4, 5, 6, "tomobox", 0.5, 1]],
        "class_list": {"0": {"name": "ribosome", "boxsize": 32}, "1": {"name": "x", "boxsize": 8}},
    }
).encode()
_DYNAMO = b"".join(
    b"%d 1 1 0 0 0 10 20 30 0.5 0 0 1 0 0 0 0 0 0 1 1 0 0 32 32 32 0 0 0 0 0 1 0 0 0 5.0\n" % n
    for n in range(1, 4)
)
_PDB = b"""CRYST1   10.000   10.000   10.000  90.00  90.00  90.00 P 1           1
ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00  0.00           N
ATOM      2  CA  ALA A   1      11.639   6.071  -5.147  1.00  0.00           C
END
"""


def _text_targets(real: _RealFiles) -> list[Target]:
    from tomotui.formats.aretomo_ctf import read_ctf_text
    from tomotui.formats.imod_defocus import read_imod_defocus
    from tomotui.formats.mdoc import read_mdoc
    from tomotui.formats.star import read_star
    from tomotui.formats.structures import read_atoms
    from tomotui.formats.tilts import read_angles

    def defocus(path: Path) -> object:
        return read_imod_defocus(path, series_uid=_SERIES, n_images=5, tilts_deg=_TILTS)

    def ctf(path: Path) -> object:
        return read_ctf_text(path, series_uid=_SERIES, n_images=5)

    return [
        Target("tilt angles", ".tlt", read_angles, (_ANGLES, *real("*.tlt"))),
        Target("mdoc", ".mdoc", read_mdoc, (_MDOC, *real("*.mdoc")), is_slow=True),
        Target("star", ".star", read_star, (_STAR, *real("*.star")), is_slow=True),
        Target("IMOD defocus", ".defocus", defocus, (_DEFOCUS, *real("*.defocus"))),
        Target("AreTomo CTF", ".txt", ctf, (_CTF, *real("test_CTF.txt"))),
        Target("structure", ".pdb", read_atoms, (_PDB,)),
    ]


def _put_series_beside(path: Path) -> None:
    """Put the series there that the list names."""
    beside = path.with_name("series.star")
    if not beside.exists():
        beside.write_bytes(_SERIES_STAR)


def _alignment_targets(real: _RealFiles) -> list[Target]:
    from tomotui.formats.alignments import read_alignment
    from tomotui.formats.ctfs import read_ctf
    from tomotui.formats.relion import read_relion

    def alignment(path: Path) -> object:
        _put_series_beside(path)
        return read_alignment(
            path,
            series_uid=_SERIES,
            series_name="ts",
            image_size_px=(64, 48),
            pixel_size_angstrom=5.0,
            nominal_tilts_deg=_TILTS,
        )

    def listed(path: Path) -> object:
        _put_series_beside(path)
        return read_relion(path)

    def ctf(path: Path) -> object:
        _put_series_beside(path)
        return read_ctf(path, series_uid=_SERIES, series_name="ts", nominal_tilts_deg=_TILTS)

    def series(path: Path) -> object:
        """Read the file of one series, which a list names."""
        beside = path.with_name("list.star")
        beside.write_bytes(_LIST % path.name.encode())
        (read,) = read_relion(beside, project_folder=path.parent)
        return read.ctf(_SERIES, _TILTS)

    stars = (_LIST % b"series.star", *real("*tilt_series.star"))
    single = (_SERIES_STAR, *real("*/tilt_series/*.star"))
    return [
        Target("IMOD xf", ".xf", alignment, (_XF, *real("*.xf"))),
        Target("AreTomo aln", ".aln", alignment, (_ALN, *real("*.aln"))),
        Target("RELION alignment", ".star", alignment, stars, is_slow=True),
        Target("RELION series", ".star", listed, stars, is_slow=True),
        Target("RELION one series", ".star", series, single, is_slow=True),
        Target("RELION CTF", ".star", ctf, stars, is_slow=True),
    ]


def _particle_targets(real: _RealFiles) -> list[Target]:
    from tomotui.formats.contours import read_contours
    from tomotui.formats.imod_model import read_imod_model
    from tomotui.formats.imod_particles import read_imod_particles
    from tomotui.formats.known_tomograms import KnownTomogram
    from tomotui.formats.particle_files import ReadingWords, read_particles

    known = {"ts": KnownTomogram(uid="b" * 16, size_xyz=(64, 64, 32), pixel_size_angstrom=10.0)}

    def reader(kind: str) -> Read:
        words = ReadingWords(tomogram="ts")
        return lambda path: read_particles(path, kind, known, words)

    def points(path: Path) -> object:
        return read_imod_particles(path, known, tomogram="ts", is_said=True)

    def contours(path: Path) -> object:
        return read_contours(path, known, tomogram="ts", is_said=True)

    models = real("*.mod")
    return [
        Target("IMOD model", ".mod", read_imod_model, models),
        Target("IMOD points", ".mod", points, models),
        Target("contours", ".mod", contours, models),
        Target("particles csv", ".csv", reader("csv"), (_PARTICLES_CSV,)),
        Target(
            "RELION particles",
            ".star",
            reader("relion"),
            (_STAR, *real("*particles.star")),
            is_slow=True,
        ),
        Target("Dynamo table", ".tbl", reader("dynamo"), (_DYNAMO, *real("*.tbl"))),
        Target("EMAN2 info", ".json", reader("eman"), (_EMAN,)),
        Target("copick picks", ".json", reader("copick"), (_COPICK,)),
    ]


def _image_targets() -> list[Target]:
    import mrcfile
    import tifffile

    from tomotui.formats.gain import read_gain
    from tomotui.formats.movies import open_movie
    from tomotui.formats.mrc import read_header, read_volume
    from tomotui.formats.stacks import open_stack

    def stack(path: Path) -> object:
        with open_stack(path) as opened:
            return opened.read(0)

    def movie(path: Path) -> object:
        with open_movie(path) as opened:
            return opened.read(0)

    def gain(path: Path) -> object:
        return read_gain(path, (8, 10))

    images = np.arange(5 * 8 * 10, dtype=np.float32).reshape(5, 8, 10)
    mrc = []
    for data in (images, images.astype(np.int16), images.astype(np.uint16)):
        file = io.BytesIO()
        made = mrcfile.mrcinterpreter.MrcInterpreter()
        made._iostream = file
        made._create_default_attributes()
        made.set_data(data)
        made._iostream = file
        made.flush()
        mrc.append(file.getvalue())
        made._iostream = None
    tif = io.BytesIO()
    tifffile.imwrite(tif, images.astype(np.uint8), photometric="minisblack")
    packed = io.BytesIO()
    tifffile.imwrite(packed, images.astype(np.uint16), photometric="minisblack", compression="zlib")
    tiffs = (tif.getvalue(), packed.getvalue())
    return [
        Target("MRC header", ".mrc", read_header, tuple(mrc)),
        Target("MRC volume", ".mrc", read_volume, tuple(mrc)),
        Target("MRC stack", ".st", stack, tuple(mrc)),
        Target("TIFF stack", ".tif", stack, tiffs),
        Target("TIFF movie", ".tif", movie, tiffs),
        Target("gain", ".mrc", gain, tuple(mrc)),
    ]


def _own_targets() -> list[Target]:
    import tomotui.jobs
    import tomotui.tui
    from tomotui.formats.networks import read_description
    from tomotui.jobs.events import read_events
    from tomotui.jobs.files import UnreadableFile, read_model
    from tomotui.jobs.recipe import RecipeError
    from tomotui.jobs.recipe_reading import read_recipe
    from tomotui.jobs.specification import TaskResult, TaskSpecification
    from tomotui.records import Event
    from tomotui.records.particle_table import ParticleTable
    from tomotui.tui.keymap import KeymapError, read_keymap
    from tomotui.tui.session import Session, _load
    from tomotui.tui.theme import ThemeError, read_theme

    themes = Path(tomotui.tui.__file__).parents[2] / "themes"
    keymaps = Path(tomotui.tui.__file__).parent / "keymaps"
    recipes = Path(tomotui.jobs.__file__).parent / "recipes"
    task = TaskSpecification(
        job_id=1, stage="align", target="ts", attempt=1, parameters={"a": 1},
        project_folder=Path("/p"), version="1",
    )  # fmt: skip
    result = TaskResult(attempt=1, status="done", version="1", duration_seconds=2.0)
    events = b"".join(
        Event(kind="metric", at=1.0, data={"name": "loss", "value": 0.5, "step": n})
        .model_dump_json().encode() + b"\n"
        for n in range(4)
    )  # fmt: skip
    table = io.BytesIO()
    rows = ParticleTable.of("t", [[0, 0, 0], [1, 2, 3]])
    np.savez(table, **{name: getattr(rows, name) for name in rows.__dataclass_fields__})
    network = json.dumps({"__metadata__": {"tomotui": '{"purpose": "pick"}'}}).encode()

    def model(kind: Any) -> Read:
        return lambda path: read_model(path, kind)

    def all_of(path: Path, suffix: str = "*.toml") -> tuple[bytes, ...]:
        return tuple(p.read_bytes() for p in sorted(path.glob(suffix)))

    torn = (OSError, ValueError, KeyError, EOFError)
    return [
        Target("recipe", ".toml", read_recipe, all_of(recipes), (RecipeError,), is_slow=True),
        Target("theme", ".toml", read_theme, all_of(themes), (ThemeError,)),
        Target("keymap", ".toml", read_keymap, all_of(keymaps), (KeymapError,)),
        Target("session", ".json", lambda path: _load(path, Session),
               (Session().model_dump_json().encode(),), ()),
        Target("events", ".jsonl", read_events, (events,), ()),
        Target("task.json", ".json", model(TaskSpecification),
               (task.model_dump_json().encode(),), (UnreadableFile,)),
        Target("result.json", ".json", model(TaskResult),
               (result.model_dump_json().encode(),), (UnreadableFile,)),
        Target("particles.npz", ".npz", ParticleTable.read, (table.getvalue(),), torn),
        Target("network", ".safetensors", read_description,
               (len(network).to_bytes(8, "little") + network,)),
    ]  # fmt: skip

"""Which files belong together: stacks and, by their names, metadata and alignments."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tomotui.formats.errors import FormatError
from tomotui.formats.etomo import has_alignment
from tomotui.formats.mrc import read_header
from tomotui.formats.portal_folder import SERIES, portal_runs, run_of
from tomotui.formats.portal_series import METADATA, has_ctf
from tomotui.formats.stacks import STACK_SUFFIXES, TIFF_SUFFIXES

_DERIVED = re.compile(
    r"(_(full_)?rec|_ali|_preali|_half\d?|_odd|_even|_evn|_ctf|_vol|_3dmod)$", re.IGNORECASE
)
_DECORATIONS = ("", "_st", "_ali", "_aln")


@dataclass(frozen=True)
class StackFiles:
    """A stack with the files that were found beside it.

    Attributes
    ----------
    name
        Proposed name of the series.
    tilts
        Nominal tilts (``.rawtlt``, ``_TLT.txt`` of AreTomo, otherwise ``.tlt``).
    alignment
        ``.aln``, ``.edf`` of etomo, ``.xf``, or what AreTomo or the portal keeps in a folder.
    ctf
        Only as it was given.
    found_ctf
        That of the program whose alignment is taken; one beside the stack alone may be an old one.
    tomogram
        Only of a folder of the portal, or as it was given.
    """

    stack: Path
    name: str
    mdoc: Path | None = None
    tilts: Path | None = None
    alignment: Path | None = None
    ctf: Path | None = None
    found_ctf: Path | None = None
    tomogram: Path | None = None


def series_name(stack: Path | str) -> str:
    """Return the name of a stack without the endings that only say what kind of file it is."""
    name = Path(stack).name
    for suffix in sorted(STACK_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return name.removesuffix("_st") or name


def find_stacks(paths: Iterable[Path | str]) -> list[Path]:
    """Return the stacks among files and in folders.

    Files that are named are taken as they are. From a folder come its stacks, without single
    images (gain references) and without what other programs derive from a stack (aligned
    stacks, reconstructions). A data set of the CryoET data portal has one in each run; a folder
    without stacks may hold folders of etomo.

    Raises
    ------
    FormatError
        A path does not exist, or a folder has no stack.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            stacks = _stacks_of_portal(path)
            stacks = stacks or [p for p in sorted(path.iterdir()) if _is_raw_stack(p)]
            stacks = stacks or _stacks_of_etomo(path)
            if not stacks and portal_runs(path):
                raise FormatError(
                    f"{path} has runs of the CryoET data portal, but no tilt series in them",
                    "fetch their TiltSeries too: tomograms and particles belong to a series here",
                )
            if not stacks:
                raise FormatError(
                    f"{path} has no image stacks ({', '.join(STACK_SUFFIXES)})",
                    "give the folder that holds the tilt series, or the stacks themselves",
                )
            found += stacks
        elif path.exists():
            found.append(path)
        else:
            raise FormatError(f"{path} does not exist", "check the path")
    return list(dict.fromkeys(found))


def pair_files(
    stacks: Sequence[Path | str],
    *,
    mdoc: Path | str | None = None,
    tilts: Path | str | None = None,
    alignment: Path | str | None = None,
    ctf: Path | str | None = None,
    tomogram: Path | str | None = None,
) -> list[StackFiles]:
    """Find the metadata of each stack by name.

    Beside ``NAME.mrc`` these are taken: ``NAME.mrc.mdoc`` or ``NAME.mdoc``; ``NAME.rawtlt``,
    ``NAME_TLT.txt`` or ``NAME.tlt``; ``NAME.aln``, ``NAME.edf`` of a folder of etomo that has an
    alignment, ``NAME.xf`` or ``NAME_Imod/NAME_st.xf``; also with ``_st`` in the name. In a run of
    the portal the alignment and the tomogram of the run.

    Parameters
    ----------
    mdoc, tilts, alignment, ctf, tomogram
        Given by the user for a single stack; they replace what would be found.

    Raises
    ------
    FormatError
        One mdoc, tilt file, alignment or CTF would serve several stacks, or two stacks have one
        name.
    """
    paths = [Path(stack) for stack in stacks]
    given = {
        "mdoc": mdoc, "tilts": tilts, "alignment": alignment, "ctf": ctf, "tomogram": tomogram
    }  # fmt: skip
    for kind, file in given.items():
        if file is not None and len(paths) > 1 and Path(file).suffix != ".star":
            raise FormatError(
                f"{file} is one {kind} file for {len(paths)} stacks",
                "import these stacks one by one, or keep each file beside its stack",
            )
    pairs = [_paired(path) for path in paths]
    pairs = [
        replace(
            pair,
            mdoc=Path(mdoc) if mdoc else pair.mdoc,
            tilts=Path(tilts) if tilts else pair.tilts,
            alignment=Path(alignment) if alignment else pair.alignment,
            ctf=Path(ctf) if ctf else None,
            found_ctf=None if ctf or alignment else pair.found_ctf,
            tomogram=Path(tomogram) if tomogram else pair.tomogram,
        )
        for pair in pairs
    ]
    _refuse_shared(pairs)
    return pairs


def _paired(stack: Path) -> StackFiles:
    name = series_name(stack)
    folder = stack.parent
    stems = list(dict.fromkeys([stack.name, stack.stem, *(name + end for end in _DECORATIONS)]))
    aln = _first(folder, stems, (".aln",))
    edf = None if aln else _etomo(folder, stems)
    found = StackFiles(
        stack=stack,
        name=name,
        mdoc=_first(folder, stems, (".mdoc", ".mrc.mdoc", ".st.mdoc")),
        tilts=_first(folder, stems, (".rawtlt", "_TLT.txt")) or _first(folder, stems, (".tlt",)),
        alignment=aln
        or edf
        or _first(folder, stems, (".xf",))
        or _first(folder / f"{name}_Imod", [name, f"{name}_st"], (".xf",)),
        found_ctf=_first(folder, stems, ("_CTF.txt",))
        if aln
        else _first(folder, stems, (".defocus",))
        if edf
        else None,
    )
    return _of_portal(found) if folder.parent.name == SERIES or folder.name == SERIES else found


def _etomo(folder: Path, stems: Sequence[str]) -> Path | None:
    """Return the ``.edf`` of a stack, or the only one of its folder, when it has an alignment."""
    edf = _first(folder, stems, (".edf",))
    if edf is None:
        # Of two axes, NAMEa.st and NAMEb.st, there is one NAME.edf.
        edf = _first(folder, [stem[:-1] for stem in stems if stem[-1:] in "ab"], (".edf",))
    return edf if edf is not None and has_alignment(edf) else None


def _of_portal(found: StackFiles) -> StackFiles:
    """Return the files of a stack in a run of the portal, with those of the run."""
    run = run_of(found.stack)
    if run is None:
        return found
    metadata, tomogram = found.stack.with_name(METADATA), run.tomogram()
    return replace(
        found,
        name=run.name,
        alignment=run.alignment() or found.alignment,
        found_ctf=metadata if metadata.is_file() and has_ctf(metadata) else None,
        tomogram=tomogram.path if tomogram is not None else None,
    )


def _stacks_of_portal(folder: Path) -> list[Path]:
    return [stack for run in portal_runs(folder) for stack in run.stacks()[:1]]


def _stacks_of_etomo(folder: Path) -> list[Path]:
    """Return the raw stacks of the folders of etomo in a folder."""
    below = [one for one in sorted(folder.iterdir()) if one.is_dir() and any(one.glob("*.edf"))]
    return [p for one in below for p in sorted(one.iterdir()) if _is_raw_stack(p)]


def _first(folder: Path, stems: Sequence[str], endings: Sequence[str]) -> Path | None:
    candidates = (folder / (stem + ending) for stem in stems for ending in endings)
    return next((path for path in candidates if path.is_file()), None)


def _refuse_shared(pairs: Sequence[StackFiles]) -> None:
    users: dict[Path, list[StackFiles]] = defaultdict(list)
    names: dict[str, list[StackFiles]] = defaultdict(list)
    for pair in pairs:
        names[pair.name].append(pair)
        # A file that was given for two things of one stack is for its readers to judge.
        for file in dict.fromkeys((pair.mdoc, pair.tilts, pair.alignment, pair.ctf)):
            if file is not None and file.suffix != ".star":
                users[file].append(pair)
    for file, sharing in users.items():
        if len(sharing) > 1:
            stacks = " and ".join(str(pair.stack) for pair in sharing[:2])
            raise FormatError(
                f"{file} would serve {stacks}",
                "import only one of these stacks, or keep one such file beside each",
            )
    for name, sharing in names.items():
        if len(sharing) > 1:
            stacks = " and ".join(str(pair.stack) for pair in sharing[:2])
            raise FormatError(
                f"{stacks} would both be called {name}", "import them one by one with a name"
            )


def is_named_like_raw_stack(path: Path) -> bool:
    """Return whether a file's name is that of a stack which no program has derived from one."""
    lower = path.name.lower()
    if lower.startswith(".") or not lower.endswith(STACK_SUFFIXES):
        return False
    return not lower.endswith(".ali") and not _DERIVED.search(series_name(path))


def _is_raw_stack(path: Path) -> bool:
    if not path.is_file() or not is_named_like_raw_stack(path):
        return False
    if path.suffix.lower() in TIFF_SUFFIXES:
        return True
    try:
        return read_header(path).shape[0] > 1
    except FormatError:
        return True  # The import says what is wrong with it.

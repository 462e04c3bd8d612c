"""Which files belong together: stacks and, by their names, metadata and alignments."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tomotui.formats.errors import FormatError
from tomotui.formats.mrc import read_header
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
        Nominal tilts (``.rawtlt``, otherwise ``.tlt``).
    alignment
        ``.aln`` or ``.xf``.
    ctf
        Only as it was given: a CTF beside the stack may be an old one, and tells no handedness.
    """

    stack: Path
    name: str
    mdoc: Path | None = None
    tilts: Path | None = None
    alignment: Path | None = None
    ctf: Path | None = None


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
    stacks, reconstructions).

    Raises
    ------
    FormatError
        A path does not exist, or a folder has no stack.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            stacks = [p for p in sorted(path.iterdir()) if _is_raw_stack(p)]
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
) -> list[StackFiles]:
    """Find the metadata of each stack by name.

    Beside ``NAME.mrc`` these are taken: ``NAME.mrc.mdoc`` or ``NAME.mdoc``; ``NAME.rawtlt`` or
    ``NAME.tlt``; ``NAME.aln`` or ``NAME.xf``; also with ``_st`` in the name.

    Parameters
    ----------
    mdoc, tilts, alignment, ctf
        Given by the user for a single stack; they replace what would be found.

    Raises
    ------
    FormatError
        One mdoc, tilt file, alignment or CTF would serve several stacks, or two stacks have one
        name.
    """
    paths = [Path(stack) for stack in stacks]
    given = {"mdoc": mdoc, "tilts": tilts, "alignment": alignment, "ctf": ctf}
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
        )
        for pair in pairs
    ]
    _refuse_shared(pairs)
    return pairs


def _paired(stack: Path) -> StackFiles:
    name = series_name(stack)
    folder = stack.parent
    stems = list(dict.fromkeys([stack.name, stack.stem, *(name + end for end in _DECORATIONS)]))
    return StackFiles(
        stack=stack,
        name=name,
        mdoc=_first(folder, stems, (".mdoc", ".mrc.mdoc", ".st.mdoc")),
        tilts=_first(folder, stems, (".rawtlt",)) or _first(folder, stems, (".tlt",)),
        alignment=_first(folder, stems, (".aln",)) or _first(folder, stems, (".xf",)),
    )


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

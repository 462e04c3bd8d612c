"""Particles from files into the project."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed
from tomotui.cli.into_sets import SetWords, VoxelWords, tell_skipped
from tomotui.cli.options import JsonOption, ProjectOption, open_project, print_json
from tomotui.cli.tomograms import names_of_tomograms, needed_tomograms
from tomotui.records import Particle

if TYPE_CHECKING:
    from tomotui.formats.known_tomograms import KnownTomogram

Format = Literal["csv", "relion", "dynamo", "eman", "imod", "copick", "portal"]


def import_particles(
    particles: Path,
    /,
    *,
    project: ProjectOption = None,
    format_: Annotated[Format | None, Parameter(name="--format")] = None,
    words: SetWords | None = None,
    voxels: VoxelWords | None = None,
    decision: Literal["accepted", "undecided"] | None = None,
    map_: Annotated[Path | None, Parameter(name="--map")] = None,
    json: JsonOption = False,
) -> int:
    """Take particles into the project: CSV, RELION, Dynamo, EMAN2, IMOD, copick or the portal.

    Example: `tomotui import-particles ribosomes.star --species ribosome -p ~/data/cells`

    Example: `tomotui import-particles more.tbl --into ribosomes --decision accepted`

    Parameters
    ----------
    particles
        A table (.csv), RELION's particles or optimisation set (.star), a Dynamo table (.tbl), an
        info file of EMAN2 (.json), a model of IMOD (.mod), picks (.json) or the folder of copick,
        points (.ndjson), a run or a data set of the CryoET data portal.
    project
        Project folder; the present one by default.
    format_
        csv, relion, dynamo, eman, imod, copick or portal; by the file's ending by default.
    decision
        accepted or undecided, for all; as the file says by default, else undecided.
    map_
        Which file each tomogram number of a Dynamo table stands for; the .doc beside it by default.
    json
        Print JSON for scripts.
    """
    words, voxels = words or SetWords(), voxels or VoxelWords()
    voxels.check()
    path = particles.expanduser()
    wanted = words.wanted(path.stem)
    with open_project(project) as opened:
        tomograms = needed_tomograms(opened, voxels.tomogram)
        target = words.target(opened, wanted)
        kind, read = _read(path, format_, voxels, map_, tomograms)
        outside = _outside(path, read, tomograms)
        if decision is not None:
            read = [one.model_copy(update={"decision": decision}) for one in read]
        skipped = words.keep(opened, target, read)
        series = names_of_tomograms(opened)
    counts = Counter(series[one.tomogram_uid] for one in read)
    if json:
        print_json(
            {
                "uid": target.uid,
                "name": target.name,
                "format": kind,
                "particles": len(read) - skipped,
                "skipped": skipped,
                "outside": outside,
                "tomograms": counts,
            }
        )
        return 0
    print(f"took over {len(read) - skipped} particles as {target.name}")
    tell_skipped(skipped, target)
    if outside:
        print(f"warning: {outside} lie outside their tomogram", file=sys.stderr)
    return 0


def _read(
    path: Path,
    format_: Format | None,
    voxels: VoxelWords,
    map_path: Path | None,
    tomograms: Mapping[str, KnownTomogram],
) -> tuple[str, list[Particle]]:
    """Return the format of a file and its particles.

    Raises
    ------
    WorkFailed
        When it has none.
    """
    from tomotui.formats.particle_files import ReadingWords, format_of, read_particles

    kind = format_ or format_of(path)
    words = ReadingWords(
        voxels.tomogram,
        voxels.tomogram_size,
        voxels.tomogram_pixel_size,
        voxels.object_,
        map_path,
    )
    read = read_particles(path, kind, tomograms, words)
    kept = [particle for particle in read if particle.decision != "removed"]
    if not kept:
        raise WorkFailed(f"{path} holds no particles; nothing was taken over")
    return kind, kept


def _outside(
    path: Path, particles: Sequence[Particle], tomograms: Mapping[str, KnownTomogram]
) -> int:
    """Return how many particles lie outside their tomogram.

    Raises
    ------
    WorkFailed
        When most of them do: then the file counts in another tomogram.
    """
    import numpy as np

    from tomotui.formats.known_tomograms import positions_of

    half = {
        one.uid: [n * one.pixel_size_angstrom / 2 + 1 for n in one.size_xyz]
        for one in tomograms.values()
    }
    edges = np.array([half[one.tomogram_uid] for one in particles])
    n = int((np.abs(positions_of(particles)) > edges).any(axis=1).sum())
    if 2 * n > len(particles):
        raise WorkFailed(
            f"{n} of the {len(particles)} particles of {path} lie outside the tomogram; nothing "
            "was taken over. Say with --tomogram-size and --tomogram-pixel-size which tomogram "
            "the file counts in"
        )
    return n

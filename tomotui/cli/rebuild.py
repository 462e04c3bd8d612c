"""The ``rebuild`` command."""

from __future__ import annotations

from pathlib import Path

from tomotui.cli.errors import WorkFailed
from tomotui.cli.options import ProjectOption, refuse_spectators
from tomotui.project import Project, ProjectError


def rebuild(
    folder: Path | None = None, /, *, project: ProjectOption = None, force: bool = False
) -> int:
    """Make a damaged or lost project file anew, from what it still holds and the job folders.

    The damaged file stays beside the new one. What people did by hand (imported particles,
    decisions, tilts left out) is nowhere but in the project file: as much of it is kept as can
    be read. Close the screens of the project first.

    Example: `tomotui rebuild ~/data/cells`

    Parameters
    ----------
    folder
        Project folder; the present one by default.
    project
        The same, as an option.
    force
        Also where the project file is well.
    """
    from tomotui.jobs.rebuild import lost_words
    from tomotui.jobs.rebuild import rebuild as make_anew

    refuse_spectators()
    place = folder or project or Path.cwd()
    if not force and (state := _state(place)):
        raise WorkFailed(state)
    done = make_anew(place)
    for line in lost_words(done.kept):
        print(f"of the damaged file: {line}")
    for trouble in done.troubles:
        print(f"not taken in: {trouble}")
    with Project.open(place, read_only=True) as opened:
        print(
            f"made {opened.name} anew: {len(opened.jobs())} jobs ({done.jobs} from their folders "
            f"alone), {len(opened.tilt_series())} tilt series, "
            f"{len(opened.particle_sets())} particle sets"
        )
    print(f"see it: tomotui {place}; go on with jobs that were at work: tomotui agent -p {place}")
    return 0


def _state(place: Path) -> str:
    """Return why a project needs no rebuilding; empty when it does."""
    try:
        with Project.open(place, read_only=True) as opened:
            problems = opened.problems()
    except ProjectError:
        return ""
    return "" if problems else f"the project file of {place} is well; nothing was done (--force)"

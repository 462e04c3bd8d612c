"""Particles that follow their series into a tomogram that was reconstructed anew."""

from __future__ import annotations

from tomotui.cli.options import JsonOption, ProjectOption, open_project, print_json
from tomotui.cli.particles import known_set


def follow_particles(
    particles: str,
    /,
    *,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Take particles over into the newest tomogram of each series.

    After refine, reconstruct makes tomograms with the refined alignments; the particles picked or
    refined before then follow into these, places and orientations alike. Decisions stay.

    Example: `tomotui particles follow ribosome -p ~/data/cells`

    Parameters
    ----------
    particles
        The particle set.
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    from tomotui.project.following import follow

    with open_project(project) as opened:
        told = follow(opened, known_set(opened, particles))
    if json:
        print_json([one._asdict() for one in told])
        return 0
    if not told:
        print(f"{particles}: all particles lie in the newest tomograms")
    for one in told:
        if one.reason:
            print(f"{one.series}: they stay, for {one.reason}")
        else:
            print(f"{one.series}: {one.n_particles} particles, {one.moved_angstrom:.1f} A on")
    return 0

"""Particles along a curve that somebody has marked, computed in a process of its own.

The screens do without the library that splines need; run as a program, this module reads points
and a spacing as JSON and writes places and angles.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from tomotui.project.decisions import Position
from tomotui.project.errors import ProjectError
from tomotui.records.particle_table import ParticleTable

PATIENCE_SECONDS = 120


def curve_particles(points_angstrom: Sequence[Position], spacing_angstrom: float) -> ParticleTable:
    """Return particles at equal distances along a curve through points, their z axes along it.

    Raises
    ------
    ProjectError
        When the points make no curve.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tomotui.project.traced"],
        input=json.dumps([[list(at) for at in points_angstrom], spacing_angstrom]),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["it ended without a word"]
        raise ProjectError(f"no curve: {words[-1]}.", "Mark more points, further apart.")
    places, angles = json.loads(done.stdout)
    return ParticleTable.of("", places, angles_deg=angles, source="curve")


def main() -> int:
    """Read points and a spacing from standard input and write places and angles."""
    import numpy as np

    from tomotui.algorithms.curate.curves import along_curve
    from tomotui.geometry.poses import angles_facing

    points, spacing = json.load(sys.stdin)
    try:
        places, directions = along_curve(np.array(points, dtype=np.float64), spacing)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    json.dump([places.tolist(), angles_facing(directions).tolist()], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

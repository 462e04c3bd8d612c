"""Agents and workers are killed at random moments: nothing is lost, nothing counted twice."""

from __future__ import annotations

import pytest

from tomotui.project import Project


@pytest.mark.parametrize("n_rounds", [1, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.timeout(1800)
def test_nothing_is_lost_whatever_is_killed(project: Project, n_rounds: int) -> None:
    from kill_rounds import end_agent, kill_rounds

    folder = project.folder
    try:
        for one in kill_rounds(folder, n_rounds, seed=1):
            assert one.wrong == [], one
    finally:
        end_agent(folder)

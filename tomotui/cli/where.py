"""Where a job runs, as it is said in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tomotui.cli.errors import WrongWords

if TYPE_CHECKING:
    from tomotui.project.jobs import Place


def check_where(where: str | None, profile: str | None) -> None:
    """Refuse words for no place there is.

    Raises
    ------
    WrongWords
        When they name none, or a profile for this machine.
    """
    if where not in (None, "local", "slurm"):
        raise WrongWords(f"--where {where}: there are local and slurm")
    if where == "local" and profile:
        raise WrongWords("--profile is for --where slurm")


def place_said(where: str | None, profile: str | None) -> Place:
    """Return the place that is meant: this machine where nothing is said."""
    from tomotui.project.jobs import Place

    check_where(where, profile)
    return Place(where or ("slurm" if profile else "local"), profile or "")

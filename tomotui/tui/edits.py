"""Changes of the project that can be taken back, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tomotui.project import Project


@dataclass(frozen=True)
class Edit:
    """A change and how to take it back.

    Attributes
    ----------
    words
        What it did, such as ``tilt 3 of ts_01 left out``.
    do
        Makes the change; what it returns is given to ``undo``.
    undo
        Takes it back.
    """

    words: str
    do: Callable[[Project], Any]
    undo: Callable[[Project, Any], object]


class History:
    """The changes made, and those taken back, newest last."""

    def __init__(self) -> None:
        self.done: list[tuple[Edit, Any]] = []
        self.undone: list[Edit] = []

    def made(self, edit: Edit, result: Any) -> None:
        """Remember a change; what was taken back before it cannot be made again."""
        self.done.append((edit, result))
        self.undone.clear()

    def forget(self) -> None:
        """Forget everything: another project is open."""
        self.done.clear()
        self.undone.clear()

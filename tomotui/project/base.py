"""What the parts of a project share: the connection and the folder."""

from __future__ import annotations

from pathlib import Path

from tomotui.project.database import Database


class Part:
    """A group of operations on the project file.

    The parts are classes of their own so that each fits one screen of thought; `Project` joins
    them, and they share its one connection.
    """

    folder: Path
    _db: Database

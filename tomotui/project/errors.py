"""What can go wrong with a project, in words for its user."""

from __future__ import annotations


class ProjectError(Exception):
    """A project cannot be used as asked; says what was wrong and what to do about it.

    Parameters
    ----------
    message
        What was wrong, naming the file.
    remedy
        What the user can do.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


class MissingInput(ProjectError):
    """A stage needs a record that the project does not have for its target."""


class RefusedChange(ProjectError):
    """A change would contradict the project: an identity twice, or a reference to nothing."""

"""The one error that reading and writing files raises."""

from __future__ import annotations


class FormatError(Exception):
    """A file cannot be used.

    Parameters
    ----------
    message
        What is wrong, with the name of the file.
    remedy
        What the user can do about it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)
        self.message = message
        self.remedy = remedy

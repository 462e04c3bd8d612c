"""What every record shares: a stable identity, immutability and strict fields."""

from __future__ import annotations

import uuid
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field


def new_uid() -> str:
    """Return a fresh identity: 16 hexadecimal digits, unique across projects and hosts."""
    return uuid.uuid4().hex[:16]


class Value(BaseModel):
    """A part of a record: immutable, and unknown fields are an error."""

    # Deferred: a face that starts builds the validators of the records it meets, not of all.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def replace(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed."""
        return type(self).model_validate({**self.model_dump(), **changes})


class Record(Value):
    """A noun of the program that is kept in the project file.

    Attributes
    ----------
    uid
        Given where the record is made (in the worker), so that a project rebuilt from its
        job folders keeps every identity.
    """

    uid: str = Field(default_factory=new_uid)

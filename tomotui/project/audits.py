"""An audit: a random sample of candidates, kept until it was judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from tomotui.algorithms.curate.audit import Interval, Stratum, precision
from tomotui.records import Value


@dataclass(frozen=True)
class AuditReport:
    """What an audit says so far.

    Attributes
    ----------
    precision
        Of all candidates that reach the threshold.
    n_asked, n_judged
        Size of the sample, and how many of it were judged.
    """

    threshold: float
    precision: Interval
    n_asked: int
    n_judged: int
    n_accepted: int


class Audit(Value):
    """A random sample of the candidates that reach a threshold.

    Attributes
    ----------
    uids
        The sample, in the order in which to ask.
    strata
        The part that each is of.
    sizes
        Members of each part.
    n_known, n_known_right
        Candidates that had been judged before, and the right ones of them; an unsure one
        counts half.
    """

    threshold: float
    seed: int
    uids: tuple[str, ...]
    strata: tuple[int, ...]
    sizes: tuple[int, ...]
    n_known: int
    n_known_right: float

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return a kept audit; ``None`` when it cannot be understood."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None

    def report(self, verdicts: NDArray[np.str_]) -> AuditReport:
        """Return what the audit says.

        Parameters
        ----------
        verdicts
            ``[n]``, of the sample in its order; anything but accepted, rejected and unsure is
            not judged yet.
        """
        strata = np.array(self.strata, dtype=np.intp)

        def n(word: str, part: int) -> int:
            return int(np.sum((verdicts == word) & (strata == part)))

        parts = [
            Stratum(size, n("accepted", h), n("rejected", h), n("unsure", h))
            for h, size in enumerate(self.sizes)
        ]
        return AuditReport(
            threshold=self.threshold,
            precision=precision(parts, self.n_known, self.n_known_right),
            n_asked=len(self.uids),
            n_judged=sum(part.n_judged for part in parts),
            n_accepted=sum(part.n_accepted for part in parts),
        )

"""Leaving single tilts out by hand, and taking that back; nothing that was stored is changed."""

from __future__ import annotations

from dataclasses import dataclass

from tomotui.project.errors import ProjectError
from tomotui.project.records import RecordPart
from tomotui.records import Alignment, TiltAlignment, TiltSeries
from tomotui.records.base import new_uid

BY_HAND = "left out by hand"


@dataclass(frozen=True)
class TiltChoice:
    """What was decided of one tilt, and how it was before.

    Attributes
    ----------
    excluded
        What was wished for.
    series_was, alignment_was
        Whether the tilt was left out before, in the series and in its newest alignment;
        ``alignment_was`` is ``None`` when there was no alignment.
    alignment_uid
        The alignment that was made for it.
    """

    series_uid: str
    series_name: str
    index: int
    excluded: bool
    series_was: bool
    alignment_was: bool | None = None
    alignment_uid: str | None = None


class ExclusionPart(RecordPart):
    """Decisions about single tilts."""

    def choose_tilt(self, series_uid: str, index: int, excluded: bool) -> TiltChoice:
        """Leave one tilt out of what follows, or take it in again.

        An aligned series gets a new alignment of the same geometry, made from the one it had,
        which stays. The series itself remembers the choice too: it holds when the series is
        aligned again.

        Raises
        ------
        ProjectError
            When there is no such series or tilt.
        """
        with self._db.transaction():
            series, alignment = self._tilt(series_uid, index)
            was = series.tilts[index].excluded
            aligned = _aligned_tilt(alignment, index)
            self.set_tilt_excluded(series_uid, index, excluded)
            made = self._with_tilt(alignment, index, excluded)
        return TiltChoice(
            series_uid=series_uid,
            series_name=series.name,
            index=index,
            excluded=excluded,
            series_was=was,
            alignment_was=aligned.excluded if aligned else None,
            alignment_uid=made,
        )

    def restore_tilt(self, choice: TiltChoice) -> None:
        """Let a tilt be as it was before a choice.

        Raises
        ------
        ProjectError
            When the series is not there any more.
        """
        with self._db.transaction():
            _, alignment = self._tilt(choice.series_uid, choice.index)
            self.set_tilt_excluded(choice.series_uid, choice.index, choice.series_was)
            if choice.alignment_was is not None:
                self._with_tilt(alignment, choice.index, choice.alignment_was)

    def _tilt(self, series_uid: str, index: int) -> tuple[TiltSeries, Alignment | None]:
        series = self.record(series_uid)
        if not isinstance(series, TiltSeries) or not 0 <= index < series.n_tilts:
            raise ProjectError(f"{series_uid} has no tilt {index}.", "Tilts are counted from 0.")
        alignment = self.latest("alignment", series_uid)
        return series, alignment if isinstance(alignment, Alignment) else None

    def _with_tilt(self, alignment: Alignment | None, index: int, excluded: bool) -> str | None:
        """Add an alignment that differs in one tilt; none when it would not differ."""
        aligned = _aligned_tilt(alignment, index)
        if alignment is None or aligned is None or aligned.excluded == excluded:
            return None
        note = BY_HAND if excluded else aligned.note.replace(BY_HAND, "")
        changed = aligned.model_copy(update={"excluded": excluded, "note": note})
        tilts = tuple(changed if one.index == index else one for one in alignment.tilts)
        made = alignment.model_copy(update={"uid": new_uid(), "tilts": tilts})
        self.add_records([made], parents=[alignment.series_uid, alignment.uid])
        return made.uid


def _aligned_tilt(alignment: Alignment | None, index: int) -> TiltAlignment | None:
    tilts = alignment.tilts if alignment is not None else ()
    return next((tilt for tilt in tilts if tilt.index == index), None)

"""What is decided in a review: one key, one act, in the project before the next key."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from textual import on

from tomotui.project import ProjectError
from tomotui.project.decisions import Entry
from tomotui.records import Verdict
from tomotui.tui.screens.picks_steering import PicksSteering
from tomotui.tui.screens.wait import make
from tomotui.tui.widgets.candidate_list import CandidateList, score_words
from tomotui.tui.widgets.status_bar import StatusBar
from tomotui.tui.wording import counted

AUDIT_SIZE = 50
AUDIT_STRATA_FROM = 40
"""Audits of this size and more are stratified by score."""


class PicksActs(PicksSteering):
    """Adds decisions to the screen of a review."""

    # ---- one candidate

    def action_decide(self, verdict: str) -> None:
        """Judge the candidate and go on."""
        if self.steering == "nudge":
            self.end_nudge()
            return
        if self.steering and verdict == "accepted":
            self.action_end_or_insert()
            return
        review = self.review
        if self.tomotui.refuse_when_read_only() or review is None or review.row is None:
            return
        row, place = review.row, review.place
        is_left = review.decide(cast(Verdict, verdict))
        self.query_one(CandidateList).repaint_row(row)
        if review.place != place or not is_left:
            self.show_pick()
        if not is_left:
            self.say("all of this list is decided: v and o list others, T applies the threshold")

    def action_end_or_insert(self) -> None:
        """Do what enter does while steering; subclasses end curves."""
        self.action_insert()

    def action_step(self, step: int) -> None:
        """Go to the next candidate, or the one before."""
        if self.review is not None and len(self.review):
            self.review.go_to(self.review.place + step)
            self.show_pick()

    def action_step_open(self, step: int) -> None:
        """Go to the next undecided candidate, or the one before."""
        if self.review is not None:
            if not self.review.next_open(step):
                self.say("there is no undecided one that way")
            self.show_pick()

    def action_classify(self, number: int) -> None:
        """Give the candidate a class; the same key takes it away."""
        review = self.review
        if self.tomotui.refuse_when_read_only() or review is None or review.row is None:
            return
        row, given = review.row, review.classify(number)
        self.query_one(CandidateList).repaint_row(row)
        self.show_facts()
        self.slice_view.redraw()
        words = f"class {given}; {number} again takes it away, esc leaves the review"
        self.say(words if given is not None else "no class any more")

    @on(CandidateList.Chosen)
    def _chosen(self, event: CandidateList.Chosen) -> None:
        if self.review is not None:
            self.review.go_to(event.place)
            self.show_pick()

    # ---- undo and redo

    def action_undo_act(self) -> None:
        """Take the last act of this review back."""
        if self.steering == "curve" and self.curve_points:
            self.curve_points.pop()
            self.slice_view.redraw()
            self.update_status()
            return
        self._return("taken back", "there is nothing to take back", undo=True)

    def action_redo_act(self) -> None:
        """Make again what was taken back."""
        self._return("made again", "there is nothing to make again", undo=False)

    def _return(self, done: str, nothing: str, *, undo: bool) -> None:
        review = self.review
        if self.tomotui.refuse_when_read_only() or review is None:
            return
        curation = review.curation

        def returned(decisions: Sequence[Entry]) -> None:
            review.returned(decisions)
            self.say(f"{done}: {act_words(decisions)}" if decisions else nothing)
            if decisions:
                self.acted()

        make(self, curation, curation.undo_act() if undo else curation.redo_act(), returned)

    def acted(self) -> None:
        """Show everything anew after an act about many."""
        self.query_one(CandidateList).refresh()
        self.show_list()
        if self.steering:
            self.slice_view.redraw()
            self.show_facts()
        else:
            self.show_pick()

    # ---- the threshold

    def action_threshold_here(self) -> None:
        """Put the threshold at the score of this candidate."""
        review = self.review
        if review is None or review.row is None:
            return
        score = float(review.curation.table.scores[review.row])
        if not math.isfinite(score):
            self.say("this one has no score: no search has found it", "warning")
            return
        review.threshold = score
        self._threshold_moved()

    def action_nudge_threshold(self, steps: int) -> None:
        """Move the threshold by a hundredth of the scores' range."""
        if self.review is not None and self.review.curation.has_scores:
            self.review.nudge_threshold(steps)
            self._threshold_moved()

    def _threshold_moved(self) -> None:
        review = self.review
        assert review is not None
        self.show_scores()
        self.update_status()
        if self.has_class("-narrow"):
            keep, drop = review.cut()
            self.say(f"threshold {score_words(review.threshold)}: keeps {keep}, drops {drop}")

    def action_apply_threshold(self) -> None:
        """Accept what reaches the threshold and reject the rest, as one act."""
        review = self.review
        if self.tomotui.refuse_when_read_only() or review is None:
            return
        keep, drop = review.cut()
        if not keep + drop:
            self.say("everything with a score is decided already")
            return

        def decided(decisions: Sequence[Entry]) -> None:
            self.acted()
            self.say(f"{len(decisions)} decided by the threshold; u takes it back")

        def answered(yes: bool | None) -> None:
            if yes and self.review is review:
                make(self, review.curation, review.threshold_act(), decided)

        self.tomotui.confirm(
            f"Accept {keep} with a score from {score_words(review.threshold)} and reject {drop}?",
            "One act, which u takes back. What you have decided yourself stays as it is.",
            answered,
        )

    def action_drop(self) -> None:
        """Reject this one and all undecided ones below it in the list, as one act."""
        review = self.review
        if self.tomotui.refuse_when_read_only() or review is None:
            return
        rest = review.rest()
        if not len(rest):
            self.say("nothing undecided from here on")
            return

        def dropped(decisions: Sequence[Entry]) -> None:
            self.acted()
            self.say(f"{counted(len(decisions), 'candidate')} rejected; u takes it back")

        def answered(yes: bool | None) -> None:
            if yes and self.review is review:
                make(self, review.curation, review.curation.drop_act(rest), dropped)

        self.tomotui.confirm(
            f"Reject {counted(len(rest), 'undecided candidate')}: this one and all below?",
            f"The list is sorted by {review.order}. One act, which u takes back.",
            answered,
        )

    # ---- audits

    def action_audit(self) -> None:
        """Begin an audit, or go between its sample and the list."""
        review = self.review
        if review is None or not review.curation.has_scores:
            self.say("an audit needs candidates with scores: search first", "warning")
            return
        if review.in_audit:
            review.in_audit = False
            review.arrange()
            self.acted()
        elif review.curation.audit is not None and len(review.curation.audit_rows()):
            review.in_audit = True
            review.arrange(keep=False)
            self.acted()
        elif not self.tomotui.refuse_when_read_only():
            self.status_bar.ask(
                "audit", "audit: how many to ask about, at random? ", str(AUDIT_SIZE)
            )

    def _begin_audit(self, words: str) -> None:
        review = self.review
        if review is None or not words.strip().isdigit() or int(words) < 1:
            self.say("an audit asks about a number of candidates, such as 50", "warning")
            return
        n = int(words)
        strata = 4 if n >= AUDIT_STRATA_FROM else 1
        seed = sum(map(ord, self.session_name))
        try:
            review.curation.start_audit(n, review.threshold, seed=seed, n_strata=strata)
        except ProjectError as error:
            self.say(str(error), "warning")
            return
        review.in_audit = True
        review.arrange(keep=False)
        self.acted()

    def action_wanted_precision(self) -> None:
        """Ask for the precision that is wanted, and put the threshold where it is reached."""
        if self.review is None or self.review.curation.curve() is None:
            self.say("judge some candidates with scores first", "warning")
            return
        self.status_bar.ask("precision", "wanted precision in %: ", "90")

    def _want_precision(self, words: str) -> None:
        review = self.review
        curve = review.curation.curve() if review is not None else None
        try:
            wanted = float(words.strip().rstrip("%")) / 100
        except ValueError:
            self.say(f"{words} is no percentage", "warning")
            return
        if review is None or curve is None:
            return
        threshold = curve.threshold_for(wanted)
        if threshold is None:
            self.say(f"no threshold reaches {wanted:.0%}: judge more, or search better", "warning")
            return
        review.threshold = threshold
        self.show_scores()
        self.say(
            f"from score {score_words(threshold)} on {wanted:.0%} are expected to be right, "
            f"{curve.recall(threshold):.0%} of all; T applies it"
        )

    @on(StatusBar.Answered)
    def _asked_and_answered(self, event: StatusBar.Answered) -> None:
        if event.live or event.text is None:
            return
        if event.purpose == "audit":
            self._begin_audit(event.text)
        elif event.purpose == "precision":
            self._want_precision(event.text)


def act_words(decisions: Sequence[Entry]) -> str:
    """Return what an act was about."""
    if len(decisions) > 1:
        return f"{len(decisions)} candidates"
    one = decisions[0]
    if one.x_angstrom is not None:
        return "a move"
    if one.previous == one.verdict:
        return f"{one.verdict} as before"
    return f"{one.verdict} now, {one.previous} before"

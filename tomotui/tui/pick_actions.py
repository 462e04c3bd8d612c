"""What can be done in a review of candidates, and in its gallery."""

from __future__ import annotations

from tomotui.tui.action import Action

PICK_ACTIONS = (
    # Reviews of candidates; the keys of slices work beside these.
    Action("pick.accept", "accept", "Accept and go on.", "decide('accepted')", True),
    Action("pick.reject", "reject", "Reject and go on.", "decide('rejected')", True),
    Action("pick.unsure", "unsure", "Leave it unsure and go on.", "decide('unsure')", True),
    Action("pick.next", "next", "To the next candidate.", "step(1)", True),
    Action("pick.previous", "previous", "To the candidate before.", "step(-1)"),
    Action("pick.next_open", "next undecided", "To the next undecided one.", "step_open(1)"),
    Action(
        "pick.previous_open", "undecided before", "To the undecided one before.", "step_open(-1)"
    ),
    Action(
        "pick.filter",
        "filter",
        "List only candidates whose series, decision or class match; ! inverts.",
        "filter_list",
    ),
    Action("pick.undo", "undo", "Take the last act back.", "undo_act", True),
    Action("pick.redo", "redo", "Make again what was taken back.", "redo_act"),
    *(
        Action(f"pick.class_{n}", f"class {n}", f"Class {n}; again: no class.", f"classify({n})")
        for n in range(1, 10)
    ),
    Action(
        "pick.threshold_here",
        "cut here",
        "Put the threshold at the score of this candidate.",
        "threshold_here",
        True,
    ),
    Action("pick.threshold_down", "lower", "Lower the threshold.", "nudge_threshold(-1)"),
    Action("pick.threshold_up", "higher", "Raise the threshold.", "nudge_threshold(1)"),
    Action(
        "pick.threshold_apply",
        "apply cut",
        "Accept what reaches the threshold and reject the rest; asks first.",
        "apply_threshold",
    ),
    Action(
        "pick.drop",
        "drop the rest",
        "Reject this one and everything undecided below it in the list; asks first.",
        "drop",
    ),
    Action("pick.gallery", "gallery", "The candidates as a sheet of tiles.", "gallery", True),
    Action("pick.sort", "sort", "Sort by the next order.", "sort", True),
    Action("pick.show", "list", "List all, or only those of one decision.", "show"),
    Action("pick.scope", "this series", "List this series only, or all.", "scope"),
    Action("pick.insert", "insert", "Put a particle in at the crosshair.", "insert", True),
    Action("pick.mark", "mark", "Steer a crosshair and mark particles by hand.", "mark", True),
    Action("pick.nudge", "move", "Move the candidate with hjkl , . and enter.", "nudge"),
    Action("pick.curve", "curve", "Mark points along a filament or membrane; enter ends.", "curve"),
    Action("pick.left", "left", "While steering: to the left.", "sideways(-1)"),
    Action(
        "pick.right", "marks", "All marks, this one, none; while steering: right.", "sideways(1)"
    ),
    Action("pick.series_next", "next tomogram", "Look at the next tomogram.", "series(1)"),
    Action("pick.series_back", "tomogram before", "Look at the tomogram before.", "series(-1)"),
    Action("pick.volume", "volume", "Another volume of the series: restored, measured.", "volume"),
    Action("pick.choose_set", "set", "Choose a particle set, or begin one.", "choose_set", True),
    Action("pick.audit", "audit", "Judge a random sample; again: back to the list.", "audit", True),
    Action(
        "pick.precision",
        "precision",
        "Say which precision is wanted; the threshold goes where it is reached.",
        "wanted_precision",
    ),
    Action(
        "pick.retrain",
        "train",
        "Train the network on what was decided, and search all tomograms.",
        "retrain",
        True,
    ),
    # The gallery.
    Action("gallery.left", "left", "One tile to the left.", "move(-1, 0)"),
    Action("gallery.right", "right", "One tile to the right.", "move(1, 0)"),
    Action("gallery.up", "up", "One tile up.", "move(0, -1)"),
    Action("gallery.down", "down", "One tile down.", "move(0, 1)"),
    Action("gallery.page_next", "next page", "To the next page.", "page(1)", True),
    Action("gallery.page_back", "page before", "To the page before.", "page(-1)", True),
    Action("gallery.first", "first", "To the first page.", "first"),
    Action("gallery.last", "last", "To the last page.", "last"),
    Action("gallery.accept", "accept", "Accept; again: undecided.", "judge('accepted')", True),
    Action("gallery.reject", "reject", "Reject; again: undecided.", "judge('rejected')", True),
    Action("gallery.unsure", "unsure", "Unsure; again: undecided.", "judge('unsure')"),
    Action(
        "gallery.range", "range", "Begin a range; a, x and s then mean all of it.", "range", True
    ),
    Action("gallery.accept_page", "accept all", "Accept all undecided on the page.", "accept_page"),
    Action(
        "gallery.drop",
        "drop the rest",
        "Reject this one and everything undecided after it; asks first.",
        "drop",
        True,
    ),
    Action("gallery.undo", "undo", "Take the last act back.", "undo_act", True),
    Action("gallery.redo", "redo", "Make again what was taken back.", "redo_act"),
    Action("gallery.sort", "sort", "Sort by the next order.", "sort", True),
    Action("gallery.show", "list", "List all, or only those of one decision.", "show"),
    Action("gallery.filter", "filter", "Low-pass filter: none, 20 to 80 Å.", "filter"),
    Action("gallery.slice", "slice", "Look at this one in its slice.", "slice", True),
)
"""Actions of the scopes ``pick`` and ``gallery``; the keys of slices work beside the first."""

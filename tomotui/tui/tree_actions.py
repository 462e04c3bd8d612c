"""What can be done in the tree of jobs."""

from __future__ import annotations

from tomotui.tui.action import Action

TREE_ACTIONS = (
    Action("tree.fold", "fold", "Fold what is behind the job, or go to the one before.", "fold"),
    Action("tree.unfold", "unfold", "Show what is behind the job.", "unfold"),
    Action(
        "tree.fold_all", "fold all", "Fold all but the nearest, or unfold all.", "fold_all", True
    ),
)
"""Actions of the tree of jobs; `job` has those of the jobs in it."""

"""What can be done with slices: in every picture of them, and on the screen of slices alone."""

from __future__ import annotations

from tomotui.tui.action import Action

VIEW_ACTIONS = (
    Action("slice.next", "next slice", "To the next slice.", "move(1)", True),
    Action("slice.previous", "slice before", "To the slice before.", "move(-1)"),
    Action("slice.next_10", "10 slices on", "Ten slices on.", "move(10)"),
    Action("slice.previous_10", "10 slices back", "Ten slices back.", "move(-10)"),
    Action("slice.first", "first slice", "To the first slice.", "first"),
    Action("slice.last", "last slice", "To the last slice.", "last"),
    Action("slice.pan_left", "pan left", "Pan to the left.", "pan(0, -1)"),
    Action("slice.pan_right", "pan right", "Pan to the right.", "pan(0, 1)"),
    Action("slice.pan_up", "pan up", "Pan upwards.", "pan(-1, 0)"),
    Action("slice.pan_down", "pan down", "Pan downwards.", "pan(1, 0)"),
    Action(
        "slice.pan_left_fast",
        "far left",
        "Pan to the left by a quarter of what is seen.",
        "pan(0, -1, True)",
    ),
    Action(
        "slice.pan_right_fast",
        "far right",
        "Pan to the right by a quarter of what is seen.",
        "pan(0, 1, True)",
    ),
    Action(
        "slice.pan_up_fast",
        "far up",
        "Pan upwards by a quarter of what is seen.",
        "pan(-1, 0, True)",
    ),
    Action(
        "slice.pan_down_fast",
        "far down",
        "Pan downwards by a quarter of what is seen.",
        "pan(1, 0, True)",
    ),
    Action("slice.zoom_in", "zoom in", "Go nearer.", "zoom(1)", True),
    Action("slice.zoom_out", "zoom out", "Go further away.", "zoom(-1)", True),
    Action(
        "slice.zoom_one", "1 to 1", "Show one voxel as one sub-pixel of a character.", "one_to_one"
    ),
    Action("slice.zoom_fit", "fit", "Fit the whole slice into the view.", "fit"),
    Action("slice.contrast_more", "more contrast", "Let greys span less.", "contrast(1)", True),
    Action("slice.contrast_less", "less contrast", "Let greys span more.", "contrast(-1)"),
    Action("slice.brighter", "brighter", "Make the picture brighter.", "level(1)"),
    Action("slice.darker", "darker", "Make the picture darker.", "level(-1)"),
    Action(
        "slice.contrast_auto",
        "auto contrast",
        "Take the automatic contrast; again: the one kept with the tomogram.",
        "auto_contrast",
        True,
    ),
    Action("slice.slab_thicker", "thicker slab", "Average more slices.", "slab(1)", True),
    Action("slice.slab_thinner", "thinner slab", "Average fewer slices.", "slab(-1)"),
    Action("slice.filter", "filter", "Low-pass filter: none, 20 to 80 Å.", "filter", True),
    Action("slice.invert", "invert", "Show dark as bright.", "invert", True),
    Action("slice.axis", "plane", "Cut along XY, XZ, YZ in turn.", "axis", True),
    Action(
        "slice.renderer", "characters", "Draw with finer or coarser characters.", "renderer", True
    ),
    Action("slice.yank", "copy", "Copy path, name or position of what is seen.", "yank"),
)
"""Work wherever slices are shown; the screen of candidates adds its own keys to them."""

SCREEN_ACTIONS = (
    Action("slice.aligned", "aligned", "Tilt images raw or aligned.", "aligned", True),
    Action(
        "slice.choice_next",
        "next volume",
        "To the next tomogram of the series, or its tilt images.",
        "choose(1)",
        True,
    ),
    Action("slice.series_next", "next series", "To the next series.", "series(1)"),
    Action("slice.series_previous", "series before", "To the series before.", "series(-1)"),
    Action(
        "slice.blink",
        "blink",
        "Show the restored and the measured tomogram in turn, at the same place.",
        "blink",
        True,
    ),
    Action("slice.bookmark", "set bookmark", "Keep this place under a letter.", "bookmark"),
    Action("slice.recall", "to bookmark", "Go to the place kept under a letter.", "recall"),
    Action("slice.back", "back", "Leave the slices.", "back", True),
)
"""Work on the screen of slices alone."""

SLICE_ACTIONS = (*VIEW_ACTIONS, *SCREEN_ACTIONS)

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
    Action("slice.axis", "plane", "Cut along XY, XZ, YZ in turn.", "axis", True),
    Action("slice.zoom_in", "zoom in", "Go nearer.", "zoom(1)", True),
    Action("slice.zoom_out", "zoom out", "Go further away.", "zoom(-1)"),
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
    ),
    Action("slice.slab_thicker", "thicker slab", "Average more slices.", "slab(1)", True),
    Action("slice.slab_thinner", "thinner slab", "Average fewer slices.", "slab(-1)"),
    Action("slice.filter", "filter", "Low-pass 20 to 80 Å, or a particle's size.", "filter", True),
    Action("slice.invert", "invert", "Show dark as bright.", "invert", True),
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
    Action(
        "slice.blink_on",
        "keep blinking",
        "Show both volumes in turn by the clock; again: stop.",
        "blink_on",
    ),
    Action(
        "slice.beside",
        "side by side",
        "Show another volume of the series beside this one, at the same place; again: alone.",
        "beside",
        True,
    ),
    Action(
        "slice.partner",
        "compare with",
        "Compare with the next other volume of the series: restored, half, other alignment.",
        "partner",
    ),
    Action(
        "slice.spectrum",
        "spectrum",
        "Show the power spectrum of the slice beside it; again: alone.",
        "spectrum",
        True,
        "spectrum",
    ),
    Action(
        "slice.cross",
        "crosshair",
        "Show a crosshair that arrows move, its place and the value under it; again: none.",
        "cross",
    ),
    Action("slice.bookmark", "set bookmark", "Keep this place under a letter.", "bookmark"),
    Action("slice.recall", "to bookmark", "Go to the place kept under a letter.", "recall"),
    Action("slice.back", "back", "Leave the slices.", "back", True),
)
"""Work on the screen of slices alone."""

MODE_ACTIONS = (
    Action(
        "slice.ortho",
        "three planes",
        "Show the planes XY, XZ and YZ that meet in one point, with a cursor that moves it.",
        "ortho",
        True,
        "ortho",
    ),
    Action(
        "slice.overlay",
        "overlay",
        "Draw over the slices: particles, their classes, scores or maps put back, nothing.",
        "overlay",
        True,
    ),
    Action(
        "slice.overlay_set",
        "which particles",
        "Choose a set whose particles are drawn over the slices, or are not any more.",
        "overlay_set",
    ),
    Action(
        "slice.still",
        "sharp picture",
        "Show the slice at the full resolution of the screen, where the terminal has pictures.",
        "still",
        False,
        "still",
    ),
)
"""Work on the slices of a project."""

TRIPLE_ACTIONS = (
    Action("triple.left", "cursor left", "Move the point along x, down.", "move(-1, 0, 0)"),
    Action("triple.right", "cursor", "Move the point along x, up.", "move(1, 0, 0)", True),
    Action("triple.up", "cursor up", "Move the point along y, down.", "move(0, -1, 0)"),
    Action("triple.down", "cursor down", "Move the point along y, up.", "move(0, 1, 0)"),
    Action("triple.back", "cursor back", "Move the point along z, down.", "move(0, 0, -1)"),
    Action("triple.on", "along z", "Move the point along z, up.", "move(0, 0, 1)", True),
    Action("triple.far_left", "far left", "Ten voxels along x, down.", "move(-10, 0, 0)"),
    Action("triple.far_right", "far right", "Ten voxels along x, up.", "move(10, 0, 0)"),
    Action("triple.far_up", "far up", "Ten voxels along y, down.", "move(0, -10, 0)"),
    Action("triple.far_down", "far down", "Ten voxels along y, up.", "move(0, 10, 0)"),
    Action("triple.far_back", "far back", "Ten voxels along z, down.", "move(0, 0, -10)"),
    Action("triple.far_on", "far on", "Ten voxels along z, up.", "move(0, 0, 10)"),
    Action("triple.nearer", "nearer", "Go nearer.", "zoom(1)", True),
    Action("triple.further", "further", "Go further away.", "zoom(-1)"),
    Action("triple.contrast_more", "more contrast", "Let greys span less.", "contrast(-1)"),
    Action("triple.contrast_less", "less contrast", "Let greys span more.", "contrast(1)"),
    Action("triple.reset", "begin again", "Show all, about the middle.", "reset"),
    Action("triple.go", "slices here", "Go on to the slices at this point.", "screen.go", True),
)
"""Work where three planes are shown."""

SLICE_ACTIONS = (*VIEW_ACTIONS, *SCREEN_ACTIONS, *MODE_ACTIONS, *TRIPLE_ACTIONS)

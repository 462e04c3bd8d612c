"""What can be done with maps: in the list, with surfaces, and with sections."""

from __future__ import annotations

from tomotui.tui.action import Action

MAP_ACTIONS = (
    Action("map.panel", "panel", "To the next panel.", "panel(1)", True),
    Action("map.panel_back", "panel back", "To the panel before.", "panel(-1)"),
    Action(
        "map.part",
        "part",
        "Show the next of: final map, half maps, mask, unfiltered map, local resolution.",
        "part",
        True,
    ),
    Action(
        "map.blink",
        "blink",
        "Show this map and the one marked (or seen before) in turn, from the same side.",
        "blink",
        True,
    ),
    Action(
        "map.beside",
        "side by side",
        "Show this map and the one marked (or seen before) side by side.",
        "beside",
        True,
    ),
    Action(
        "map.particles",
        "particles",
        "Review the particles of the map one by one: keep them with a, cut them with x.",
        "particles",
        True,
    ),
    Action(
        "map.gallery",
        "gallery",
        "The particles of the map as a sheet of tiles, to be kept or cut.",
        "gallery",
    ),
    Action("map.quantity", "quantity", "Plot the next quantity of the tilts.", "quantity"),
    Action("map.series", "next series", "Plot the next tilt series.", "series(1)"),
    Action("map.series_back", "series before", "Plot the tilt series before.", "series(-1)"),
    Action("map.yank", "copy", "Copy path, name or command of the map.", "yank"),
    # Surfaces.
    Action("surface.left", "turn left", "Turn the map to the left.", "turn(-1, 0)"),
    Action("surface.right", "turn", "Turn the map to the right.", "turn(1, 0)", True),
    Action("surface.up", "turn up", "Turn the map upwards.", "turn(0, -1)"),
    Action("surface.down", "turn down", "Turn the map downwards.", "turn(0, 1)"),
    Action("surface.roll_left", "roll left", "Roll it against the clock.", "turn(0, 0, -1)"),
    Action("surface.roll_right", "roll right", "Roll it with the clock.", "turn(0, 0, 1)"),
    Action("surface.nearer", "nearer", "Go nearer.", "zoom(1)"),
    Action("surface.further", "further", "Go further away.", "zoom(-1)"),
    Action(
        "surface.level_down", "contour", "Lower the contour: more is seen.", "contour(-1)", True
    ),
    Action("surface.level_up", "contour up", "Raise the contour: less is seen.", "contour(1)"),
    Action("surface.along", "along axis", "Look along z, along y, along x in turn.", "along"),
    Action("surface.reset", "begin again", "Look as at the beginning.", "reset"),
    # Sections.
    Action("ortho.left", "cursor left", "Move the cursor along x, down.", "move(-1, 0, 0)"),
    Action("ortho.right", "cursor", "Move the cursor along x, up.", "move(1, 0, 0)", True),
    Action("ortho.up", "cursor up", "Move the cursor along y, down.", "move(0, -1, 0)"),
    Action("ortho.down", "cursor down", "Move the cursor along y, up.", "move(0, 1, 0)"),
    Action("ortho.back", "section back", "Move the cursor along z, down.", "move(0, 0, -1)"),
    Action("ortho.on", "section", "Move the cursor along z, up.", "move(0, 0, 1)", True),
    Action("ortho.nearer", "nearer", "Go nearer.", "zoom(1)"),
    Action("ortho.further", "further", "Go further away.", "zoom(-1)"),
    Action("ortho.contrast_down", "contrast", "Let greys span less.", "contrast(-1)"),
    Action("ortho.contrast_up", "flatter", "Let greys span more.", "contrast(1)"),
    Action("ortho.reset", "begin again", "Look as at the beginning.", "reset"),
    Action(
        "ortho.point",
        "mark body",
        "Mark a point of the present body at the cursor.",
        "screen.mark_body",
        True,
    ),
    Action("ortho.body", "next body", "Mark the next body from here on.", "screen.body(1)", True),
    Action("ortho.body_back", "body back", "Mark the body before again.", "screen.body(-1)"),
    Action("ortho.unmark", "drop point", "Drop the point nearest to the cursor.", "screen.unmark"),
    Action(
        "ortho.bodies",
        "move bodies",
        "Refine the marked bodies one by one: a form opens, with the points in it.",
        "screen.launch_bodies",
        True,
    ),
)

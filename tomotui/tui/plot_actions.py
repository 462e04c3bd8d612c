"""What can be done with charts, wherever they are."""

from __future__ import annotations

from tomotui.tui.action import Action

PLOT_ACTIONS = (
    Action(
        "plot.export",
        "export plot",
        "Write the chart as SVG, PNG and CSV into the project's folder of exports.",
        "app.export_plot",
    ),
    Action("plot.left", "value before", "Read the values one point before.", "point(-1)"),
    Action("plot.right", "next value", "Read the values one point further.", "point(1)"),
    Action("plot.far_left", "far before", "A twentieth of the way back.", "point_far(-1)"),
    Action("plot.far_right", "far on", "A twentieth of the way on.", "point_far(1)"),
    Action("plot.first", "first value", "Read the first values.", "point_end(-1)"),
    Action("plot.last", "last value", "Read the last values.", "point_end(1)"),
    Action("plot.smooth", "smooth", "Smooth the curve more, and at last not.", "smooth", True),
    Action("plot.log", "log axis", "Logarithmic vertical axis, or plain.", "log", True),
)
"""Actions of charts and of the screens that show them."""

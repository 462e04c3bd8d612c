"""Frames, tilt geometry and poses: where everything is, and how it turns."""

from tomotui.geometry.tilt import TiltGeometry, rotation_x, rotation_y, rotation_z

__all__ = ["TiltGeometry", "rotation_x", "rotation_y", "rotation_z"]

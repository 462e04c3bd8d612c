"""Marker-free alignment of tilt series."""

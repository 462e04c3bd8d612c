"""Sorting particles into classes of different structure, softly, on their tilt images."""

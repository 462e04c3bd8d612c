"""Particles cut out of tilt images, for other programs."""

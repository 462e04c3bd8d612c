"""Defocus, astigmatism, phase shift and handedness of a tilt series from its power spectra."""

"""Fourier, filters, projection, interpolation: what every method builds on."""

"""First maps of particles from nothing: no reference, no orientations."""

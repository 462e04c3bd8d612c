"""Refinement of poses, of maps and of the tilt series' geometry, with particles as markers."""

"""Particles as the images show them: crops of every tilt with all that is known of each."""

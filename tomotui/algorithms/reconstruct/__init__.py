"""From aligned tilt images to a tomogram."""

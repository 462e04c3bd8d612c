"""Charts on paper: laid out once, drawn as vectors or pixels, and written as a table."""

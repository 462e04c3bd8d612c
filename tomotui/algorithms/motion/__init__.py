"""Motion of the specimen during an exposure: found from the frames, and undone."""

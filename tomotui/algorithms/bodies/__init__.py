"""Parts of particles that move as rigid bodies: their masks, poses, maps and motions."""

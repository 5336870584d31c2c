"""Vectors that other programs made, into an archive; and out of it, for other programs."""

"""What computes a network: torch, or another engine that is given its graph."""

"""The tree of practice centers, offices and stations, the divisions under it, and who holds which rights in it."""

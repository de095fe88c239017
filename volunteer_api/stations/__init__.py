"""Service stations: where they are, when they are open and what they offer."""

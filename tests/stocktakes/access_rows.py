"""Rows of the access matrix: stocktakes."""

from tests.access_scene import Entry

ROWS: dict[str, Entry] = {}

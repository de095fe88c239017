"""Rows of the access matrix: compliance."""

from tests.access_scene import Entry

ROWS: dict[str, Entry] = {}

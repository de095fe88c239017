"""Rows of the access matrix: loans."""

from tests.access_scene import Entry

ROWS: dict[str, Entry] = {}

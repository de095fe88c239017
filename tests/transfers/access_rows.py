"""Rows of the access matrix: transfers."""

from tests.access_scene import Entry

ROWS: dict[str, Entry] = {}

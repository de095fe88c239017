"""Rows of the access matrix: qualifications."""

from tests.access_scene import Entry

ROWS: dict[str, Entry] = {}

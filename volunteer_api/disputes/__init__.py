"""Disputes about recorded, held and missing service."""

"""Durables that are lent and come back: assets, loans, borrowers."""

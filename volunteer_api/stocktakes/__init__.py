"""Counting what is there: stocktakes and hand-over counts."""

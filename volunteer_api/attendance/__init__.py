"""Check-in and check-out: evidence, its grade, and the minutes that it credits."""

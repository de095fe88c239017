"""Leaderboards of organizations, teams and stations, read live from the rows."""

"""Volunteer teams and who belongs to them."""

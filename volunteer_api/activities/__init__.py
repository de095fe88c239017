"""Campaigns, activities, shifts, sign-ups and the waitlist."""

"""Sign-ups for shifts: who may, the waitlist, and promotion."""

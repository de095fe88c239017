"""What volunteers say of an activity afterwards."""

"""What the app's screens need in one answer."""

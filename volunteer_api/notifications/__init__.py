"""What people should hear of: an inbox whose rows are the outbox too. Knows only people, so everybody can notify."""

"""What somebody may do: trainings that are valid and insurance that covers."""

"""What stations may keep, must keep and must not keep: items and kit standards."""

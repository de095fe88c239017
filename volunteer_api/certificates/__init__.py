"""Service record certificates, star levels, the national export."""

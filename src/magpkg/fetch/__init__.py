"""From an address to a verified file."""

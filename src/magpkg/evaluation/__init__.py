"""From a manifest's text to a plain value."""

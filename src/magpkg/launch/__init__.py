"""All that a warm launch passes, and nothing else: from a kept plan to a supervised command."""

"""What several tests share, by what it helps with."""

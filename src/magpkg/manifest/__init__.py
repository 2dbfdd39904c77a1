"""What a person writes, as checked and hashed values: packages, mounts, entries, the manifest itself."""

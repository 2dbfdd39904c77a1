"""From a root file system and mounts to bwrap's arguments, and what this machine allows of that."""

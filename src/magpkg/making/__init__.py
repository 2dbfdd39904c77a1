"""From a closure of packages to a root file system in the store."""

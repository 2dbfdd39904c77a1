"""Names of Debian's packages to locks, and locks to packages."""

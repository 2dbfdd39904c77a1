"""The directory that all of a user's venvs share: names, locks, the confined writer, what is in it and what may go."""

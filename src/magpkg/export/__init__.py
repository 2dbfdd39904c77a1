"""From a venv to what other tools take: archives and images."""

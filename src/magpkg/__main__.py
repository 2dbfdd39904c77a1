"""`python -m magpkg`."""

from magpkg.cli import main

main()

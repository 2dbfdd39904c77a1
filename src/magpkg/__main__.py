"""`python -m magpkg`."""

from magpkg.start import main

main()

"""Runs the cases of cases.yaml: `python -m tests.packages [--suite SUITE] [NAME...]`; ends with 1 where some fail."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.packages.run import SUITES, load, run


def main() -> int:
    """Run what the command line names, else all; print a line for each and what those that failed said."""
    parser = argparse.ArgumentParser(prog="python -m tests.packages", description=__doc__)
    parser.add_argument("--suite", action="append", choices=SUITES)
    parser.add_argument("names", nargs="*", help="packages; only cases that name one of them are run")
    given = parser.parse_args()
    cases = load(given.suite or SUITES, given.names)
    failed = 0
    with tempfile.TemporaryDirectory(dir=Path.home()) as directory:
        store = os.environ.get("MAGPKG_TEST_STORE") or f"{directory}/store"
        environment = {**os.environ, "MAGPKG_STORE": store}
        for number, case in enumerate(cases):
            result = run(case, f"{directory}/{number}", environment)
            failed += not result.passed
            how = "scripts" if result.scripts else "unpacked"
            print(
                f"{'ok    ' if result.passed else 'FAILED'} {result.seconds:7.1f} s  {how:8}  {case.title}", flush=True
            )
            if not result.passed:
                print("".join(f"       {line}\n" for line in result.said.strip().splitlines()[-12:]), flush=True)
    print(f"{len(cases) - failed} of {len(cases)} pass")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

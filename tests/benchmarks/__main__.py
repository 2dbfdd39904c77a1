"""`python -m tests.benchmarks [--json FILE] [--scratch DIRECTORY] [figure...]`."""

import argparse
import compileall
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Sequence

import magpkg
from magpkg.store import tree
from tests.benchmarks.figures import FIGURES, Bench
from tests.benchmarks.measure import Row, table

_MANIFEST = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "core-venv.jsonnet")


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table; 1 where a figure is over what is asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES], help="default: all")
    parser.add_argument("--json", metavar="FILE", help="keep the figures there")
    parser.add_argument("--scratch", metavar="DIRECTORY", help="where to work; default: /dev/shm, which no disk slows")
    parser.add_argument("--manifest", default=_MANIFEST, help="what to launch and make")
    parser.add_argument("--warm-runs", type=int, default=21)
    parser.add_argument("--cold-runs", type=int, default=21)
    parser.add_argument("--scale", type=int, default=1000, help="packages; a tenth of the venvs")
    given = parser.parse_args(arguments)
    base = given.scratch or ("/dev/shm" if os.path.isdir("/dev/shm") else None)
    scratch = tempfile.mkdtemp(prefix="magpkg-bench-", dir=base)
    bench = Bench(scratch, os.path.abspath(given.manifest), given.warm_runs, given.cold_runs, given.scale)
    rows: list[Row] = []
    compileall.compile_dir(
        os.path.dirname(magpkg.__file__), quiet=1
    )  # as an installed package is, whatever edits there were
    try:
        for name in given.figures or FIGURES:
            rows += FIGURES[name](bench)
    finally:
        tree.remove(scratch)
    print(table(rows))
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump([dataclasses.asdict(row) for row in rows], file, indent=2)
    return 1 if any(row.verdict == "OVER" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The benchmark runs; what its figures are is for a quiet machine to say."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def test_the_benchmark_prints_and_keeps_its_figures(tmp_path: pathlib.Path) -> None:
    kept = tmp_path / "figures.json"
    words = [sys.executable, "-m", "tests.benchmarks", "evaluation", "merging", "cleaning"]
    sizes = ["--scale", "8", "--cold-runs", "1", "--scratch", str(tmp_path), "--json", str(kept)]
    done = subprocess.run([*words, *sizes], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr  # 1: a figure is over on this machine
    rows = json.loads(kept.read_text(encoding="utf-8"))
    assert [row["unit"] for row in rows] == ["s", "MB", "x", "s", "x", "s", "x"], done.stderr
    assert all(row["value"] > 0 and row["name"] in done.stdout for row in rows)
    assert os.listdir(tmp_path) == [kept.name]

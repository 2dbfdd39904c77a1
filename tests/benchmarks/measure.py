"""Measuring: commands in turn, medians, rows of a table."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure: what it is, its value, the most it may be (None where nothing is asked), what it was made from."""

    name: str
    value: float
    unit: str
    at_most: float | None
    detail: str

    @property
    def verdict(self) -> str:
        """Whether the figure is as asked."""
        if self.at_most is None:
            return ""
        return "ok" if self.value <= self.at_most else "OVER"


def alternating(runs: int, jobs: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The median seconds of each job; the jobs take turns, so that what else the machine does befalls all alike."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(runs):
        for name, job in jobs.items():
            begin = time.perf_counter()
            job()
            taken[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in taken.items()}


def command(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Callable[[], object]:
    """A job that runs a command to its end, which must be success."""
    return lambda: subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)


def peak_memory(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """The most memory in bytes that any one process of a command had resident."""
    process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return usage.ru_maxrss * 1024


def table(rows: Sequence[Row]) -> str:
    """The rows for people to read."""
    lines = [f"{'figure':<58} {'value':>9} {'at most':>8}       made from"]
    for row in rows:
        limit = "" if row.at_most is None else f"{row.at_most:g}"
        lines.append(f"{row.name:<58} {row.value:>7.2f} {row.unit:<2} {limit:>7} {row.verdict:<5} {row.detail}")
    return "\n".join(lines)

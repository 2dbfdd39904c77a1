"""The fuzzing script: python -m tests.fuzz [--seconds N | --inputs N] [--seed N] [--only N] [PARSER...]

An input is made from the seed, the parser's name and a number, so a find is had again by its number. Parsers run in
processes of their own: one that is killed, such as by a fault in a library, is a find like any other.
"""

import argparse
import logging
import mmap
import os
import pickle
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field

from magpkg.errors import MagpkgError
from tests.fuzz.parsers import PARSERS, Parser

SECONDS_MAX = 5.0
"""What one input may take of the processor: others may be at work."""

MEMORY_MAX = 1 << 30
"""What a parser may map; more is a MemoryError."""

_BATCH = 200


class Slow(BaseException):
    """An input took too long; no parser's `except` is meant for it."""


@dataclass
class Report:
    """What came of a run: inputs that were tried, and those that were read rather than refused; finds by their kind."""

    tried: int = 0
    read: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    first: dict[str, tuple[int, str]] = field(default_factory=dict)


def make_input(parser: Parser, name: str, seed: int, number: int) -> tuple[bytes, random.Random]:
    """The input of this number, and what is left to choose by."""
    choose = random.Random(f"{seed} {name} {number}")  # noqa: S311 - to be had again, not to be secret
    data = choose.choice(parser.seeds)
    for _ in range(choose.choice((1, 1, 2))):
        try:
            data = choose.choice(parser.mutations)(choose, data, parser.seeds)
        except ValueError:
            continue  # what is no JSON any more cannot be changed as such
    return data, choose


def run(name: str, seed: int, numbers: range, seconds: float, at: mmap.mmap) -> Report:
    """Try inputs until time or numbers end; `at` is told the number of each."""
    report, began = Report(), time.monotonic()
    with tempfile.TemporaryDirectory(dir=_scratch()) as scratch:
        parser = PARSERS[name](scratch)
        logging.disable()  # python-debian's, of which there would be millions of lines
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
        signal.signal(signal.SIGPROF, _too_slow)
        for number in numbers:
            if number % _BATCH == 0 and time.monotonic() - began > seconds:
                break
            at[:8] = number.to_bytes(8, "little")
            data, choose = make_input(parser, name, seed, number)
            report.tried += 1
            signal.setitimer(signal.ITIMER_PROF, SECONDS_MAX)
            try:
                parser.parse(data, choose)
                report.read += 1
            except MagpkgError:
                pass
            except (Exception, Slow) as error:
                kind = _kind(error)
                report.kinds[kind] += 1
                report.first.setdefault(kind, (number, traceback.format_exc()))
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
    report.seconds = time.monotonic() - began
    return report


def _scratch() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _too_slow(_number: int, _frame: object) -> None:
    raise Slow(f"over {SECONDS_MAX} s")


def _kind(error: BaseException) -> str:
    """An error's type and the innermost line of magpkg's that it passed through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/magpkg/" in frame.filename]
    place = f"{frames[-1].filename.rpartition('/magpkg/')[2]}:{frames[-1].lineno}" if frames else "tests"
    return f"{type(error).__name__} at {place}"


def run_apart(name: str, seed: int, numbers: range, seconds: float) -> Report:
    """The same in a process of its own; what killed that is a find."""
    at = mmap.mmap(-1, 8)
    end, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end)
        try:
            with open(told, "wb") as file:
                pickle.dump(run(name, seed, numbers, seconds, at), file)
        finally:
            os._exit(0)
    os.close(told)
    with open(end, "rb") as file:
        said = file.read()
    _, status = os.waitpid(child, 0)
    if said:
        found = pickle.loads(said)  # noqa: S301 - of this program's own
        assert isinstance(found, Report)
        return found
    number = int.from_bytes(at[:8], "little")
    kind = f"killed, {os.waitstatus_to_exitcode(status)}"
    return Report(number - numbers.start + 1, 0, seconds, Counter([kind]), {kind: (number, "")})


def main() -> int:
    """Run the script; 1 where anything was found."""
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz parsers with mutated inputs.")
    arguments.add_argument("parsers", nargs="*", metavar="PARSER", help=f"of {', '.join(PARSERS)}; default: all")
    arguments.add_argument("--seconds", type=float, help="how long to try, all parsers together (default 60)")
    arguments.add_argument("--inputs", type=int, help="how many inputs for each parser, however long they take")
    arguments.add_argument("--seed", type=int, default=0, help="another seed makes other inputs")
    arguments.add_argument("--only", type=int, metavar="NUMBER", help="show one input of one parser, and try it")
    asked = arguments.parse_args()
    names = asked.parsers or list(PARSERS)
    if unknown := set(names) - set(PARSERS):
        arguments.error(f"no such parser: {', '.join(sorted(unknown))}")
    if asked.only is not None:
        numbers, seconds = range(asked.only, asked.only + 1), 60.0
        with tempfile.TemporaryDirectory() as scratch:
            sys.stdout.write(f"{make_input(PARSERS[names[0]](scratch), names[0], asked.seed, asked.only)[0]!r}\n")
    elif asked.inputs is not None:
        numbers, seconds = range(asked.inputs), float("inf")
    else:
        numbers, seconds = range(1 << 60), (asked.seconds or 60.0) / len(names)
    found = 0
    for name in names:
        report = run_apart(name, asked.seed, numbers, seconds)
        found += len(report.kinds)
        rate = report.tried / max(report.seconds, 0.001)
        print(
            f"{name}: {report.tried:,} inputs in {report.seconds:.0f} s ({rate:,.0f}/s), {report.read:,} of them read; "
            f"{len(report.kinds)} kinds of errors"
        )
        for kind, count in report.kinds.most_common():
            number, trace = report.first[kind]
            print(f"  {kind}: {count} times; python -m tests.fuzz {name} --seed {asked.seed} --only {number}")
            if asked.only is not None:
                print(trace)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

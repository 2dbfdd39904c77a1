"""Cached plans as files: what was kept comes back, and whatever is damaged is no plan."""

import os
import pathlib
import random

import pytest

from magpkg.launch.plan import Plan, identity, load, save

KEY = ["magpkg plan", "here", "--option"]
ENVIRONMENT = {"HOME": "/home/ann"}


@pytest.fixture
def kept(tmp_path: pathlib.Path) -> pathlib.Path:
    """A plan that holds."""
    venv = tmp_path / "venv"
    (venv / "rootfs").mkdir(parents=True)
    program, manifest, path = tmp_path / "bwrap", tmp_path / "magpkg.jsonnet", tmp_path / "eval" / "plan"
    program.touch()
    manifest.touch()
    plan = Plan(str(program), str(venv), "/", "/bin/sh", ["--tmpfs", "/"], ["TERM"], [("A", "1"), ("B", "")])
    inputs = {str(manifest): identity(str(manifest))}
    answers = [("kind", str(manifest), "file"), ("real", str(venv), os.path.realpath(venv))]
    save(str(path), KEY, plan, inputs, [str(tmp_path / "absent")], ENVIRONMENT, answers, 1 << 62)
    return path


def loaded(path: pathlib.Path) -> Plan | None:
    """What is read of the plan at `path`."""
    plan = load(str(path), KEY)
    return plan if plan is not None and plan.holds(ENVIRONMENT) else None


def test_what_was_kept_comes_back(kept: pathlib.Path) -> None:
    plan = loaded(kept)
    assert plan is not None
    assert (plan.directory, plan.options, plan.assigned) == ("/", ["--tmpfs", "/"], [("A", "1"), ("B", "")])


DAMAGE = {
    "cut": lambda data: data[:-40],
    "a length that leads back": lambda data: data.replace(b"\x002\0--tmpfs", b"\0-1\0--tmpfs"),
    "an answer without its last word": lambda data: data.replace(b"\x006\0kind", b"\x005\0kind", 1).replace(
        b"\0file\0", b"\0", 1
    ),
    "a name without a value": lambda data: data.replace(b"\x004\0A\x001\0B\0\0", b"\x003\0A\x001\0B\0"),
    "a length that is no number": lambda data: data.replace(b"\x002\0--tmpfs", b"\0two\0--tmpfs"),
    "three of four words": lambda data: data.replace(b"\x004\0/", b"\x003\0/", 1).replace(b"\0/bin/sh\0", b"\0"),
}


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_a_damaged_plan_is_none(kept: pathlib.Path, damage: str) -> None:
    data = kept.read_bytes()
    damaged = DAMAGE[damage](data)
    assert damaged != data
    kept.write_bytes(damaged)
    assert loaded(kept) is None


def test_no_damage_is_an_error(kept: pathlib.Path) -> None:
    data = kept.read_bytes()
    choose = random.Random(1)  # noqa: S311 - to be repeated, not to be secret
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(choose.randint(1, 3)):
            damaged[choose.randrange(len(damaged))] = choose.choice(b"\0\0-0129\xff/")
        kept.write_bytes(damaged)
        loaded(kept)

"""What docs/security.md claims: claims about privileges, and that every test it names is there."""

import re
from pathlib import Path

from tests.support.manifests import expression
from tests.support.process import Magpkg

ROOT = Path(__file__).resolve().parents[2]
CAP_SYS_ADMIN = 21  # linux/capability.h


def status(magpkg: Magpkg, name: str) -> str:
    """A line of the command's own /proc/self/status."""
    done = magpkg.venv(expression(), "bash", "-c", f"grep ^{name}: /proc/self/status; true").checked()
    return done.stdout.split()[1]


def test_no_capability_to_mount(magpkg: Magpkg) -> None:
    # Root's bounding set still has it: that it is not had again at the next execve(2) is no_new_privs' doing.
    for name in ("CapEff", "CapPrm"):
        assert not int(status(magpkg, name), 16) >> CAP_SYS_ADMIN & 1


def test_no_new_privileges(magpkg: Magpkg) -> None:
    assert status(magpkg, "NoNewPrivs") == "1"


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/security.md").read_text(encoding="utf-8")))
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named
    assert named - written == set()

"""The table of alternatives: which links a package has, and the script that makes them."""

import os
import pathlib
import shlex

import pytest

from magpkg.debian.alternatives import TABLE, Alternatives, Link, link_commands, load_alternatives

TEXT = """
# a comment
tool@1.16   /usr/bin              *-1.16        one two
tool@1.17   /usr/bin              *-1.17        one two
tool        /etc                  /opt/tool     tool
lib         /usr/lib/{multiarch}  blas/*        lib.so.3
jdk         /usr/bin              /opt/jdk-{architecture}/*  java
"""


def test_names_stand_for_the_star_and_every_row_counts() -> None:
    assert Alternatives(TEXT).links("tool", "1.16.5-1", "amd64") == [
        Link("/usr/bin/one", "one-1.16"),
        Link("/usr/bin/two", "two-1.16"),
        Link("/etc/tool", "/opt/tool"),
    ]


@pytest.mark.parametrize(("version", "count"), [("1.16", 3), ("1.16-2", 3), ("1.160", 1), ("1.1", 1), ("2", 1)])
def test_a_version_begins_with_the_whole_number(version: str, count: int) -> None:
    assert len(Alternatives(TEXT).links("tool", version, "amd64")) == count


def test_architectures_are_filled_in() -> None:
    table = Alternatives(TEXT)
    assert table.links("lib", "1", "arm64") == [Link("/usr/lib/aarch64-linux-gnu/lib.so.3", "blas/lib.so.3")]
    assert table.links("jdk", "1", "arm64") == [Link("/usr/bin/java", "/opt/jdk-arm64/java")]
    assert table.links("none", "1", "amd64") == []


def test_each_directory_is_made_once() -> None:
    assert list(link_commands([Link("/usr/bin/a", "b"), Link("/usr/bin/c", "d"), Link("/etc/e", "f")])) == [
        "mkdir -p '/out/usr/bin'",
        "ln -s 'b' '/out/usr/bin/a'",
        "ln -s 'd' '/out/usr/bin/c'",
        "mkdir -p '/out/etc'",
        "ln -s 'f' '/out/etc/e'",
    ]


def test_the_shipped_table_is_sorted_and_can_be_read() -> None:
    packages = [line.split()[0] for line in pathlib.Path(TABLE).read_text().splitlines() if line[:1] not in ("", "#")]
    assert packages == sorted(packages)
    assert load_alternatives().links("gawk", "1:5.2.1-2", "amd64")[0] == Link("/usr/bin/awk", "gawk")


def test_no_word_of_a_lock_is_shell() -> None:
    link = Link("/usr/bin/a'; touch /out/INJECTED; '", "$(b)`c`")
    script = "\n".join(link_commands([link]))
    words = [word for line in script.splitlines() for word in shlex.split(line)]
    assert words == ["mkdir", "-p", f"/out{os.path.dirname(link.path)}", "ln", "-s", link.target, f"/out{link.path}"]

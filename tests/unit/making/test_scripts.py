"""What is told of maintainer scripts by their text, and that what decides on a tree has a number of its own."""

import hashlib
from pathlib import Path

import pytest

from magpkg.making import chance, configure, installation, scripts
from magpkg.making.dpkg import INFO, Record, records
from magpkg.making.scripts import Alternative, alternatives, needs, remainder
from magpkg.manifest import configuration

HEAD = "#!/bin/sh\nset -e\n"


@pytest.mark.parametrize(
    "script",
    [
        "",
        HEAD,
        HEAD + 'case "$1" in\n  configure)\n    ldconfig\n  ;;\n  abort-upgrade|abort-remove)\n  ;;\nesac\nexit 0\n',
        HEAD + 'if [ "$1" = "configure" ] && [ -z "$2" ]; then\n  add-shell /usr/bin/x\nfi\n',
        HEAD + 'if [ "$1" = configure ] && dpkg --compare-versions "$2" lt 3; then\n  :\nfi\n',
        HEAD + "# Automatically added by dh_installsystemd/13.1\nanything >here\n# End automatically added section\n",
        HEAD
        + "update-alternatives --install /usr/bin/a a /usr/bin/b 10 \\\n  --slave /usr/bin/c c /usr/bin/d || true\n",
        HEAD + 'echo "called with unknown argument \\`$1\'" >&2\nexit 1\n',
        HEAD + 'dpkg-maintscript-helper rm_conffile /etc/x 1~ -- "$@"\n',
    ],
)
def test_what_needs_no_run(script: str) -> None:
    assert remainder(script) == []


@pytest.mark.parametrize(
    "line",
    [
        "echo x; rm -r /usr",
        "echo x >/etc/x",
        "echo $(touch /etc/x)",
        "echo x | tee /etc/x",
        "true && touch /etc/x",
        'if [ "$1" = configure ] && touch /etc/x; then',
        'if [ "$1" = configure ] && touch /etc/x && [ -z "$2" ]; then',
        'if [ "$1" = configure ]; touch /etc/x; [ -z "$2" ]; then',
        "update-alternatives --install /usr/bin/a a $path 10",
        "update-alternatives --install /usr/bin/a a /usr/bin/b 10; touch /etc/x",
        "ldconfig; touch /etc/x",
        "adduser --system x",
        "export A=b & touch /etc/x",
        "*) touch /etc/x ;;",
        "configure) touch /etc/x ;;",
    ],
)
def test_what_needs_one(line: str) -> None:
    assert remainder(f"{HEAD}{line}\n") == [line]


def test_a_script_of_another_language_needs_one() -> None:
    assert remainder("#!/usr/bin/perl\nexit 0;\n") == ["#!/usr/bin/perl"]
    assert remainder("\x7fELF") == ["\x7fELF"]


def test_what_is_written_by_an_unknown_tool_is_looked_at() -> None:
    text = HEAD + "# Automatically added by dh_x/1\nmake it\n# End automatically added section\n"
    assert remainder(text) == ["make it"]


def test_alternatives_in_plain_words() -> None:
    line = "update-alternatives --quiet --install /usr/bin/a a /usr/bin/b -5 --slave /usr/bin/c c /usr/bin/d  # why\n"
    assert alternatives(HEAD + line) == [
        Alternative("/usr/bin/a", "a", "/usr/bin/b", -5, (("/usr/bin/c", "c", "/usr/bin/d"),))
    ]
    for odd in ("$x 5", "/usr/bin/b five", "/usr/bin/b 5 --slave /usr/bin/c c", "b 5"):
        assert alternatives(f"{HEAD}update-alternatives --install /usr/bin/a a {odd}\n") == []


def record(root: Path, name: str, **members: str) -> Record:
    """A package in a tree of its own, whose info directory has these files."""
    info = root / name / INFO
    info.mkdir(parents=True)
    for member, text in {"control": f"Package: {name}", **members}.items():
        (info / f"{name}.{member}").write_text(text)
    (made,) = records([str(root / name)])
    return made


def test_a_trigger_fires_where_another_package_is_meant(tmp_path: Path) -> None:
    cache = record(
        tmp_path, "cache", triggers="interest-noawait /usr/share/mime/packages\n", list="/usr/share/mime/packages/own\n"
    )
    other = record(tmp_path, "other", list="/.\n/usr/share/mime/packagesx/a\n")
    user = record(tmp_path, "user", list="/.\n/usr/share/mime/packages/a\n")
    assert needs(cache, [cache, other]) == ""
    assert needs(cache, [cache, other, user]) == "trigger /usr/share/mime/packages"
    named = record(tmp_path, "named", triggers="interest update-it\n", postinst=f"{HEAD}odd\n")
    assert needs(named, [named], only_triggers=True) == ""
    assert needs(named, [named]) == "odd"
    asks = record(tmp_path, "asks", triggers="activate-noawait update-it\n")
    assert needs(named, [named, asks], only_triggers=True) == "trigger update-it"


def test_preinsts_that_divert_or_make_accounts_count(tmp_path: Path) -> None:
    assert needs(record(tmp_path, "a", preinst=f"{HEAD}dpkg-divert --add /x\n"), []) == "dpkg-divert --add /x"
    assert needs(record(tmp_path, "b", preinst=f"{HEAD}# dpkg-divert\n:\n"), []) == ""


def test_a_link_in_a_tree_does_not_lead_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "host/info").mkdir(parents=True)
    (tmp_path / "host/info/x.control").write_text("Package: x")
    (tmp_path / "tree/var/lib").mkdir(parents=True)
    (tmp_path / "tree/var/lib/dpkg").symlink_to(tmp_path / "host")
    assert records([str(tmp_path / "tree")]) == []


def test_what_decides_on_a_tree_changes_with_the_number_of_the_procedure() -> None:
    """Whoever changes one of these raises `_PROCEDURE`, and writes both down here."""
    rows = [(row.pattern, row.mend is None) for row in chance.TABLE]
    known = (scripts._BOILERPLATE.pattern, scripts._CONDITION.pattern, sorted(scripts._HARMLESS_TOOLS))
    ran = (installation._FLAGS, sorted(installation._ENVIRONMENT.items()), installation.PRETENDED)
    names = [line.split()[0] for line in Path(configure._UNNEEDED).read_text().splitlines() if line[0] != "#"]
    text = repr((rows, known, sorted(scripts._IRRELEVANT), ran, names))
    assert (configuration._PROCEDURE, hashlib.sha256(text.encode()).hexdigest()[:12]) == (13, "a826117b5b90")

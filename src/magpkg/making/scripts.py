"""Maintainer scripts: whether what a package's scripts would do needs doing, as far as their text tells.

Most of what dpkg would run is nothing to a venv: it is written by debhelper for services and upgrades, or only tells
the linker and the alternatives. What is not known to be such counts as needed.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from magpkg.making.dpkg import Record

_GENERATED = re.compile(
    r"^# Automatically added by (?:\S*/)?(dh_\w+)[^\n]*\n(.*?)^# End automatically added section$\n?", re.M | re.S
)
# debhelper(7): what these write is for services, for upgrades from older versions, for what is compiled ahead of its
# use, and for users of the machine itself.
_HARMLESS_TOOLS = frozenset(
    {
        "dh_apparmor", "dh_icons", "dh_installalternatives", "dh_installdeb", "dh_installdocs", "dh_installinfo",
        "dh_installinit", "dh_installlogcheck", "dh_installmenu", "dh_installsystemd", "dh_installsystemduser",
        "dh_installtmpfiles", "dh_installudev", "dh_makeshlibs", "dh_movetousr", "dh_pypy", "dh_python2", "dh_python3",
        "dh_runit", "dh_systemd_enable", "dh_systemd_start", "dh_usrlocal",
    }
)  # fmt: skip
# The words of one command, its output thrown away at most, its failure taken for none.
_WORDS = r"(?:[^;|&<>`$]|\\`|\$(?!\())* (?:[12]?>\s*(?:&[12]|/dev/null)\s*)* (?:\|\|\s*(?:true|:|exit\s\$\?)\s*)? ;?"
_BOILERPLATE = re.compile(
    rf"""(?x)
    set \s+ -[eux]+ | exit \s+ \d | return \s* \d? | : | true | fi | esac | ;; | then | else | do | done | [{{}}]
    | shift
    | case \s+ "?\$\{{?1\}}?"? \s+ in | \*\) \s* (?:echo\s{_WORDS}\s*)? (?:exit\s\d\s*;?\s*)? (?:;;)?
    | \(?[a-z|\s"-]+\) (?:\s* (?:exit\ 0\s*)? ;;)? | (?:/sbin/)?ldconfig
    | (?:echo | (?:DPKG_MAINTSCRIPT\S*\s+)?dpkg-trigger(?=.*\sldconfig) | dpkg-maintscript-helper
      | (?:/usr/bin/)?update-alternatives | py3compile | py3clean | export | umask
      | (?:/usr/sbin/)?(?:add-shell|remove-shell|update-shells)) (?:\s {_WORDS})?
    | PATH={_WORDS}
    """
)
_TEST = r"!?\s* (?: \[\[?\s (?:(?!\s\]\]?)[^`;])* \s\]\]? | (?:test|dpkg\s+--compare-versions)\s [^`;&|]* )"
_CONDITION = re.compile(rf"(?x) (?:if|elif) \s+ {_TEST} (?: \s*(?:&&|\|\|)\s* {_TEST})* \s* ;? \s* (?:then)?")
_OTHER_VARIABLE = re.compile(r"\$(?!\{?[12]\b)")
_IRRELEVANT = {
    "/usr/share/applications": "the list of programs by MIME type is for desktops",
    "/usr/share/icons/hicolor": "without a cache the directories are read",
    "/usr/share/info": "the menu of info(1)",
    "/usr/share/man": "man(1) finds a page without its index",
    "ldconfig": "the library cache is made in any case",
}
"""Triggers that need nobody to act on them, and why not; deb-triggers(5)."""

_ACCOUNTS = re.compile(r"\b(?:adduser|addgroup|useradd|groupadd|dpkg-divert)\b")


@dataclass(frozen=True, slots=True)
class Alternative:
    """A line of a postinst: `update-alternatives --install LINK NAME PATH PRIORITY`, and its slaves, the same way."""

    link: str
    name: str
    path: str
    priority: int
    slaves: tuple[tuple[str, str, str], ...] = ()


def needs(record: Record, closure: Sequence[Record], *, only_triggers: bool = False) -> str:
    """Why a package's scripts must run, in a few words; empty where they need not.

    With `only_triggers` the text of its scripts is known to do nothing but what its triggers are for.
    """
    for line in [] if only_triggers else [*_preinst(record), *remainder(record.text("postinst"))]:
        return line
    lists = [other for other in closure if other is not record]
    for trigger in _interests(record):
        if trigger in _IRRELEVANT:
            continue
        if any(_fires(trigger, other) for other in lists):
            return f"trigger {trigger}"
    return ""


def remainder(script: str) -> list[str]:
    """The lines of a postinst that nothing is known of, in order."""
    if not script:
        return []
    head = script.partition("\n")[0]
    if not re.match(r"#! ?/bin/(?:ba|da)?sh\b|#! ?/usr/bin/(?:env )?(?:ba)?sh\b", head):
        return [head]
    own = _GENERATED.sub(lambda found: "" if found[1] in _HARMLESS_TOOLS else found[2], script)
    lines = (line.strip() for line in re.sub(r"\\\n\s*", " ", own).split("\n")[1:])
    found = [line for line in lines if line and not line.startswith("#")]
    return [line for line in found if not _is_known(line) or _is_odd_alternative(line)]


def _is_known(line: str) -> bool:
    """Whether a line does nothing that a venv needs; what a condition guards is judged by itself."""
    if _BOILERPLATE.fullmatch(line):
        return True
    return _CONDITION.fullmatch(line) is not None and not _OTHER_VARIABLE.search(line)


def alternatives(script: str) -> list[Alternative]:
    """What a postinst hands to update-alternatives(1), as far as it says so in plain words."""
    if "update-alternatives" not in script:
        return []
    lines = (line.strip() for line in re.sub(r"\\\n\s*", " ", script).split("\n") if "update-alternatives" in line)
    return [made for line in lines if (made := _alternative(line)) is not None]


def _is_odd_alternative(line: str) -> bool:
    return "update-alternatives" in line and "--install" in line and _alternative(line) is None


def _alternative(line: str) -> Alternative | None:
    words = _words(line)
    if words is None or len(words) < 6 or words[0].rpartition("/")[2] != "update-alternatives":
        return None
    words = [word for word in words[1:] if word not in ("--quiet", "--force")]
    if words[:1] != ["--install"] or len(words) < 5 or not re.fullmatch(r"-?\d+", words[4]):
        return None
    slaves, rest = [], words[5:]
    while rest:
        if rest[0] != "--slave" or len(rest) < 4:
            return None
        slaves.append((rest[1], rest[2], rest[3]))
        rest = rest[4:]
    if not all(path.startswith("/") for path in (words[1], words[3], *(p for s in slaves for p in (s[0], s[2])))):
        return None
    return Alternative(words[1], words[2], words[3], int(words[4]), tuple(slaves))


def _words(line: str) -> list[str] | None:
    try:
        words = shlex.split(re.sub(r"\s*(?:\|\|\s*(?:true|:|exit \$\?))?\s*;?\s*$", "", line), comments=True)
    except ValueError:
        return None
    return None if any(set(word) & set("$`*?;&|<>(){}") for word in words) else words


def _preinst(record: Record) -> Iterator[str]:
    for line in record.text("preinst").splitlines():
        # Diversions to this ending are for files that moved below /usr, which a merged root has nowhere else.
        if _ACCOUNTS.search(line) and not line.lstrip().startswith("#") and ".usr-is-merged" not in line:
            yield line.strip()


def _interests(record: Record) -> Iterator[str]:
    for line in record.text("triggers").splitlines():
        words = line.split()
        if len(words) == 2 and words[0].startswith("interest"):
            yield words[1]


def _fires(trigger: str, other: Record) -> bool:
    """Whether another package's unpacking would have fired a trigger: by a file of its own, or by naming it."""
    if trigger.startswith("/"):
        return f"\n{trigger}/" in other.text("list")
    return any(
        line.split()[1:] == [trigger] and line.startswith("activate") for line in other.text("triggers").splitlines()
    )

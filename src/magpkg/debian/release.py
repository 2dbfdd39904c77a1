"""Releases: the text of a suite's InRelease file becomes a checked Release."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from magpkg.errors import MagpkgError
from magpkg.manifest.field import is_sha256, nearest

# The smallest first. Debian has served indices as .xz since 2013, and small repositories often as .gz.
_COMPRESSIONS = (".xz", ".gz", "")
_NEWER = ("-security", "-updates", "-proposed-updates")
_AHEAD = timedelta(days=1)  # clocks differ, and are now and then set to another zone's time


@dataclass(frozen=True, slots=True)
class IndexFile:
    """An index as a release lists it: its path below dists/<suite>/, SHA-256 and size, and the SHA-256 unpacked.

    The last is empty where the release lists only the packed form.
    """

    path: str
    sha256: str
    size: int
    unpacked: str


@dataclass(frozen=True, slots=True)
class Release:
    """What a suite's InRelease says; `sha256` is that of the InRelease file itself.

    `suite` is the name that it was asked for by, `codename` the one that it has itself; `date` is what it was made on,
    as it says, and `made` the same as a time. `origin` and `label` tell an archive from others that have the suite.
    """

    suite: str
    sha256: str
    date: str
    made: datetime
    codename: str
    origin: str
    label: str
    valid_until: datetime | None
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    by_hash: bool
    files: Mapping[str, tuple[str, int]]

    @property
    def family(self) -> str:
        """The suite that this one brings newer packages for, such as bookworm for bookworm-security; else itself.

        Backports are of another kind: they replace packages by ones of the next suite, which nobody gets unasked.
        """
        name = self.codename.partition("/")[0]
        return next((name.removesuffix(kind) for kind in _NEWER if name.endswith(kind)), name)

    def packages_index(self, component: str, architecture: str) -> IndexFile:
        """The smallest form of a component's Packages index; MagpkgError names what the suite does not have."""
        self._require("component", component, self.components)
        self._require("architecture", architecture, self.architectures)
        for ending in _COMPRESSIONS:
            path = f"{component}/binary-{architecture}/Packages{ending}"
            if path in self.files:
                unpacked, _ = self.files.get(path.removesuffix(ending), ("", 0))
                return IndexFile(path, *self.files[path], unpacked)
        raise MagpkgError(f"suite {self.suite}: lists no {component}/binary-{architecture}/Packages with a SHA-256")

    def _require(self, what: str, wanted: str, offered: Sequence[str]) -> None:
        if wanted not in offered:
            hint = nearest(wanted, offered) or f"it has {', '.join(offered)}"
            raise MagpkgError(f"suite {self.suite}: has no {what} {wanted}", hint)


def read_release(content: bytes, suite: str, sha256: str, label: str) -> Release:
    """The release that `content`, the signed part of an InRelease file, describes.

    Raises MagpkgError naming `label` where a field is missing or wrong, or where the release is another suite's: a
    good signature on bookworm is none on trixie.
    """
    from debian.deb822 import Release as Fields

    fields = Fields(content.decode("utf-8", "replace"))
    names = [fields[name] for name in ("Suite", "Codename") if name in fields]
    # "bookworm/updates", which the security suite of old was asked for as, has a Suite and Codename without a slash.
    if suite not in names and suite.partition("/")[0] not in names:
        raise MagpkgError(f"{label}: is the release of {' or '.join(names) or 'no suite'}, not of {suite}")
    try:
        valid_until = fields.get("Valid-Until")
        return Release(
            suite=suite,
            sha256=sha256,
            date=fields["Date"],
            made=moment(fields["Date"]),
            codename=fields.get("Codename", suite),
            origin=fields.get("Origin", ""),
            label=fields.get("Label", ""),
            valid_until=moment(valid_until) if valid_until else None,
            # The security suite of old wrote "updates/main".
            components=tuple(item.rpartition("/")[2] for item in fields["Components"].split()),
            architectures=tuple(fields["Architectures"].split()),
            by_hash=fields.get("Acquire-By-Hash", "no").lower() == "yes",
            files={item["name"]: (_checksum(item["sha256"]), int(item["size"])) for item in fields["SHA256"]},
        )
    except KeyError as error:
        raise MagpkgError(f"{label}: the field {error.args[0]} is missing") from error
    except (TypeError, ValueError) as error:
        raise MagpkgError(f"{label}: cannot be read: {error}") from error


def check_age(release: Release, now: datetime, label: str) -> None:
    """Raise MagpkgError where the release says that it is too old to be trusted; a replayed one holds back fixes."""
    if release.valid_until is not None and now > release.valid_until:
        message = f"{label}: was valid until {release.valid_until:%Y-%m-%d %H:%M} UTC, so the mirror is out of date"
        hint = "try another mirror; --allow-expired takes it as it is, for mirrors of the past, and may miss fixes"
        raise MagpkgError(message, hint)


def _checksum(text: str) -> str:
    if not is_sha256(text):
        raise ValueError(f"{text} is no SHA-256")
    return text


def check_not_before(release: Release, known: datetime, of: str, label: str) -> None:
    """Raise MagpkgError where the release is older than one that is known already, that `of` the lock, say.

    A mirror that shows an old release, rightly signed, takes back what was fixed since.
    """
    if release.made < known:
        made = f"{release.made:%Y-%m-%d %H:%M} UTC"
        message = f"{label}: is of {made}, older than that {of}, which is of {known:%Y-%m-%d %H:%M} UTC"
        hint = "try another mirror, or later; --allow-older takes it as it is, for mirrors of the past"
        raise MagpkgError(message, hint)


def check_not_ahead(release: Release, now: datetime, label: str) -> None:
    """Raise MagpkgError where the release says that it was made in the future: it would pass for new for ever."""
    if release.made > now + _AHEAD:
        message = f"{label}: says that it is of {release.made:%Y-%m-%d %H:%M} UTC, which is in the future"
        raise MagpkgError(message, f"is this machine's clock right? It says {now:%Y-%m-%d %H:%M} UTC")


def moment(text: str) -> datetime:
    """The time that a field of a release says; ValueError where it says none."""
    try:
        read = parsedate_to_datetime(text)
        # "-0000" and no zone at all give a time that cannot be compared; Debian's are in UTC.
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (IndexError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{text[:40]} is no date") from error

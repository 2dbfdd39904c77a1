"""Archives, and the sums of bytes."""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping

END = bytes(1024)
"""The end of a tar archive."""


def sha256(data: bytes) -> str:
    """The SHA-256 of `data` in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def tar_bytes(members: Mapping[str, str | bytes], mode: str = "w") -> bytes:
    """A tar archive: text beginning with `-> ` is a symlink, a name ending in / a directory, anything else a file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            data = content.encode() if isinstance(content, str) else content
            info.mode = 0o755 if name.endswith("/") else 0o644
            if name.endswith("/"):
                info.type, data = tarfile.DIRTYPE, b""
            elif data.startswith(b"-> "):
                info.type, info.linkname, data = tarfile.SYMTYPE, data[3:].decode(), b""
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def ar_bytes(members: Mapping[str, bytes]) -> bytes:
    """An ar archive, deb(5)."""
    pieces = [b"!<arch>\n"]
    for name, data in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
        pieces += [header.encode(), data, b"\n" if len(data) % 2 else b""]
    return b"".join(pieces)


def deb_bytes(data: bytes, ending: str = "", *, after: Mapping[str, bytes] | None = None) -> bytes:
    """A Debian package whose data member, compressed as `ending` says, is `data`; `after` has what follows it."""
    control = tar_bytes({"./control": "Package: a\n"}, "w:xz")
    members = {"debian-binary": b"2.0\n", "control.tar.xz": control, f"data.tar{ending}": data}
    return ar_bytes({**members, **(after or {})})


def block(
    kind: bytes,
    name: bytes = b"f",
    size: int = 0,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    *,
    sums: bool = True,
) -> bytes:
    """A header of a tar archive; without its sum, on demand."""
    header = bytearray(512)
    for at, text in ((0, name), (100, b"0000755"), (124, b"%011o" % size), (136, b"0"), (156, kind), (157, link)):
        header[at : at + len(text)] = text
    header[257 : 257 + len(magic)] = magic
    header[148:156] = b" " * 8
    if sums:
        header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def padded(data: bytes) -> bytes:
    """Content, filled up to whole blocks."""
    return data + bytes(-len(data) % 512)


def long_name(name: bytes) -> bytes:
    """A header that gives the next member a long name."""
    return block(b"L", b"././@LongLink", len(name) + 1, magic=b"ustar  \0") + padded(name + b"\0")


def long_link(name: bytes) -> bytes:
    """A header that gives the next member a long target."""
    return block(b"K", b"././@LongLink", len(name) + 1, magic=b"ustar  \0") + padded(name + b"\0")


def records(pairs: Iterable[tuple[str, str]], kind: bytes = b"x") -> bytes:
    """A pax header with these records."""
    pieces = []
    for name, value in pairs:
        rest = f" {name}={value}\n".encode()
        length = len(rest) + 1
        while length != len(rest) + len(str(length)):
            length = len(rest) + len(str(length))
        pieces.append(str(length).encode() + rest)
    data = b"".join(pieces)
    return block(kind, b"pax", len(data)) + padded(data)

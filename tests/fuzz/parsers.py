"""Parsers: what is fuzzed, with inputs to begin from and the mutations that fit them."""

import bz2
import gzip
import io
import json
import lzma
import os
import random
import tarfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import yaml
import zstandard

from magpkg.debian.index import PackagesIndex, Universe
from magpkg.debian.lockfile import lock_text, read_lock
from magpkg.debian.lockset import lockset
from magpkg.debian.release import check_age, read_release
from magpkg.debian.signature import verified
from magpkg.errors import MagpkgError
from magpkg.evaluation.evaluate import parse_plain
from magpkg.launch.plan import Plan, identity, load, save
from magpkg.making.archive import read_entries
from magpkg.making.bounds import Bounds, Meter
from magpkg.manifest.manifest import read_manifest
from magpkg.manifest.package import PackageGraph
from tests.fuzz.mutations import Mutation, bytewise, linewise, valuewise
from tests.support.archives import END, block, deb_bytes, long_link, long_name, padded, records
from tests.support.repository import Key


@dataclass(frozen=True)
class Parser:
    """Something that takes bytes and raises MagpkgError, and nothing else, where they are not as they should be."""

    seeds: Sequence[bytes]
    mutations: Sequence[Mutation]
    parse: Callable[[bytes, random.Random], None]


def archive(scratch: str) -> Parser:
    """Tar archives, plain and compressed, and Debian packages; content and all."""
    plain = [_tar(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    plain.append(
        records([("path", "p/" * 20), ("mtime", "1.5")]) + block(b"0", size=3) + padded(b"abc")
        + long_link(b"t" * 120) + long_name(b"n" * 120) + block(b"2")
        + records([("comment", "x")], b"g") + block(b"1", b"h", link=b"f") + block(b"5", b"d/") + END
    )  # fmt: skip
    packers = (gzip.compress, bz2.compress, _xz, zstandard.ZstdCompressor().compress)
    packed = [pack(plain[3]) for pack in packers]
    debs = [deb_bytes(data, ending) for data, ending in zip(packed, (".gz", ".bz2", ".xz", ".zst"), strict=True)]
    path = f"{scratch}/archive"

    def parse(data: bytes, choose: random.Random) -> None:
        kind = choose.randrange(10) if data[257:262] == b"ustar" else 0
        if 0 < kind < 5:
            data = packers[kind - 1](data)
        elif kind == 5:
            data = deb_bytes(data)
        with open(path, "wb") as file:
            file.write(data)
        for entry in read_entries(path, "a", Meter(Bounds(8 << 20, 5000))):
            for _ in entry.chunks():
                pass

    return Parser([*plain, *packed, *debs], [bytewise, headerwise, headerwise], parse)


def headerwise(choose: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Changes of the fields of tar's headers, whose sums are then right again, and of the order of the blocks."""
    if data[257:262] != b"ustar":
        return bytewise(choose, data, others)
    blocks = [bytearray(data[at : at + 512].ljust(512, b"\0")) for at in range(0, len(data), 512)]
    for _ in range(1 << choose.randrange(3)):
        at = choose.randrange(len(blocks))
        action = choose.randrange(5)
        if action == 0 and len(blocks) > 1:
            del blocks[at]
        elif action == 1:
            blocks.insert(at, bytearray(choose.choice(blocks)))
        else:
            start, size = choose.choice(_TAR_FIELDS)
            field = choose.choice((*_TAR_VALUES, choose.randbytes(choose.randrange(1, size + 1))))[:size]
            blocks[at][start : start + len(field)] = field
    for header in blocks:
        if header[257:262] == b"ustar":
            header[148:156] = b" " * 8
            header[148:156] = b"%06o\0 " % sum(header)
    return b"".join(blocks)


# Where name, mode, size, mtime, type, target, magic and prefix are in a header, and records in an extended one.
_TAR_FIELDS = (
    (0, 100),
    (100, 8),
    (124, 12),
    (124, 12),
    (136, 12),
    (156, 1),
    (156, 1),
    (157, 100),
    (257, 8),
    (345, 155),
    (0, 40),
)
_TAR_VALUES = (
    *(b"0", b"1", b"2", b"5", b"7", b"x", b"g", b"L", b"K", b"S", b"\0", b"X", b"D", b"M", b"V", b"A"),
    *(b"00000000003\0", b"00000001000\0", b"77777777777\0", b"\x80" + bytes(10) + b"\1", b"\x80" + b"\xff" * 11),
    *(
        b"\xff" * 12,
        b" " * 12,
        bytes(12),
        b"-0000000001\0",
        b"+",
        b"../x",
        b"/x",
        b"a//./b/",
        b"./",
        b"ustar  \0",
        b"ustar\0",
    ),
    *(
        b"12 path=abc\n",
        b"6 a=b\n",
        b"9 size=1\n",
        b"21 GNU.sparse.size=3\n",
        b"0 a=b\n",
        b"99999999 a=b\n",
        b"13 mtime=inf\n",
    ),
)


def _tar(form: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as packed:
        for name, kind, data in (
            ("d", tarfile.DIRTYPE, b""),
            ("d/f", tarfile.REGTYPE, b"x" * 700),
            ("é" * 40, tarfile.SYMTYPE, b""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname, info.mtime = kind, len(data), "x" * 90, 1.5
            if form != tarfile.PAX_FORMAT:
                info.mtime = 1
            packed.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


def lock(scratch: str) -> Parser:
    """Lock files, the text that is written of them, and now and then the packages that they come to."""
    pins = {
        name: {
            "version": version,
            "architecture": "amd64",
            "path": f"pool/main/a/{name}_1_amd64.deb",
            "sha256": f"{number:064x}",
            "size": 10,
            "depends": depends,
        }
        for number, (name, version, depends) in enumerate(
            [
                ("busybox-static", "1:1.35.0-4+b3", []),
                ("bash", "5.2.15-2+b7", ["libc6"]),
                ("libc6", "2.36-9", ["libgcc-s1"]),
                ("libgcc-s1", "12.2.0", ["libc6"]),
                ("gcc-12", "12.2.0-14", ["libc6"]),
                ("python3.11", "3.11.2-6", ["libc6"]),
            ]
        )
    }
    suite = {
        "suite": "bookworm",
        "components": ["main"],
        "date": "Sat, 11 Jul 2026 10:16:37 UTC",
        "inrelease": "0" * 64,
    }
    value = {"version": 1, "architecture": "amd64", "suites": [suite], "names": ["bash"], "packages": pins}

    def parse(data: bytes, choose: random.Random) -> None:
        found = read_lock(data.decode("utf-8", "replace"))
        read_lock(lock_text(found))
        if choose.random() < 0.02:
            lockset(data.decode("utf-8", "replace"))

    return Parser([json.dumps(value, indent=2).encode()], [valuewise, valuewise, linewise, bytewise], parse)


def release(scratch: str) -> Parser:
    """Release and InRelease files: the signature, now and then, and then the text."""
    text = b"""Origin: Debian
Suite: stable
Codename: bookworm
Date: Sat, 11 Jul 2026 10:16:37 UTC
Valid-Until: Sat, 18 Jul 2026 10:16:37 UTC
Acquire-By-Hash: yes
Architectures: amd64 arm64
Components: main contrib
SHA256:
 %s 1234 main/binary-amd64/Packages
 %s 999 main/binary-amd64/Packages.xz
""" % (b"0" * 64, b"1" * 64)
    key = Key(f"{scratch}/key.pgp")

    def parse(data: bytes, choose: random.Random) -> None:
        if data.startswith(b"-----BEGIN"):
            data = verified(data, key.path, "InRelease", datetime.now(UTC))
        found = read_release(data, "bookworm", "0" * 64, "InRelease")
        with suppress(MagpkgError):
            found.packages_index("main", "amd64")
        check_age(found, datetime(2026, 7, 12, tzinfo=UTC), "InRelease")

    return Parser([text, text, text, text, key.signed(text)], [linewise, linewise, bytewise], parse)


def packages(scratch: str) -> Parser:
    """Packages indices: every name, every paragraph, the order of versions, a search."""
    paragraph = """Package: {name}
Version: 1:2.36-9+deb12u{number}
Architecture: amd64
Priority: required
Depends: libgcc-s1, libc6 (>= 2.{number}) | libc6.1:any, x [amd64] <!nocheck>
Pre-Depends: dpkg (>= 1.15.4)
Recommends: libidn2-0 (>= 2.0.5~)
Conflicts: openrc (<< 0.27-2~)
Breaks: busybox (<< 1.30.1-6)
Provides: libc6-virtual (= 2.36), c-shell
Filename: pool/main/g/glibc/{name}_{number}_amd64.deb
Size: 10
SHA256: {sha256}
Description: the library
 of many lines
"""
    seeds = [
        "\n".join(
            paragraph.format(name=name, number=number, sha256="0" * 64)
            for number, name in enumerate(["libc6", "libc6", "bash"][:count])
        ).encode()
        for count in (1, 3)
    ]

    def parse(data: bytes, choose: random.Random) -> None:
        index = PackagesIndex(data, "Packages")
        universe = Universe([[index]], "amd64")
        for name in sorted(universe.names() | set(index.provided)):
            with suppress(MagpkgError):
                found = [*universe.candidates(name), *universe.providers(name)]
                for candidate in found:
                    for group in (*candidate.depends, *candidate.recommends):
                        for relation in group:
                            relation.admits(candidate.version)
                            candidate.meets(relation)
                    for clash in candidate.clashes:
                        candidate.meets(clash.relation)
        list(index.search("lib"))
        list(index.names_from("li"))

    return Parser(seeds, [linewise, linewise, bytewise], parse)


def plan(scratch: str) -> Parser:
    """Cached plans: each is one, or none; never an error."""
    key, environment, path = ["magpkg plan", "here", "--option"], {"HOME": "/home/ann"}, f"{scratch}/eval/plan"
    os.makedirs(f"{scratch}/venv/rootfs", exist_ok=True)
    kept = Plan(f"{scratch}/key.pgp", f"{scratch}/venv", "/", "/bin/sh", ["--tmpfs", "/"], ["TERM"], [("A", "1")])
    with open(kept.bwrap, "ab"):
        pass
    answers = [("kind", scratch, "directory"), ("real", scratch, scratch), ("link", f"{scratch}/link", "to")]
    os.symlink("to", f"{scratch}/link")
    save(path, key, kept, {kept.bwrap: identity(kept.bwrap)}, [f"{scratch}/absent"], environment, answers, 1 << 62)
    with open(path, "rb") as file:
        seed = file.read()

    def parse(data: bytes, choose: random.Random) -> None:
        with open(path, "wb") as file:
            file.write(data)
        found = load(path, key)
        if found is None or not found.holds(environment):
            raise MagpkgError("no plan")

    return Parser([seed], [bytewise, itemwise, itemwise], parse)


def itemwise(choose: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Changes of a plan's items, which NULs end."""
    items = data.split(b"\0")
    for _ in range(1 << choose.randrange(3)):
        at = choose.randrange(len(items))
        action = choose.randrange(4)
        if action == 0 and len(items) > 1:
            del items[at]
        elif action == 1:
            items.insert(at, choose.choice(items))
        else:
            items[at] = choose.choice(
                (b"", b"0", b"1", b"-1", b"-9", b"99", b"9" * 5000, b"x", b"\xff", b"real", b"link", b"kind")
            )
    return b"\0".join(items)


def manifest(scratch: str) -> Parser:
    """Manifests in YAML and JSON, to a checked Manifest."""
    value = {
        "packages": [
            {
                "name": "hello",
                "fetch": [{"filename": "a.tar", "sha256": "0" * 64, "urls": ["https://invalid/a"]}],
                "build": "untar",
                "runDeps": [{"name": "group"}],
            }
        ],
        "envKeep": ["LANG"],
        "envSet": {"EDITOR": "vi"},
        "mountDefaults": False,
        "mounts": ["${PWD}", {"type": "ro-bind", "source": "${HOME}/x", "target": "/x", "optional": True}],
        "fsEntries": [{"type": "file", "path": "/a", "contents": "x", "mode": "755"}],
        "network": False,
        "unshare": ["pid"],
    }
    seeds = [json.dumps(value).encode(), json.dumps(value, indent=2).encode()]
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    merges = bomb.replace("[", "{<<: [").replace("]", "]}").replace("[x, x]", "{x: y}")
    aliases = b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\npackages: *c\nenvSet: {<<: {A: b}}\n"
    texts = [yaml.safe_dump(value).encode(), yaml.safe_dump(value, default_flow_style=True).encode(), aliases]
    texts += [f"{bomb}packages: *a8\n".encode(), f"{merges}envSet: *a8\n".encode()]

    def parse(data: bytes, choose: random.Random) -> None:
        text = data.decode("utf-8", "replace") if choose.random() < 0.9 else data.decode("utf-8", "surrogateescape")
        ending = ".json" if data[:1] == b"{" and choose.random() < 0.5 else ".yaml"
        graph = PackageGraph()
        read_manifest(parse_plain(f"magpkg{ending}", text), graph).closure()

    def either(choose: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
        try:
            return valuewise(choose, data, others)
        except ValueError:
            return linewise(choose, data, others)

    return Parser([*seeds, *texts], [either, either, linewise, bytewise], parse)


PARSERS: dict[str, Callable[[str], Parser]] = {
    "archive": archive,
    "lock": lock,
    "release": release,
    "packages": packages,
    "plan": plan,
    "manifest": manifest,
}

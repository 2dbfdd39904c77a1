"""A Debian repository of a test's own: suites, components, packages, signed with a key that it makes."""

import base64
import hashlib
import lzma
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pysequoia
from pysequoia import ArmorKind, SignatureMode, Tsk

from magpkg.debian.signature import unverified
from tests.support.archives import ar_bytes, sha256, tar_bytes
from tests.support.process import Magpkg, Outcome

BASE = ("bash", "coreutils", "libc-bin")
"""What is Essential in the repository, and so in every lock."""

_CODENAMES = {"oldstable": "bookworm", "stable": "trixie"}


class Key:
    """An OpenPGP key; `path` is the keyring that holds its public half."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._secret = Tsk.generate("Test <test@invalid>")
        with open(path, "wb") as file:
            file.write(bytes(self._secret.extract_certificate()))

    def signed(self, text: bytes) -> bytes:
        """`text` as a cleartext-signed message."""
        return pysequoia.sign(self._secret.signer(), text, mode=SignatureMode.CLEAR)


def signed_by_both(text: bytes, one: Key, other: Key) -> bytes:
    """`text` with the signatures of two keys, one after the other, as Debian's own InRelease has them."""
    begin = b"-----BEGIN PGP SIGNATURE-----"
    head, _, first = one.signed(text).partition(begin)
    _, _, second = other.signed(text).partition(begin)
    packets = b"".join(signature_packets(armoured) for armoured in (first, second))
    return head + pysequoia.armor(packets, ArmorKind.Signature).encode()


def signature_packets(armoured: bytes) -> bytes:
    """The signatures in an armoured block, without its armour."""
    lines = armoured.partition(b"\n\n")[2].partition(b"-----END")[0].split()
    return base64.b64decode(b"".join(line for line in lines if not line.startswith(b"=")))


class Repository:
    """The repository in `<root>/mirror`; nothing is there for magpkg to see until `write`."""

    def __init__(self, root: str) -> None:
        self.root = f"{root}/mirror"
        self.key = Key(f"{root}/key.pgp")
        self.ending = ""
        self.acquire_by_hash = False
        self._entries: dict[tuple[str, str, str], list[bytes]] = {}
        self._magpkg = Magpkg(f"{root}/store", root, root, variables={"MAGPKG_DEBIAN_MIRROR": f"file:{self.root}"})

    def add(
        self,
        name: str,
        version: str = "1",
        fields: str = "",
        *,
        suite: str = "bookworm",
        component: str = "main",
        architecture: str = "amd64",
        index_of: str | None = None,
    ) -> None:
        """Add a package with a real .deb; `fields` are more lines of its paragraph, which replace its own."""
        files = {"./usr/share/": "", f"./usr/share/{name}": f"{name} {version}\n"}
        deb = ar_bytes(
            {
                "debian-binary": b"2.0\n",
                "control.tar.xz": tar_bytes({"./control": f"Package: {name}\n"}, "w:xz"),
                "data.tar.xz": tar_bytes(files, "w:xz"),
            }
        )
        path = f"pool/{component}/{name}_{version.replace(':', '%3a')}_{architecture}.deb"
        self.put(path, deb)
        own = {"Package": name, "Version": version, "Architecture": architecture, "Filename": path}
        own |= {"Size": str(len(deb)), "SHA256": sha256(deb), "Description": f"the {name} of tests"}
        given = {line.partition(":")[0] for line in fields.splitlines()}
        lines = [f"{key}: {value}" for key, value in own.items() if key not in given]
        self.paragraph("\n".join([*lines, *fields.splitlines()]).encode(), suite, component, index_of or architecture)

    def paragraph(
        self, text: bytes, suite: str = "bookworm", component: str = "main", architecture: str = "amd64"
    ) -> None:
        """Add a paragraph to an index as it is."""
        self._entries.setdefault((suite, component, architecture), []).append(text.rstrip(b"\n") + b"\n\n")

    def add_base(self, suite: str = "bookworm", architecture: str = "amd64") -> None:
        """Add what every lock has."""
        for name in BASE:
            self.add(name, fields="Essential: yes", suite=suite, architecture=architecture)
        self.add("busybox-static", suite=suite, architecture=architecture)

    def remove(self, name: str) -> None:
        """Take a package out of every index; its file stays."""
        for key, entries in self._entries.items():
            start = f"Package: {name}\n".encode()
            self._entries[key] = [entry for entry in entries if not entry.startswith(start)]

    def write(self, more: str = "", *, keys: Sequence[Key] | None = None) -> None:
        """Write every suite's indices and its InRelease, with `more` lines in it, signed with the key."""
        for suite in sorted({suite for suite, _, _ in self._entries}):
            self.write_inrelease(suite, self._release(suite, more), keys)

    def write_inrelease(self, suite: str, text: bytes, keys: Sequence[Key] | None = None) -> None:
        """Write an InRelease: signed with the key, with one or two others, or with none."""
        signers = [self.key] if keys is None else keys
        if not signers:
            self.put(f"dists/{suite}/InRelease", text)
        elif len(signers) == 1:
            self.put(f"dists/{suite}/InRelease", signers[0].signed(text))
        else:
            self.put(f"dists/{suite}/InRelease", signed_by_both(text, signers[0], signers[1]))

    def sign_again(self, suite: str, old: bytes, new: bytes) -> None:
        """Sign a suite's InRelease after a change of its text."""
        text = unverified(self.get(f"dists/{suite}/InRelease"))
        assert old in text
        self.write_inrelease(suite, text.replace(old, new))

    def put(self, path: str, content: bytes) -> None:
        """Write a file of the mirror."""
        os.makedirs(os.path.dirname(f"{self.root}/{path}"), exist_ok=True)
        with open(f"{self.root}/{path}", "wb") as file:
            file.write(content)

    def get(self, path: str) -> bytes:
        """What a file of the mirror holds."""
        with open(f"{self.root}/{path}", "rb") as file:
            return file.read()

    def index_path(self, suite: str = "bookworm") -> str:
        """The index of main for amd64."""
        return f"dists/{suite}/main/binary-amd64/Packages{self.ending}"

    @property
    def magpkg(self) -> Magpkg:
        """The program, with the repository as its mirror."""
        return self._magpkg

    def lock(self, *arguments: str, **variables: str) -> Outcome:
        """Run `magpkg lock`, which trusts the repository's key."""
        return self._magpkg.run("lock", "--keyring", self.key.path, *arguments, env=variables)

    def _release(self, suite: str, more: str) -> bytes:
        components = sorted({component for of, component, _ in self._entries if of == suite})
        architectures = sorted({architecture for of, _, architecture in self._entries if of == suite})
        kind = next((kind for kind, name in _CODENAMES.items() if name == suite), suite)
        lines = [f"Suite: {kind}", f"Codename: {suite}", "Date: Sat, 11 Jul 2026 10:16:37 UTC"]
        lines += [f"Components: {' '.join(components)}", f"Architectures: {' '.join(architectures)}"]
        lines += ["Acquire-By-Hash: yes"] if self.acquire_by_hash else []
        lines += [*more.splitlines(), "SHA256:"]
        for (of, component, architecture), entries in sorted(self._entries.items()):
            if of == suite:
                plain = b"".join(entries)
                content = lzma.compress(plain) if self.ending == ".xz" else plain
                folder = f"{component}/binary-{architecture}"
                self.put(f"dists/{suite}/{folder}/Packages{self.ending}", content)
                if self.acquire_by_hash:
                    self.put(f"dists/{suite}/{folder}/by-hash/SHA256/{sha256(content)}", content)
                for data, name in {content: f"Packages{self.ending}", plain: "Packages"}.items():
                    lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {folder}/{name}")
        return "\n".join([*lines, ""]).encode()


class _Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def served(directory: str) -> Iterator[tuple[str, list[str]]]:
    """Serve a directory: the url, and the paths that were asked for so far."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=directory)) as server:
        asked: list[str] = []
        server.asked = asked  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()

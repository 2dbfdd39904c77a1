"""Every program that ships, started in a venv, and what it prints."""

import json
import pathlib
import secrets
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.machine import certificate
from tests.support.manifests import expression
from tests.support.process import Magpkg

# With the user's name, without which ssh refuses to run.
CORE = (
    '(import "magpkg/examples/core-venv.jsonnet") + { mounts: ["${PWD}", { type: "ro-bind", source: "/etc/passwd" }] }'
)

_COMMIT = "git -c user.name=a -c user.email=a@b.example commit -q --allow-empty -m first"

# The name, a shell command, what it prints.
PROGRAMS = [
    ("bash", "bash -c 'a=(x y); echo ${a[1]} ${BASH_VERSION%%.*}'", "y 5\n"),
    ("coreutils", "printf 'b\\na\\n' | sort | head -n1 | tr a z; seq 3 | paste -sd+; basename /x/y", "z\n1+2+3\ny\n"),
    ("findutils", "mkdir d && touch d/x && find d -type f | xargs echo found", "found d/x\n"),
    ("grep", "printf 'one\\ntwo\\n' | grep -E '^t'", "two\n"),
    ("sed", "echo one | sed -E 's/(o)n/\\1x/'", "oxe\n"),
    ("gawk", "echo 1 2 | gawk '{ print $1 + $2, toupper(\"a\") }'; echo 3 4 | awk '{ print $2 }'", "3 A\n4\n"),
    ("diffutils", "echo a >a; echo b >b; diff a b; cmp -s a a && echo same", "1c1\n< a\n---\n> b\nsame\n"),
    ("tar", "echo x >f; tar cf t.tar f; rm f; tar xvf t.tar; cat f", "f\nx\n"),
    ("gzip", "echo x | gzip | gzip -dc; echo y | gzip | zcat", "x\ny\n"),
    ("xz-utils", "echo x | xz | xz -dc; echo x >f; tar cJf t.txz f; tar tf t.txz", "x\nf\n"),
    ("less", "echo text | less; less --version | head -n1 | cut -d' ' -f1", "text\nless\n"),
    ("procps", "ps -o comm= -p $$; pgrep -f no-such-process-anywhere-$$-x | wc -l", None),
    ("git", f"git init -q r && cd r && {_COMMIT} && git log --format=%s", "first\n"),
    ("curl", "echo x >f; curl -s file://$PWD/f; curl --version | grep -o https", "x\nhttps\n"),
    ("ca-certificates", "grep -c BEGIN /etc/ssl/certs/ca-certificates.crt | sed 's/^[0-9][0-9]*$/many/'", "many\n"),
    (
        "openssh-client",
        "ssh-keygen -qt ed25519 -N '' -C me -f k && cut -d' ' -f1,3 k.pub; ssh -V 2>&1 | cut -c1-7",
        "ssh-ed25519 me\nOpenSSH\n",
    ),
    ("make", "printf 'all:\\n\\t@echo made\\n' >Makefile; make", "made\n"),
    ("python3", "python3 -c 'import ssl, sqlite3, json; print(json.dumps([6 * 7]))'", "[42]\n"),
    ("vim-tiny", "echo one >f; vi -es f -c 's/one/two/' -c wq; cat f", "two\n"),
    ("jq", "echo '{\"a\": [1, 2]}' | jq -c '.a | add'", "3\n"),
    ("ripgrep", "echo needle >f; rg -N needle f", "needle\n"),
    ("file", "echo text >f; file f; file -b /usr/bin/bash | cut -c1-10", "f: ASCII text\nELF 64-bit\n"),
    ("patch", "echo a >f; printf '%s\\n' '--- f' '+++ f' '@@ -1 +1 @@' '-a' '+b' | patch -s f; cat f", "b\n"),
    ("which", "which sh git", "/usr/bin/sh\n/usr/bin/git\n"),
    ("sh", "sh -c 'echo $0'; cat /etc/os-release | grep -c bookworm", None),
]


def test_the_packages_of_the_example_agree(magpkg: Magpkg) -> None:
    new = {"type": "file", "path": "/etc/new", "contents": secrets.token_hex()}  # so that the venv has to be made
    done = magpkg.venv(f"{CORE} + {{ fsEntries: [{json.dumps(new)}] }}", "w", "-V").checked()
    assert "warning" not in done.stderr
    assert "procps" in done.stdout


@pytest.mark.parametrize(("name", "command", "printed"), PROGRAMS, ids=[name for name, _, _ in PROGRAMS])
def test_program(magpkg: Magpkg, name: str, command: str, printed: str | None) -> None:
    done = magpkg.venv(CORE, "bash", "-c", command).checked()
    if printed is None:
        printed = {"procps": "bash\n0\n"}.get(name, done.stdout)
        assert done.stdout.startswith("sh\n") or name != "sh"
    assert done.stdout == printed


@pytest.mark.parametrize(
    ("compiler", "name", "text"),
    [
        ("gcc", "hello.c", '#include <stdio.h>\nint main(void) { puts("hello"); return 3; }\n'),
        ("cc", "hello.c", '#include <stdio.h>\n#include <math.h>\nint main(void) { puts("hello"); return 3; }\n'),
        ("g++", "hello.cc", '#include <iostream>\nint main() { std::cout << "hello\\n"; return 3; }\n'),
    ],
)
def test_the_compilers(magpkg: Magpkg, compiler: str, name: str, text: str) -> None:
    pathlib.Path(magpkg.directory, name).write_text(text)
    done = magpkg.venv(CORE, "sh", "-c", f"{compiler} -O2 -Wall -o hello {name} && ./hello")
    assert (done.status, done.stdout, done.stderr) == (3, "hello\n", "")


class Handler(BaseHTTPRequestHandler):
    """Serves a page and an empty git repository by git's dumb protocol."""

    def do_GET(self) -> None:
        """Answer."""
        pages = {
            "/page": b"trusted\n",
            "/r.git/info/refs": b"0123456789012345678901234567890123456789\trefs/heads/main\n",
            "/r.git/HEAD": b"ref: refs/heads/main\n",
        }
        body = pages.get(self.path.partition("?")[0])
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Secure:
    """An HTTPS server: its base url and its own certificate, which is its CA too."""

    url: str
    certificate: str


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """A local HTTPS server with a certificate that nobody else trusts."""
    made, key = certificate(str(tmp_path_factory.mktemp("https")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Secure(f"https://127.0.0.1:{server.server_port}", made)
        server.shutdown()


OBJECT = "0123456789" * 4
REFS = f"{OBJECT}\tHEAD\n{OBJECT}\trefs/heads/main\n"
CLIENTS = {
    "curl": ("curl -sS {url}/page", "trusted\n", 60, "certificate"),
    "git": (
        "git ls-remote {url}/r.git",
        REFS,
        128,
        "certificate",
    ),
}


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_a_server_is_trusted_by_the_bundle_alone(magpkg: Magpkg, secure: Secure, client: str) -> None:
    command, printed, refused, why = CLIENTS[client]
    words = ["sh", "-c", command.format(url=secure.url)]
    done = magpkg.venv(CORE, *words)
    assert done.status == refused
    assert why in done.stderr
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    mounted = f'{CORE} + {{ mounts: [{{ type: "ro-bind", source: "{secure.certificate}", target: "{bundle}" }}] }}'
    assert magpkg.venv(mounted, *words).checked().stdout == printed
    contents = pathlib.Path(secure.certificate).read_text()
    entries = expression(["curl", "git", "dash"], fsEntries=[{"type": "file", "path": bundle, "contents": contents}])
    assert magpkg.venv(entries, *words).checked().stdout == printed

"""What becomes of paths that differ from run to run."""

import pytest

from magpkg.making.chance import row_of


@pytest.mark.parametrize(
    "path",
    [
        "etc/machine-id", "etc/ssh/ssh_host_ed25519_key", "etc/ssl/private/ssl-cert-snakeoil.key", "var/log/dpkg.log",
        "usr/lib/python3/dist-packages/a/__pycache__/b.cpython-311.pyc", "var/cache/debconf/passwords.dat",
        "etc/passwd-", "var/lib/dpkg/status-old", "var/cache/ldconfig/aux-cache", "var/lib/dpkg/info/a.postinst",
        "usr/share/icons/hicolor/icon-theme.cache", "tmp/x", "root/.cache/x", "var/lib/texmf/web2c/pdftex/pdftex.log",
    ],
)  # fmt: skip
def test_what_is_left_out(path: str) -> None:
    row = row_of(path)
    assert row is not None
    assert row.mend is None


@pytest.mark.parametrize(
    "path",
    [
        "etc/passwd", "etc/ssh/sshd_config", "etc/ssl/certs/ca.pem", "var/lib/dpkg/status", "var/lib/dpkg/info/a.list",
        "root/.bashrc", "usr/share/mime/mime.cache", "var/lib/texmf/web2c/pdftex/pdflatex.fmt", "etc/ld.so.cache",
        "usr/share/glib-2.0/schemas/gschemas.compiled", "var/lib/dpkg/diversions", "etc/apache2/mods-enabled/a.load",
    ],
)  # fmt: skip
def test_what_stays_as_it_is(path: str) -> None:
    assert row_of(path) is None


def test_what_is_mended() -> None:
    shadow, modules, listing = row_of("etc/shadow"), row_of("usr/lib/x/gio/modules/giomodule.cache"), row_of("a/ls-R")
    assert shadow is not None and shadow.mend is not None
    assert shadow.mend(b"root:*:20000:0:99999:7:::\nodd\n") == b"root:*:3652:0:99999:7:::\nodd\n"
    assert modules is not None and modules.mend is not None
    assert modules.mend(b"b\na\n") == modules.mend(b"a\nb\n")
    assert listing is not None and listing.mend is not None
    assert listing.mend(b"% x\n./b:\nq\np\n\n./a:\nr\n") == b"% x\n\n./a:\nr\n\n./b:\np\nq\n"

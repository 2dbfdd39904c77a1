"""Synonyms: names by which people know a package that Debian has under another one."""

from collections.abc import Iterable, Mapping

from magpkg.manifest.field import near

# Commands and projects whose name in Debian nobody guesses from how it is spelt.
_PACKAGES: Mapping[str, str] = {
    "ag": "silversearcher-ag",
    "awk": "gawk",
    "cc": "gcc",
    "c++": "g++",
    "clippy": "rust-clippy",
    "cmp": "diffutils",
    "dig": "bind9-dnsutils",
    "diff": "diffutils",
    "docker": "docker.io",
    "fd": "fd-find",
    "find": "findutils",
    "go": "golang-go",
    "golang": "golang-go",
    "http": "httpie",
    "ifconfig": "net-tools",
    "ip": "iproute2",
    "java": "default-jdk",
    "javac": "default-jdk-headless",
    "jdk": "default-jdk",
    "killall": "psmisc",
    "ld": "binutils",
    "mysql": "default-mysql-client",
    "mvn": "maven",
    "nc": "netcat-openbsd",
    "netcat": "netcat-openbsd",
    "node": "nodejs",
    "nslookup": "bind9-dnsutils",
    "nvim": "neovim",
    "pdflatex": "texlive-latex-base",
    "pdftotext": "poppler-utils",
    "pip": "python3-pip",
    "pip3": "python3-pip",
    "pkg-config": "pkgconf",
    "postgres": "postgresql",
    "ps": "procps",
    "psql": "postgresql-client",
    "python": "python3",
    "pytest": "python3-pytest",
    "redis": "redis-server",
    "rg": "ripgrep",
    "rust": "rustc",
    "sqlite": "sqlite3",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "strings": "binutils",
    "top": "procps",
    "vi": "vim-tiny",
    "watch": "procps",
    "xelatex": "texlive-xetex",
}


def known_as(name: str) -> str | None:
    """Debian's name of the package that people know as `name`; None where there is no such synonym."""
    return _PACKAGES.get(name.lower())


def meant(name: str, names: Iterable[str]) -> str:
    """The packages among `names` that `name`, which is none of them, was probably meant to be; empty without one."""
    offered = set(names)
    known = known_as(name)
    return known if known is not None and known in offered else near(name, sorted(offered))

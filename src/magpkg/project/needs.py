"""Needs of a project: what the files in its directory say of the Debian packages that work on it takes."""

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_PYTHON = ("python3", "python3-venv", "python3-pip")
_JAVA = ("default-jdk-headless",)

# Patterns of file names; the packages that such a file asks for; directories of HOME that its tools keep downloads in.
_TABLE: Sequence[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = (
    ((".git",), ("git",), ()),
    (("pyproject.toml", "setup.py", "setup.cfg", "requirements*.txt"), _PYTHON, (".cache/pip",)),
    (("poetry.lock",), ("python3-poetry",), (".cache/pypoetry",)),
    (("Pipfile",), (*_PYTHON, "pipenv"), (".cache/pipenv",)),
    (("tox.ini",), ("python3", "tox"), (".cache/pip",)),
    (("package.json",), ("nodejs", "npm"), (".npm",)),
    (("yarn.lock",), ("nodejs", "yarnpkg"), (".cache/yarn",)),
    (("Cargo.toml",), ("rustc", "cargo"), (".cargo",)),
    (("go.mod",), ("golang-go", "git"), ("go", ".cache/go-build")),
    (("Gemfile", "*.gemspec"), ("ruby", "ruby-dev", "bundler", "make", "gcc"), (".bundle",)),
    (("Rakefile",), ("ruby", "rake"), ()),
    (("pom.xml",), (*_JAVA, "maven"), (".m2",)),
    (("build.gradle", "build.gradle.kts", "gradlew"), _JAVA, (".gradle",)),
    (("composer.json",), ("php-cli", "composer"), (".composer",)),
    (("cpanfile", "Makefile.PL", "Build.PL"), ("perl", "cpanminus", "make"), (".cpanm",)),
    (("mix.exs",), ("elixir",), (".mix", ".hex")),
    (("rebar.config",), ("erlang-base", "rebar3"), (".cache/rebar3",)),
    (("stack.yaml", "cabal.project", "*.cabal"), ("ghc", "cabal-install"), (".cabal",)),
    (("dune-project",), ("ocaml", "ocaml-dune", "opam"), (".opam",)),
    (("project.clj",), (*_JAVA, "leiningen"), (".m2",)),
    (("*.rockspec",), ("lua5.4", "luarocks"), (".luarocks",)),
    (("justfile", "Justfile"), ("just",), ()),
    (("SConstruct",), ("scons",), ()),
    (("CMakeLists.txt",), ("cmake", "ninja-build", "gcc", "g++", "pkg-config"), ()),
    (("meson.build",), ("meson", "ninja-build", "gcc", "pkg-config"), ()),
    (("configure.ac", "configure.in"), ("autoconf", "automake", "libtool", "make", "gcc", "pkg-config"), ()),
    (("configure",), ("make", "gcc"), ()),
    (("Makefile", "makefile", "GNUmakefile"), ("make",), ()),
    (("*.c",), ("gcc",), ()),
    (("*.cc", "*.cpp", "*.cxx"), ("g++",), ()),
    (("*.f90", "*.f"), ("gfortran",), ()),
    (("*.tex",), ("latexmk", "texlive-latex-recommended"), ()),
    (("mkdocs.yml",), ("mkdocs",), ()),
)

DEFAULT = ("less", "procps")
"""What to begin with where nothing is found: the base alone has a shell and the everyday commands."""


@dataclass(frozen=True, slots=True)
class Need:
    """Packages, why they are needed, and the directories of HOME that their tools keep downloads in."""

    reason: str
    packages: tuple[str, ...]
    kept: tuple[str, ...] = ()


def find_needs(files: Iterable[str]) -> list[Need]:
    """What the files with these names ask for, each package once, in the order of the table."""
    present = sorted(files)
    needs: list[Need] = []
    named: set[str] = set()
    for patterns, packages, kept in _TABLE:
        matching = [name for pattern in patterns for name in present if fnmatch.fnmatchcase(name, pattern)]
        new = tuple(name for name in packages if name not in named)
        if matching and new:
            needs.append(Need(matching[0], new, kept))
            named.update(new)
    return needs

"""Skeletons: the commented text of a project's first manifest, in Jsonnet or in YAML. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence

from magpkg.debian.lockfile import LOCK_NAME
from magpkg.project.needs import Need

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*\Z")
# What may not follow a dot, of all words of Jsonnet those that look like names of packages.
_RESERVED = frozenset(
    (
        "assert",
        "else",
        "error",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "local",
        "null",
        "self",
        "then",
        "true",
    )
)


_PRESETS_TOLD = (
    "Taken over from the host where it has it: docs/presets.md tells what each preset opens. privateHome is a home",
    "directory of this project's own, which keeps what tools download; temporaryHome in its place is empty each time.",
)


def reference(packages: str, name: str) -> str:
    """How Jsonnet names one package of the set that the variable `packages` holds."""
    plain = _IDENTIFIER.match(name) and name not in _RESERVED
    return f"{packages}.{name}" if plain else f"{packages}['{name}']"


def jsonnet_text(needs: Sequence[Need], suites: Sequence[str], *, git_file: bool = False) -> str:
    """A manifest in Jsonnet that reads the lock beside it; `git_file` says that `.git` is a file there."""
    lines = [
        "// The environment of this project. `magpkg venv` starts a shell in it, `magpkg venv -- COMMAND` a command.",
        "local debian = import 'magpkg/debian.libsonnet';",
        "",
        f"// The packages of Debian that `magpkg lock` pins in {LOCK_NAME}, by their names. Commit that file, too.",
        f"local packages = debian.lockset(importstr '{LOCK_NAME}');",
        "",
        "{",
        "  // What there is inside. To add a package, look for its name with `magpkg search WORD`, write it here and",
        "  // run `magpkg lock`. packages.base is a shell, the everyday commands and the CA bundle.",
        "  packages: packages.base + [",
        *_listed(needs, "    // ", lambda name: f"    {reference('packages', name)},"),
        "  ],",
        "",
        "  // Where `magpkg lock` looks for them: suites of Debian.",
        f"  suites: {list(suites)},",
        "",
        *(f"  // {line}" for line in _PRESETS_TOLD),
        f"  presets: {_presets(needs)},",
        "",
        "  // What else of the host is shown inside. The root itself is read-only.",
        "  mounts: [",
        "    // The project, this directory, writable.",
        "    '${PROJECT}',",
        *(
            f"    {line}"
            for line in _git_lines("//", "{ type: 'bind', source: '${GIT_DIRECTORY}', optional: true },", git_file)
        ),
        "    // What of your own home is to be there: without the slashes, these are.",
        "    // { type: 'ro-bind', source: '${HOME}/.inputrc', optional: true },",
        *(f"    // {{ type: 'bind', source: '${{HOME}}/{path}', optional: true }}," for path in _kept(needs)),
        "  ],",
        "",
        "  // Variables: values, and names of those to take over from the host.",
        "  // envSet: { EDITOR: 'vi' },",
        "  // envKeep: ['LC_*', 'SSH_AUTH_SOCK'],",
        "",
        "  // Without a network:",
        "  // network: false,",
        "}",
    ]
    return "".join(f"{line}\n" for line in lines)


def yaml_text(needs: Sequence[Need], suites: Sequence[str], *, git_file: bool = False) -> str:
    """A manifest in YAML; the base comes by itself, since it names packages by strings.

    `git_file` as above.
    """
    lines = [
        "# The environment of this project. `magpkg venv` starts a shell in it, `magpkg venv -- COMMAND` a command.",
        "",
        "# What there is inside, beside a shell, the everyday commands and CA certificates: packages of Debian, pinned",
        f"# in {LOCK_NAME}. Commit that file, too. `magpkg search WORD` looks for names, `magpkg add NAME` and",
        "# `magpkg remove NAME` change this list and the pins.",
        "packages:",
        *_listed(needs, "  # ", lambda name: f"  - {name}"),
        "",
        "# Where `magpkg lock` looks for them: suites of Debian.",
        f"suites: [{', '.join(suites)}]",
        "",
        *(f"# {line}" for line in _PRESETS_TOLD),
        f"presets: [{', '.join(_presets(needs))}]",
        "",
        "# What else of the host is shown inside. The root itself is read-only.",
        "mounts:",
        "  # The project, this directory, writable.",
        '  - "${PROJECT}"',
        *(
            f"  {line}"
            for line in _git_lines("#", '- { type: bind, source: "${GIT_DIRECTORY}", optional: true }', git_file)
        ),
        "  # What of your own home is to be there: without the number sign, these are.",
        '  # - { type: ro-bind, source: "${HOME}/.inputrc", optional: true }',
        *(f'  # - {{ type: bind, source: "${{HOME}}/{path}", optional: true }}' for path in _kept(needs)),
        "",
        "# Variables: values, and names of those to take over from the host.",
        "# envSet: { EDITOR: vi }",
        "# envKeep: ['LC_*', SSH_AUTH_SOCK]",
        "",
        "# Without a network:",
        "# network: false",
    ]
    return "".join(f"{line}\n" for line in lines)


def _presets(needs: Sequence[Need]) -> list[str]:
    uses_git = any("git" in need.packages for need in needs)
    return ["privateHome", "caBundle", "proxies", *(["gitIdentity"] if uses_git else [])]


def _listed(needs: Sequence[Need], comment: str, line: Callable[[str], str]) -> Iterator[str]:
    for need in needs:
        yield f"{comment}{need.reason}"
        yield from (line(name) for name in need.packages)


def _git_lines(comment: str, mount: str, git_file: bool) -> list[str]:
    return [f"{comment} A worktree or submodule: what its .git names.", mount] if git_file else []


def _kept(needs: Sequence[Need]) -> list[str]:
    return list(dict.fromkeys(path for need in needs for path in need.kept))

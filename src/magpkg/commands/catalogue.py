"""The commands, by what people do with them, and what a word that is none of them was meant to be."""

import difflib
from collections.abc import Mapping

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Enter an environment": {
        "venv": "magpkg.commands.venv:venv",
        "run": "magpkg.commands.run:run",
        "shim": "magpkg.commands.shim:shim",
        "hook": "magpkg.commands.shim:hook",
    },
    "Choose packages": {
        "init": "magpkg.commands.init:init",
        "add": "magpkg.commands.edit:add",
        "remove": "magpkg.commands.edit:remove",
        "lock": "magpkg.commands.lock:lock",
        "search": "magpkg.commands.search:search",
        "info": "magpkg.commands.info:info",
    },
    "Look at it": {
        "show": "magpkg.commands.show:show",
        "tree": "magpkg.commands.tree:tree",
        "why": "magpkg.commands.tree:why",
        "graph": "magpkg.commands.tree:graph",
        "diff": "magpkg.commands.diff:diff",
    },
    "Make it without entering": {
        "fetch": "magpkg.commands.fetch:fetch",
        "build": "magpkg.commands.build:build",
        "export": "magpkg.commands.export:export",
    },
    "Keep the store": {
        "list": "magpkg.commands.list:list_venvs",
        "du": "magpkg.commands.list:du",
        "cleanup": "magpkg.commands.cleanup:cleanup",
        "verify": "magpkg.commands.verify:verify",
    },
    "This machine": {
        "config": "magpkg.commands.config:config",
        "doctor": "magpkg.commands.doctor:doctor",
        "allow": "magpkg.commands.allow:allow",
        "man": "magpkg.commands.man:man",
    },
}
"""The commands in the order of the help: the title of each group, and where each command stands."""

COMMANDS: Mapping[str, str] = {name: place for group in GROUPS.values() for name, place in group.items()}

_OTHERS_WORDS: Mapping[str, str] = {
    "activate": "venv",
    "check": "doctor",
    "clean": "cleanup",
    "create": "init",
    "deps": "tree",
    "develop": "venv",
    "download": "fetch",
    "enter": "venv",
    "exec": "run",
    "find": "search",
    "freeze": "lock",
    "gc": "cleanup",
    "i": "add",
    "install": "add",
    "ls": "list",
    "new": "init",
    "outdated": "lock --upgrade",
    "prune": "cleanup",
    "pull": "fetch",
    "rdepends": "why",
    "rm": "remove",
    "shell": "venv",
    "start": "venv",
    "status": "show",
    "sync": "fetch",
    "uninstall": "remove",
    "update": "lock --upgrade",
    "upgrade": "lock --upgrade",
    "use": "venv",
}
"""What comparable tools call what magpkg can do: nix, guix, pixi, devbox, conda, pip, uv, npm, apt and docker."""


def meant(word: str) -> list[str]:
    """What `word`, which is no command, was probably meant to be: commands, the likeliest first; perhaps none."""
    if word in _OTHERS_WORDS:
        return [_OTHERS_WORDS[word]]
    near = difflib.get_close_matches(word, [*COMMANDS, *_OTHERS_WORDS], n=3, cutoff=0.6)
    return list(dict.fromkeys(_OTHERS_WORDS.get(name, name) for name in near))

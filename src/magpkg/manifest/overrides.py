"""Overrides: what the command line changes about how a manifest is entered, this once. Pure."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from magpkg.errors import MagpkgError
from magpkg.manifest.manifest import Manifest, read_env_keep, read_env_set
from magpkg.manifest.mount import Mount, read_path


@dataclass(frozen=True, slots=True)
class Overrides:
    """The options as they were given: `PATH` or `PATH:TARGET`, `NAME=VALUE`, names; directory and shell or None."""

    bind: tuple[str, ...] = ()
    ro_bind: tuple[str, ...] = ()
    dev_bind: tuple[str, ...] = ()
    setenv: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    chdir: str | None = None
    shell: str | None = None
    no_network: bool = False
    die_with_parent: bool = False

    def applied(self, manifest: Manifest, directory: str) -> Manifest:
        """The manifest with these on top; relative sources are seen from `directory`.

        Raises MagpkgError naming the option for what is wrong in it.
        """
        return replace(
            manifest,
            mounts=(*manifest.mounts, *self._mounts(directory)),
            env_keep=(*manifest.env_keep, *read_env_keep(list(self.keep), "--keep")),
            env_set=(*manifest.env_set, *read_env_set(dict(self._assigned()), "--setenv")),
            unshare=(*manifest.unshare, "net")
            if self.no_network and "net" not in manifest.unshare
            else manifest.unshare,
        )

    def arguments(self, directory: str) -> list[str]:
        """The options that say the same from anywhere; relative sources are seen from `directory`."""
        words = []
        for mount in self._mounts(directory):
            words += [f"--{mount.type}", ":".join(_escaped(path) for path in (mount.source, mount.target))]
        for option, texts in (("--setenv", self.setenv), ("--keep", self.keep)):
            for text in texts:
                words += [option, text]
        if self.chdir is not None:
            words += ["--chdir", self.chdir]
        words += ["--no-network"] if self.no_network else []
        return [*words, "--die-with-parent"] if self.die_with_parent else words

    def _mounts(self, directory: str) -> Iterator[Mount]:
        for kind, texts in (("bind", self.bind), ("ro-bind", self.ro_bind), ("dev-bind", self.dev_bind)):
            for text in texts:
                where = f"--{kind} {text}"
                source, *target = _split(text)
                if not source or len(target) > 1:
                    raise MagpkgError(f"{where}: must be PATH or PATH:TARGET", r"write \: for a colon in a path")
                source = os.path.normpath(os.path.join(directory, source))
                yield Mount(kind, source, read_path(target[0], where) if target else source, where=where)

    def _assigned(self) -> Iterator[tuple[str, str]]:
        for text in self.setenv:
            name, separator, value = text.partition("=")
            if not separator:
                hint = f"write --setenv {name}=VALUE, or --keep {name} to take over the host's"
                raise MagpkgError(f"--setenv {name}: has no value", hint)
            yield name, value


def _split(text: str) -> list[str]:
    r"""The paths in `PATH:TARGET`, where `\:` is a colon of a path and `\\` a backslash."""
    return [re.sub(r"\\([:\\])", r"\1", path) for path in re.findall(r"(?:^|:)((?:\\[:\\]|[^:])*)", text)]


def _escaped(path: str) -> str:
    return re.sub(r"([:\\])", r"\\\1", path)

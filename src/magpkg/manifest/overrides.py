"""Overrides: what the command line changes about how a manifest is entered, this once. Pure."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from magpkg.errors import MagpkgError
from magpkg.manifest.manifest import Manifest, read_env_keep, read_env_set
from magpkg.manifest.mount import Mount, read_mount


@dataclass(frozen=True, slots=True)
class Overrides:
    """The options as they were given: `PATH` or `SOURCE:TARGET`, `NAME=VALUE`, names; directory and shell or None."""

    bind: tuple[str, ...] = ()
    ro_bind: tuple[str, ...] = ()
    setenv: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    chdir: str | None = None
    shell: str | None = None
    no_network: bool = False

    def applied(self, manifest: Manifest, directory: str) -> Manifest:
        """The manifest with these on top; relative sources are seen from `directory`.

        Raises MagpkgError naming the option for what is wrong in it.
        """
        mounts = (*self._mounts("bind", self.bind, directory), *self._mounts("ro-bind", self.ro_bind, directory))
        return replace(
            manifest,
            mounts=(*manifest.mounts, *mounts),
            env_keep=(*manifest.env_keep, *read_env_keep(list(self.keep), "--keep")),
            env_set=(*manifest.env_set, *read_env_set(dict(self._assigned()), "--setenv")),
            unshare=(*manifest.unshare, "net")
            if self.no_network and "net" not in manifest.unshare
            else manifest.unshare,
        )

    def arguments(self, directory: str) -> list[str]:
        """The options that say the same from anywhere; relative sources are seen from `directory`."""
        words = []
        for option, paths in (("--bind", self.bind), ("--ro-bind", self.ro_bind)):
            for path in paths:
                source, separator, target = path.partition(":")
                words += [option, f"{os.path.normpath(os.path.join(directory, source))}{separator}{target}"]
        for option, texts in (("--setenv", self.setenv), ("--keep", self.keep)):
            for text in texts:
                words += [option, text]
        if self.chdir is not None:
            words += ["--chdir", self.chdir]
        return [*words, "--no-network"] if self.no_network else words

    def _mounts(self, kind: str, paths: tuple[str, ...], directory: str) -> Iterator[Mount]:
        for path in paths:
            source, _, target = path.partition(":")
            source = os.path.normpath(os.path.join(directory, source))
            yield read_mount({"type": kind, "source": source, "target": target or source}, f"--{kind} {path}")

    def _assigned(self) -> Iterator[tuple[str, str]]:
        for text in self.setenv:
            name, separator, value = text.partition("=")
            if not separator:
                hint = f"write --setenv {name}=VALUE, or --keep {name} to take over the host's"
                raise MagpkgError(f"--setenv {name}: has no value", hint)
            yield name, value

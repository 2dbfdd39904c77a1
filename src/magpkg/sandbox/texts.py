"""Texts: small files of a venv's own that its sandbox shows, such as /etc/passwd; the store's, or handed to bwrap.

A store of root's, or on a file system that is read-only, takes no new file. Then bwrap gets the text by a descriptor.
"""

import os
from collections.abc import Sequence

from magpkg.store.store import Store


class Texts:
    """What stands in files of `/etc` of the root `rootfs` in place of what the packages have there."""

    def __init__(self, store: Store, rootfs: str) -> None:
        self._store = store
        self._rootfs = rootfs
        self._handed: dict[str, str] = {}

    def source(self, name: str, text: str) -> str:
        """The source of a mount on /etc/<name>, which must be there in the rootfs."""
        if self._store.takes:
            return self._store.keep_text(name, text)
        stand_in = f"{self._rootfs}/etc/{name}"
        self._handed[stand_in] = text
        return stand_in

    def handed_over(self, options: Sequence[str]) -> tuple[str, ...]:
        """bwrap's options with the texts in the place of their stand-ins, each as a descriptor that bwrap inherits.

        bwrap copies it into memory of the sandbox's own and closes it (--ro-bind-data).
        """
        words = list(options)
        for source, text in self._handed.items():
            found = (at for at in range(len(words) - 1) if words[at] == "--ro-bind" and words[at + 1] == source)
            for at in list(found)[:1]:  # none where the manifest mounts something else there
                descriptor = os.memfd_create(os.path.basename(source), 0)
                os.write(descriptor, text.encode("utf-8", "surrogateescape"))
                os.lseek(descriptor, 0, os.SEEK_SET)
                words[at : at + 2] = ["--perms", "0644", "--ro-bind-data", str(descriptor)]
        return tuple(words)

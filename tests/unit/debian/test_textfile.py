"""Text files of the user's: a name is given to a whole text, or not at all."""

import os
from pathlib import Path

import pytest

from magpkg.debian.textfile import draft
from magpkg.errors import MagpkgError


def test_a_new_file_is_never_seen_without_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "new"
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)  # a second step, before which a run may end
        with draft(str(path), "text") as made:
            made.add()
    assert path.read_text() == "text"
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken_stays_its_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    path = tmp_path / "taken"
    if not links:
        monkeypatch.setattr(os, "link", refused)
    with draft(str(path), "mine") as made:
        made.add()
    with draft(str(path), "other") as made, pytest.raises(MagpkgError, match="is there already"):
        made.add()
    assert path.read_text() == "mine"
    assert os.listdir(tmp_path) == ["taken"]

"""Names by which people know a package that Debian has under another one."""

import pytest

from magpkg.debian.synonyms import meant


@pytest.mark.parametrize(
    ("name", "names", "likely"),
    [
        ("rg", ["ripgrep", "srg", "rig"], "ripgrep"),
        ("RG", ["ripgrep", "srg", "rig"], "ripgrep"),
        ("rg", ["srg"], "srg"),
        ("pyhton3", ["python3", "pypy3"], "python3"),
        ("zzzzzz", ["python3"], ""),
    ],
)
def test_a_synonym_goes_before_what_is_spelt_alike(name: str, names: list[str], likely: str) -> None:
    assert meant(name, names).split(", ")[0] == likely

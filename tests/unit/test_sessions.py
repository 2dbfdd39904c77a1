"""What counts as the output that a document shows."""

import pytest

from tests.support.sessions import is_like, lasting

PRINTED = "jq 1.6-2.1  (made, 81.0 MiB)\n  libc6 2.36\nused 3 seconds ago\n"


@pytest.mark.parametrize(
    "shown",
    [
        PRINTED,
        "jq 1.7 (made, 900 KiB)\n  libc6 2.40\nused a moment ago\n",
        "jq 1.6 (made, 1 GiB)\n...\n",
        "...\nused 1 minute ago\n",
        f"...\n{PRINTED}...\n",
        f"magpkg: making 50 packages\n{PRINTED}",
    ],
)
def test_the_same(shown: str) -> None:
    assert is_like(shown, PRINTED)


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "jq 1.6-2.1  (made, 81.0 MiB)\n",
        "rg 1.6-2.1  (made, 81.0 MiB)\n...\n",
        PRINTED.replace("made", "not made"),
        f"{PRINTED}magpkg: error: no\n",
        ".*\n.*\n.*\n",
    ],
)
def test_another(shown: str) -> None:
    assert not is_like(shown, PRINTED)


def test_only_what_is_fetched_and_made_passes() -> None:
    assert lasting("magpkg: fetching 1 file\nmagpkg: making 1 package\nmagpkg: error: no\n") == ["magpkg: error: no"]

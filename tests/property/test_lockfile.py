"""Any value anywhere in a lock is read or refused."""

from hypothesis import given, settings
from hypothesis import strategies as st

from magpkg.debian.lockfile import lock_text, read_lock
from magpkg.errors import MagpkgError
from tests.unit.debian.test_lockfile import changed

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_PLACES = ["version", "architecture", "suites", "names", "packages", "packages.a", "packages.a.path", "suites.0.suite"]
_PLACES += ["packages.a.sha256", "packages.a.size", "packages.a.depends", "packages.a.version", "suites.0.date"]


@settings(max_examples=200, deadline=None)
@given(path=st.sampled_from(_PLACES), value=_VALUES)
def test_any_value_anywhere_is_read_or_refused(path: str, value: object) -> None:
    try:
        made = read_lock(changed(path, value))
    except MagpkgError:
        return
    assert lock_text(read_lock(lock_text(made))) == lock_text(made)  # names and dependencies are sorted

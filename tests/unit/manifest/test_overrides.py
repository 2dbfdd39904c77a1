"""Overrides: the command line on top of a manifest."""

import pytest

from magpkg.errors import MagpkgError
from magpkg.manifest.manifest import Manifest
from magpkg.manifest.mount import Mount
from magpkg.manifest.overrides import Overrides

GIVEN = Manifest((), env_keep=("TERM",), env_set=(("A", "1"),), mounts=(Mount("bind", "/srv", "/srv"),))


def test_nothing_changes_nothing() -> None:
    assert Overrides().applied(GIVEN, "/project") == GIVEN


def test_mounts_come_after_the_manifests_and_relative_sources_are_seen_from_the_directory() -> None:
    made = Overrides(bind=("data",), ro_bind=("../x:/mnt",)).applied(GIVEN, "/home/ada")
    assert [(mount.type, mount.source, mount.target) for mount in made.mounts] == [
        ("bind", "/srv", "/srv"),
        ("bind", "/home/ada/data", "/home/ada/data"),
        ("ro-bind", "/home/x", "/mnt"),
    ]


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [
        (r"/a\:b", "/a:b", "/a:b"),
        (r"/a\:b:/c\:d", "/a:b", "/c:d"),
        (r"/a\\b", r"/a\b", r"/a\b"),
        (r"/a\\:/b", "/a\\", "/b"),
        (r"/a\b:/c", r"/a\b", "/c"),
        ("/a b:/c", "/a b", "/c"),
    ],
)
def test_a_colon_or_backslash_of_a_path_has_a_spelling_that_shims_keep(text: str, source: str, target: str) -> None:
    given = Overrides(dev_bind=(text,))
    made = given.applied(Manifest(()), "/home").mounts
    assert [(mount.type, mount.source, mount.target) for mount in made] == [("dev-bind", source, target)]
    _, again = given.arguments("/home")
    kept = Overrides(dev_bind=(again,)).applied(Manifest(()), "/elsewhere").mounts
    assert [(mount.source, mount.target) for mount in kept] == [(source, target)]


def test_variables_come_after_the_manifests() -> None:
    made = Overrides(setenv=("A=2", "B=x=y", "C="), keep=("LANG",)).applied(GIVEN, "/")
    assert dict(made.env_set) == {"A": "2", "B": "x=y", "C": ""}
    assert made.env_keep == ("TERM", "LANG")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Overrides(setenv=("A",)), "--setenv A: has no value"),
        (Overrides(setenv=("=x",)), "--setenv: must not be empty"),
        (Overrides(keep=("A=B",)), "--keep[0]: is no name of an environment variable"),
        (Overrides(bind=("/a:b",)), "--bind /a:b: must be an absolute path"),
        (Overrides(bind=("",)), "--bind : must be PATH or PATH:TARGET"),
        (Overrides(dev_bind=("/a:/b:/c",)), "--dev-bind /a:/b:/c: must be PATH or PATH:TARGET"),
    ],
)
def test_what_is_wrong_names_the_option(given: Overrides, message: str) -> None:
    with pytest.raises(MagpkgError) as caught:
        given.applied(GIVEN, "/")
    assert caught.value.message.startswith(message)


def test_no_network_is_the_manifests_net_and_stands_once() -> None:
    assert Overrides(no_network=True).applied(GIVEN, "/").unshare == ("net",)
    own = Manifest((), unshare=("pid", "net"))
    assert Overrides(no_network=True).applied(own, "/").unshare == ("pid", "net")
    assert Overrides().applied(own, "/") == own

"""The environment is what the manifest says, and nothing else."""

from magpkg.launch.environment import sandbox_environment

HOST = {"HOME": "/home/ada", "TERM": "xterm", "USER": "ada", "SECRET": "x", "PATH": "/host", "LD_LIBRARY_PATH": "/host"}
PATHS = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LD_LIBRARY_PATH": "/usr/lib64:/usr/lib:/lib", "LANG": "C.UTF-8"}


def test_the_defaults() -> None:
    assert sandbox_environment((), (), HOST) == {**PATHS, "HOME": "/home/ada", "TERM": "xterm"}


def test_what_the_host_lacks_is_not_made_up() -> None:
    assert sandbox_environment(("NONE",), (), {}) == PATHS


def test_what_is_kept_and_set() -> None:
    assigned = (("HOME", "/srv"), ("EMPTY", ""), ("USER", "eve"))
    assert sandbox_environment(("USER", "PATH"), assigned, HOST) == {
        **PATHS,
        "PATH": "/host",
        "HOME": "/srv",
        "TERM": "xterm",
        "USER": "eve",
        "EMPTY": "",
    }


def test_a_path_that_is_set_replaces_the_default() -> None:
    assigned = (("PATH", "/opt/bin"), ("LD_LIBRARY_PATH", ""))
    assert sandbox_environment((), assigned, {}) == {"PATH": "/opt/bin", "LD_LIBRARY_PATH": "", "LANG": "C.UTF-8"}


def test_a_locale_is_set_only_where_none_is() -> None:
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        assert sandbox_environment((name,), (), {name: "de_DE.UTF-8"}).get("LANG") in (None, "de_DE.UTF-8")
        assert "LANG" not in sandbox_environment((), ((name, ""),), {}) or name == "LANG"

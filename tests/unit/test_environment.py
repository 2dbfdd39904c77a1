"""The environment is what the manifest says, and nothing else."""

from magpkg.environment import sandbox_environment

HOST = {"HOME": "/home/ada", "TERM": "xterm", "USER": "ada", "SECRET": "x", "PATH": "/host", "LD_LIBRARY_PATH": "/host"}
PATHS = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LD_LIBRARY_PATH": "/usr/lib64:/usr/lib:/lib"}


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
    assert sandbox_environment((), assigned, {}) == {"PATH": "/opt/bin", "LD_LIBRARY_PATH": ""}

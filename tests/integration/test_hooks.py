"""`magpkg hook`: real shells, typed to, have the shims of the directory that they are in, and no strangers' files."""

import os
import pathlib
import subprocess

import pytest

from magpkg.project.launchers import PLACE, hook
from tests.support.manifests import expression
from tests.support.process import TIMEOUT, Magpkg
from tests.support.terminal import Terminal

OURS = r"\n/[^\r\n]*/shims/[^\r\n]*/\.magpkg/bin/env\r"
HOSTS = r"\n/usr/bin/env\r"


@pytest.fixture(scope="session")
def shells(shared_store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The manifest of a venv that has the shells."""
    directory = tmp_path_factory.mktemp("shells")
    (directory / "magpkg.yaml").write_text("packages: [bash, zsh, fish, direnv, coreutils]\n")
    magpkg = Magpkg(shared_store, str(directory), str(directory))
    magpkg.run("lock", "-q").checked()
    magpkg.run("venv", "-q", "--", "true").checked()
    return str(directory / "magpkg.yaml")


def write(magpkg: Magpkg, name: str) -> pathlib.Path:
    """A project of that name with a shim of env."""
    project = pathlib.Path(magpkg.directory, name)
    (project / "below").mkdir(parents=True)
    (project / "magpkg.jsonnet").write_text(expression())
    magpkg.run("shim", "-q", PLACE, "env", cwd=str(project)).checked()
    return project


def stranger(magpkg: Magpkg) -> pathlib.Path:
    """A directory as somebody may have packed it: with a place for shims, and something in it."""
    project = pathlib.Path(magpkg.directory, "stranger")
    (project / PLACE).mkdir(parents=True)
    (project / PLACE / "env").write_text("#!/bin/sh\necho caught\n")
    (project / PLACE / "env").chmod(0o755)
    return project


def inside(magpkg: Magpkg, manifest: str, *command: str) -> Terminal:
    """A command on a terminal in the venv of the shells, which sees project and store."""
    shown = [word for path in (magpkg.directory, magpkg.store, magpkg.home) for word in ("--bind", path)]
    words = magpkg.words("venv", "-q", "-f", manifest, *shown, "--", *command)
    return Terminal(words, magpkg.environment({"TERM": "dumb"}), magpkg.directory)


@pytest.mark.parametrize("command", ["bash --norc -i", "zsh -f -i", "fish --no-config -i"])
def test_a_shell_has_the_shims_of_where_it_is(magpkg: Magpkg, shells: str, command: str) -> None:
    name = command.split()[0]
    project, other, packed = write(magpkg, "it's a project"), write(magpkg, "other"), stranger(magpkg)
    (packed / "way").symlink_to(project)
    (project / PLACE / "ls").write_text("#!/bin/sh\necho caught\n")  # as a later version of the project may bring it
    code = magpkg.run("hook", name).checked().stdout
    pathlib.Path(magpkg.directory, "hook").write_text(code)
    terminal = inside(magpkg, shells, *command.split())
    try:
        for line, found in {
            ". ./hook": HOSTS,
            f'cd "{project}"': OURS,
            "cd below": OURS,
            "cd /": HOSTS,
            f'cd "{other}"': rf"\n/[^\r\n]*/shims{other}/\.magpkg/bin/env\r",
            f'cd "{packed}"': HOSTS,
            "cd way/below": OURS,
            f'cd "{other}/below"': OURS,
            f'rm "{other}/{PLACE}/env"; cd /': HOSTS,
            f'cd "{other}" ': HOSTS,
            f'cd "{project}" ': OURS,
        }.items():
            terminal.type(f"{line}\n")
            terminal.type("command -v env\n")
            terminal.expect(found)
        terminal.type("command -v ls\n")
        terminal.expect(r"\n/usr/bin/ls\r")
        terminal.type("exit 0\n")
        assert terminal.wait() == 0
    finally:
        terminal.close()


def test_direnv_has_the_shims_of_an_allowed_directory(magpkg: Magpkg, shells: str) -> None:
    project, packed = write(magpkg, "project"), stranger(magpkg)
    library = pathlib.Path(magpkg.home, ".config", "direnv", "lib")
    library.mkdir(parents=True)
    (library / "magpkg.sh").write_text(magpkg.run("hook", "direnv").checked().stdout)
    for directory in (project, packed):
        (directory / ".envrc").write_text("use magpkg\n")
    terminal = inside(magpkg, shells, "bash", "--norc", "-i")
    try:
        for directory, found in ((project, OURS), (packed, HOSTS)):
            terminal.type(f"cd {directory}; direnv allow . ; direnv exec . bash -c 'command -v env'\n")
            terminal.expect(found)
    finally:
        terminal.close()


@pytest.mark.parametrize(
    "before", ["PROMPT_COMMAND='true'", "PROMPT_COMMAND=(true 'x=1')", "unset PROMPT_COMMAND", ":"]
)
def test_bash_keeps_its_prompt_command_status_and_path(tmp_path: pathlib.Path, before: str) -> None:
    code = hook("bash", str(tmp_path))
    script = (
        f'{before}\neval "$1"; eval "$1"\nold=$PATH; (exit 7); '
        'for c in "${PROMPT_COMMAND[@]}"; do eval "$c"; break; done; '
        '[[ $PATH == "$old" ]] && declare -p PROMPT_COMMAND'
    )
    said = subprocess.run(["bash", "-c", script, "bash", code], capture_output=True, text=True, check=True, timeout=9)
    assert said.stdout.count("_magpkg_hook") == 1
    assert ("true" in said.stdout) == ("true" in before)
    assert said.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "direnv"])
def test_the_store_is_named_to_the_letter(shell: str) -> None:
    path = "/a b/it's \\ $HOME `x` \N{SNOWMAN}"
    assert "@SHIMS@" not in hook(shell, path)
    if shell == "bash":
        code = hook(shell, path) + "\ndeclare -f _magpkg_hook"
        said = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, timeout=TIMEOUT)
        assert "it'" in said.stdout


@pytest.mark.parametrize("foreign", ["project", "store", None])
def test_what_belongs_to_somebody_else_is_not_offered(tmp_path: pathlib.Path, foreign: str | None) -> None:
    project, store = tmp_path / "project", tmp_path / "store"
    places = {"project": project / PLACE, "store": pathlib.Path(f"{store}{project}", PLACE)}
    for name, place in places.items():
        place.parent.mkdir(parents=True)
        if name != foreign:
            place.mkdir()
        elif os.getuid() == 0:
            place.mkdir()
            os.chown(place, 65534, 65534)
        else:
            place.symlink_to("/usr")
    script = 'eval "$1"; _magpkg_hook; echo "$PATH"'
    words = ["bash", "-c", script, "bash", hook("bash", str(store))]
    path = subprocess.run(words, cwd=project, capture_output=True, text=True, check=True, timeout=TIMEOUT).stdout
    assert (str(store) in path) == (foreign is None)


def test_what_path_cannot_hold_is_not_offered(magpkg: Magpkg) -> None:
    write(magpkg, "a:b")
    assert not os.path.exists(f"{magpkg.store}/shims{magpkg.directory}/a:b")


@pytest.mark.parametrize("option", ["nounset", "ksharrays", "shwordsplit", "noglob", "errexit"])
def test_zsh_has_the_hook_whatever_its_options(magpkg: Magpkg, shells: str, option: str) -> None:
    project = write(magpkg, "project")
    pathlib.Path(magpkg.directory, "hook").write_text(magpkg.run("hook", "zsh").checked().stdout)
    script = (
        f"setopt {option}; . ./hook; first() {{ :; }}; second() {{ :; }}; precmd_functions+=(first second); . ./hook; "
        f"typeset -p precmd_functions; cd {project}; _magpkg_hook; command -v env; [[ -o {option} ]] && print still"
    )
    terminal = inside(magpkg, shells, "zsh", "-f", "-c", script)
    try:
        terminal.expect(r"precmd_functions=\( *_magpkg_hook first second *\)\r")
        terminal.expect(OURS)
        terminal.expect("still")
    finally:
        terminal.close()


@pytest.mark.parametrize("options", ["-u", "-e", "-f", "-o posix", "-O nullglob", "-O failglob", "-O extglob"])
def test_bash_has_the_hook_whatever_its_options(magpkg: Magpkg, options: str) -> None:
    project = write(magpkg, "it's [a] $(project)")
    script = (
        'unset PROMPT_COMMAND; eval "$1"; cd "$2"; _magpkg_hook; command -v env; cd /; _magpkg_hook; command -v env'
    )
    words = ["bash", *options.split(), "-c", script, "bash", magpkg.run("hook", "bash").checked().stdout, str(project)]
    said = subprocess.run(words, env=magpkg.environment(), capture_output=True, text=True, check=True, timeout=TIMEOUT)
    ours, hosts = said.stdout.splitlines()
    assert ours == f"{magpkg.store}/shims{project}/{PLACE}/env"
    assert "/shims/" not in hosts
    assert said.stderr == ""

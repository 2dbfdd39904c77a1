"""The options that several commands share, and what they stand for. Part of the command line."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

import click

from magpkg.commands import completion
from magpkg.errors import MagpkgError, working_directory_gone
from magpkg.launch.environment import store_root
from magpkg.store.store import Store

if TYPE_CHECKING:
    from magpkg.debian.suite import Suites, Trust
    from magpkg.evaluation.evaluate import Evaluated
    from magpkg.evaluation.inputs import Inputs
    from magpkg.making.venv import Host
    from magpkg.manifest.manifest import Manifest
    from magpkg.manifest.mount import Mount
    from magpkg.sandbox.view import Files

_Command = TypeVar("_Command", bound=Callable[..., object])


def manifest_options(command: _Command) -> _Command:
    """The options that say which manifest is meant; the command gets the evaluation that they ask for as `given`."""

    @functools.wraps(command)
    def call(
        expression: str | None,
        file: str | None,
        jpath: tuple[str, ...],
        ext_str: tuple[str, ...],
        tla_str: tuple[str, ...],
        found: bool,
        **others: object,
    ) -> object:
        return command(given=_inputs(expression, file, jpath, ext_str, tla_str, found=found), **others)

    options = (
        click.option("-e", "--expression", help="Evaluate this Jsonnet expression as the manifest."),
        click.option(
            "-f",
            "--file",
            shell_complete=completion.manifests,
            help="Read the manifest from this .jsonnet, .json, .yaml or .yml file.",
        ),
        click.option(
            "-J",
            "--jpath",
            multiple=True,
            shell_complete=completion.directories,
            help="Look for imports in this directory too; the last one first.",
        ),
        click.option("-V", "--ext-str", multiple=True, help="Set an external variable: NAME=TEXT, or NAME."),
        click.option("--tla-str", multiple=True, help="Set a top-level argument: NAME=TEXT, or NAME."),
        # What shims say of a manifest whose name is not their user's word, but what was found when they were written.
        click.option("--found", is_flag=True, hidden=True),
    )
    return cast("_Command", _with_options(call, options))


def _inputs(
    expression: str | None,
    file: str | None,
    jpath: Sequence[str],
    ext_str: Sequence[str],
    tla_str: Sequence[str],
    *,
    found: bool = False,
) -> "Inputs":
    """The evaluation that the manifest options ask for; as in the jsonnet command, the last -J is looked in first."""
    from magpkg.evaluation.inputs import Inputs

    if expression is not None and file is not None:
        raise MagpkgError("-e and -f both name a manifest", "give one of them")
    external, top_level = _pairs(ext_str, "--ext-str"), _pairs(tla_str, "--tla-str")
    return Inputs(expression, file, tuple(jpath[::-1]), external, top_level, found)


def entry_options(command: _Command) -> _Command:
    """The options that change how a venv is entered, this once; the command gets them as `overrides`."""

    @functools.wraps(command)
    def call(
        bind: tuple[str, ...],
        ro_bind: tuple[str, ...],
        dev_bind: tuple[str, ...],
        setenv: tuple[str, ...],
        keep: tuple[str, ...],
        chdir: str | None,
        shell: str | None,
        no_network: bool,
        die_with_parent: bool,
        **others: object,
    ) -> object:
        from magpkg.manifest.overrides import Overrides

        overrides = Overrides(bind, ro_bind, dev_bind, setenv, keep, chdir, shell, no_network, die_with_parent)
        return command(overrides=overrides, **others)

    options = (
        click.option("--bind", multiple=True, metavar="PATH[:TARGET]", help="Show this path of the host, writable."),
        click.option(
            "--ro-bind", multiple=True, metavar="PATH[:TARGET]", help="Show this path of the host, read-only."
        ),
        click.option(
            "--dev-bind", multiple=True, metavar="PATH[:TARGET]", help="Show this path of the host, devices usable."
        ),
        click.option("--setenv", multiple=True, metavar="NAME=VALUE", help="Set this variable; no place for secrets."),
        click.option("--keep", multiple=True, metavar="NAME", help="Take over this variable of the host."),
        click.option("--chdir", metavar="DIR", help="Start in this directory of the venv."),
        click.option("--no-network", is_flag=True, help="Let the command reach no network."),
        click.option("--die-with-parent", is_flag=True, help="End the command even where magpkg is killed (SIGKILL)."),
        click.option("--shell", metavar="NAME", help="The shell to start where no command is given."),
    )
    return cast("_Command", _with_options(call, options))


def json_option(command: _Command) -> _Command:
    """The option that asks for JSON: one object, whose `version` changes when a field changes its meaning."""
    return click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")(command)


def offline_option(command: _Command) -> _Command:
    """The option that promises that no network is asked."""
    text = "Ask no network: what is missing is an error that lists it."
    return click.option("--offline", is_flag=True, help=text)(command)


def quiet_option(command: _Command) -> _Command:
    """The option that leaves nothing but errors."""
    return click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")(command)


def debug_option(command: _Command) -> _Command:
    """The option that shows where an error comes from, which `front` looks for by itself."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of errors.")(command)


def jobs_option(command: _Command) -> _Command:
    """The option that bounds how many packages are made at once; see `host`."""
    text = "Make at most this many packages at once; default: cores."
    return click.option("--jobs", type=click.IntRange(min=1), help=text)(command)


def scope_options(command: _Command) -> _Command:
    """The options that say where packages are looked for; the command gets, as `scoped`, what they make of a lock.

    See locking.scope.
    """

    @functools.wraps(command)
    def call(suite: tuple[str, ...], component: tuple[str, ...], arch: str | None, **others: object) -> object:
        from magpkg.debian.locking import scope

        return command(scoped=functools.partial(scope, suite, component, arch), **others)

    options = (
        click.option("--suite", multiple=True, help="Look in this suite; several in order of preference."),
        click.option("--component", multiple=True, help="Look in this component of the suites, such as contrib."),
        click.option("--arch", help="Debian's name of the architecture; default: the lock's, else amd64."),
    )
    return cast("_Command", _with_options(call, options))


def trust_options(command: _Command) -> _Command:
    """The options that say what a suite must show to be believed; the command gets `trust` of them to call."""

    @functools.wraps(command)
    def call(keyring: str | None, no_verify: bool, allow_expired: bool, allow_older: bool, **others: object) -> object:
        return command(trust=functools.partial(trust, keyring, no_verify, allow_expired, allow_older), **others)

    no_verify = (
        "Check no signature: whoever controls the mirror, or the way to it, can put anything into the packages, and so "
        "into what runs."
    )
    allow_expired = "Take a suite that says it is out of date: security fixes may be missing."
    allow_older = "Take a suite that is older than it was before, or than the lock: fixes since then are undone."
    options = (
        click.option(
            "--keyring",
            shell_complete=completion.files,
            help="Trust the keys in this file instead of the Debian archive's.",
        ),
        click.option("--no-verify", is_flag=True, help=no_verify),
        click.option("--allow-expired", is_flag=True, help=allow_expired),
        click.option("--allow-older", is_flag=True, help=allow_older),
    )
    return cast("_Command", _with_options(call, options))


def trust(
    keyring: str | None = None, no_verify: bool = False, allow_expired: bool = False, allow_older: bool = False
) -> "Trust":
    """What the trust options ask for, which is looked for when it is called: not all commands come to need it."""
    from magpkg.debian.signature import find_keyring
    from magpkg.debian.suite import Trust

    if no_verify and keyring is not None:
        raise MagpkgError("--no-verify and --keyring contradict one another", "give one of them")
    return Trust(None if no_verify else find_keyring(keyring), allow_expired, allow_older)


def manifest(given: "Inputs") -> "tuple[Manifest, Evaluated]":
    """The manifest that the inputs come to, and the evaluation that gave it."""
    from magpkg.debian.lockset import LockBeside
    from magpkg.evaluation.evaluate import evaluate
    from magpkg.manifest.manifest import read_manifest
    from magpkg.manifest.package import PackageGraph

    graph = PackageGraph()
    evaluated = evaluate(given, graph)
    names = LockBeside(evaluated.directory, evaluated.sources)
    return read_manifest(evaluated.value, graph, names), evaluated


def store(environment: Mapping[str, str]) -> Store:
    """The store that MAGPKG_STORE names, else the one in the user's home."""
    root = store_root(environment)
    if root is None:
        raise MagpkgError("HOME is not set, so there is no place for the store", "set HOME or MAGPKG_STORE")
    return Store(root)


def own_store(environment: Mapping[str, str]) -> Store:
    """The store, for a command that makes or removes something in it: it must be the user's alone."""
    from magpkg.store.finding import require
    from magpkg.store.storage import ownership

    found = store(environment)
    require(ownership(found, environment))
    return found


def entered_store(environment: Mapping[str, str]) -> Store:
    """The store, for a command that enters what is in it: it must be the user's, or root's, and nobody else's."""
    from magpkg.store.finding import require
    from magpkg.store.storage import ownership

    found = store(environment)
    require(ownership(found, environment, entering=True))
    return found


def known_store(environment: Mapping[str, str]) -> Store:
    """The store, for a command that tells what is in it: it must be one that this magpkg has made."""
    found = store(environment)
    found.check_format()
    return found


def bwrap(environment: Mapping[str, str]) -> str:
    """The path of bwrap, as PATH has it or as it was installed beside magpkg."""
    from magpkg.launch.bwrap import find_bwrap

    return find_bwrap(environment.get("PATH", os.defpath))


def host(environment: Mapping[str, str], directory: str, jobs: int | None = None) -> "Host":
    """This machine, as venvs are made and entered on it from a directory; without `jobs` as many as it has cores."""
    from magpkg.making.venv import Host

    return Host(environment, directory, bwrap(environment), jobs or len(os.sched_getaffinity(0)))


def located(host: "Host", evaluated: "Evaluated", store: Store, mounts: "Sequence[Mount]", files: "Files") -> "Host":
    """The host with what the mounts' variables stand for: the places of the project that was evaluated.

    The project is known by the name that the shell has for it, where the working directory lies in it.
    """
    from magpkg.manifest.mount import names_git
    from magpkg.project.place import git_directory, project_directory
    from magpkg.store.state import state_directory

    project = project_directory(evaluated.directory, os.getcwd(), host.directory)
    git = git_directory(project, files, evaluated.sources.note) if names_git(mounts) else ""
    return replace(host, project=project, state=state_directory(store, evaluated.directory), git=git)


def suites(store: Store, report: Callable[[str], None], *, offline: bool) -> "Suites":
    """The suites of the mirrors, as they are seen from here, and what the store has kept of them."""
    from magpkg.debian.suite import Suites
    from magpkg.fetch.transport import Transport

    return Suites(store, Transport(dict(os.environ), os.getcwd(), offline=offline), report)


def working_directory(environment: Mapping[str, str]) -> str:
    """The working directory by the name that the shell has for it, if that is right, as pwd(1) gives it."""
    from magpkg.launch.inherited import is_plain

    try:
        current = os.getcwd()
    except FileNotFoundError:
        raise working_directory_gone() from None
    named = environment.get("PWD", "")
    if os.path.isabs(named) and os.path.normpath(named) == named and is_plain(named):
        try:
            if os.path.samefile(named, current):
                return named
        except OSError:
            return current
    return current


def _with_options(command: _Command, options: "Sequence[Callable[[_Command], _Command]]") -> _Command:
    """The command with the options, which its help shows in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def _pairs(values: Sequence[str], option: str) -> tuple[tuple[str, str], ...]:
    """`name=value` arguments as pairs; a name alone takes its value from the environment, as in the jsonnet command."""
    pairs = []
    for text in values:
        name, separator, value = text.partition("=")
        if not separator:
            if name not in os.environ:
                raise MagpkgError(f"{option} {name}: there is no environment variable {name}", f"write {name}=VALUE")
            value = os.environ[name]
        pairs.append((name, value))
    return tuple(pairs)

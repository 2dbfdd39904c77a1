"""Presets: what the host has is really reached from inside, what it lacks is done without.

Most manifests here have `mountDefaults: false`, since the host's /tmp, where tests keep everything, would show it all.
A host of another kind is made with bwrap, and magpkg run in it.
"""

import http.server
import os
import pathlib
import shutil
import socket
import ssl
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from magpkg.store.state import state_directory
from magpkg.store.store import Store
from tests.support.machine import certificate
from tests.support.process import Magpkg

PRESETS = (
    "audio",
    "caBundle",
    "cwd",
    "gitDirectory",
    "gitIdentity",
    "gpgAgent",
    "gpu",
    "privateHome",
    "privateTmp",
    "project",
    "proxies",
    "resolver",
    "shellSettings",
    "sshAgent",
    "temporaryHome",
    "wayland",
    "x11",
)
DEVICES = "{ type: 'dev', target: '/dev' }"
CONNECT = """
import socket, sys
for path in sys.argv[1:]:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        print(client.recv(100).decode())
"""


HIDDEN = f"mountDefaults: false, mounts: [{DEVICES}]"


def manifest(*presets: str, fields: str = HIDDEN) -> str:
    """A manifest with presets, of a venv that all tests here share; without default mounts."""
    added = "".join(f" + magpkg.host.{name}" for name in presets)
    return (
        "local magpkg = import 'magpkg/magpkg.libsonnet'; local core = import 'magpkg/packages/core.libsonnet'; "
        f"{{ packages: core.base + [core.git, core.python3, core['openssh-client']], {fields} }}{added}"
    )


def on_host(magpkg: Magpkg, *changes: str) -> Magpkg:
    """magpkg on a host whose /etc, /run, /dev and /tmp hold next to nothing but what bwrap's options in `changes` put
    there, and what magpkg itself needs.

    The venv is made before, so that it needs no network there.
    """
    magpkg.venv(manifest(), "true").checked()
    rights = ["--cap-add", "ALL"] if os.getuid() == 0 else []
    bare = ["--dev-bind", "/", "/", "--tmpfs", "/etc", "--tmpfs", "/run", "--dev", "/dev", "--tmpfs", "/tmp"]
    needed = [magpkg.store, magpkg.home, magpkg.directory, sys.prefix, *sys.path]
    for path in (path for path in needed if os.path.isdir(path)):
        bare += ["--bind", path, path]
    return replace(magpkg, python=("bwrap", *rights, *bare, *changes, "--", *magpkg.python))


@pytest.fixture
def session() -> Iterator[pathlib.Path]:
    """An empty directory for sockets, whose paths must be short."""
    made = tempfile.mkdtemp(prefix="magpkg-test-")
    yield pathlib.Path(made)
    shutil.rmtree(made)


@contextmanager
def listening(*paths: pathlib.Path) -> Iterator[None]:
    """Sockets that tell their names to whoever connects."""
    with ExitStack() as resources:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            server = resources.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(str(path))
            server.listen()
            threading.Thread(target=_tell, args=(server, path.name), daemon=True).start()
            resources.callback(server.shutdown, socket.SHUT_RDWR)
        yield


def _tell(server: socket.socket, name: str) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        with client:
            client.sendall(name.encode())


def reached(magpkg: Magpkg, text: str, paths: Sequence[pathlib.Path], env: dict[str, str]) -> list[str]:
    """What sockets say to a program inside."""
    return magpkg.venv(text, "python3", "-c", CONNECT, *map(str, paths), env=env).checked().stdout.split()


def inside(magpkg: Magpkg, text: str, script: str, env: dict[str, str] | None = None) -> list[str]:
    """The lines that a shell inside prints."""
    return magpkg.venv(text, "sh", "-c", script, env=env).checked().stdout.splitlines()


def test_these_are_all(magpkg: Magpkg) -> None:
    listed = "std.join(' ', std.objectFields(magpkg.host))"
    text = manifest(fields=f"envSet: {{ PRESETS: {listed} }}")
    assert inside(magpkg, text, "echo $PRESETS") == [" ".join(PRESETS)]


EVERYWHERE = ("/etc/passwd", "/etc/group", "/etc/machine-id", "/run/lock", "/var/tmp")  # without anything of the host


@pytest.mark.parametrize("name", PRESETS)
def test_a_host_that_has_nothing_of_it(magpkg: Magpkg, name: str) -> None:
    bare = on_host(magpkg, "--unsetenv", "HOME")
    script = "echo started; cut -d' ' -f5 /proc/self/mountinfo"
    text = manifest(name, fields=f"mountDefaults: false, mounts: [{DEVICES}, {{ type: 'proc', target: '/proc' }}]")
    done = bare.venv(text, "sh", "-c", script)
    assert done.stdout.startswith("started\n"), done.stderr
    hidden = ("/dev", "/proc", "/sys", "/run/magpkg-")
    mounted = {path for path in done.stdout.split()[1:] if not path.startswith(hidden)}
    rootfs = {f"/{top}" for top in os.listdir(magpkg.rootfs(text))}
    if name in ("cwd", "project"):
        assert magpkg.directory in mounted
        mounted = {path for path in mounted if not magpkg.directory.startswith(path)}  # on the way there from /tmp
    assert mounted - rootfs - {"/", *EVERYWHERE} == set()


def test_all_together_on_a_host_that_has_nothing(magpkg: Magpkg) -> None:
    bare = on_host(magpkg, "--unsetenv", "HOME")
    for fields in ("mountDefaults: false", "mountDefaults: true"):
        assert inside(bare, manifest(*PRESETS, fields=fields), "echo started") == ["started"]


def test_all_together_on_a_host_that_has_everything(magpkg: Magpkg, session: pathlib.Path) -> None:
    sockets = [session / name for name in ("agent", "wayland-7", "pulse/native", "pipewire-0")]
    signing = session / "gnupg" / "S.gpg-agent"
    pathlib.Path(magpkg.home, ".gitconfig").write_text("[user]\nname = Ada\n")
    pathlib.Path(magpkg.home, ".Xauthority").write_text("cookie\n")
    env = {"SSH_AUTH_SOCK": str(sockets[0]), "XDG_RUNTIME_DIR": str(session), "WAYLAND_DISPLAY": "wayland-7"}
    script = "git config user.name; cat ~/.Xauthority; touch ~/x $XDG_RUNTIME_DIR/x; ls -A ~"
    with listening(*sockets, signing.with_name("S.gpg-agent.extra")):
        for names in (PRESETS, PRESETS[::-1]):
            for fields in (HIDDEN, "mountDefaults: true"):
                text = manifest(*names, fields=fields)
                assert reached(magpkg, text, [*sockets, signing], env) == [
                    *(path.name for path in sockets),
                    "S.gpg-agent.extra",
                ]
                lines = inside(magpkg, text, script, env)
                assert lines[:2] == ["Ada", "cookie"]
                assert {".gitconfig", ".Xauthority", "x"} <= set(lines[2:])
    # What was written went neither to the host's home nor to its session.
    assert sorted(os.listdir(magpkg.home)) == [".Xauthority", ".gitconfig"]
    assert not (session / "x").exists()


def test_a_real_agent_signs_and_a_kept_plan_uses_the_agent_of_now(magpkg: Magpkg, session: pathlib.Path) -> None:
    # ssh wants its user to have a name, which is one of the default mounts.
    plain, hidden = manifest(fields=f"mounts: ['{session}']"), "mounts: [{ type: 'tmpfs', target: '/tmp' }]"
    text = manifest("sshAgent", fields=hidden)
    agents = [session / "first", session / "second"]
    listed = []
    with ExitStack() as resources:
        for path in agents:
            agent = resources.enter_context(magpkg.start("venv", "-e", plain, "--", "ssh-agent", "-D", "-a", str(path)))
            assert agent.stdout is not None
            assert str(path) in agent.stdout.readline()
            key = f"ssh-keygen -q -t ed25519 -N '' -C {path.name} -f {path}.key"
            magpkg.venv(plain, "sh", "-c", f"{key} && SSH_AUTH_SOCK={path} ssh-add -q {path}.key").checked()
        for path in (*agents, *agents):
            env = {"SSH_AUTH_SOCK": str(path), "PYTHONPROFILEIMPORTTIME": "1"}
            for warm in (None, True):
                done = magpkg.venv(text, "ssh-add", "-l", env=env).checked()
                listed.append(done.stdout.split()[2])
                assert warm is None or "magpkg.cli" not in done.stderr
        # Another variable that no mount names leaves the plan as it is.
        assert "magpkg.cli" not in magpkg.venv(text, "true", env=env | {"XAUTHORITY": "/x"}).checked().stderr
        signs = f"echo text | ssh-keygen -Y sign -n file -f /tmp/key.pub 2>/dev/null; ls {session}"
        public = f"{{ type: 'ro-bind', source: '{agents[1]}.key.pub', target: '/tmp/key.pub' }}"
        both = manifest("sshAgent", fields=f"{hidden[:-1]}, {public}]")
        signed = inside(magpkg, both, signs, env)
    assert listed == ["first", "first", "second", "second"] * 2
    assert signed[0] == "-----BEGIN SSH SIGNATURE-----"
    assert signed[-1] == "second"  # the key itself is not there
    assert inside(magpkg, text, "echo ${SSH_AUTH_SOCK-unset}") == ["unset"]


def test_git_knows_who_commits_but_no_passwords(magpkg: Magpkg, session: pathlib.Path) -> None:
    home = pathlib.Path(magpkg.home)
    for place, name in ((home / ".config/git", "Home"), (session / "git", "Xdg")):
        place.mkdir(parents=True)
        (place / "config").write_text(f"[user]\nname = {name}\nemail = ada@example.org\n")
        (place / "credentials").write_text("https://ada:hush@example.org\n")
    script = "cd /tmp && git init -q . && git commit -q --allow-empty -m x && git log --format='%an %ae'"
    text = manifest("gitIdentity")
    assert inside(magpkg, text, script) == ["Home ada@example.org"]
    xdg = {"XDG_CONFIG_HOME": str(session)}
    assert inside(magpkg, text, script, xdg) == ["Xdg ada@example.org"]
    assert inside(magpkg, text, f"ls ~/.config/git {session}/git", xdg).count("config") == 2
    assert "credentials" not in inside(magpkg, text, f"ls ~/.config/git {session}/git", xdg)
    (home / "elsewhere").write_text("[user]\nname = Linked\n")
    (home / ".gitconfig").symlink_to("elsewhere")
    assert inside(magpkg, text, script, {"GIT_AUTHOR_EMAIL": "kept@example.org"}) == ["Linked kept@example.org"]
    refused = magpkg.venv(text, "git", "config", "--global", "user.name", "Eve")
    assert refused.status != 0
    assert "Linked" in (home / "elsewhere").read_text()


def test_gpg_agent_and_the_public_part_of_the_keyring(magpkg: Magpkg, session: pathlib.Path) -> None:
    keyring = pathlib.Path(magpkg.home, ".gnupg")
    (keyring / "private-keys-v1.d").mkdir(parents=True)
    (keyring / "pubring.kbx").write_text("public")
    agent, restricted = session / "gnupg" / "S.gpg-agent", session / "gnupg" / "S.gpg-agent.extra"
    env = {"XDG_RUNTIME_DIR": str(session)}
    with listening(agent, restricted):
        agent.parent.chmod(0o700)
        restricted.chmod(0o700)
        assert reached(magpkg, manifest("gpgAgent"), [agent], env) == [restricted.name]
        # gpg does not use a directory that others may enter, mode 700 is what it asks for.
        script = f"ls ~/.gnupg; ls {agent.parent}; stat -c %a {agent.parent}; cat ~/.gnupg/pubring.kbx"
        lines = inside(magpkg, manifest("gpgAgent", "wayland"), script, env)
    assert lines == ["pubring.kbx", "S.gpg-agent", "700", "public"]


@pytest.mark.parametrize("display", [None, "wayland-1", "absolute"])
def test_wayland(magpkg: Magpkg, session: pathlib.Path, display: str | None) -> None:
    runtime = session / "run"
    path = session / "absolute" if display == "absolute" else runtime / (display or "wayland-0")
    other = runtime / "bus"
    env = {"XDG_RUNTIME_DIR": str(runtime)}
    if display is not None:
        env["WAYLAND_DISPLAY"] = str(path) if display == "absolute" else display
    with listening(path, other):
        assert reached(magpkg, manifest("wayland"), [path], env) == [path.name]
        script = "touch $XDG_RUNTIME_DIR/buffer && ls $XDG_RUNTIME_DIR; echo $WAYLAND_DISPLAY"
        lines = inside(magpkg, manifest("wayland"), script, env)
    assert lines == [*sorted({"buffer", path.name} - {"absolute"}), env.get("WAYLAND_DISPLAY", "")]
    assert not (runtime / "buffer").exists()


def test_x11(magpkg: Magpkg, session: pathlib.Path) -> None:
    cookie = session / "cookie"
    cookie.write_text("secret")
    path = pathlib.Path("/tmp/.X11-unix/X7")
    env = {"DISPLAY": ":7", "XAUTHORITY": str(cookie)}
    with listening(session / "x" / path.name):
        host = on_host(magpkg, "--bind", str(session), str(session), "--bind", str(session / "x"), str(path.parent))
        assert reached(host, manifest("x11"), [path], env) == ["X7"]
        script = "echo $DISPLAY; cat $XAUTHORITY"
        assert inside(host, manifest("x11"), script, env) == [":7", "secret"]


def test_audio(magpkg: Magpkg, session: pathlib.Path) -> None:
    sockets = [session / "pulse" / "native", session / "pipewire-0"]
    cookie = pathlib.Path(magpkg.home, ".config/pulse/cookie")
    cookie.parent.mkdir(parents=True)
    cookie.write_text("secret")
    env = {"XDG_RUNTIME_DIR": str(session)}
    with listening(*sockets, session / "bus"):
        assert reached(magpkg, manifest("audio"), sockets, env) == ["native", "pipewire-0"]
        lines = inside(magpkg, manifest("audio"), "ls $XDG_RUNTIME_DIR; cat ~/.config/pulse/cookie", env)
    assert lines == ["pipewire-0", "pulse", "secret"]


def test_devices_of_the_gpu_can_be_used(magpkg: Magpkg) -> None:
    names = ("dri/card0", "nvidia0", "nvidiactl", "snd/pcm")
    made = [word for name in names for word in ("--dev-bind", "/dev/zero", f"/dev/{name}")]
    host = on_host(magpkg, *made)
    script = (
        "for f in dri/card0 nvidia0 nvidiactl; do head -c 3 /dev/$f | wc -c; done; ls /dev/snd 2>/dev/null; ls /sys"
    )
    lines = inside(host, manifest("gpu"), script)
    assert lines[:3] == ["3", "3", "3"]
    assert "pcm" not in lines
    assert "class" in lines
    assert inside(host, manifest("audio"), "head -c 3 /dev/snd/pcm | wc -c; ls /dev/dri 2>/dev/null; echo") == ["3", ""]


def test_the_ca_bundle_that_the_host_names_is_trusted(magpkg: Magpkg, session: pathlib.Path) -> None:
    made, key = certificate(str(session))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://127.0.0.1:{server.server_address[1]}/"
    ask = ("python3", "-c", "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).status)", url)
    try:
        found = magpkg.venv(manifest("caBundle"), *ask, env={"SSL_CERT_FILE": made})
        assert found.checked().stdout == "200\n"
        assert "CERTIFICATE_VERIFY_FAILED" in magpkg.venv(manifest(), *ask, env={"SSL_CERT_FILE": made}).stderr
        # A plan that was kept does not go on trusting it.
        assert "CERTIFICATE_VERIFY_FAILED" in magpkg.venv(manifest("caBundle"), *ask).stderr
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "path", ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"]
)
def test_the_ca_bundle_is_found_where_distributions_keep_it(magpkg: Magpkg, session: pathlib.Path, path: str) -> None:
    (session / "bundle").write_text("the host's\n")
    host = on_host(magpkg, "--ro-bind", str(session / "bundle"), path)
    assert inside(host, manifest("caBundle"), "cat $SSL_CERT_FILE $CURL_CA_BUNDLE") == ["the host's"] * 2


def test_without_a_ca_bundle_the_venv_keeps_its_own(magpkg: Magpkg) -> None:
    lines = inside(on_host(magpkg), manifest("caBundle"), "head -1 $SSL_CERT_FILE")
    assert lines == ["-----BEGIN CERTIFICATE-----"]


def test_proxies_in_both_spellings(magpkg: Magpkg) -> None:
    names = [name for low in ("http", "https", "ftp", "all", "no") for name in (f"{low}_proxy", f"{low}_proxy".upper())]
    env = {name: f"{name}.example" for name in names}
    script = f"printenv {' '.join(names)}"
    assert inside(magpkg, manifest("proxies"), script, env) == [f"{name}.example" for name in names]
    assert inside(magpkg, manifest(), f"{script}; true", env) == []


def test_resolv_conf_behind_links_to_systemd_resolved(magpkg: Magpkg, session: pathlib.Path) -> None:
    resolve = session / "resolve"
    resolve.mkdir()
    (resolve / "real").write_text("nameserver 127.0.0.53\n")
    (resolve / "stub-resolv.conf").symlink_to("real")
    with listening(resolve / "io.systemd.Resolve"):
        link = ["--symlink", "../run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf"]
        host = on_host(magpkg, *link, "--ro-bind", str(resolve), "/run/systemd/resolve")
        assert inside(host, manifest("resolver"), "cat /etc/resolv.conf") == ["nameserver 127.0.0.53"]
        asked = pathlib.Path("/run/systemd/resolve/io.systemd.Resolve")
        assert reached(host, manifest("resolver"), [asked], {}) == ["io.systemd.Resolve"]
        # A link that leads nowhere is as good as none, for the default mount too.
        broken = on_host(magpkg, "--symlink", "/run/nowhere", "/etc/resolv.conf")
        for text in (manifest("resolver"), manifest("resolver", fields="mountDefaults: true")):
            assert inside(broken, text, "cat /etc/resolv.conf; true") == []


def test_a_private_home_stays_and_is_the_projects_alone(magpkg: Magpkg) -> None:
    pathlib.Path(magpkg.home, "secret").write_text("hush")
    project = pathlib.Path(magpkg.directory)
    (project / "below").mkdir()
    (project / "magpkg.jsonnet").write_text(manifest("privateHome", fields="mountDefaults: false"))
    (project / "below" / "magpkg.jsonnet").write_text("import '../magpkg.jsonnet'")
    (project / "other.jsonnet").write_text("import 'magpkg.jsonnet'")

    def listed(*options: str, directory: pathlib.Path = project, script: str = "ls -A ~") -> list[str]:
        return magpkg.run("venv", *options, "--", "sh", "-c", script, cwd=str(directory)).checked().stdout.split()

    assert listed(script="pwd; touch ~/mine") == [magpkg.home]
    assert listed() == listed() == ["mine"]
    assert listed("-f", str(project / "other.jsonnet"), directory=pathlib.Path("/")) == ["mine"]
    assert listed(directory=project / "below") == []
    assert os.listdir(magpkg.home) == ["secret"]
    place = pathlib.Path(state_directory(Store(magpkg.store), magpkg.directory))
    assert place.name.startswith(f"{project.name}-")
    assert stat.S_IMODE(os.stat(place / "home").st_mode) == 0o700
    # One that was removed is made again, whatever a plan says.
    shutil.rmtree(place)
    assert listed() == []
    magpkg.run("cleanup", "--all", "--max-age-days", "36500").checked()
    assert (place / "home").is_dir()


def test_a_private_tmp_is_empty_but_for_what_is_mounted_there(magpkg: Magpkg, session: pathlib.Path) -> None:
    (session / "agent").mkdir()
    socket_path, other = session / "agent" / "s", session / "tmux"
    host = {"SSH_AUTH_SOCK": str(socket_path)}
    with listening(socket_path, other):
        for names in (("privateTmp", "sshAgent"), ("sshAgent", "privateTmp")):
            text = manifest(*names)
            assert reached(magpkg, text, [socket_path], host) == ["s"]
            assert inside(magpkg, text, f"test -e {other} || echo unseen; stat -c %a /tmp", host) == ["unseen", "1777"]


def test_settings_of_the_users_shell(magpkg: Magpkg) -> None:
    pathlib.Path(magpkg.home, ".bashrc").write_text("alias greet='echo as at home'\n")
    pathlib.Path(magpkg.home, ".secret").write_text("hush\n")
    text = manifest("privateHome", "shellSettings")
    said = magpkg.venv(text, "bash", "-ic", "greet; echo >~/.bashrc; ls ~/.secret").stdout
    assert said == "as at home\n"
    assert pathlib.Path(magpkg.home, ".bashrc").read_text().startswith("alias")


def test_a_temporary_home_goes(magpkg: Magpkg) -> None:
    pathlib.Path(magpkg.home, "secret").write_text("hush")
    for _ in range(2):
        assert inside(magpkg, manifest("temporaryHome"), "ls -A ~; touch ~/mine; ls ~") == ["mine"]
    assert os.listdir(magpkg.home) == ["secret"]


def test_the_working_directory_shows_through_a_home_of_ones_own(magpkg: Magpkg) -> None:
    work = pathlib.Path(magpkg.home, "work")
    work.mkdir()
    at_work = replace(magpkg, directory=str(work))
    for names in (("cwd", "privateHome"), ("temporaryHome", "cwd")):
        assert inside(at_work, manifest(*names), "pwd; ls ~; touch made") == [str(work), "work"]
        (work / "made").unlink()


def test_what_the_user_may_not_look_at_is_done_without(magpkg: Magpkg) -> None:
    (loop := pathlib.Path(magpkg.home, "loop")).symlink_to("loop")
    env = {"SSH_AUTH_SOCK": str(loop), "XAUTHORITY": "relative", "WAYLAND_DISPLAY": "none"}
    assert inside(magpkg, manifest("sshAgent", "x11", "wayland"), "echo started", env) == ["started"]

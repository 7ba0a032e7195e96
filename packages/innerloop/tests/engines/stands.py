"""Real engines for one temporary user: Docker, rootless Docker, Podman in three forms, by ssh, elsewhere.

Each `Stand` is what a person has: programs on PATH and variables. Nothing of them is left behind,
and the machine's own engine is not touched.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.engine import dev
from tests.engine.own_engine import own_engine
from tests.engine.relay import Relay
from tests.engines import ssh_server
from tests.engines.temporary_user import TemporaryUser, temporary_user
from tests.jupyterlab_stand_in import JUPYTERLAB
from tests.small_image import BASE, small_image
from tests.support import CI_TOOLS, PYTEST, until

# What each image of a stand is built on, without a network.
IMAGE = "innerloop-stand:1"
# Engines without native diffs look at every file of the image at each step of a build.
NEEDLESS = "/usr/share/python-wheels"
DOCKERFILE = f"""ARG BASE
FROM $BASE
COPY requirements.txt jupyterlab.py /opt/stand/
RUN python -m pip install -q --no-cache-dir --require-hashes -r /opt/stand/requirements.txt \\
 && cp /opt/stand/jupyterlab.py "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \\
 && rm -rf {NEEDLESS}
"""
SOCKET = Path("/var/run/docker.sock")
SHIM = """#!/bin/sh
echo 'Emulating Docker with Podman.' >&2
exec podman "$@"
"""
# A machine without systemd and without a user's session. `podman info` asks which package has a
# program, which takes long for one on a PATH of links.
CONTAINERS_CONF = """[engine]
network_cmd_path = "/usr/bin/slirp4netns"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
log_driver = "k8s-file"
"""


@dataclass(frozen=True, slots=True)
class Stand:
    """An engine as one person meets it.

    `client` is the program that talks to it, for what a test looks up itself; `address` is what an
    error says of an engine that is elsewhere, "" for one that sees the workspace.
    """

    name: str
    user: TemporaryUser
    env: Mapping[str, str]
    client: str
    groups: tuple[int, ...] = ()
    address: str = ""

    @property
    def prefix(self) -> list[str]:
        return self.user.become(groups=self.groups)

    def ask(self, *words: str) -> str:
        """What the client prints, whatever its exit code."""
        done = subprocess.run(
            [*self.prefix, self.client, *words],
            env={**os.environ, **self.env},
            cwd=self.user.home,
            capture_output=True,
            text=True,
            timeout=600,
        )
        return done.stdout.strip()


@dataclass(slots=True)
class Stands:
    """Starts the engines of one user, each once, when it is first asked for."""

    user: TemporaryUser
    stack: ExitStack
    cache: dict[str, Stand] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Stand:
        if name not in self.cache:
            self.cache[name] = STANDS[name](self)
        return self.cache[name]

    def stand(self, name: str, *programs: str, **more: str) -> Stand:
        """A stand whose PATH has no other engine's client than these programs."""
        folder = self.user.home / "bin" / (programs[0] if len(programs) == 1 else name)
        folder.mkdir(parents=True, exist_ok=True)
        for program in programs:
            if not (folder / program).exists():
                (folder / program).symlink_to(str(shutil.which(program)))
        path = f"{dev.cli()}:{folder}:{self.programs}"
        return Stand(name, self.user, {**self.user.env, "PATH": path, **more}, programs[0])

    @property
    def programs(self) -> Path:
        """The machine's programs, but for the clients of engines."""
        folder = self.user.home / "bin" / "machine"
        if not folder.exists():
            folder.mkdir(parents=True)
            for source in map(Path, ("/usr/bin", "/bin", "/usr/sbin", "/sbin")):
                for program in source.iterdir():
                    is_client = program.name.startswith(("docker", "podman"))
                    if not is_client and not os.path.lexists(folder / program.name):
                        (folder / program.name).symlink_to(program)
        return folder


@contextmanager
def stands() -> Iterator[Stands]:
    with ExitStack() as stack:
        yield Stands(stack.enter_context(temporary_user()), stack)


def _docker(stands: Stands) -> Stand:
    """The machine's own engine, for a member of the group docker."""
    stand = stands.stand("docker", "docker")
    subprocess.run(["docker", "load", "-q", "-i", base_archive()], check=True, capture_output=True)
    stands.stack.callback(subprocess.run, ["docker", "rmi", IMAGE], capture_output=True)
    return replace(stand, groups=(SOCKET.stat().st_gid,))


def _rootless(stands: Stands) -> Stand:
    """`dockerd` in a user namespace of the person's own."""
    require_rootless()
    user = stands.user
    socket = f"unix://{user.runtime}/docker.sock"
    script = "/usr/share/docker.io/contrib/dockerd-rootless.sh"
    words = ["--data-root", f"{user.home}/docker", "--exec-root", f"{user.runtime}/docker"]
    words += ["--host", socket, "--pidfile", f"{user.runtime}/docker.pid"]
    stand = stands.stand("rootless", "docker", DOCKER_HOST=socket)
    starts = lambda: bool(stand.ask("version", "--format", "{{.Server.Version}}"))  # noqa: E731
    _start(stands, ["sh", script, *words], "rootless dockerd", starts)
    user.run("docker", "load", "-q", env=stand.env, stdin=base_archive())
    return stand


def _podman(stands: Stands) -> Stand:
    """Podman alone: there is no program `docker`."""
    require_rootless()
    user = stands.user
    stand = stands.stand("podman", "podman")
    config = user.home / ".config/containers"
    config.mkdir(parents=True)
    (config / "storage.conf").write_text('[storage]\ndriver = "overlay"\n')
    (config / "containers.conf").write_text(CONTAINERS_CONF)
    user.own(user.home / ".config")
    if not _has_overlay(stand):
        (config / "storage.conf").write_text('[storage]\ndriver = "vfs"\n')
    user.run("podman", "load", "-q", env=stand.env, stdin=base_archive())
    user.run("podman", "tag", f"localhost/{IMAGE}", f"docker.io/library/{IMAGE}", env=stand.env)
    return stand


def _has_overlay(stand: Stand) -> bool:
    return stand.ask("info", "--format", "{{.Store.GraphDriverName}}") == "overlay"


def _podman_as_docker(stands: Stands) -> Stand:
    """The program `docker` is Podman, as the package podman-docker has it."""
    podman = stands["podman"]
    shims = stands.user.home / "bin" / "shim"
    shims.mkdir(parents=True)
    (shims / "docker").write_text(SHIM)
    (shims / "docker").chmod(0o755)
    env = {**podman.env, "PATH": f"{shims}:{podman.env['PATH']}"}
    return Stand("podman-docker", stands.user, env, "docker")


def _podman_socket(stands: Stands) -> Stand:
    """Docker's client, and a Podman behind its socket."""
    podman = stands["podman"]
    socket = f"unix://{stands.user.runtime}/podman.sock"
    stand = stands.stand("podman-socket", "docker", DOCKER_HOST=socket)
    starts = lambda: bool(stand.ask("version", "--format", "{{.Server.Version}}"))  # noqa: E731
    service = ["podman", "system", "service", "--time", "0", socket]
    _start(stands, service, "podman system service", starts, podman.env)
    return stand


def _ssh(stands: Stands) -> Stand:
    """The machine's own engine behind a real sshd."""
    docker = stands["docker"]
    server = ssh_server.started(docker.user, docker.groups)
    address = stands.stack.enter_context(server)
    return stands.stand("ssh", "docker", "ssh", DOCKER_HOST=address)


def _elsewhere(stands: Stands) -> Stand:
    """An engine that has another disk and another network, at an address of its own."""
    engine = stands.stack.enter_context(own_engine(hidden=stands.user.home, has_image=False))
    relay = Relay(engine.socket, "127.0.0.2")
    stands.stack.callback(relay.listener.close)
    stand = stands.stand("elsewhere", "docker", DOCKER_HOST=relay.address)
    stands.user.run("docker", "load", "-q", env=stand.env, stdin=base_archive())
    return replace(stand, address=relay.address)


STANDS: Mapping[str, Callable[[Stands], Stand]] = {
    "docker": _docker,
    "rootless": _rootless,
    "podman": _podman,
    "podman-docker": _podman_as_docker,
    "podman-socket": _podman_socket,
    "ssh": _ssh,
    "elsewhere": _elsewhere,
}


def _start(
    stands: Stands,
    argv: list[str],
    what: str,
    answers: Callable[[], bool],
    env: Mapping[str, str] | None = None,
) -> None:
    """A program that goes on, until the engine answers; the user's end is its own."""
    user = stands.user
    log = user.home / f"{what.replace(' ', '-')}.log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            [*user.become("--pdeathsig=TERM"), *argv],
            env={**os.environ, **user.env, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
            | dict(env or {}),
            cwd=user.home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    stands.stack.callback(_stop, child)
    until(lambda: child.poll() is not None or answers(), 300)
    assert child.poll() is None and answers(), f"{what} does not start: {log.read_text()[-2000:]}"


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(30)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(30)


@functools.cache
def base_archive() -> Path:
    """IMAGE as `docker save` writes it, made once on this machine for each base image."""
    base = _docker_prints("image", "inspect", "--format", "{{.Id}}", BASE)
    text = "\0".join((DOCKERFILE, PYTEST, JUPYTERLAB, base))
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = CI_TOOLS / "stands" / f"base-{name}.tar"
    if not path.exists():
        context = path.parent / f"context-{os.getpid()}"
        context.mkdir(parents=True)
        for file, content in (
            ("Dockerfile", DOCKERFILE),
            ("requirements.txt", PYTEST),
            ("jupyterlab.py", JUPYTERLAB),
        ):
            (context / file).write_text(content)
        part = path.with_suffix(f".{os.getpid()}")
        base_image = f"BASE={small_image(with_pip=True)}"
        _docker_prints("build", "-q", "-t", IMAGE, "--build-arg", base_image, str(context))
        _flatten(IMAGE)
        _docker_prints("save", "-o", str(part), IMAGE)
        _docker_prints("rmi", IMAGE)
        shutil.rmtree(context)
        for other in path.parent.glob("base-*.tar"):
            if time.time() - other.stat().st_mtime > 86400:  # another run may read a newer one
                other.unlink()
        part.replace(path)
    return path


def _flatten(image: str) -> None:
    """One layer of what is still there."""
    settings = json.loads(_docker_prints("image", "inspect", "--format", "{{json .Config}}", image))
    lines = [f"ENV {name}={json.dumps(value)}" for name, value in _pairs(settings["Env"])]
    lines.append(f"CMD {json.dumps(settings['Cmd'])}")
    container = _docker_prints("create", image)
    old = _docker_prints("image", "inspect", "--format", "{{.Id}}", image)
    export = subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE)
    changes = [word for line in lines for word in ("--change", line)]
    argv = ["docker", "import", *changes, "-", image]
    subprocess.run(argv, stdin=export.stdout, check=True, capture_output=True)
    assert export.wait() == 0
    _docker_prints("rm", container)
    _docker_prints("rmi", old)


def _pairs(env: list[str]) -> list[list[str]]:
    return [entry.split("=", 1) for entry in env]


def _docker_prints(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def require_rootless() -> None:
    """Fail in one line where this machine cannot have a rootless engine."""
    missing = [p for p in ("podman", "rootlesskit", "slirp4netns", "newuidmap") if not _which(p)]
    assert not missing, f"{', '.join(missing)} not on PATH (.ci/steps.sh has rootless_tools)"
    for device in ("/dev/net/tun", "/dev/fuse"):
        is_open = os.path.exists(device) and os.stat(device).st_mode & 0o006 == 0o006
        assert is_open, f"{device} is not there for everybody (.ci/steps.sh has rootless_tools)"
    argv = ["setpriv", "--reuid=65534", "--clear-groups", "unshare", "--user", "--map-root-user"]
    done = subprocess.run([*argv, "true"], capture_output=True, text=True)
    assert done.returncode == 0, f"no user namespaces for ordinary users here: {done.stderr}"


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")

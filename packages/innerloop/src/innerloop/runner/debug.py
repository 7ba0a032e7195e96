"""`loop run --debug`: the same run, with a debugger in every Python process that it starts.

The run's image or environment, its command and its code stay as they are. A small program
(`debugger/start.py`) is put before the command. It starts debugpy's adapter, waits for the editor,
then starts the command with a start-up hook on PYTHONPATH that connects each Python process to the
editor as it starts. debugpy comes from the tool's cache where the environment does not have that very
version, so debugging works in any image that has a Python.

Whoever reaches a debugger runs code in the job, and an editor cannot show a password. So the adapter
accepts only those who know the run's secret, and the port where the editor connects is a gate of the
tool, which lets only this user's processes through (`util/gate`).
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from ..docker import container_ports, docker_cli, own_mounts
from ..model import debug_port
from ..model.container import NO_CONTEXT, ContainerContext, ContainerSpec, Mount
from ..model.experiment import Experiment
from ..model.experiment_paths import default_paths
from ..model.run import Request, Run
from ..model.workspace import Workspace
from ..util import console, gate, locked_environments, ports, process
from ..util.errors import UserError
from ..util.gate import RelayCommand
from ..util.quick_dataclasses import dataclass
from ..workspace import experiment_choice, loader
from . import execute
from .debug_session import DebugSession
from .execute import Started

PROGRAMS = Path(__file__).resolve().parent.parent / "in_env_scripts" / "debugger"
GROUP = "debugger"

# Where a container has the programs of this folder, and debugpy.
CONTAINER_PROGRAMS = "/opt/innerloop/debugger"
CONTAINER_LIBRARY = "/opt/innerloop/debugpy"

# The variable with the run's secret: see innerloop_handshake.py, which has the same.
SECRET = "INNERLOOP_DEBUG_SECRET"

# The adapter's port, where the editor's is not: with the host's network both are on one interface.
_DISTANCE = 4000


@dataclass(frozen=True, slots=True)
class DebugSite:
    """What a machine elsewhere has for a run's debugger.

    `programs` and `library` are folders there: those of `PROGRAMS`, and debugpy. `folders` are pairs of
    a path relative to the workspace and its path there. `relay` gives the program that reaches the
    adapter at a port there.
    """

    programs: str
    library: str
    folders: Sequence[tuple[str, str]]
    relay: Callable[[Request, int], RelayCommand]


class DebugMachine(Protocol):
    """A machine elsewhere whose jobs can be debugged."""

    def debug_site(
        self, run: Run, request: Request, programs: Path, library: Path, *, dry: bool
    ) -> DebugSite:
        """Send the debugger there, unless `dry`."""


def choose_port(workspace: Workspace, experiment: Experiment, port: int | None) -> int:
    """The port that the user asked for, which must be free.

    Without one, the experiment's own port, where F5 expects the debugger, or another free port if
    that one is taken.
    """
    default = debug_port.of(workspace.experiments, experiment)
    if port is None:
        return ports.free(default)
    if ports.free(port) == port:
        return port
    raise UserError(
        f"port {port} of this machine is taken{_port_user(port)}",
        code="port-taken",
        hint=f"Stop that first; or, to debug both at once, give one of them another port: "
        f"debug_port = {port + 1} in {experiment.paths.settings}, then `scripts/loop sync`",
    )


def _port_user(port: int) -> str:
    """Return " by NAME of WORKSPACE" when a container has the port, else ""."""
    name, workspace = container_ports.user_of(port)
    return f" by the run {name} of {workspace}" if workspace else f" by {name}" if name else ""


def adapter_port(port: int) -> int:
    """A free port for the adapter, which only those who know the secret can use."""
    return ports.free(port + _DISTANCE if port + _DISTANCE < 65536 else port - _DISTANCE)


def prepare(
    started: Started,
    port: int | None,
    dry: bool,
    session: DebugSession | None = None,
    machine: DebugMachine | None = None,
) -> Started:
    """The run with the debugger before its command; debugpy is installed on the way unless `dry`.

    UserError when the port that the user asked for is taken. `machine` is the one that runs it, if
    that is not this one.
    """
    run = started.run
    session = session or DebugSession()
    port = session.port(partial(choose_port, run.workspace, run.experiment, port))
    if not dry:
        gate.require_peers("the debugger")
        if not _has_debugpy(started.request):
            locked_environments.ensure(GROUP)
    # Time at a breakpoint does not count against the job's time limit.
    run = replace(run, job=replace(run.job, timeout=None))
    inner = adapter_port(port)
    site = None
    if machine is not None:
        library = library_of(locked_environments.environment_of(GROUP))
        site = machine.debug_site(run, started.request, PROGRAMS, library, dry=dry)
    request = with_secret(debugged(run, started.request, port, inner, site))

    def submit(run: Run, request: Request) -> int:
        relay = relay_of(request, inner) if site is None else site.relay(request, inner)
        with session.answering(port, relay):
            return started.submit(run, request)

    return replace(started, run=run, request=request, submit=submit)


def with_secret(request: Request) -> Request:
    """The request with a new secret, which no argv and no dry run shows."""
    if request.container is not None:
        request = replace(request, container=request.container.with_client_env(SECRET))
    return replace(request, secrets={**request.secrets, SECRET: secrets.token_hex(32)})


def relay_of(request: Request, inner: int) -> RelayCommand:
    """The program that reaches the adapter, at port `inner` of the loopback of the run."""
    words = [sys.executable, "-I", str(PROGRAMS / "relay.py"), str(inner), "adapter"]
    env = {SECRET: request.secrets[SECRET]}
    container = request.engine_container
    if container is not None:  # which has the secret among its variables
        inside = ["sh", f"{CONTAINER_PROGRAMS}/relay.sh", str(inner), "adapter"]
        words = docker_cli.exec_in(container.name, inside, interactive=True)
        env = {}
    return RelayCommand(words, env)


def carry_out(started: Started) -> int:
    code = execute.carry_out(started)
    if started.request.engine_container is not None and code == 125:
        console.say(f"{_position_of(started.run)}: the container did not start; see above")
    return code


def in_session(
    start: Callable[[DebugSession], int], root: Path, word: str | None, job_file: str | None = None
) -> int:
    """The exit code of `start`, which is called again for each Restart of the editor.

    A UserError gets a position in the file that `word`, an experiment or a file, stands for.
    """
    session = DebugSession()
    try:
        return session.repeat(partial(start, session))
    except UserError as error:
        raise with_position(error, root, word, job_file) from error


def with_position(
    error: UserError, root: Path, word: str | None, job_file: str | None
) -> UserError:
    """The error with a file and a line, which each entry of an editor's list of problems has.

    `word` is the experiment, or the file that stands for it.
    """
    if re.search(r"\w:\d+", error.where) or word is None:
        return error
    what = f"{error.where}: {error.what}" if error.where else error.what
    path = experiment_choice.file_of(root, word, root) or _job_path(root, word, job_file)
    return type(error)(what, code=error.code, where=f"{path}:1", hint=error.hint)


def _job_path(root: Path, word: str, job_file: str | None) -> str:
    """The job file of an experiment by its name, for an error's position; it need not exist."""
    try:
        paths = loader.open_workspace(root).paths_of(word)
    except UserError:
        paths = default_paths(word)
    return posixpath.join(paths.folder, job_file) if job_file else paths.job


def debugged(
    run: Run, request: Request, port: int, inner: int, site: DebugSite | None = None
) -> Request:
    """The request with the debugger before its command; unchanged if it cannot start.

    The editor connects to `port` of this machine, the adapter listens at `inner` of the loopback
    where the command runs.
    """
    if not request.can_start:
        return request
    if site is not None:
        return _elsewhere(run, request, port, inner, site)
    library = library_of(locked_environments.environment_of(GROUP))
    if request.container is not None:
        return _in_container(run, request, request.container, port, inner, library)
    environment = "environment" if "VIRTUAL_ENV" in request.env else ""
    debugpy = "" if _has_debugpy(request) else str(library)
    folders = _local_folders(run, request)
    settings = settings_text(_position_of(run), port, inner, debugpy, folders, environment)
    words = ("bash", str(PROGRAMS / "start.sh"), _position_of(run), settings)
    return request.with_command_prefix(words).with_notes(_note(port))


def _elsewhere(run: Run, request: Request, port: int, inner: int, site: DebugSite) -> Request:
    position, container = _position_of(run), request.container
    if container is None:
        settings = settings_text(position, port, inner, site.library, site.folders, "environment")
        words = ("bash", f"{site.programs}/start.sh", position, settings)
        return request.with_command_prefix(words).with_notes(_note(port))
    settings = settings_text(position, port, inner, CONTAINER_LIBRARY, site.folders, "container")
    words = ("bash", f"{CONTAINER_PROGRAMS}/start.sh", position, settings)
    container = container.with_mounts(
        Mount(site.programs, CONTAINER_PROGRAMS, read_only=True),
        Mount(site.library, CONTAINER_LIBRARY, read_only=True),
    )
    container = container.with_command_prefix(words)
    return replace(request, container=container).with_notes(_note(port))


def library_of(environment: Path) -> Path:
    """The folder with debugpy in an environment, which need not exist yet."""
    if os.name == "nt":
        return environment / "Lib" / "site-packages"
    folders = sorted(environment.glob("lib/python*/site-packages"))
    return folders[0] if folders else environment / "lib" / "python3" / "site-packages"


def _position_of(run: Run) -> str:
    """The position at which the Problems panel shows why the debugger does not start."""
    return f"{run.job.name}:1"


def _has_debugpy(request: Request) -> bool:
    """Whether the program runs in this very environment, which has the locked version of debugpy."""
    is_here = request.container is None and "VIRTUAL_ENV" not in request.env
    python = process.which("python") if is_here else None
    if python is None:
        return False
    program = "import importlib.metadata as m; print('debugpy==' + m.version('debugpy'))"
    installed = process.run([python, "-c", program]).out.strip()
    lock = locked_environments.lock_of(GROUP).read_text(encoding="utf-8")
    return bool(installed) and installed in lock.split()


def _note(port: int) -> str:
    return (
        f"the debugger will listen at 127.0.0.1:{port}; only your own processes can connect to it"
    )


def mounts_of(library: Path, context: ContainerContext | None = None) -> tuple[Mount, ...]:
    """The mounts that bring the debugger into a container.

    `context` knows the paths of what starts it; None is this machine's engine.
    """
    if context is None:
        context = ContainerContext(binds=own_mounts.own_binds())
    return (
        context.on_host(Mount(str(PROGRAMS), CONTAINER_PROGRAMS, read_only=True)),
        context.on_host(Mount(str(library), CONTAINER_LIBRARY, read_only=True)),
    )


def _in_container(
    run: Run, request: Request, container: ContainerSpec, port: int, inner: int, library: Path
) -> Request:
    folders = _container_folders(run, request)
    position = _position_of(run)
    settings = settings_text(position, port, inner, CONTAINER_LIBRARY, folders, "container")
    words = ("bash", f"{CONTAINER_PROGRAMS}/start.sh", position, settings)
    container = with_programs(container, port, library).with_command_prefix(words)
    return replace(request, container=container).with_notes(_note(port))


def with_programs(container: ContainerSpec, port: int, library: Path) -> ContainerSpec:
    """The container with the debugger's programs, and a label by which its port is found."""
    labels = {**container.labels, docker_cli.DEBUG_PORT: str(port)}
    context = NO_CONTEXT if container.starter is not None else None
    return replace(container, labels=labels).with_mounts(*mounts_of(library, context))


def settings_text(
    position: str,
    port: int,
    inner: int,
    library: str,
    folders: Sequence[tuple[str, str]],
    environment: str,
) -> str:
    """The settings of start.py; see there. Nothing in them is secret: an argv shows them."""
    return json.dumps(
        {
            "ours": environment,
            "port": inner,
            "shown": f"127.0.0.1:{port}",
            "library": library,
            "folders": folders,
            "where": position,
        }
    )


def _container_folders(run: Run, request: Request) -> list[tuple[str, str]]:
    """Pairs of a folder's path and its path in the container, the innermost first.

    The folder's path is relative to the workspace, or absolute.
    """
    pairs = [(_relative(run, mount.source), mount.target) for mount in request.mounts]
    pairs.sort(key=lambda pair: -len(pair[1]))
    return [*pairs, ("", posixpath.join("/workspaces", run.workspace.name))]


def _local_folders(run: Run, request: Request) -> list[tuple[str, str]]:
    """The same on this machine's own file system, where a view of the code replaces the code."""
    if run.code is None or run.in_place:
        return [("", run.workspace.root)]
    name = os.path.basename(run.code) if run.code_is_file else ""
    view = os.path.join(request.cwd, name) if name else request.cwd
    return [(_relative(run, run.code), view), ("", run.workspace.root)]


def _relative(run: Run, path: str) -> str:
    """Relative to the workspace's root with "/", or absolute for a path outside of it."""
    try:
        relative = os.path.relpath(path, run.workspace.root).replace("\\", "/")
    except ValueError:  # another drive, on Windows
        return path
    if relative == ".":
        return ""
    return os.path.normpath(path) if relative.startswith("..") else relative

"""`loop run --debug`: the same run, with a debugger in every Python process that it starts.

The run's image or environment, its command and its code stay as they are. A small program
(`debugger/start.py`) is put before the command. It listens on one port of this machine's loopback,
waits for the editor, then starts the command with a start-up hook on PYTHONPATH that connects each
Python process to the editor as it starts. debugpy comes from the tool's cache where the environment
does not have that very version, so debugging works in any image that has a Python.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..docker import container_context, docker_cli
from ..model import debug_port
from ..model.container import ContainerContext, ContainerSpec, Mount
from ..model.experiment import JOB_FILE, Experiment
from ..model.run import Request, Run
from ..model.workspace import Workspace
from ..util import console, locked_environments, ports, process
from ..util.errors import UserError
from . import execute
from .execute import Started

PROGRAMS = Path(__file__).resolve().parent.parent / "in_env_scripts" / "debugger"
GROUP = "debugger"

# Where a container has the programs of this folder, and debugpy.
CONTAINER_PROGRAMS = "/opt/innerloop/debugger"
CONTAINER_LIBRARY = "/opt/innerloop/debugpy"


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
        f"debug_port = {port + 1} in {experiment.folder}/innerloop.toml, then `scripts/loop sync`",
    )


def _port_user(port: int) -> str:
    """Return " by NAME of WORKSPACE" when a container has published the port, else ""."""
    if process.which("docker") is None:
        return ""
    done = process.run(docker_cli.publishing(port), timeout=10)
    name, _, workspace = done.out.strip().partition("\t") if done.ok else ("", "", "")
    return f" by the run {name} of {workspace}" if workspace else f" by {name}" if name else ""


def prepare(started: Started, port: int | None, dry: bool) -> Started:
    """The run with the debugger before its command; debugpy is installed on the way unless `dry`.

    UserError when the port that the user asked for is taken.
    """
    run = started.run
    port = choose_port(run.workspace, run.experiment, port)
    if not dry and not _has_debugpy(started.request):
        locked_environments.ensure(GROUP)
    # Time at a breakpoint does not count against the job's time limit.
    run = replace(run, job=replace(run.job, timeout=None))
    return replace(started, run=run, request=debugged(run, started.request, port))


def carry_out(started: Started) -> int:
    code = execute.carry_out(started)
    if started.request.container is not None and code == 125:
        console.say(f"{_position_of(started.run)}: the container did not start; see above")
    return code


def with_position(error: UserError, experiment: str | None, job_file: str | None) -> UserError:
    """The error with a file and a line.

    When the task that should listen has ended, an editor tries to connect all the same, unless the
    task has reported an error; and each error needs a position.
    """
    if re.search(r"\w:\d+", error.where) or experiment is None:
        return error
    what = f"{error.where}: {error.what}" if error.where else error.what
    where = f"src/{experiment}/{job_file or JOB_FILE}:1"
    return type(error)(what, code=error.code, where=where, hint=error.hint)


def debugged(run: Run, request: Request, port: int) -> Request:
    """The request with the debugger before its command; unchanged if it cannot start."""
    if not request.can_start:
        return request
    library = library_of(locked_environments.environment_of(GROUP))
    if request.container is not None:
        return _in_container(run, request, request.container, port, library)
    environment = "environment" if "VIRTUAL_ENV" in request.env else ""
    debugpy = "" if _has_debugpy(request) else str(library)
    settings = _settings(run, port, "127.0.0.1", debugpy, _local_folders(run, request), environment)
    words = ("bash", str(PROGRAMS / "start.sh"), _position_of(run), settings)
    return request.with_command_prefix(words).with_notes(_note(port))


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
    return f"the debugger will listen at 127.0.0.1:{port}; only this machine can connect to it"


def mounts_of(library: Path) -> tuple[Mount, ...]:
    """The mounts that bring the debugger into a container."""
    context = ContainerContext(binds=container_context.own_binds())
    return (
        context.on_host(Mount(str(PROGRAMS), CONTAINER_PROGRAMS, read_only=True)),
        context.on_host(Mount(str(library), CONTAINER_LIBRARY, read_only=True)),
    )


def _in_container(
    run: Run, request: Request, container: ContainerSpec, port: int, library: Path
) -> Request:
    if container.network == "none":
        raise UserError(
            "the run has no network, so no debugger can reach it",
            code="debug-without-network",
            where=_position_of(run),
            hint="Debug it without --network none",
        )
    # On the host's own network the port is not published, so it must listen on the loopback only.
    host = "127.0.0.1" if container.network == "host" else "0.0.0.0"
    folders = _container_folders(run, request)
    settings = _settings(run, port, host, CONTAINER_LIBRARY, folders, "container")
    words = ("bash", f"{CONTAINER_PROGRAMS}/start.sh", _position_of(run), settings)
    container = container.with_port(port, port).with_mounts(*mounts_of(library))
    container = container.with_command_prefix(words)
    return replace(request, container=container).with_notes(_note(port))


def _settings(
    run: Run,
    port: int,
    host: str,
    library: str,
    folders: Sequence[tuple[str, str]],
    environment: str,
) -> str:
    return json.dumps(
        {
            "ours": environment,
            "host": host,
            "port": port,
            "shown": f"127.0.0.1:{port}",
            "library": library,
            "folders": folders,
            "where": _position_of(run),
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

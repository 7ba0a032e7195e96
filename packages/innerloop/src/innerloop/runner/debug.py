"""`loop run --debug`: the same run, with a debugger in every Python process that it starts.

Nothing of the run changes: its image or environment, its command, its code. Only a small program
(`debugger/start.py`) stands before the command. It listens on one port of this machine's loopback,
waits for the editor, then starts the command with a start-up hook on PYTHONPATH, which connects
each Python process to the editor as it starts. debugpy itself comes from the tool's cache wherever
the environment has none of that version, so that it works in any image that has a Python.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..docker import container_context, docker_cli
from ..model import debug_port
from ..model.container import ContainerContext, Mount
from ..model.experiment import JOB_FILE, Experiment
from ..model.run import Request, Run
from ..model.workspace import Workspace
from ..util import locked_environments, ports, process
from ..util.errors import UserError
from . import execute
from .execute import Started

PROGRAMS = Path(__file__).resolve().parent.parent / "in_env_scripts" / "debugger"
GROUP = "debugger"

# Where a container has the programs of this folder, and debugpy.
THERE = "/opt/innerloop/debugger"
LIBRARY_THERE = "/opt/innerloop/debugpy"


def choose_port(workspace: Workspace, experiment: Experiment, asked: int | None) -> int:
    """The port that the person asked for, which must be free; else the experiment's own, at which
    F5 looks for it, or another one where that is taken."""
    own = debug_port.of(workspace.experiments, experiment)
    if asked is None:
        return ports.free(own)
    if ports.free(asked) == asked:
        return asked
    raise UserError(
        f"port {asked} of this machine is taken{_by_whom(asked)}",
        hint=f"End that first; or, to debug both at once, give one of them another port: "
        f"debug_port = {asked + 1} in {experiment.folder}/innerloop.toml, then `scripts/loop sync`",
    )


def _by_whom(port: int) -> str:
    if process.which("docker") is None:
        return ""
    done = process.run(docker_cli.publishing(port), timeout=10)
    name, _, workspace = done.out.strip().partition("\t") if done.ok else ("", "", "")
    return f" by the run {name} of {workspace}" if workspace else f" by {name}" if name else ""


def prepare(started: Started, asked: int | None, dry: bool) -> Started:
    """The run with the debugger in it, which is fetched on the way unless `dry`. A port that was
    asked for and is taken is a `Mistake`."""
    run = started.run
    port = choose_port(run.workspace, run.experiment, asked)
    if not dry and not _has_its_own(started.request):
        locked_environments.ensure(GROUP)
    # Somebody who looks at a line takes his time.
    run = replace(run, job=replace(run.job, timeout=None))
    return replace(started, run=run, request=debugged(run, started.request, port))


def carry_out(started: Started) -> int:
    code = execute.carry_out(started)
    if started.request.backend == "docker" and code == 125:
        _say(f"innerloop: {_position_of(started.run)}: the container did not start; see above")
    return code


def with_position(mistake: UserError, experiment: str | None, job_file: str | None) -> UserError:
    """The same with a file and a line: an editor goes on to connect when the task that should
    have listened has ended, unless the task has shown an error, and each needs a place."""
    if re.search(r"\w:\d+", mistake.where) or experiment is None:
        return mistake
    what = f"{mistake.where}: {mistake.what}" if mistake.where else mistake.what
    where = f"src/{experiment}/{job_file or JOB_FILE}:1"
    return type(mistake)(what, where=where, hint=mistake.hint)


def debugged(run: Run, request: Request, port: int) -> Request:
    """The request with the debugger before its command."""
    if not request.argv:
        return request
    library = library_of(locked_environments.environment_of(GROUP))
    if request.backend == "docker":
        return _in_a_container(run, request, port, library)
    ours = "environment" if request.backend == "venv" else ""
    folders = _folders_here(run, request)
    brought = "" if _has_its_own(request) else str(library)
    settings = _settings(run, port, "127.0.0.1", brought, folders, ours)
    words = ["bash", str(PROGRAMS / "start.sh"), _position_of(run), settings]
    return replace(request, argv=(*words, *request.argv), notes=(*request.notes, _note(port)))


def library_of(environment: Path) -> Path:
    """The folder with debugpy in an environment, also of one that is not there yet."""
    if os.name == "nt":
        return environment / "Lib" / "site-packages"
    found = sorted(environment.glob("lib/python*/site-packages"))
    return found[0] if found else environment / "lib" / "python3" / "site-packages"


def _position_of(run: Run) -> str:
    """Where the Problems panel shows what keeps the debugger from coming up."""
    return f"{run.job.name}:1"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _has_its_own(request: Request) -> bool:
    """Whether we are in a dev container that has the very debugger which we would fetch."""
    python = process.which("python") if request.backend == "in-container" else None
    if python is None:
        return False
    asked = "import importlib.metadata as m; print('debugpy==' + m.version('debugpy'))"
    found = process.run([python, "-c", asked]).out.strip()
    return (
        bool(found)
        and found in locked_environments.lock_of(GROUP).read_text(encoding="utf-8").split()
    )


def _note(port: int) -> str:
    return f"the debugger will listen at 127.0.0.1:{port}; the port is open to this machine alone"


def _in_a_container(run: Run, request: Request, port: int, library: Path) -> Request:
    around = ContainerContext(binds=container_context.own_binds())
    mounts = [
        around.hosted(Mount(str(PROGRAMS), THERE, read_only=True)),
        around.hosted(Mount(str(library), LIBRARY_THERE, read_only=True)),
    ]
    network = _network(request.argv)
    if network == "none":
        raise UserError(
            "the run has no network, so no debugger can reach it",
            where=_position_of(run),
            hint="Debug it without --network none",
        )
    # On the host's own network the port is not published: it is there, for this machine alone.
    host = "127.0.0.1" if network == "host" else "0.0.0.0"
    options = [] if network == "host" else ["--publish", f"127.0.0.1:{port}:{port}"]
    options += [word for mount in mounts for word in ("--mount", mount.text())]
    folders = _folders_there(run, request)
    settings = _settings(run, port, host, LIBRARY_THERE, folders, "container")
    at = _image_at(request) + 1
    before, command = request.argv[: at - 1], request.argv[at:]
    words = ("bash", f"{THERE}/start.sh", _position_of(run), settings)
    return replace(
        request,
        argv=(*before, *options, request.argv[at - 1], *words, *command),
        mounts=(*request.mounts, *mounts),
        notes=(*request.notes, _note(port)),
    )


def _image_at(request: Request) -> int:
    """Where the image stands in `docker run OPTIONS IMAGE COMMAND`: no option is like it, for
    every value that could be is part of a word such as `source=...`."""
    return request.argv.index(str(request.image), 2)


def _network(argv: Sequence[str]) -> str:
    found = ""
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        name, _, value = word.partition("=")
        if name in ("--network", "--net"):
            found = value or following
    return found


def _settings(
    run: Run, port: int, host: str, library: str, folders: Sequence[tuple[str, str]], ours: str
) -> str:
    return json.dumps(
        {
            "ours": ours,
            "host": host,
            "port": port,
            "shown": f"127.0.0.1:{port}",
            "library": library,
            "folders": folders,
            "where": _position_of(run),
        }
    )


def _folders_there(run: Run, request: Request) -> list[tuple[str, str]]:
    """(folder of the workspace, or absolute; where the container has it), the innermost first."""
    pairs = [(_inside(run, mount.source), mount.target) for mount in request.mounts]
    pairs.sort(key=lambda pair: -len(pair[1]))
    return [*pairs, ("", posixpath.join("/workspaces", run.workspace.name))]


def _folders_here(run: Run, request: Request) -> list[tuple[str, str]]:
    """The same on this machine's own file system: a view of the code stands for the code."""
    if run.code is None or run.in_place:
        return [("", run.workspace.root)]
    name = os.path.basename(run.code) if run.code_is_file else ""
    view = os.path.join(request.cwd, name) if name else request.cwd
    return [(_inside(run, run.code), view), ("", run.workspace.root)]


def _inside(run: Run, path: str) -> str:
    try:
        relative = os.path.relpath(path, run.workspace.root).replace("\\", "/")
    except ValueError:  # another drive, on Windows
        return path
    if relative == ".":
        return ""
    return os.path.normpath(path) if relative.startswith("..") else relative

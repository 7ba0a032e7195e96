"""`loop exec`: one `docker exec`, with all that the devcontainer CLI would give to the program."""

from __future__ import annotations

import os
import posixpath
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..docker import docker_cli, engine
from ..model.devcontainer_variables import remote_environment
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import console, process
from ..util.errors import UserError
from ..workspace import loader
from . import configuration, discovery, staleness, state_cache
from .discovery import Container

# Marks a program and all that it starts, so that Ctrl-C finds them: the signal that ends
# `docker exec` does not reach into the container.
MARK = "INNERLOOP_EXEC"
_INTERRUPT = (
    'for one in /proc/[0-9]*; do grep -q "$0" "$one/environ" 2>/dev/null '
    '&& [ "${one##*/}" != $$ ] && kill -s "$1" "${one##*/}"; done; true'
)


def execute(
    workspace: Workspace,
    experiment: Experiment,
    command: Sequence[str],
    *,
    cwd: Path,
    user: str = "",
    workdir: str = "",
) -> int:
    """Runs the command and returns its exit code. In the container itself it runs right here."""
    if loader.current_experiment() == experiment.name:
        return process.run_foreground(command, cwd=Path(workdir) if workdir else cwd)
    there = running(workspace, experiment)
    config = configuration.load(workspace, experiment)
    changed = staleness.of_container(there, workspace, experiment, config)
    if changed:
        console.say(staleness.Stale(experiment.name, "container", tuple(changed)).message())
    note = _note(workspace, experiment, there, config.value)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    mark = f"{os.getpid()}-{os.urandom(4).hex()}"
    argv = docker_cli.exec_in(
        there.id,
        command,
        user=user or note.user,
        workdir=workdir or _folder(workspace, there, note, cwd),
        env={
            **(note.env if user in ("", note.user) else {}),
            **_remote(workspace, config.value, there, note),
            **_terminal(terminal),
            MARK: mark,
        },
        interactive=True,
        terminal=terminal,
    )

    def on_interrupt(press: int) -> None:
        if not terminal or press != 1:
            name = "INT" if press == 1 else "KILL"
            script = ["sh", "-c", _INTERRUPT, f"{MARK}={mark}", name]
            process.run(docker_cli.exec_in(there.id, script, user="root"), timeout=10)

    return process.run_foreground(argv, on_interrupt=on_interrupt)


def running(workspace: Workspace, experiment: Experiment) -> Container:
    """The experiment's open dev container; a `Mistake` that says how to open it."""
    if process.which("docker") is None:
        raise UserError("Docker is not installed", hint="Install Docker to get the container")
    found = discovery.find(workspace, experiment)
    there = next((one for one in found if one.running), None)
    if there is None:
        engine.require(engine.ask("innerloop-exec"))  # one that is silent knows of no container
        what = "is not running" if found else "is not there"
        raise UserError(
            f"the dev container of {experiment.name} {what}",
            hint=f"Open it with `scripts/loop up {experiment.name}`",
        )
    return there


def _note(
    workspace: Workspace, experiment: Experiment, there: Container, config: Mapping[str, object]
) -> state_cache.Note:
    """What is known of the container; one that VS Code made is asked the first time."""
    root = Path(workspace.root)
    known = state_cache.read(root, experiment.slug, there.id)
    if known is not None:
        return known
    user = str(config.get("remoteUser") or there.remote_user)
    folder = _workspace_folder(workspace, there, config)
    learned = state_cache.learn(there, user, folder, config, whole=False)
    return state_cache.write(root, experiment.slug, learned)


def _workspace_folder(workspace: Workspace, there: Container, config: Mapping[str, object]) -> str:
    """Where the workspace is in the container: its mount, or that of a folder above it."""
    if isinstance(wanted := config.get("workspaceFolder"), str) and "$" not in wanted:
        return wanted
    for target, source in there.mounts.items():
        inner = os.path.relpath(workspace.identity, source).replace("\\", "/") if source else "../"
        if not inner.startswith("../") and not os.path.isabs(inner) and inner != "..":
            return posixpath.normpath(posixpath.join(target, inner))
    return f"/workspaces/{workspace.name}"


def _folder(workspace: Workspace, there: Container, note: state_cache.Note, cwd: Path) -> str:
    """The folder that the person is in, where the container has it."""
    if workspace.host and cwd.is_relative_to(workspace.root):
        cwd = Path(workspace.host, cwd.relative_to(workspace.root))
    for target, source in there.mounts.items():
        inner = os.path.relpath(cwd, source).replace("\\", "/") if source else "../"
        if not inner.startswith("../") and inner != ".." and not os.path.isabs(inner):
            return posixpath.normpath(posixpath.join(target, inner))
    return note.folder


def _remote(
    workspace: Workspace, config: Mapping[str, object], there: Container, note: state_cache.Note
) -> dict[str, str]:
    folders = {
        "localWorkspaceFolder": workspace.identity,
        "localWorkspaceFolderBasename": workspace.name,
        "containerWorkspaceFolder": note.folder,
        "containerWorkspaceFolderBasename": posixpath.basename(note.folder),
    }
    return remote_environment(config, local=os.environ, container=there.env, folders=folders)


def _terminal(terminal: bool) -> dict[str, str]:
    names = ("TERM", "COLORTERM") if terminal else ()
    return {name: os.environ[name] for name in names if name in os.environ}

"""`loop exec`: one `docker exec`, with the environment that the devcontainer CLI would set."""

from __future__ import annotations

import os
import posixpath
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..docker import client, docker_cli
from ..model.devcontainer_variables import remote_environment
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import console, process
from ..util.errors import UserError
from ..workspace import loader
from . import configuration, discovery, staleness, state_cache
from .discovery import Container

# A variable that marks a program and its children, so that Ctrl-C finds them: the signal that ends
# `docker exec` does not reach the container.
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
    """Run the command and return its exit code. In the container itself it runs directly."""
    if loader.current_experiment() == experiment.name:
        return process.run_foreground(command, cwd=Path(workdir) if workdir else cwd)
    container = running(workspace, experiment)
    config = configuration.load(workspace, experiment)
    changes = staleness.of_container(container, workspace, experiment, config)
    if changes:
        console.say(staleness.Outdated(experiment.name, "container", tuple(changes)).message())
    note = _note(workspace, experiment, container, config.value)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    mark = f"{os.getpid()}-{os.urandom(4).hex()}"
    argv = docker_cli.exec_in(
        container.id,
        command,
        user=user or note.user,
        workdir=workdir or _folder(workspace, container, note, cwd),
        env={
            **(note.env if user in ("", note.user) else {}),
            **_remote(workspace, config.value, container, note),
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
            process.run(docker_cli.exec_in(container.id, script, user="root"), timeout=10)

    return process.run_foreground(argv, on_interrupt=on_interrupt)


def running(workspace: Workspace, experiment: Experiment) -> Container:
    """The experiment's running dev container. UserError if there is none."""
    if not client.is_installed():
        _require_engine(workspace)
    containers = discovery.find(workspace, experiment)
    container = next((container for container in containers if container.running), None)
    if container is None:
        from . import host_programs  # here: mostly the container runs

        _require_engine(workspace)  # the list is empty without one, too
        config = configuration.load(workspace, experiment)
        host_programs.require(Path(workspace.root), config, builds=False)
        state = "is not running" if containers else "does not exist"
        raise UserError(
            f"the dev container of {experiment.name} {state}",
            code="dev-container-not-running",
            hint=f"Start it with `scripts/loop up {experiment.name}`",
        )
    return container


def _require_engine(workspace: Workspace) -> None:
    from ..docker import engine_location

    engine_location.require(engine_location.ask("innerloop-exec", workspace.root))


def _note(
    workspace: Workspace, experiment: Experiment, container: Container, config: Mapping[str, object]
) -> state_cache.Note:
    """The cached state of the container; a container that VS Code created is asked once."""
    root = Path(workspace.root)
    note = state_cache.read(root, experiment.slug, container.id)
    if note is not None:
        return note
    user = str(config.get("remoteUser") or container.remote_user)
    folder = _workspace_folder(workspace, container, config)
    learned = state_cache.learn(container, user, folder, config, whole=False)
    return state_cache.write(root, experiment.slug, learned)


def _workspace_folder(
    workspace: Workspace, container: Container, config: Mapping[str, object]
) -> str:
    """The workspace's folder in the container: its mount, or below that of a parent folder."""
    if isinstance(folder := config.get("workspaceFolder"), str) and "$" not in folder:
        return folder
    for target, source in container.mounts.items():
        inner = os.path.relpath(workspace.identity, source).replace("\\", "/") if source else "../"
        if not inner.startswith("../") and not os.path.isabs(inner) and inner != "..":
            return posixpath.normpath(posixpath.join(target, inner))
    return f"/workspaces/{workspace.name}"


def _folder(workspace: Workspace, container: Container, note: state_cache.Note, cwd: Path) -> str:
    """The person's current folder in the container; else the workspace's folder there."""
    if workspace.host and cwd.is_relative_to(workspace.root):
        cwd = Path(workspace.host, cwd.relative_to(workspace.root))
    for target, source in container.mounts.items():
        inner = os.path.relpath(cwd, source).replace("\\", "/") if source else "../"
        if not inner.startswith("../") and inner != ".." and not os.path.isabs(inner):
            return posixpath.normpath(posixpath.join(target, inner))
    return note.folder


def _remote(
    workspace: Workspace, config: Mapping[str, object], container: Container, note: state_cache.Note
) -> dict[str, str]:
    folders = {
        "localWorkspaceFolder": workspace.identity,
        "localWorkspaceFolderBasename": workspace.name,
        "containerWorkspaceFolder": note.folder,
        "containerWorkspaceFolderBasename": posixpath.basename(note.folder),
    }
    return remote_environment(config, local=os.environ, container=container.env, folders=folders)


def _terminal(terminal: bool) -> dict[str, str]:
    names = ("TERM", "COLORTERM") if terminal else ()
    return {name: os.environ[name] for name in names if name in os.environ}

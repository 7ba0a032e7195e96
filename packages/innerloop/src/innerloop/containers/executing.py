"""`loop exec`: one `docker exec`, with all that the devcontainer CLI would give to the program."""

from __future__ import annotations

import os
import posixpath
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import console, engine, loading, process
from ..errors import Mistake
from ..spec.experiment import Experiment
from ..spec.variables import remote_environment
from ..spec.workspace import Workspace
from ..tools import containers as docker
from . import aging, configuration
from . import finding as containers
from . import notes
from .finding import Container

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
    if loading.marked() == experiment.name:
        return process.attend(command, cwd=Path(workdir) if workdir else cwd)
    there = running(workspace, experiment)
    config = configuration.load(workspace, experiment)
    changed = aging.of_container(there, workspace, experiment, config)
    if changed:
        console.say(aging.Stale(experiment.name, "container", tuple(changed)).sentence())
    note = _note(workspace, experiment, there, config.value)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    mark = f"{os.getpid()}-{os.urandom(4).hex()}"
    argv = docker.execute(
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
            process.run(docker.execute(there.id, script, user="root"), timeout=10)

    return process.attend(argv, on_interrupt=on_interrupt)


def running(workspace: Workspace, experiment: Experiment) -> Container:
    """The experiment's open dev container; a `Mistake` that says how to open it."""
    if process.found("docker") is None:
        raise Mistake("Docker is not installed", mend="Install Docker to get the container")
    found = containers.find(workspace, experiment)
    there = next((one for one in found if one.running), None)
    if there is None:
        engine.require(engine.ask("innerloop-exec"))  # one that is silent knows of no container
        what = "is not running" if found else "is not there"
        raise Mistake(
            f"the dev container of {experiment.name} {what}",
            mend=f"Open it with `scripts/loop up {experiment.name}`",
        )
    return there


def _note(
    workspace: Workspace, experiment: Experiment, there: Container, config: Mapping[str, object]
) -> notes.Note:
    """What is known of the container; one that VS Code made is asked the first time."""
    root = Path(workspace.root)
    known = notes.read(root, experiment.slug, there.id)
    if known is not None:
        return known
    user = str(config.get("remoteUser") or there.remote_user)
    folder = _workspace_folder(workspace, there, config)
    learned = notes.learn(there, user, folder, config, whole=False)
    return notes.write(root, experiment.slug, learned)


def _workspace_folder(workspace: Workspace, there: Container, config: Mapping[str, object]) -> str:
    """Where the workspace is in the container: its mount, or that of a folder above it."""
    if isinstance(wanted := config.get("workspaceFolder"), str) and "$" not in wanted:
        return wanted
    for target, source in there.mounts.items():
        inner = os.path.relpath(workspace.identity, source).replace("\\", "/") if source else "../"
        if not inner.startswith("../") and not os.path.isabs(inner) and inner != "..":
            return posixpath.normpath(posixpath.join(target, inner))
    return f"/workspaces/{workspace.name}"


def _folder(workspace: Workspace, there: Container, note: notes.Note, cwd: Path) -> str:
    """The folder that the person is in, where the container has it."""
    if workspace.host and cwd.is_relative_to(workspace.root):
        cwd = Path(workspace.host, cwd.relative_to(workspace.root))
    for target, source in there.mounts.items():
        inner = os.path.relpath(cwd, source).replace("\\", "/") if source else "../"
        if not inner.startswith("../") and inner != ".." and not os.path.isabs(inner):
            return posixpath.normpath(posixpath.join(target, inner))
    return note.folder


def _remote(
    workspace: Workspace, config: Mapping[str, object], there: Container, note: notes.Note
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

"""Runs on this machine's own file system: the common part of the backends venv and in-container.

The working directory is a view of the code root, so that `./outputs` lands where every backend puts
it: see `code_view`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from ..model.run import ProcessSpec, Request, Run
from ..util import console, files, process
from ..util.errors import UserError
from ..workspace.loader import current_experiment
from . import code_view, import_hook, tool_environments
from .resolve_command import resolve


def request(
    run: Run,
    *,
    backend: str,
    env: Mapping[str, str],
    why: str,
    notes: tuple[str, ...] = (),
    can_start: bool = True,
) -> Request:
    """The request for a process.

    `env` is what the backend adds to the job's own variables; `can_start` is false where there is
    no environment to start it in.
    """
    root = Path(run.workspace.root)
    cwd = Path(run.code) if run.in_place and run.code else root / run.work
    own = str(root / _environments_folder(run, backend))
    there = {**os.environ, **run.job.environment_variables}
    env = {**tool_environments.variables(_environments(run), own, there), **env}
    resolved = resolve(run, lambda _, path: path, lambda name: str(root / run.outputs / name))
    if run.code is not None:
        # Python looks beside a program's real file, which is not in the view.
        texts = {os.path.join(run.code, n): path for n, path in code_view.texts_of(run).items()}
        others = {**os.environ, **resolved.env, **env}
        env = {**env, **import_hook.variables(texts, others, str(import_hook.PROGRAMS))}
    return Request(
        experiment=run.experiment.name,
        backend=backend,
        command=resolved.command,
        process=ProcessSpec(resolved.argv, str(cwd), {**resolved.env, **env}),
        can_start=can_start,
        outputs=run.outputs,
        why=why,
        notes=(*run.notes, *notes, *_ignored_settings(run)),
        processes=resolved.processes,
    )


def _ignored_settings(run: Run) -> list[str]:
    """Notes on the job's settings that only a container can follow."""
    return ["resources.docker_args applies to containers only: ignored"] * bool(run.job.docker_args)


def submit(run: Run, request: Request) -> int:
    """Make the view, run the command in it, and remove the view."""
    require_bash()
    env = {**os.environ, **request.env, **request.secrets}
    if run.in_place:
        return process.run_foreground(request.argv, cwd=Path(request.cwd), env=env)
    outputs = files.make_folder(Path(run.workspace.root, run.outputs))
    folder = Path(request.cwd)
    view = code_view.View(folder, run.code)
    since = time.time()
    try:
        environments = _made_environments(run, request, env)
        created = tool_environments.created_by(_command(run))
        texts = code_view.texts_of(run)
        view = code_view.make_links(run.code, folder, outputs, environments, created, texts)
        return process.run_foreground(request.argv, cwd=folder, env=env, limit=run.job.timeout)
    finally:
        try:
            code_view.close(view, outputs, since)
        except (UserError, OSError) as error:  # the exit code is the program's all the same
            console.say(f"{run.work} is not removed: {error}")


def require_bash() -> None:
    """UserError without the shell of a job's command."""
    if process.which("bash") is not None:
        return
    if os.name == "nt":
        where = "beside git.exe, in Git's folders or on PATH (WSL's bash is not one)"
        hint = "Install Git for Windows (git-scm.com), which brings bash; or start Docker"
    elif current_experiment() is not None:
        where, hint = "on PATH", "Install bash in environment/Dockerfile"
    else:
        where, hint = "on PATH", "Install bash; or start Docker"
    raise UserError(
        f"a job's command is a text for bash, and there is no bash {where}",
        code="bash-missing",
        hint=hint,
    )


def _environments(run: Run) -> tuple[str, ...]:
    """The names in the code root where a tool's environment is kept for the next run."""
    if run.in_place or not run.has_code_folder:
        return ()
    found = tool_environments.names_in(str(run.code), _command(run))
    created = tool_environments.created_by(_command(run))
    return tuple(name for name in found if name not in created)


def _command(run: Run) -> str:
    """The job's command, or nothing for a run of something else."""
    return "" if run.script is not None else run.job.command


def _environments_folder(run: Run, backend: str) -> str:
    python = f"{sys.base_prefix} {sys.version_info[:2]}"
    return tool_environments.folder_of(run, backend, python=python)


def _made_environments(run: Run, request: Request, env: Mapping[str, str]) -> dict[str, str]:
    """The run's own environments, each name with its folder, which exists."""
    root = Path(run.workspace.root, _environments_folder(run, request.backend))
    found = {}
    for name in _environments(run):
        own = env.get(tool_environments.UV) if name == ".venv" else None
        folder = Path(own) if own and os.path.isabs(own) else root / name
        if folder.is_relative_to(root):
            files.make_folder(folder)
        found[name] = str(folder)
    return found

"""Runs on this machine's own file system: the common part of the backends venv and in-container.

The working directory is a view of the code root: a folder of links to each of its entries, with an
`outputs` link that leads to the run's folder. So `./outputs` lands where every backend puts it, two
runs at once do not share it, and the code is the user's own, not a copy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..model.run import ProcessSpec, Request, Run
from ..util import console, files, process
from ..util.errors import UserError
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
    resolved = resolve(run, lambda _, path: path, lambda name: str(root / run.outputs / name))
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
    if process.which("bash") is None:
        raise UserError(
            "a job's command is a text for bash, and bash is not on PATH",
            code="bash-missing",
            hint="On Windows, install Git for Windows or use WSL; or start Docker",
        )
    env = {**os.environ, **request.env, **request.secrets}
    if run.in_place:
        return process.run_foreground(request.argv, cwd=Path(request.cwd), env=env)
    outputs = files.make_folder(Path(run.workspace.root, run.outputs))
    view = Path(request.cwd)
    try:
        make_view(run.code, view, outputs)
        return process.run_foreground(request.argv, cwd=view, env=env, limit=run.job.timeout)
    finally:
        try:
            remove_view(view, outputs)
        except (UserError, OSError) as error:  # the exit code is the program's all the same
            console.say(f"{run.work} is not removed: {error}")


def make_view(code: str | None, view: Path, outputs: Path) -> Path:
    """Make a folder of links to the entries of the code root (or to the one file that it is).

    In it, `outputs` leads to the run's folder.
    """
    files.make_folder(view)
    if code is not None and os.path.isfile(code):
        files.make_link(view / os.path.basename(code), code)
    elif code is not None:
        for entry in os.scandir(code):
            if entry.name not in ("outputs", "__pycache__"):
                files.make_link(view / entry.name, os.path.abspath(entry.path))
    files.make_link(view / "outputs", str(outputs))
    return view


def remove_view(view: Path, outputs: Path) -> list[str]:
    """Remove the view.

    Files that the program wrote into it beside ./outputs, which Azure ML would not keep, move to
    `beside-outputs` in the run's folder; their names are returned.
    """
    written = []
    if view.is_symlink() or not view.is_dir():
        return []
    for entry in list(os.scandir(view)):
        if entry.is_symlink():
            files.remove(Path(entry.path))
        else:
            files.move_into(Path(entry.path), outputs / "beside-outputs")
            written.append(entry.name)
    files.remove_if_empty(view)
    files.remove_if_empty(view.parent)
    return sorted(written)

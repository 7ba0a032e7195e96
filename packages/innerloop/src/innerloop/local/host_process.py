"""Runs on this machine's own file system: what the places `venv` and `inside` have in common.

The program's working directory is a view of the code root: a folder of links to each entry of it,
with an `outputs` of its own that leads to the run's folder. So `./outputs` lands where every other
place puts it, two runs at once do not meet, and the code is the person's, not a copy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..model.run import Request, Run
from ..util import files, process
from ..util.errors import UserError
from .resolve_command import bind


def request(
    run: Run, *, backend: str, env: Mapping[str, str], why: str, notes: tuple[str, ...] = ()
) -> Request:
    """`env` is what the place adds to the variables that are there already."""
    root = Path(run.workspace.root)
    cwd = Path(run.code) if run.in_place and run.code else root / run.work
    bound = bind(run, lambda _, path: path, lambda name: str(root / run.outputs / name))
    return Request(
        experiment=run.experiment.name,
        backend=backend,
        command=bound.command,
        argv=bound.argv,
        cwd=str(cwd),
        env={**bound.env, **env},
        outputs=run.outputs,
        why=why,
        notes=(*run.notes, *notes, *_passed_over(run)),
        processes=bound.processes,
    )


def _passed_over(run: Run) -> list[str]:
    """What a job says about its container, where there is none to make."""
    return ["resources.docker_args is for a container: not used here"] * bool(run.job.docker_args)


def submit(run: Run, wanted: Request) -> int:
    """Makes the view, runs the command in it, and takes the view away again."""
    if process.which("bash") is None:
        raise UserError(
            "a job's command is a text for bash, and there is no bash on PATH",
            hint="On Windows, install Git for Windows or use WSL; or start Docker",
        )
    env = {**os.environ, **wanted.env}
    if run.in_place:
        return process.run_foreground(wanted.argv, cwd=Path(wanted.cwd), env=env)
    outputs = files.make_folder(Path(run.workspace.root, run.outputs))
    view = make_view(run.code, Path(wanted.cwd), outputs)
    try:
        return process.run_foreground(wanted.argv, cwd=view, env=env, limit=run.job.timeout)
    finally:
        take_away(view, outputs)


def make_view(code: str | None, view: Path, outputs: Path) -> Path:
    """A folder of links to the entries of the code root (or to the one file that it is), with
    `outputs` leading to the run's."""
    files.make_folder(view)
    if code is not None and os.path.isfile(code):
        files.make_link(view / os.path.basename(code), code)
    elif code is not None:
        for entry in os.scandir(code):
            if entry.name not in ("outputs", "__pycache__"):
                files.make_link(view / entry.name, os.path.abspath(entry.path))
    files.make_link(view / "outputs", str(outputs))
    return view


def take_away(view: Path, outputs: Path) -> list[str]:
    """Removes the view. What the program wrote into it beside ./outputs, which Azure ML would
    not keep, is moved to the run's folder; the names of those are returned."""
    written = []
    for entry in list(os.scandir(view)):
        if entry.is_symlink():
            files.remove(Path(entry.path))
        else:
            files.move_into(Path(entry.path), outputs / "beside-outputs")
            written.append(entry.name)
    files.remove_if_empty(view)
    files.remove_if_empty(view.parent)
    return sorted(written)

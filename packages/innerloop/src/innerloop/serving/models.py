"""Which model is served: a run's, or one on this disk."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from ..history import past_runs
from ..history.past_runs import PastRun
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util.errors import UserError, did_you_mean

# What train.py leaves, in a run's own folder; Azure ML keeps ./outputs under its name.
IN_A_RUN = ("model", "outputs/model", "artifacts/outputs/model", "named-outputs/model")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """`path` is absolute, a folder or a file; `origin` is how a person calls it."""

    path: str
    origin: str


def choose(
    workspace: Workspace, experiment: Experiment, word: str | None, cwd: Path
) -> ServedModel:
    """The model of the last run that ended well; or of the run, or at the path, that `word` names.
    A `Mistake` where there is none."""
    if word is None:
        return _last(workspace, experiment)
    path = Path(os.path.abspath(cwd / word))
    if path.exists():
        # A run's folder stands for the model in it.
        path = next((path / name for name in IN_A_RUN if (path / name).exists()), path)
        return ServedModel(str(path), _shown(workspace, path))
    runs = past_runs.find(Path(workspace.root), experiment.slug)
    found = [run for run in runs if run.id == word] or [r for r in runs if r.id.startswith(word)]
    if not found:
        known = [run.id for run in runs]
        raise UserError(
            f"{word} is neither a path nor a run of {experiment.name}",
            hint=did_you_mean(word, known),
        )
    model = in_run(workspace, found[-1])
    if model is None:
        raise UserError(
            f"the run {found[-1].id} left no model", where=found[-1].folder, hint=_LEAVE
        )
    return model


def in_run(workspace: Workspace, run: PastRun) -> ServedModel | None:
    for name in IN_A_RUN:
        path = Path(workspace.root, run.folder, name)
        if path.exists():
            return ServedModel(str(path), _shown(workspace, path))
    return None


_LEAVE = "What a program writes to ./outputs/model is what serves; --model PATH names another"


_WELL = ("done", "completed")


def _last(workspace: Workspace, experiment: Experiment) -> ServedModel:
    runs = past_runs.find(Path(workspace.root), experiment.slug)
    ended_well = [run for run in runs if run.state in _WELL]
    # A step's model that a later step of its pipeline did not pass is none to serve.
    whole = f"outputs/{experiment.slug}"
    failed = {os.path.dirname(run.folder) for run in runs if run.state not in _WELL} - {whole}
    for run in reversed(ended_well):
        if os.path.dirname(run.folder) in failed:
            continue
        if (model := in_run(workspace, run)) is not None:
            return model
    what = f"no run of {experiment.name} that ended well has left a model"
    raise UserError(
        what,
        where=f"outputs/{experiment.slug}",
        hint=_LEAVE if ended_well else f"`scripts/loop run {experiment.name}` trains one",
    )


def require_readable(model: ServedModel) -> None:
    """The server runs as its image's own user, as on Azure ML. On Linux that one is somebody else
    to the files: a `Mistake` where others may not read them, and for a link that leads nowhere."""
    path = Path(model.path)
    for one in path.rglob("*") if path.is_dir() else ():
        if one.is_symlink() and not one.exists():
            raise UserError(
                f"the link {one.name} leads nowhere, to {os.readlink(one)}",
                where=model.origin,
                hint="Put the file itself there: a server sees this folder alone",
            )
    if sys.platform != "linux":
        return
    for one in [path, *path.rglob("*")] if path.is_dir() else [path]:
        wanted = stat.S_IROTH | stat.S_IXOTH if one.is_dir() else stat.S_IROTH
        if one.stat().st_mode & wanted != wanted:
            raise UserError(
                f"{one.name} may be read by you alone, and the server runs as another user",
                where=model.origin,
                hint=f"`chmod -R o+rX {model.origin}`",
            )


def _shown(workspace: Workspace, path: Path) -> str:
    try:
        return path.relative_to(workspace.root).as_posix()
    except ValueError:
        return str(path)

"""The model to serve: a run's, or one on this machine's disk."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from ..history import past_runs
from ..history.past_runs import PastRun
from ..model.experiment import Experiment
from ..model.folder_contents import FETCH, pointers_text
from ..model.workspace import Workspace
from ..runner import sweep_record
from ..util import console, user_shell
from ..util.errors import UserError, did_you_mean
from ..util.quick_dataclasses import dataclass
from ..workspace import folder_reader
from ..workspace.root import typed_below

# Where a run's folder has the model that train.py wrote to ./outputs; downloaded runs of Azure ML keep
# that folder's name.
MODEL_FOLDERS = ("model", "outputs/model", "artifacts/outputs/model", "named-outputs/model")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """`path` is the absolute path of a folder or a file; `origin` is its path for messages."""

    path: str
    origin: str


def choose(
    workspace: Workspace, experiment: Experiment, name: str | None, cwd: Path
) -> ServedModel:
    """The model at the path or of the run `name`.

    Without a name, it is that of the last run that succeeded; one that diverged is passed over, and of
    a sweep the best trial counts. UserError when there is none.
    """
    if name is None:
        return _last(workspace, experiment)
    path = Path(os.path.abspath(cwd / name))
    if path.exists():
        # The path of a run's folder means the model in it.
        path = next((path / part for part in MODEL_FOLDERS if (path / part).exists()), path)
        return ServedModel(str(path), _origin(workspace, path))
    runs = past_runs.find(Path(workspace.root), experiment.slug)
    exact = [run for run in runs if run.id == name]
    matches = exact or [run for run in runs if run.id.startswith(name)]
    if not matches:
        raise UserError(
            f"{name} is neither a path nor a run of {experiment.name}",
            code="model-unknown",
            hint=did_you_mean(name, [run.id for run in runs]),
        )
    model = in_run(workspace, matches[-1])
    if model is None:
        raise UserError(
            f"the run {matches[-1].id} has no model",
            code="model-missing",
            where=matches[-1].folder,
            hint=_HINT,
        )
    return model


def in_run(workspace: Workspace, run: PastRun) -> ServedModel | None:
    """The model in a run's folder; None if it has none."""
    for name in MODEL_FOLDERS:
        path = Path(workspace.root, run.folder, name)
        if path.exists():
            return ServedModel(str(path), _origin(workspace, path))
    return None


_HINT = "Write the model to ./outputs/model in the program, or name one with --model PATH"


_SUCCEEDED = ("done", "completed")


def _last(workspace: Workspace, experiment: Experiment) -> ServedModel:
    """The model of the last run that succeeded and did not diverge; of a sweep, its best trial's."""
    root, outputs = Path(workspace.root), f"outputs/{experiment.slug}"
    runs = past_runs.find(root, experiment.slug)
    passed_over: list[str] = []
    # The model of a step is not served if another step of its pipeline failed or diverged.
    bad = [run for run in runs if run.state not in _SUCCEEDED or past_runs.divergence(run)]
    parents = {os.path.dirname(run.folder) for run in bad} - {outputs}
    pipelines = {folder for folder in parents if not sweep_record.is_sweep(root / folder)}
    for run in reversed([run for run in runs if run.state in _SUCCEEDED]):
        folder, name = os.path.split(run.folder)
        if folder in pipelines or (model := in_run(workspace, run)) is None:
            continue
        if not sweep_record.may_stand_for_sweep(root / folder, name):
            continue
        if divergence := past_runs.divergence(run):
            passed_over.append(f"{run.id} ({divergence})")
            continue
        if passed_over:
            console.say(
                f"the model is {model.origin}: later runs diverged, {', '.join(passed_over)}. "
                "`--model RUN` takes one all the same"
            )
        return model
    if passed_over:
        raise UserError(
            f"each run of {experiment.name} that has a model diverged: {', '.join(passed_over)}",
            code="model-diverged",
            where=outputs,
            hint="Train one whose metrics are finite, or name a run with --model RUN",
        )
    succeeded = any(run.state in _SUCCEEDED for run in runs)
    raise UserError(
        f"no run of {experiment.name} that succeeded has a model",
        code="model-missing",
        where=outputs,
        hint=_HINT if succeeded else f"Train one with `scripts/loop run {experiment.name}`",
    )


def require_readable(model: ServedModel) -> None:
    """Raise UserError for a broken link, and on Linux for a file that others may not read.

    The server runs as its image's own user, as on Azure ML, who does not own the files.
    """
    path = Path(model.path)
    require_content(model)
    for entry in path.rglob("*") if path.is_dir() else ():
        if entry.is_symlink() and not entry.exists():
            raise UserError(
                f"the link {entry.name} is broken: there is no {os.readlink(entry)}",
                code="link-broken",
                where=model.origin,
                hint="Put the file itself there: a server sees this folder only",
            )
    if sys.platform != "linux":
        return
    for entry in [path, *path.rglob("*")] if path.is_dir() else [path]:
        mode = stat.S_IROTH | stat.S_IXOTH if entry.is_dir() else stat.S_IROTH
        if entry.stat().st_mode & mode != mode:
            raise UserError(
                f"only you may read {entry.name}, and the server runs as another user",
                code="model-unreadable",
                where=model.origin,
                hint=user_shell.readable_by_all(model.origin),
            )


def require_content(model: ServedModel) -> None:
    """Raise UserError for a pointer of git LFS, git-annex or DVC, and for what is not a file."""
    contents = folder_reader.read(Path(model.path))
    for kind, fetch in FETCH.items():
        if pointers := [pointer for pointer in contents.pointers if pointer.kind == kind]:
            raise UserError(
                f"the model is not here: {pointers_text(pointers, model.origin)}",
                code="git-lfs-pointer" if kind == "git-lfs" else "data-not-fetched",
                where=model.origin,
                hint=f"Fetch it with `{fetch}`",
            )
    for special in contents.specials:
        raise UserError(
            f"{special.path or 'this'} is {special.kind}, where a model's file is expected",
            code="file-not-regular",
            where=model.origin,
            hint="Move it away",
        )


def _origin(workspace: Workspace, path: Path) -> str:
    return typed_below(Path(workspace.root), path) or str(path)

"""Which model a deployment takes: a folder of this machine, a job's output, or a registered one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ....history import past_runs
from ....model.experiment import Experiment
from ....model.workspace import Workspace
from ....serving import models
from ....serving.models import ServedModel
from ....util.errors import UsageError, UserError
from ... import snapshot, submission_store

# What train.py makes for serving, in ./outputs.
MODEL = "model"
_JOB = re.compile(r"[A-Za-z0-9][\w-]{0,254}")
_REGISTERED = re.compile(r"azureml:(?P<name>[A-Za-z0-9][\w.-]{0,254})(?:[:@](?P<version>[\w.-]+))?")


@dataclass(frozen=True, slots=True)
class Source:
    """kind: "folder" (`path` relative to the workspace, with its `digest`, files and bytes), "job"
    (`path` is the job's name), or "registered" (`path` is the model's name; `version` "" for the
    latest). `words` name it for a person, `scores` are those of its run."""

    kind: str
    path: str
    words: str
    digest: str = ""
    version: str = ""
    files: int = 0
    size: int = 0
    scores: str = ""

    @property
    def azure_path(self) -> str:
        """Where Azure ML's client finds it, relative to the workspace for a folder."""
        if self.kind == "job":
            return f"azureml://jobs/{self.path}/outputs/artifacts/paths/outputs/{MODEL}/"
        return self.path


def find(
    workspace: Workspace, experiment: Experiment, word: str | None, cwd: Path, *, named: str = ""
) -> Source:
    """What `--model` says: a path, a run, a job, or azureml:NAME:VERSION. Without a word the
    model that the deployment file names with its version (`named`), else the one that is served
    here, else the latest that is registered under the file's name."""
    root = Path(workspace.root)
    if word is not None:
        return _named(workspace, experiment, word, cwd)
    pinned = _REGISTERED.fullmatch(named)
    if pinned and pinned["version"] not in (None, "latest"):
        return _registered(named)
    try:
        chosen = models.choose(workspace, experiment, None, cwd)
    except UserError:
        if pinned:
            return _registered(named)
        raise
    # One that is here and cannot be sent is said: nobody means an older one then.
    return _folder(root, chosen, experiment)


def _named(workspace: Workspace, experiment: Experiment, word: str, cwd: Path) -> Source:
    root = Path(workspace.root)
    if word.startswith("azureml:"):
        return _registered(word)
    is_job = _JOB.fullmatch(word) is not None
    if not (is_job and submission_store.read(root, word)):
        try:
            chosen = models.choose(workspace, experiment, word, cwd)
        except UserError as mistake:
            if not is_job:
                hint = "Name a path, a run (`scripts/loop runs`), a job, or azureml:NAME:VERSION"
                raise UsageError(f'there is no model "{word}"', hint=hint) from mistake
        else:
            return _folder(root, chosen, experiment)
    return Source("job", word, f"the job {word}, outputs/{MODEL}")


def _registered(word: str) -> Source:
    found = _REGISTERED.fullmatch(word)
    if found is None:
        raise UsageError(f'"{word}" is no model', hint="Write azureml:NAME:VERSION, or @latest")
    version = "" if found["version"] in (None, "latest") else found["version"]
    return Source("registered", found["name"], word, version=version)


def _folder(root: Path, model: ServedModel, experiment: Experiment) -> Source:
    sent = snapshot.read(root, model.origin)
    run = (
        past_runs.read(root, experiment.slug, Path(model.path).parent)
        if _is_below(root, model)
        else None
    )
    best = past_runs.headline_metrics([run], 1) if run is not None else []
    scores = ", ".join(f"{name} {run.scores[name]:.4g}" for name in best) if run else ""
    return Source(
        "folder", model.origin, model.origin, sent.digest, "", len(sent.files), sent.size, scores
    )


def _is_below(root: Path, model: ServedModel) -> bool:
    return Path(model.path).is_relative_to(root)

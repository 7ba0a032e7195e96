"""Which model a deployment takes: a folder of this machine, a job's output, or a registered one."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import Mistake, WrongUse
from ..records import past
from ..spec.experiment import Experiment
from ..spec.workspace import Workspace
from . import ledger, snapshot

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
    model that the deployment file names with its version (`named`), else that of the newest run
    here, else the latest that is registered under the file's name."""
    root = Path(workspace.root)
    if word is not None:
        return _named(root, experiment, word, cwd)
    pinned = _REGISTERED.fullmatch(named)
    if pinned and pinned["version"] not in (None, "latest"):
        return _registered(named)
    newest = _newest(root, experiment)
    if newest is not None:
        return newest
    if pinned:
        return _registered(named)
    raise Mistake(
        f"{experiment.name} has no model yet: no run in outputs/{experiment.slug} has a folder "
        f"{MODEL}",
        mend=f"Train one with `scripts/loop run {experiment.name}`, or name one: --model PATH, RUN, "
        "JOB or azureml:NAME:VERSION",
    )


def _named(root: Path, experiment: Experiment, word: str, cwd: Path) -> Source:
    if word.startswith("azureml:"):
        return _registered(word)
    for place in (cwd / word, root / word, root / "outputs" / experiment.slug / word):
        if place.is_dir():
            inside = place / MODEL if (place / MODEL).is_dir() else place
            return _folder(root, inside, experiment)
    entry = ledger.read(root, word) if _JOB.fullmatch(word) else None
    if entry is not None or (_JOB.fullmatch(word) and word not in (MODEL, experiment.name)):
        return Source("job", word, f"the job {word}, outputs/{MODEL}")
    raise WrongUse(
        f'there is no model "{word}"',
        mend="Name a folder, a run (`scripts/loop runs`), a job, or azureml:NAME:VERSION",
    )


def _registered(word: str) -> Source:
    found = _REGISTERED.fullmatch(word)
    if found is None:
        raise WrongUse(f'"{word}" is no model', mend="Write azureml:NAME:VERSION, or @latest")
    version = "" if found["version"] in (None, "latest") else found["version"]
    return Source("registered", found["name"], word, version=version)


def _newest(root: Path, experiment: Experiment) -> Source | None:
    """Of the newest run that ended well. A step of a pipeline counts with the others: where the
    model was not good enough for the next one, it is none to deploy."""
    runs = past.find(root, experiment.slug)
    failed = {os.path.dirname(run.folder) for run in runs if run.state not in ("done", "completed")}
    whole = f"outputs/{experiment.slug}"
    for run in reversed(runs):
        above = os.path.dirname(run.folder)
        good = run.state in ("done", "completed") and (above == whole or above not in failed)
        if good and (root / run.folder / MODEL).is_dir():
            return _folder(root, root / run.folder / MODEL, experiment)
    return None


def _folder(root: Path, folder: Path, experiment: Experiment) -> Source:
    path = os.path.relpath(os.path.realpath(folder), os.path.realpath(root)).replace(os.sep, "/")
    if path.startswith("../"):
        path = str(folder.resolve())
    sent = snapshot.read(root, path)
    run = past.read(root, experiment.slug, folder.parent) if not path.startswith("/") else None
    best = past.telling([run], 1) if run is not None else []
    scores = ", ".join(f"{name} {run.scores[name]:.4g}" for name in best) if run else ""
    return Source("folder", path, path, sent.digest, "", len(sent.files), sent.size, scores)

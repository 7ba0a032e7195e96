"""Which model is deployed: a folder of this machine, a job's output, or a registered model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ....history import past_runs
from ....model.experiment import Experiment
from ....model.workspace import Workspace
from ....serving import models
from ....serving.models import ServedModel
from ....util.errors import UsageError, UserError
from ....util.late_patterns import late_pattern
from ....util.quick_dataclasses import dataclass
from ... import snapshot, submission_store

# The folder in ./outputs that train.py writes for serving.
MODEL = "model"
_JOB = late_pattern(r"[A-Za-z0-9][\w-]{0,254}")
_REGISTERED = late_pattern(
    r"azureml:(?P<name>[A-Za-z0-9][\w.-]{0,254})(?:[:@](?P<version>[\w.-]+))?"
)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where the model of a deployment comes from.

    `path` is a folder relative to the workspace (with its `digest`, files and bytes), a job's name,
    or a registered model's name (with a `version`, "" for the latest). `words` describe it;
    `scores` are its run's.
    """

    kind: Literal["folder", "job", "registered"]
    path: str
    words: str
    digest: str = ""
    version: str = ""
    files: int = 0
    size: int = 0
    scores: str = ""

    @property
    def azure_path(self) -> str:
        """The path for Azure ML's client; of a folder relative to the workspace."""
        if self.kind == "job":
            return f"azureml://jobs/{self.path}/outputs/artifacts/paths/outputs/{MODEL}/"
        return self.path


def find(
    workspace: Workspace, experiment: Experiment, word: str | None, cwd: Path, *, named: str = ""
) -> ModelSource:
    """The model that `--model` names: a path, a run, a job, or azureml:NAME:VERSION.

    Without it the model that the deployment file names with a version (`named`), else the one that
    `loop serve` would take, else the latest registered one of the file's name.
    """
    root = Path(workspace.root)
    if word is not None:
        return _by_name(workspace, experiment, word, cwd)
    pinned = _REGISTERED.fullmatch(named)
    if pinned and pinned["version"] not in (None, "latest"):
        return _parse_registered(named)
    try:
        chosen = models.choose(workspace, experiment, None, cwd)
    except UserError:
        if pinned:
            return _parse_registered(named)
        raise
    # A local model that cannot be sent is an error: an older one would be a surprise.
    return _from_folder(root, chosen, experiment)


def _by_name(workspace: Workspace, experiment: Experiment, word: str, cwd: Path) -> ModelSource:
    root = Path(workspace.root)
    if word.startswith("azureml:"):
        return _parse_registered(word)
    is_job = _JOB.fullmatch(word) is not None
    if not (is_job and submission_store.read(root, word)):
        try:
            chosen = models.choose(workspace, experiment, word, cwd)
        except UserError as error:
            if not is_job:
                hint = "Name a path, a run (`scripts/loop runs`), a job, or azureml:NAME:VERSION"
                raise UsageError(
                    f'there is no model "{word}"', code="model-unknown", hint=hint
                ) from error
        else:
            return _from_folder(root, chosen, experiment)
    return ModelSource("job", word, f"the job {word}, outputs/{MODEL}")


def _parse_registered(word: str) -> ModelSource:
    match = _REGISTERED.fullmatch(word)
    if match is None:
        raise UsageError(
            f'"{word}" is not a model',
            code="model-name-invalid",
            hint="Write azureml:NAME:VERSION, or @latest",
        )
    version = "" if match["version"] in (None, "latest") else match["version"]
    return ModelSource("registered", match["name"], word, version=version)


def _from_folder(root: Path, model: ServedModel, experiment: Experiment) -> ModelSource:
    models.require_content(model)
    sent = snapshot.read(root, model.origin)
    run = (
        past_runs.read(root, experiment.slug, Path(model.path).parent)
        if _is_below(root, model)
        else None
    )
    best = past_runs.headline_metrics([run], 1) if run is not None else []
    scores = ", ".join(f"{name} {run.scores[name]:.4g}" for name in best) if run else ""
    return ModelSource(
        "folder", model.origin, model.origin, sent.digest, "", len(sent.files), sent.size, scores
    )


def _is_below(root: Path, model: ServedModel) -> bool:
    return Path(model.path).is_relative_to(root)

"""A deployment as a value, complete before Azure is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ....model.deployment import NAME, NAME_RULE, Deployment
from ....model.experiment import Experiment
from ....model.paths import code_root
from ....model.workspace import Workspace
from ....serving.client import content_type_of
from ....util import files
from ....util.errors import UserError
from ....util.quick_dataclasses import dataclass
from ....workspace.deploy_folder import DeployFolder, open_folder
from ... import snapshot
from ..submit.submission import azure_name
from ..workspace_ref import WorkspaceRef
from . import endpoints, model_source
from .model_source import ModelSource

# Keys of a deployment file that name the deployment and do not change it.
_NOT_FINGERPRINTED = {"$schema", "name", "endpoint_name", "model", "tags", "description"}


@dataclass(frozen=True, slots=True)
class ServingEnvironment:
    """The environment of a deployment.

    It is a registered one (`reference`), or `name` in a `version` derived from its content.
    `folder` is the build context, "" if Azure ML builds nothing.
    """

    words: str
    reference: str = ""
    name: str = ""
    version: str = ""
    folder: str = ""
    files: int = 0
    size: int = 0

    @property
    def on_azure(self) -> str:
        """The reference in a deployment."""
        return self.reference or f"azureml:{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """The plan of a deployment.

    `share` is in percent; `name` is "" where the rollout chooses it. `sample` is relative to the
    workspace, `content` its content type; `suspects` are likely secrets among the files to send;
    `neighbours` are the workspace's other experiments.
    """

    experiment: Experiment
    folder: DeployFolder
    endpoint: str
    model: ModelSource
    model_name: str
    image: ServingEnvironment
    sample: str
    content: str
    share: int
    name: str
    target: WorkspaceRef | None
    code: str = ""
    suspects: tuple[tuple[str, snapshot.SuspectedSecret], ...] = ()
    neighbours: tuple[str, ...] = ()

    @property
    def file(self) -> Deployment:
        return self.folder.deployment

    def fingerprint(self, model: str) -> str:
        """The same for the same model, environment, code and settings of the server."""
        fields = {
            "model": model,
            "environment": self.image.on_azure,
            "code": self.code,
            "settings": {
                k: v for k, v in self.file.document.items() if k not in _NOT_FINGERPRINTED
            },
        }
        return _hash(fields)[:16]

    def json(self) -> dict[str, Any]:
        return {
            "experiment": self.experiment.name,
            "endpoint": self.endpoint,
            "workspace": None if self.target is None else asdict(self.target),
            "file": self.file.file,
            "model": {"name": self.model_name, **asdict(self.model)},
            "environment": asdict(self.image),
            "instance_type": self.file.instance_type,
            "instance_count": self.file.instance_count,
            "sample": self.sample,
            "traffic": self.share,
            "name": self.name,
        }


def open_endpoint(workspace: Workspace, experiment: Experiment) -> tuple[DeployFolder, str]:
    """The deploy folder, and the endpoint's name on Azure."""
    folder = open_folder(workspace, experiment)
    named = folder.endpoint
    if named is None:
        raise UserError(
            "the deploy folder has no endpoint.yaml, which names the endpoint",
            code="endpoint-file-missing",
            where=folder.folder,
            hint="Write one with `name:` and `auth_mode: key`",
        )
    return folder, endpoints.endpoint_name(experiment, named.name, str(named.where("name")))


def plan(
    workspace: Workspace,
    experiment: Experiment,
    *,
    model: str | None,
    share: int,
    name: str,
    target: WorkspaceRef | None,
    cwd: Path,
) -> DeploymentPlan:
    """Raises UserError if something is missing or invalid."""
    root = Path(workspace.root)
    folder, endpoint = open_endpoint(workspace, experiment)
    if folder.sample is None:
        raise UserError(
            "there is no sample request to test the deployment with",
            code="sample-request-missing",
            where=folder.folder,
            hint="Put one there as sample-request.json (or .png, .csv ...)",
        )
    if name and not NAME.fullmatch(name):
        raise UserError(
            f'"{name}" is not a valid name for a deployment',
            code="deployment-name-invalid",
            hint=f"Use {NAME_RULE}",
        )
    given = folder.deployment.model
    version = f":{given.version}" if given.version else "@latest"
    named = f"azureml:{given.name}{version}" if given.name and not given.path else ""
    source = model_source.find(workspace, experiment, model, cwd, named=named)
    image, sent = _environment(root, experiment, folder.deployment)
    code, also_sent = _code_digest(root, folder.deployment)
    return DeploymentPlan(
        experiment=experiment,
        folder=folder,
        endpoint=endpoint,
        model=source,
        model_name=(
            source.path
            if source.kind == "registered"
            else given.name or azure_name(experiment.name)
        ),
        image=image,
        sample=folder.sample,
        content=content_type_of(Path(folder.sample)),
        share=share,
        name=name,
        target=target,
        code=code,
        suspects=tuple(_suspects(sent + also_sent)),
        neighbours=tuple(one for one in workspace.experiments if one != experiment.name),
    )


def _environment(
    root: Path, experiment: Experiment, deployment: Deployment
) -> tuple[ServingEnvironment, list[snapshot.Snapshot]]:
    given = deployment.environment
    if given.kind == "registered":
        return (
            ServingEnvironment(f"{given.reference}, registered", reference=str(given.reference)),
            [],
        )
    if given.kind == "none":
        raise UserError(
            "the deployment names no environment",
            code="environment-missing",
            where=deployment.where(),
            hint="Write `environment:` with `build: {path: .}`",
        )
    name = f"{azure_name(experiment.name)}-deploy"
    fields: dict[str, Any] = {"section": deployment.document["environment"]}
    if given.kind == "build":
        folder = code_root(deployment.file, given.path)
        if folder is None or not (root / folder / given.dockerfile).is_file():
            raise UserError(
                f"there is no {given.dockerfile} to build the environment from",
                code="dockerfile-missing",
                where=deployment.where("environment", "build"),
            )
        sent = snapshot.read(root, folder)
        version = _hash({**fields, "context": sent.digest})[:12]
        words = f"built on Azure ML from {folder}/{given.dockerfile}"
        return ServingEnvironment(words, "", name, version, folder, len(sent.files), sent.size), [
            sent
        ]
    words = str(given.image)
    if given.kind == "conda":
        words += " with conda packages"
        file = code_root(deployment.file, str(given.conda_file))
        fields["conda"] = files.read_text(root / file) if file else ""
    return ServingEnvironment(words, "", name, _hash(fields)[:12]), []


def _code_digest(root: Path, deployment: Deployment) -> tuple[str, list[snapshot.Snapshot]]:
    """The digest and the files of the code that the deployment file names; ("", []) for none."""
    given = deployment.document.get("code_configuration")
    code = given.get("code") if isinstance(given, dict) else None
    folder = code_root(deployment.file, str(code)) if code else None
    if folder is None or str(code).startswith("azureml:"):
        return str(code or ""), []
    sent = snapshot.read(root, folder)
    return sent.digest, [sent]


def _suspects(sent: Sequence[snapshot.Snapshot]) -> Iterator[tuple[str, snapshot.SuspectedSecret]]:
    for one in sent:
        for suspect in one.suspects:
            yield one.folder, suspect


def _hash(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()

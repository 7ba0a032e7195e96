"""`loop doctor` for argo: the configured clusters, then the facts that each cluster itself gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...model.experiment import Experiment
from ...model.settings import argo_settings
from ...model.settings.argo_settings import ArgoSetting
from ...model.workspace import Workspace
from ...util.errors import UserError
from ...workspace import loader
from ..base import DoctorFact
from .cluster_ref import ClusterRef
from .connection import ArgoConnection


def facts(root: Path, connection: ArgoConnection) -> Iterator[DoctorFact]:
    """The facts of each cluster and namespace in the settings, or of the kubeconfig's own."""
    workspace = loader.open_workspace(root)
    try:
        configured = list(_configured(workspace))
    except UserError as error:
        yield "bad", "settings", error.message(), ""
        return
    clusters = {
        ClusterRef(setting.context, setting.namespace): setting for _, setting in configured
    }
    clusters = clusters or {ClusterRef(): argo_settings.read(workspace.settings.argo)}
    registry = workspace.settings.registry
    if registry:
        yield "ok", "registry", registry, ""
    else:
        hint = 'Set registry = "ghcr.io/owner/name" under [tool.innerloop] in pyproject.toml'
        yield "note", "registry", "none is set: jobs with code of their own need one", hint
    gpu_users = [
        experiment.name for experiment, setting in configured if _needs_gpus(experiment, setting)
    ]
    for cluster, setting in clusters.items():
        yield from _cluster_facts(connection, cluster, setting.gpu_resource, gpu_users)


def _configured(workspace: Workspace) -> Iterator[tuple[Experiment, ArgoSetting]]:
    for name in workspace.experiments:
        try:
            experiment = loader.open_experiment(workspace, name)
        except UserError:
            continue  # `loop doctor` reports it
        if experiment.settings.argo:
            yield experiment, argo_settings.read(experiment.settings.argo)


def _needs_gpus(experiment: Experiment, setting: ArgoSetting) -> bool:
    gpu = experiment.settings.gpu
    if gpu.kind == "none":
        return False
    return bool(setting.gpus) or (gpu.is_required and setting.gpus is None)


def _cluster_facts(
    connection: ArgoConnection, cluster: ClusterRef, resource: str, gpu_users: list[str]
) -> Iterator[DoctorFact]:
    try:
        answer = connection.ask_with_progress(
            "doctor", cluster, "asking the cluster", gpu_resource=resource, gpu_users=gpu_users
        )
    except UserError as error:
        answer = [("bad", "cluster", error.what, error.hint)]
    yield from (tuple(fact) for fact in answer)

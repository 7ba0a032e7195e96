"""What `loop doctor --argo` says: which cluster, then what the cluster itself answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...model.experiment import Experiment
from ...model.settings import argo_settings
from ...model.settings.argo_settings import ArgoSetting
from ...model.workspace import Workspace
from ...util.errors import UserError
from ...workspace import loader
from ..progress import News
from .cluster_ref import Cluster
from .connection import Line

# state ("ok", "note", "bad"), name, what, mend
Fact = tuple[str, str, str, str]


def facts(root: Path) -> Iterator[Fact]:
    """Of each cluster and namespace that the settings name, or of the kubeconfig's own."""
    workspace = loader.open_workspace(root)
    try:
        named = list(_named(workspace))
    except UserError as mistake:
        yield "bad", "settings", mistake.message(), ""
        return
    targets = {Cluster(one.context, one.namespace): one for _, one in named}
    targets = targets or {Cluster(): argo_settings.read(workspace.settings.argo)}
    registry = workspace.settings.registry
    if registry:
        yield "ok", "registry", registry, ""
    else:
        hint = 'Set registry = "ghcr.io/owner/name" under [tool.innerloop] in pyproject.toml'
        yield "note", "registry", "none is set: jobs with code of their own need one", hint
    for target, setting in targets.items():
        wanted = [one.name for one, own in named if _wants_gpus(one, own)]
        yield from _asked(root, target, setting.gpu_resource, wanted)


def _named(workspace: Workspace) -> Iterator[tuple[Experiment, ArgoSetting]]:
    for name in workspace.experiments:
        try:
            experiment = loader.open_experiment(workspace, name)
        except UserError:
            continue  # `loop doctor` says so
        if experiment.settings.argo:
            yield experiment, argo_settings.read(experiment.settings.argo)


def _wants_gpus(experiment: Experiment, setting: ArgoSetting) -> bool:
    policy = experiment.settings.gpu
    return policy != "none" and (bool(setting.gpus) or (policy == "all" and setting.gpus is None))


def _asked(root: Path, target: Cluster, resource: str, wanted: list[str]) -> Iterator[Fact]:
    news = News("asking the cluster")
    try:
        with Line(root) as line:
            told = line.ask("doctor", target, news.on_event, gpu_resource=resource, wanted=wanted)
    except UserError as mistake:
        told = [("bad", "cluster", mistake.what, mistake.hint)]
    finally:
        news.end()
    yield from (tuple(fact) for fact in told)

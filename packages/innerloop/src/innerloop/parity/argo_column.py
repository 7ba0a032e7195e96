"""The facts of a job in a cluster: those of its pods, read from the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..argo_manifest import image_names, parse, resource_names, workflow
from ..argo_manifest.escaping import argo_expand
from ..argo_manifest.parse import Pod
from ..argo_manifest.task import INPUTS
from ..model.experiment import Experiment
from ..model.jobs.job import Job
from ..model.run import Run
from ..model.settings import argo_settings
from ..model.settings.orchestrators import ARGO
from ..model.workspace import Workspace
from ..sync.render.workflow_context import PATHS
from ..util import files
from ..util.errors import UserError
from ..workspace import loader

# Pods by the template's name, or the error why there are none.
Pods = Mapping[str, Pod] | UserError


def planned_pods(
    workspace: Workspace, experiment: Experiment, job: Job, trial: Mapping[str, str]
) -> Pods:
    """The pods of the whole job; of a sweep those of one `trial`."""
    disk = loader.WorkspaceFiles(Path(workspace.root))
    try:
        setting = argo_settings.read(experiment.settings.argo)
        registry = workspace.settings.registry
        subject = workflow.Subject(
            experiment,
            job,
            setting,
            lambda item: (reference(registry, experiment, item), ""),
            disk.read,
            disk.find_asset,
        )
        workflow_plan = workflow.workflow_plan(subject)
        manifest = workflow.manifest(workflow_plan, experiment, name="job", namespace="")
    except UserError as error:
        return error
    return _pods_by_template(manifest, trial)


def generated_pods(workspace: Workspace, experiment: Experiment, trial: Mapping[str, str]) -> Pods:
    """The pods that the generated CronWorkflow starts, from the WorkflowTemplate beside it."""
    path = PATHS[ARGO].format(slug=experiment.slug)
    text = files.read_text(Path(workspace.root, path))
    if text is None:
        return UserError(
            "the generated file does not exist",
            code="generated-file-missing",
            where=path,
            hint="Run `scripts/loop sync`",
        )
    try:
        kinds = {item["kind"]: item for item in yaml.safe_load_all(text)}
        template, cron = kinds["WorkflowTemplate"], kinds["CronWorkflow"]
        parameters = [
            *template["spec"].get("arguments", {}).get("parameters", []),
            *cron["spec"]["workflowSpec"].get("arguments", {}).get("parameters", []),
        ]
        values = {f"workflow.parameters.{item['name']}": str(item["value"]) for item in parameters}
        return _pods_by_template(
            {**argo_expand(template, values), "metadata": {"name": "job"}}, trial
        )
    except (
        yaml.YAMLError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        what = f"the file does not have the generated WorkflowTemplate and CronWorkflow: {error!r}"
        return UserError(
            what,
            code="generated-file-changed",
            where=path,
            hint=f"`scripts/loop sync --take {path}:.` generates it again",
        )


def _pods_by_template(manifest: Mapping[str, Any], trial: Mapping[str, str]) -> Mapping[str, Pod]:
    values = {f"inputs.parameters.{name}": value for name, value in trial.items()}
    return {item.template: item for item in parse.pods(argo_expand(dict(manifest), values))}


def reference(registry: str, experiment: Experiment, job: Job) -> str:
    """The name of the image with the job's environment and code."""
    if image_names.is_bare(job):
        return str(job.environment.image)
    return image_names.floating_tag(registry, experiment, image_names.variant(experiment, job))


def find_pod(pods: Pods, step: str) -> Pod | UserError:
    """The pod of a pipeline's step, "" for the job itself; of several nodes the first."""
    if isinstance(pods, UserError):
        return pods
    name = resource_names.label(step, 40) if step else ""
    names = [name, f"{name}-node-0"] if step else ["main", "trial", "main-node-0", "trial-node-0"]
    return next(
        (pods[name] for name in names if name in pods),
        UserError(f'the manifest has no pod for "{step}"', code="pod-missing"),
    )


def mount_facts(run: Run, pod: Pod, has_code: bool) -> tuple[list[str], list[str]]:
    """The pod's mounts, normalized, and the reasons for differences."""
    parts, why = (["code"] if has_code else []), []
    for mount in pod.mounts:
        if mount.target.startswith(f"{pod.cwd}/outputs"):
            parts.append("./outputs")
        elif mount.target.startswith(f"{INPUTS}/"):
            name = mount.target.removeprefix(f"{INPUTS}/").partition("/")[0]
            is_copy = not mount.read_only and mount.source[:1].islower() and " " in mount.source
            parts.append("${{inputs." + name + "}} " + ("read" if mount.read_only else "write"))
            setting = run.experiment.settings.data.get(name)
            if setting is not None and setting.create:
                why.append(f"create = true in innerloop.toml lets the program fill {name}")
            elif is_copy:
                why.append(f"Argo copies {name} into the pod")
    return parts, why

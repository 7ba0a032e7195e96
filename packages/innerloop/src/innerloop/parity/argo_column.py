"""What a cluster would really do with a job: the facts of its pods, read from the manifest."""

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

# By the template's name; or why there are none.
Pods = Mapping[str, Pod] | UserError


def pods(workspace: Workspace, experiment: Experiment, job: Job, trial: Mapping[str, str]) -> Pods:
    """Those of the whole job, of a sweep's with the values of one `trial`."""
    read = loader.WorkspaceFiles(Path(workspace.root)).read
    try:
        setting = argo_settings.read(experiment.settings.argo)
        registry = workspace.settings.registry
        subject = workflow.Subject(
            experiment, job, setting, lambda one: (reference(registry, experiment, one), ""), read
        )
        whole = workflow.workflow_plan(subject)
        manifest = workflow.manifest(whole, experiment, name="job", namespace="")
    except UserError as mistake:
        return mistake
    return _by_template(manifest, trial)


def rendered(workspace: Workspace, experiment: Experiment, trial: Mapping[str, str]) -> Pods:
    """Those that the CronWorkflow on disk starts, from the WorkflowTemplate beside it."""
    path = PATHS[ARGO].format(slug=experiment.slug)
    text = files.read_text(Path(workspace.root, path))
    if text is None:
        return UserError("it is not there", where=path, hint="Run `scripts/loop sync`")
    try:
        kinds = {one["kind"]: one for one in yaml.safe_load_all(text)}
        template, cron = kinds["WorkflowTemplate"], kinds["CronWorkflow"]
        given = [
            *template["spec"].get("arguments", {}).get("parameters", []),
            *cron["spec"]["workflowSpec"].get("arguments", {}).get("parameters", []),
        ]
        values = {f"workflow.parameters.{one['name']}": str(one["value"]) for one in given}
        return _by_template({**argo_expand(template, values), "metadata": {"name": "job"}}, trial)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"it holds no WorkflowTemplate and CronWorkflow of ours: {error!r}"
        return UserError(
            what, where=path, hint=f"`scripts/loop sync --take {path}:.` renders it anew"
        )


def _by_template(manifest: Mapping[str, Any], trial: Mapping[str, str]) -> Mapping[str, Pod]:
    values = {f"inputs.parameters.{name}": value for name, value in trial.items()}
    return {one.template: one for one in parse.pods(argo_expand(dict(manifest), values))}


def reference(registry: str, experiment: Experiment, job: Job) -> str:
    """The name of the image that holds the job's environment and code."""
    if image_names.is_bare(job):
        return str(job.environment.image)
    return image_names.floating_tag(registry, experiment, image_names.variant(experiment, job))


def pod_of(found: Pods, step: str) -> Pod | UserError:
    """Of a step of a pipeline, "" for the job itself; of several nodes the first."""
    if isinstance(found, UserError):
        return found
    name = resource_names.label(step, 40) if step else ""
    wanted = [name, f"{name}-node-0"] if step else ["main", "trial", "main-node-0", "trial-node-0"]
    return next(
        (found[one] for one in wanted if one in found),
        UserError(f'the manifest has no pod for "{step}"'),
    )


def mounts(run: Run, pod: Pod, has_code: bool) -> tuple[list[str], list[str]]:
    """What the pod sees, in words that places share, and why some of it differs."""
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
                why.append(f"create = true lets the program fill {name} in innerloop.toml")
            elif is_copy:
                why.append(f"Argo puts a copy of {name} into the pod")
    return parts, why

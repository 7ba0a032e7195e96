"""What a cluster would really do with a job: the facts of its pods, read from the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .. import files, loading
from ..errors import Mistake
from ..places import Run
from ..render.orchestration import PATHS
from ..spec import argo_setting
from ..spec.experiment import Experiment
from ..spec.job import Job
from ..spec.orchestrators import ARGO
from ..spec.workspace import Workspace
from ..workflows import images, names, reading, workflow
from ..workflows.part import INPUTS
from ..workflows.reading import Pod
from ..workflows.text import filled

# By the template's name; or why there are none.
Pods = Mapping[str, Pod] | Mistake


def pods(workspace: Workspace, experiment: Experiment, job: Job, trial: Mapping[str, str]) -> Pods:
    """Those of the whole job, of a sweep's with the values of one `trial`."""
    read = loading.Disk(Path(workspace.root)).read
    try:
        setting = argo_setting.read(experiment.settings.argo)
        registry = workspace.settings.registry
        subject = workflow.Subject(
            experiment, job, setting, lambda one: (reference(registry, experiment, one), ""), read
        )
        whole = workflow.whole(subject)
        manifest = workflow.manifest(whole, experiment, name="job", namespace="")
    except Mistake as mistake:
        return mistake
    return _by_template(manifest, trial)


def rendered(workspace: Workspace, experiment: Experiment, trial: Mapping[str, str]) -> Pods:
    """Those that the CronWorkflow on disk starts, from the WorkflowTemplate beside it."""
    path = PATHS[ARGO].format(slug=experiment.slug)
    text = files.read_text(Path(workspace.root, path))
    if text is None:
        return Mistake("it is not there", where=path, mend="Run `scripts/loop sync`")
    try:
        kinds = {one["kind"]: one for one in yaml.safe_load_all(text)}
        template, cron = kinds["WorkflowTemplate"], kinds["CronWorkflow"]
        given = [
            *template["spec"].get("arguments", {}).get("parameters", []),
            *cron["spec"]["workflowSpec"].get("arguments", {}).get("parameters", []),
        ]
        values = {f"workflow.parameters.{one['name']}": str(one["value"]) for one in given}
        return _by_template({**filled(template, values), "metadata": {"name": "job"}}, trial)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"it holds no WorkflowTemplate and CronWorkflow of ours: {error!r}"
        return Mistake(
            what, where=path, mend=f"`scripts/loop sync --take {path}:.` renders it anew"
        )


def _by_template(manifest: Mapping[str, Any], trial: Mapping[str, str]) -> Mapping[str, Pod]:
    values = {f"inputs.parameters.{name}": value for name, value in trial.items()}
    return {one.template: one for one in reading.pods(filled(dict(manifest), values))}


def reference(registry: str, experiment: Experiment, job: Job) -> str:
    """The name of the image that holds the job's environment and code."""
    if images.is_bare(job):
        return str(job.environment.image)
    return images.moving(registry, experiment, images.variant(experiment, job))


def pod_of(found: Pods, step: str) -> Pod | Mistake:
    """Of a step of a pipeline, "" for the job itself; of several nodes the first."""
    if isinstance(found, Mistake):
        return found
    name = names.label(step, 40) if step else ""
    wanted = [name, f"{name}-node-0"] if step else ["main", "trial", "main-node-0", "trial-node-0"]
    return next(
        (found[one] for one in wanted if one in found),
        Mistake(f'the manifest has no pod for "{step}"'),
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

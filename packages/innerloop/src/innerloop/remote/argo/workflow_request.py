"""A Workflow as a request: the manifest that is sent, and the requests of its pods. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...argo_manifest import parse, workflow
from ...argo_manifest.parse import Pod
from ...argo_manifest.workflow import WorkflowPlan
from ...model.container import Mount
from ...model.experiment import Experiment
from ...model.run import ProcessSpec, Request
from ...util.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkflowRequest:
    """The request that starts a Workflow.

    `manifest` is what is sent. `pods` are read from it, and `first` is the first pod's request
    (most workflows have one pod).
    """

    first: Request
    manifest: Mapping[str, Any]
    pods: tuple[Pod, ...]

    def json(self) -> dict[str, Any]:
        requests = [pod_request(self.first, pod).json() for pod in self.pods]
        parts = [
            {"template": pod.template, **part}
            for pod, part in zip(self.pods, requests, strict=True)
        ]
        return {**self.first.json(), "parts": parts, "manifest": self.manifest}


def plan_workflow(
    workflow_plan: WorkflowPlan, experiment: Experiment, *, name: str, namespace: str = ""
) -> WorkflowRequest:
    """What the cluster would run."""
    manifest = workflow.manifest(workflow_plan, experiment, name=name, namespace=namespace)
    pods = tuple(parse.pods(manifest))
    base = Request(
        experiment=experiment.name,
        backend="argo",
        command="",
        outputs=f"outputs/{experiment.slug}/{name}",
        why="asked for",
        notes=workflow_plan.notes,
    )
    return WorkflowRequest(pod_request(base, pods[0]), manifest, pods)


def pod_request(base: Request, pod: Pod) -> Request:
    """`base` with what the pod runs."""
    mounts = tuple(Mount(mount.source, mount.target, mount.read_only) for mount in pod.mounts)
    return Request(
        experiment=base.experiment,
        backend=base.backend,
        command=pod.command,
        process=ProcessSpec(pod.argv, pod.cwd, pod.env, pod.image, mounts),
        outputs=base.outputs,
        why=base.why,
        notes=base.notes,
    )

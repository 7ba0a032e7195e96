"""A Kubernetes cluster with Argo Workflows: the job is a Workflow there.

Only `worker` and what it imports know the Kubernetes client; they run in an environment of their
own, in a process of their own, and `places/line.py` talks to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...argo_manifest import parse, workflow
from ...argo_manifest.parse import Pod
from ...argo_manifest.workflow import WorkflowPlan
from ...model.container import Mount
from ...model.experiment import Experiment
from ...model.run import ProcessSpec, Request


@dataclass(frozen=True, slots=True)
class Wanted:
    """The request of the first pod (the only one, most often), and the manifest that is sent, from
    which it is read; `pods` are all of them."""

    request: Request
    manifest: Mapping[str, Any]
    pods: tuple[Pod, ...]

    def json(self) -> dict[str, Any]:
        parts = [request_of(self.request, pod).json() for pod in self.pods]
        named = [
            {"template": pod.template, **part} for pod, part in zip(self.pods, parts, strict=True)
        ]
        return {**self.request.json(), "parts": named, "manifest": self.manifest}


def request(
    whole: WorkflowPlan,
    experiment: Experiment,
    *,
    name: str,
    namespace: str = "",
    why: str = "asked for",
) -> Wanted:
    """What the cluster would run, as a value."""
    manifest = workflow.manifest(whole, experiment, name=name, namespace=namespace)
    pods = tuple(parse.pods(manifest))
    base = Request(
        experiment=experiment.name,
        backend="argo",
        command="",
        outputs=f"outputs/{experiment.slug}/{name}",
        why=why,
        notes=whole.notes,
    )
    return Wanted(request_of(base, pods[0]), manifest, pods)


def request_of(base: Request, pod: Pod) -> Request:
    return Request(
        experiment=base.experiment,
        backend=base.backend,
        command=pod.command,
        process=ProcessSpec(
            argv=pod.argv,
            cwd=pod.cwd,
            env=pod.env,
            image=pod.image,
            mounts=tuple(Mount(one.source, one.target, one.read_only) for one in pod.mounts),
        ),
        outputs=base.outputs,
        why=base.why,
        notes=base.notes,
    )

"""The headless Service by whose name the pods of one job find each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .escaping import to_argo
from .pod_command import PORT, SERVICE, count_of_nodes
from .task import Task

Json = dict[str, Any]
RENDEZVOUS = "rendezvous"
# The label that Argo itself puts on each pod of a workflow.
OF_WORKFLOW = "workflows.argoproj.io/workflow"


def with_service(spec: Json, tasks: Sequence[Task]) -> Json:
    """The workflow's spec with a task that creates the Service, if a job has several nodes.

    The Service is deleted with the workflow. Source: Kubernetes, "DNS for Services and Pods", a
    Pod's hostname and subdomain.
    """
    if all(count_of_nodes(task) == 1 for task in tasks):
        return spec
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {OF_WORKFLOW: SERVICE},
            "ports": [{"name": "rendezvous", "port": PORT}],
        },
    }
    text = to_argo(json.dumps(service, indent=2, ensure_ascii=False))
    template = {
        "name": RENDEZVOUS,
        "resource": {"action": "create", "setOwnerReference": True, "manifest": text},
    }
    return {**spec, "templates": [template, *_after_service(spec["templates"])]}


def _after_service(templates: Sequence[Json]) -> Iterator[Json]:
    """Every task of the outermost DAG waits for the service."""
    for template in templates:
        if template["name"] != "main":
            yield template
            continue
        tasks = [
            {
                **task,
                "depends": (
                    f"{RENDEZVOUS} && {task['depends']}" if "depends" in task else RENDEZVOUS
                ),
            }
            for task in template["dag"]["tasks"]
        ]
        first = {"name": RENDEZVOUS, "template": RENDEZVOUS}
        yield {**template, "dag": {**template["dag"], "tasks": [first, *tasks]}}

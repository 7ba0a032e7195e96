"""Where pods that are one job meet: a Service by whose name they find each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .escaping import to_argo
from .pod_command import PORT, SERVICE, count_of_nodes
from .task import Part

Json = dict[str, Any]
RENDEZVOUS = "rendezvous"
# The label that Argo itself puts on each pod of a workflow.
OF_WORKFLOW = "workflows.argoproj.io/workflow"


def with_service(spec: Json, parts: Sequence[Part]) -> Json:
    """Pods that look for each other by name need a Service without an address of its own; it goes
    when the workflow goes. Source: Kubernetes, "DNS for Services and Pods", a Pod's hostname and
    subdomain."""
    if all(count_of_nodes(part) == 1 for part in parts):
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
    made = {
        "name": RENDEZVOUS,
        "resource": {"action": "create", "setOwnerReference": True, "manifest": text},
    }
    return {**spec, "templates": [made, *_after_service(spec["templates"])]}


def _after_service(templates: Sequence[Json]) -> Iterator[Json]:
    """Every task of the outermost DAG waits for the service."""
    for one in templates:
        if one["name"] != "main":
            yield one
            continue
        tasks = [
            {
                **task,
                "depends": (
                    f"{RENDEZVOUS} && {task['depends']}" if "depends" in task else RENDEZVOUS
                ),
            }
            for task in one["dag"]["tasks"]
        ]
        first = {"name": RENDEZVOUS, "template": RENDEZVOUS}
        yield {**one, "dag": {**one["dag"], "tasks": [first, *tasks]}}

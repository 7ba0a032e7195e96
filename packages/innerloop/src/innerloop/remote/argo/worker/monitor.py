"""Monitor Workflows: their phase, their pods' logs as they grow, their end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from kubernetes import watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from ...worker.protocol import Emit
from .api_client import GROUP, TIMES, ClusterClient
from .logs import PodLog
from .workflow_states import (
    ENDED,
    failure_message,
    has_parts,
    node_name,
    node_state,
    orphaned_pods,
    pending_reason,
    pods,
    state_of,
)


def status(cluster: ClusterClient, request: Mapping[str, Any], emit: Emit) -> Any:
    workflow = _get(cluster, request["name"])
    details = workflow.get("status", {})
    nodes = pods(workflow)
    return {
        "name": request["name"],
        "type": "workflow",
        "status": state_of(workflow),
        "experiment": workflow["metadata"].get("labels", {}).get("innerloop/experiment", ""),
        "url": "",
        "compute": f"{cluster.server}, namespace {cluster.namespace}",
        "created": workflow["metadata"].get("creationTimestamp", ""),
        "started": details.get("startedAt") or "",
        "ended": details.get("finishedAt") or "",
        "error": failure_message(workflow),
        "children": [
            {"name": node["id"], "step": node_name(node), "status": node_state(node)}
            for node in nodes
            if len(nodes) > 1
        ],
    }


def cancel(cluster: ClusterClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """The state before and after; a Workflow that has ended stays as it is."""
    workflow = _get(cluster, request["name"])
    before = state_of(workflow)
    if before in ENDED:
        return {"before": before, "after": before}
    cluster.workflows.patch_namespaced_custom_object(
        **GROUP, namespace=cluster.namespace, name=request["name"],
        body={"spec": {"shutdown": "Terminate"}}, **TIMES,
    )  # fmt: skip
    for _ in range(20):
        workflow = _get(cluster, request["name"])
        if state_of(workflow) in ENDED:
            break
        emit("heartbeat")
        time.sleep(request.get("pause", 0.5))
    return {"before": before, "after": state_of(workflow, ending=True)}


def follow(cluster: ClusterClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Emits the pods' logs from their start, and with `follow` what is added until the end."""
    logs: dict[str, PodLog] = {}
    state = ""
    workflow: Mapping[str, Any] = {}
    for workflow in _workflow_versions(cluster, request, emit):
        if state_of(workflow) != state:
            state = state_of(workflow)
            emit("state", of="", state=state)
        _read_pods(cluster, request, workflow, logs, emit)
        if state in ENDED or not request["follow"]:
            break
    for log in logs.values():
        log.end(request["follow"] or state in ENDED, emit)
    details = workflow.get("status", {})
    return {
        "status": state,
        "error": failure_message(workflow),
        "started": details.get("startedAt") or "",
        "ended": details.get("finishedAt") or "",
        "logs": sum(log.read_bytes for log in logs.values()),
    }


def _workflow_versions(
    cluster: ClusterClient, request: Mapping[str, Any], emit: Emit
) -> Iterator[Any]:
    """The Workflow now, and whenever it changes.

    A watch ends by itself from time to time, one that is too far behind is refused (410), and a
    cluster may be unreachable for a while: each time the watch starts again.
    """
    lost = 0.0
    while True:
        try:
            workflow = _get(cluster, request["name"])
            lost = 0.0
            yield workflow
            yield from _watch_changes(
                cluster, request, workflow["metadata"]["resourceVersion"], emit
            )
        except HTTPError:
            lost = lost or time.monotonic()
            if time.monotonic() - lost > request["lost"]:
                raise
        except ApiException as error:
            if error.status != 410:
                raise
        emit("heartbeat")
        time.sleep(request["pause"])


def _watch_changes(
    cluster: ClusterClient, request: Mapping[str, Any], version: str, emit: Emit
) -> Iterator[Any]:
    for event in watch.Watch().stream(
        cluster.workflows.list_namespaced_custom_object,
        **GROUP,
        namespace=cluster.namespace,
        field_selector=f"metadata.name={request['name']}",
        resource_version=version,
        timeout_seconds=30,
        **TIMES,
    ):
        emit("heartbeat")
        if event["type"] == "DELETED":
            raise ApiException(status=404, reason=f"{request['name']} was deleted")
        if event["type"] in ("ADDED", "MODIFIED"):
            yield event["object"]


def _read_pods(
    cluster: ClusterClient,
    request: Mapping[str, Any],
    workflow: Mapping[str, Any],
    logs: dict[str, PodLog],
    emit: Emit,
) -> None:
    nodes = pods(workflow)
    for node in nodes:
        step = node_name(node) if len(nodes) > 1 or has_parts(workflow) else ""
        log = logs.setdefault(node["id"], PodLog(cluster, request, node["id"], step, emit))
        if step and log.state != node_state(node):
            log.state = node_state(node)
            emit("state", of=step, state=log.state)
        if (why := pending_reason(node)) and why != log.why:
            log.why = why
            emit("message", text=f"{step or request['name']} waits: {why}")
        if request["logs"] and node.get("phase") in ("Running", "Succeeded", "Failed", "Error"):
            log.begin(request["follow"])
    _report_orphans(request, nodes, logs, emit)


def _report_orphans(
    request: Mapping[str, Any], nodes: Any, logs: dict[str, PodLog], emit: Emit
) -> None:
    for node, running in orphaned_pods(nodes).items():
        if not logs[node].is_orphaned:
            logs[node].is_orphaned = True
            still = f"{' and '.join(running)} still run{'s' * (len(running) == 1)}"
            how = f"`scripts/loop cancel {request['name']}` ends the job"
            emit("message", text=f"{logs[node].step} has failed and {still}: {how}")


def _get(cluster: ClusterClient, name: str) -> Any:
    return cluster.workflows.get_namespaced_custom_object(
        **GROUP, namespace=cluster.namespace, name=name, **TIMES
    )

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
    found = _get(cluster, request["name"])
    details = found.get("status", {})
    nodes = pods(found)
    return {
        "name": request["name"],
        "type": "workflow",
        "status": state_of(found),
        "experiment": found["metadata"].get("labels", {}).get("innerloop/experiment", ""),
        "url": "",
        "compute": f"{cluster.server}, namespace {cluster.namespace}",
        "created": found["metadata"].get("creationTimestamp", ""),
        "started": details.get("startedAt") or "",
        "ended": details.get("finishedAt") or "",
        "error": failure_message(found),
        "children": [
            {"name": one["id"], "step": node_name(one), "status": node_state(one)}
            for one in nodes
            if len(nodes) > 1
        ],
    }


def cancel(cluster: ClusterClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """The state before and after; a Workflow that has ended stays as it is."""
    found = _get(cluster, request["name"])
    before = state_of(found)
    if before in ENDED:
        return {"before": before, "after": before}
    cluster.workflows.patch_namespaced_custom_object(
        **GROUP, namespace=cluster.namespace, name=request["name"],
        body={"spec": {"shutdown": "Terminate"}}, **TIMES,
    )  # fmt: skip
    for _ in range(20):
        found = _get(cluster, request["name"])
        if state_of(found) in ENDED:
            break
        emit("heartbeat")
        time.sleep(request.get("pause", 0.5))
    return {"before": before, "after": state_of(found, ending=True)}


def follow(cluster: ClusterClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Emits the pods' logs from their start, and with `follow` what is added until the end."""
    heads: dict[str, PodLog] = {}
    state = ""
    found: Mapping[str, Any] = {}
    for found in _workflow_versions(cluster, request, emit):
        if state_of(found) != state:
            state = state_of(found)
            emit("state", of="", state=state)
        _read_pods(cluster, request, found, heads, emit)
        if state in ENDED or not request["follow"]:
            break
    for head in heads.values():
        head.end(request["follow"] or state in ENDED, emit)
    details = found.get("status", {})
    return {
        "status": state,
        "error": failure_message(found),
        "started": details.get("startedAt") or "",
        "ended": details.get("finishedAt") or "",
        "logs": sum(head.read_bytes for head in heads.values()),
    }


def _workflow_versions(
    cluster: ClusterClient, request: Mapping[str, Any], emit: Emit
) -> Iterator[Any]:
    """The Workflow now, and whenever it changes. A watch ends by itself from time to time, one that is
    too far behind is refused (410), and a cluster may be unreachable for a while: each time the
    watch starts again."""
    lost = 0.0
    while True:
        try:
            found = _get(cluster, request["name"])
            lost = 0.0
            yield found
            yield from _watch_changes(cluster, request, found["metadata"]["resourceVersion"], emit)
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
    found: Mapping[str, Any],
    heads: dict[str, PodLog],
    emit: Emit,
) -> None:
    nodes = pods(found)
    for node in nodes:
        step = node_name(node) if len(nodes) > 1 or has_parts(found) else ""
        head = heads.setdefault(node["id"], PodLog(cluster, request, node["id"], step, emit))
        if step and head.state != node_state(node):
            head.state = node_state(node)
            emit("state", of=step, state=head.state)
        if (why := pending_reason(node)) and why != head.why:
            head.why = why
            emit("message", text=f"{step or request['name']} waits: {why}")
        if request["logs"] and node.get("phase") in ("Running", "Succeeded", "Failed", "Error"):
            head.begin(request["follow"])
    _report_orphans(request, nodes, heads, emit)


def _report_orphans(
    request: Mapping[str, Any], nodes: Any, heads: dict[str, PodLog], emit: Emit
) -> None:
    for one, others in orphaned_pods(nodes).items():
        if not heads[one].is_orphaned:
            heads[one].is_orphaned = True
            still = f"{' and '.join(others)} still run{'s' * (len(others) == 1)}"
            how = f"`scripts/loop cancel {request['name']}` ends the job"
            emit("message", text=f"{heads[one].step} has failed and {still}: {how}")


def _get(cluster: ClusterClient, name: str) -> Any:
    return cluster.workflows.get_namespaced_custom_object(
        **GROUP, namespace=cluster.namespace, name=name, **TIMES
    )

"""Looks at Workflows: their phase, what their pods print as it comes, their end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from kubernetes import watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from ...worker.protocol import Tell
from .api_client import GROUP, TIMES, Cluster
from .logs import Head
from .workflow_states import (
    ENDED,
    bereft,
    error_of,
    has_parts,
    name_of,
    pods,
    state_of,
    state_of_node,
    waiting_for,
)


def status(cluster: Cluster, request: Mapping[str, Any], tell: Tell) -> Any:
    found = _get(cluster, request["name"])
    told = found.get("status", {})
    nodes = pods(found)
    return {
        "name": request["name"],
        "type": "workflow",
        "status": state_of(found),
        "experiment": found["metadata"].get("labels", {}).get("innerloop/experiment", ""),
        "url": "",
        "compute": f"{cluster.server}, namespace {cluster.namespace}",
        "created": found["metadata"].get("creationTimestamp", ""),
        "started": told.get("startedAt") or "",
        "ended": told.get("finishedAt") or "",
        "error": error_of(found),
        "children": [
            {"name": one["id"], "step": name_of(one), "status": state_of_node(one)}
            for one in nodes
            if len(nodes) > 1
        ],
    }


def cancel(cluster: Cluster, request: Mapping[str, Any], tell: Tell) -> Any:
    """The state before and after; one that has ended already is left as it is."""
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
        tell("beat")
        time.sleep(request.get("pause", 0.5))
    return {"before": before, "after": state_of(found, ending=True)}


def follow(cluster: Cluster, request: Mapping[str, Any], tell: Tell) -> Any:
    """Tells what the pods have printed from their start, and with `follow` what comes until the
    end."""
    heads: dict[str, Head] = {}
    state = ""
    found: Mapping[str, Any] = {}
    for found in _versions(cluster, request, tell):
        if state_of(found) != state:
            state = state_of(found)
            tell("state", of="", state=state)
        _look_at_pods(cluster, request, found, heads, tell)
        if state in ENDED or not request["follow"]:
            break
    for head in heads.values():
        head.end(request["follow"] or state in ENDED, tell)
    told = found.get("status", {})
    return {
        "status": state,
        "error": error_of(found),
        "started": told.get("startedAt") or "",
        "ended": told.get("finishedAt") or "",
        "logs": sum(head.told for head in heads.values()),
    }


def _versions(cluster: Cluster, request: Mapping[str, Any], tell: Tell) -> Iterator[Any]:
    """The Workflow as it is, and then whenever it changes. A watch ends now and then by itself, one
    that is too far behind is refused (410), and a cluster may be away for a while: all begin anew.
    """
    lost = 0.0
    while True:
        try:
            found = _get(cluster, request["name"])
            lost = 0.0
            yield found
            yield from _changes(cluster, request, found["metadata"]["resourceVersion"], tell)
        except HTTPError:
            lost = lost or time.monotonic()
            if time.monotonic() - lost > request["lost"]:
                raise
        except ApiException as error:
            if error.status != 410:
                raise
        tell("beat")
        time.sleep(request["pause"])


def _changes(
    cluster: Cluster, request: Mapping[str, Any], version: str, tell: Tell
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
        tell("beat")
        if event["type"] == "DELETED":
            raise ApiException(status=404, reason=f"{request['name']} was deleted")
        if event["type"] in ("ADDED", "MODIFIED"):
            yield event["object"]


def _look_at_pods(
    cluster: Cluster,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    heads: dict[str, Head],
    tell: Tell,
) -> None:
    nodes = pods(found)
    for node in nodes:
        step = name_of(node) if len(nodes) > 1 or has_parts(found) else ""
        head = heads.setdefault(node["id"], Head(cluster, request, node["id"], step, tell))
        if step and head.state != state_of_node(node):
            head.state = state_of_node(node)
            tell("state", of=step, state=head.state)
        if (why := waiting_for(node)) and why != head.why:
            head.why = why
            tell("said", text=f"{step or request['name']} waits: {why}")
        if request["logs"] and node.get("phase") in ("Running", "Succeeded", "Failed", "Error"):
            head.begin(request["follow"])
    _say_bereft(request, nodes, heads, tell)


def _say_bereft(request: Mapping[str, Any], nodes: Any, heads: dict[str, Head], tell: Tell) -> None:
    for one, others in bereft(nodes).items():
        if not heads[one].bereft:
            heads[one].bereft = True
            still = f"{' and '.join(others)} still run{'s' * (len(others) == 1)}"
            how = f"`scripts/loop cancel {request['name']}` ends the job"
            tell("said", text=f"{heads[one].step} has failed and {still}: {how}")


def _get(cluster: Cluster, name: str) -> Any:
    return cluster.workflows.get_namespaced_custom_object(
        **GROUP, namespace=cluster.namespace, name=name, **TIMES
    )

"""Looks at Workflows: their phase, what their pods print as it comes, their end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from kubernetes import watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from ..voice import Tell
from .client import CONNECT, GROUP, READ, Cluster
from .logs import Head

TIMES = {"_request_timeout": (CONNECT, READ)}
# The states of jobs, wherever they run, by the phases that Argo has for them.
STATES = {"": "Queued", "Pending": "Queued", "Running": "Running", "Succeeded": "Completed"}
ENDED = ("Completed", "Failed", "Canceled")


def status(cluster: Cluster, request: Mapping[str, Any], tell: Tell) -> Any:
    found = _get(cluster, request["name"])
    told = found.get("status", {})
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
            {"name": one["id"], "step": _step(one), "status": _state(one)}
            for one in _pods(found)
            if len(_pods(found)) > 1
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
        _request_timeout=(CONNECT, READ),
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
    nodes = _pods(found)
    for node in nodes:
        step = _step(node) if len(nodes) > 1 or _has_parts(found) else ""
        head = heads.setdefault(node["id"], Head(cluster, request, node["id"], step, tell))
        if step and head.state != _state(node):
            head.state = _state(node)
            tell("state", of=step, state=head.state)
        if request["logs"] and node.get("phase") in ("Running", "Succeeded", "Failed", "Error"):
            head.begin(request["follow"])


def _has_parts(found: Mapping[str, Any]) -> bool:
    nodes = found.get("status", {}).get("nodes", {}).values()
    return any(one.get("type") == "DAG" for one in nodes)


def _get(cluster: Cluster, name: str) -> Any:
    return cluster.workflows.get_namespaced_custom_object(
        **GROUP, namespace=cluster.namespace, name=name, **TIMES
    )


def _pods(found: Mapping[str, Any]) -> list[Any]:
    """The nodes that are pods, in the order in which they came."""
    nodes = found.get("status", {}).get("nodes", {}).values()
    pods = [
        one for one in nodes if one.get("type") == "Pod" and one.get("templateName") != "rendezvous"
    ]
    return sorted(pods, key=lambda one: (one.get("startedAt") or "", one["id"]))


def _step(node: Mapping[str, Any]) -> str:
    """A node's name as a person reads it: "train-it", "train-it-node-1", "trial-2" of
    "trial(1:rate:0.3,...)"."""
    given = node.get("inputs", {}).get("parameters", [])
    trial = next((one.get("value") for one in given if one["name"] == "trial"), None)
    name = re.sub(r"\(.*\)$", "", str(node.get("displayName") or node["id"]))
    template = str(node.get("templateName") or "")
    if trial is None:
        of_step = template.endswith(f"-{name}") and not template.startswith("main-")
        return template if of_step else name
    return str(trial) if name == "trial" else f"{trial}.{name}"


def _state(node: Mapping[str, Any]) -> str:
    return STATES.get(node.get("phase") or "", "Failed")


def state_of(found: Mapping[str, Any], ending: bool = False) -> str:
    """One that somebody stopped is cancelled, whatever phase Argo gives it."""
    phase = found.get("status", {}).get("phase") or ""
    stopped = bool(found.get("spec", {}).get("shutdown"))
    state = STATES.get(phase, "Failed")
    if stopped and (ending or state == "Failed"):
        return "Canceled" if state in ENDED else "CancelRequested"
    return state


def error_of(found: Mapping[str, Any]) -> str:
    """Why it failed, with the exit code of the first pod that did where one is known."""
    told = found.get("status", {})
    if state_of(found) != "Failed":
        return ""
    failed = [one for one in _pods(found) if one.get("phase") in ("Failed", "Error")]
    failed.sort(key=lambda one: one.get("finishedAt") or "")
    message = str((failed[0] if failed else told).get("message") or told.get("message") or "")
    code = str((failed[0].get("outputs") or {}).get("exitCode") or "") if failed else ""
    if code and not re.search(r"exit code:? \d", message):
        message = f"{message}: exit code {code}" if message else f"exit code {code}"
    step = _step(failed[0]) if failed and _has_parts(found) else ""
    return " ".join(f"{step + ': ' if step else ''}{message}".split())

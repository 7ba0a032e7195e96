"""A Workflow's status in the states that every backend uses. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# Argo's phases -> states of jobs.
STATES = {"": "Queued", "Pending": "Queued", "Running": "Running", "Succeeded": "Completed"}
ENDED = ("Completed", "Failed", "Canceled")


def has_parts(workflow: Mapping[str, Any]) -> bool:
    nodes = workflow.get("status", {}).get("nodes", {}).values()
    return any(node.get("type") == "DAG" for node in nodes)


def pods(workflow: Mapping[str, Any]) -> list[Any]:
    """The nodes that are pods, in the order of their start."""
    nodes = workflow.get("status", {}).get("nodes", {}).values()
    found_pods = [
        node
        for node in nodes
        if node.get("type") == "Pod" and node.get("templateName") != "rendezvous"
    ]
    return sorted(found_pods, key=lambda node: (node.get("startedAt") or "", node["id"]))


def node_name(node: Mapping[str, Any]) -> str:
    """A node's display name: "train-it", "train-it-node-1", "trial-2" of "trial(1:rate:0.3,...)"."""
    parameters = node.get("inputs", {}).get("parameters", [])
    trial = next((node.get("value") for node in parameters if node["name"] == "trial"), None)
    name = re.sub(r"\(.*\)$", "", str(node.get("displayName") or node["id"]))
    template = str(node.get("templateName") or "")
    if trial is None:
        of_step = template.endswith(f"-{name}") and not template.startswith("main-")
        return template if of_step else name
    return str(trial) if name == "trial" else f"{trial}.{name}"


def orphaned_pods(nodes: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The id of each failed pod of a distributed job -> the pods of that job that still run.

    Argo does not stop those.
    """
    jobs: dict[str, list[Mapping[str, Any]]] = {}
    for node in nodes:
        if match := re.fullmatch(r"(.*)node-\d+", node_name(node)):
            jobs.setdefault(match[1], []).append(node)
    return {
        node["id"]: rest
        for several in jobs.values()
        for node in several
        if node.get("phase") in ("Failed", "Error")
        and (
            rest := tuple(node_name(other) for other in several if other.get("phase") == "Running")
        )
    }


def node_state(node: Mapping[str, Any]) -> str:
    return STATES.get(node.get("phase") or "", "Failed")


def state_of(workflow: Mapping[str, Any], ending: bool = False) -> str:
    """A stopped Workflow is cancelled, whatever its phase."""
    phase = workflow.get("status", {}).get("phase") or ""
    stopped = bool(workflow.get("spec", {}).get("shutdown"))
    state = STATES.get(phase, "Failed")
    if stopped and (ending or state == "Failed"):
        return "Canceled" if state in ENDED else "CancelRequested"
    return state


def failure_message(workflow: Mapping[str, Any]) -> str:
    """Why it failed, with the exit code of the first pod that failed if it is known."""
    status = workflow.get("status", {})
    if state_of(workflow) != "Failed":
        return ""
    failed = [node for node in pods(workflow) if node.get("phase") in ("Failed", "Error")]
    failed.sort(key=lambda node: node.get("finishedAt") or "")
    message = str((failed[0] if failed else status).get("message") or status.get("message") or "")
    code = str((failed[0].get("outputs") or {}).get("exitCode") or "") if failed else ""
    if code and not re.search(r"exit code:? \d", message):
        message = f"{message}: exit code {code}" if message else f"exit code {code}"
    step = node_name(failed[0]) if failed and has_parts(workflow) else ""
    hint = _HINT if re.search(_NO_STORAGE, message) else ""
    return " ".join(f"{step + ': ' if step else ''}{message}{hint}".split())


# Source: the executor's messages, since and before version 3.3.
_NO_STORAGE = r"configure artifact storage|cannot get key for artifact location"
_HINT = " (or keep ./outputs on a volume: [argo.outputs] in innerloop.toml)"


def pending_reason(node: Mapping[str, Any]) -> str:
    """Why a pod has not started, such as a missing node or image; "" for other pods."""
    return str(node.get("message") or "") if node.get("phase") == "Pending" else ""

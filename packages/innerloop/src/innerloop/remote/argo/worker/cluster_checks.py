"""Facts about the cluster, asked for one after the other: each (state, name, what, mend)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from ...worker.protocol import Tell
from . import argo_errors
from .api_client import TIMES, Cluster

Fact = tuple[str, str, str, str]
# What submitting, following and stopping need: (verb, group, resource, subresource).
RIGHTS = (
    ("create", "argoproj.io", "workflows", ""),
    ("get", "argoproj.io", "workflows", ""),
    ("watch", "argoproj.io", "workflows", ""),
    ("patch", "argoproj.io", "workflows", ""),
    ("list", "", "pods", ""),
    ("get", "", "pods", "log"),
)


def doctor(cluster: Cluster, request: Mapping[str, Any], tell: Tell) -> Any:
    """Stops at the first that fails of those without which nothing else can be known."""
    facts: list[Fact] = [("ok", "cluster", f"{cluster.server}, {cluster.source}", "")]
    for ask in (_version, _argo):
        tell("beat")
        try:
            facts.append(ask(cluster))
        except Exception as error:
            fault = argo_errors.explain(error, request, cluster.server)
            return [*facts, ("bad", ask.__name__.strip("_"), fault.what, fault.hint)]
    for question in (_rights, _gpus):
        tell("beat")
        try:
            facts += question(cluster, request)
        except Exception as error:
            fault = argo_errors.explain(error, request, cluster.server)
            facts.append(("note", question.__name__.strip("_"), fault.what, fault.hint))
    return facts


def _version(cluster: Cluster) -> Fact:
    found = client.VersionApi(cluster.api).get_code(**TIMES)
    return "ok", "version", f"Kubernetes {found.git_version} answers", ""


def _argo(cluster: Cluster) -> Fact:
    try:
        found = cluster.workflows.get_api_resources("argoproj.io", "v1alpha1", **TIMES)
    except ApiException as error:
        if error.status != 404:
            raise
        hint = "Install it in the cluster, or name another with [argo] context"
        return "bad", "argo", "Argo Workflows is not installed there", hint
    kinds = sorted(one.kind for one in found.resources if "/" not in one.name)
    return "ok", "argo", f"Argo Workflows: {', '.join(kinds)}", ""


def _rights(cluster: Cluster, request: Mapping[str, Any]) -> list[Fact]:
    refused = [right for right in RIGHTS if not _may(cluster, right)]
    where = f"in the namespace {cluster.namespace}"
    if not refused:
        return [("ok", "permissions", f"you may submit, follow and stop {where}", "")]
    words = ", ".join(f"{v} {r}{'/' + s if s else ''}" for v, _, r, s in refused)
    hint = "Ask for a role there, or name another namespace with [argo] namespace"
    return [("bad", "permissions", f"you may not {words} {where}", hint)]


def _may(cluster: Cluster, right: tuple[str, str, str, str]) -> bool:
    verb, group, resource, subresource = right
    asked = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(
                namespace=cluster.namespace, verb=verb, group=group, resource=resource,
                subresource=subresource or None,
            )
        )
    )  # fmt: skip
    told = cluster.access.create_self_subject_access_review(asked, **TIMES)
    return bool(told.status.allowed)


def _gpus(cluster: Cluster, request: Mapping[str, Any]) -> list[Fact]:
    """By what the nodes have to give."""
    name = request["gpu_resource"]
    counts = [
        int((one.status.allocatable or {}).get(name, "0"))
        for one in cluster.core.list_node(**TIMES).items
    ]
    having = [count for count in counts if count]
    if having:
        return [("ok", "GPUs", f"{sum(having)} {name} on {len(having)} of {len(counts)} nodes", "")]
    what = f"none of {len(counts)} nodes has {name}"
    if request["wanted"]:
        hint = (
            f"{', '.join(request['wanted'])} would wait for ever: set [argo] gpus or gpu_resource"
        )
        return [("bad", "GPUs", what, hint)]
    return [("ok", "GPUs", what, "")]

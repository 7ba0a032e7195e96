"""Facts about the cluster for `loop doctor`, each (state, name, what, hint)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from ...worker.protocol import Emit
from . import argo_errors
from .api_client import TIMES, ClusterClient

Fact = tuple[str, str, str, str]
# The permissions for submitting, following and stopping: (verb, group, resource, subresource).
PERMISSIONS = (
    ("create", "argoproj.io", "workflows", ""),
    ("get", "argoproj.io", "workflows", ""),
    ("watch", "argoproj.io", "workflows", ""),
    ("patch", "argoproj.io", "workflows", ""),
    ("list", "", "pods", ""),
    ("get", "", "pods", "log"),
)


def doctor(cluster: ClusterClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Stops if the version or Argo Workflows fails: nothing else can be asked then."""
    facts: list[Fact] = [("ok", "cluster", f"{cluster.server}, {cluster.source}", "")]
    for check in (_version, _argo):
        emit("heartbeat")
        try:
            facts.append(check(cluster))
        except Exception as error:
            explained = argo_errors.explain(error, request, cluster.server)
            return [*facts, ("bad", check.__name__.strip("_"), explained.what, explained.hint)]
    for question in (_permissions, _gpus):
        emit("heartbeat")
        try:
            facts += question(cluster, request)
        except Exception as error:
            explained = argo_errors.explain(error, request, cluster.server)
            name = question.__name__.strip("_")
            facts.append(("note", name, explained.what, explained.hint))
    return facts


def _version(cluster: ClusterClient) -> Fact:
    answer = client.VersionApi(cluster.api).get_code(**TIMES)
    return "ok", "version", f"Kubernetes {answer.git_version} answers", ""


def _argo(cluster: ClusterClient) -> Fact:
    try:
        answer = cluster.workflows.get_api_resources("argoproj.io", "v1alpha1", **TIMES)
    except ApiException as error:
        if error.status != 404:
            raise
        hint = "Install it in the cluster, or set another [argo] context"
        return "bad", "argo", "Argo Workflows is not installed there", hint
    kinds = sorted(item.kind for item in answer.resources if "/" not in item.name)
    return "ok", "argo", f"Argo Workflows: {', '.join(kinds)}", ""


def _permissions(cluster: ClusterClient, request: Mapping[str, Any]) -> list[Fact]:
    refused = [right for right in PERMISSIONS if not _is_allowed(cluster, right)]
    where = f"in the namespace {cluster.namespace}"
    if not refused:
        return [("ok", "permissions", f"you may submit, follow and stop {where}", "")]
    words = ", ".join(f"{v} {r}{'/' + s if s else ''}" for v, _, r, s in refused)
    hint = "Ask for a role there, or set another [argo] namespace"
    return [("bad", "permissions", f"you may not {words} {where}", hint)]


def _is_allowed(cluster: ClusterClient, right: tuple[str, str, str, str]) -> bool:
    verb, group, resource, subresource = right
    asked = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(
                namespace=cluster.namespace, verb=verb, group=group, resource=resource,
                subresource=subresource or None,
            )
        )
    )  # fmt: skip
    review = cluster.access.create_self_subject_access_review(asked, **TIMES)
    return bool(review.status.allowed)


def _gpus(cluster: ClusterClient, request: Mapping[str, Any]) -> list[Fact]:
    """From the nodes' allocatable resources."""
    name = request["gpu_resource"]
    counts = [
        int((item.status.allocatable or {}).get(name, "0"))
        for item in cluster.core.list_node(**TIMES).items
    ]
    having = [count for count in counts if count]
    if having:
        return [("ok", "GPUs", f"{sum(having)} {name} on {len(having)} of {len(counts)} nodes", "")]
    what = f"none of {len(counts)} nodes has {name}"
    if request["gpu_users"]:
        hint = (
            f"{', '.join(request['gpu_users'])} would wait forever: set [argo] gpus or gpu_resource"
        )
        return [("bad", "GPUs", what, hint)]
    return [("ok", "GPUs", what, "")]

"""Sends a Workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes.client.exceptions import ApiException

from ...worker.protocol import Tell
from .api_client import GROUP, TIMES, Cluster


def look(cluster: Cluster, request: Mapping[str, Any], tell: Tell) -> Any:
    """Whether the cluster would take this Workflow, before an image is built for it: the API server
    tries it and keeps nothing."""
    tell("beat")
    _create(cluster, request, dry_run="All")
    return {"namespace": cluster.namespace, "server": cluster.server, "source": cluster.source}


def submit(cluster: Cluster, request: Mapping[str, Any], tell: Tell) -> Any:
    tell("creating")
    return {"existed": _create(cluster, request)}


def _create(cluster: Cluster, request: Mapping[str, Any], **how: str) -> bool:
    """Whether it was there already. With `ours`, nobody else makes such a name: one that is there is
    the answer to an earlier try that was lost on its way."""
    manifest = request["manifest"]
    manifest["metadata"]["namespace"] = cluster.namespace
    try:
        cluster.workflows.create_namespaced_custom_object(
            **GROUP, namespace=cluster.namespace, body=manifest, **how, **TIMES
        )
    except ApiException as error:
        if error.status != 409 or not request["ours"]:
            raise
        return True
    return False

"""Create a Workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes.client.exceptions import ApiException

from ...worker.protocol import Emit
from .api_client import GROUP, TIMES, ClusterClient


def check(cluster: ClusterClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Asks the API server to validate the Workflow without creating it (a server-side dry run)."""
    emit("heartbeat")
    _create(cluster, request, dry_run="All")
    return {"namespace": cluster.namespace, "server": cluster.server, "source": cluster.source}


def submit(cluster: ClusterClient, request: Mapping[str, Any], emit: Emit) -> Any:
    emit("creating")
    return {"existed": _create(cluster, request)}


def _create(cluster: ClusterClient, request: Mapping[str, Any], **how: str) -> bool:
    """Whether it existed already.

    With `ours` nobody else chooses such a name: an existing Workflow was created by an earlier
    attempt whose answer was lost.
    """
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

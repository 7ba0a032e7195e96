"""The connection to the worker that talks to the cluster."""

from __future__ import annotations

from pathlib import Path

from ..worker.client import Service, ServiceError, WorkerClient, plain_environment
from .worker.argo_errors import scrub

__all__ = ["ArgoConnection", "ServiceError"]


class ArgoConnection(WorkerClient):
    """Use as `with ArgoConnection(root) as connection: connection.ask(...)`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, SERVICE)

    def __enter__(self) -> ArgoConnection:
        return self


SERVICE = Service(
    name="the cluster",
    group="kubernetes",
    module="innerloop.remote.argo.worker.main",
    report=".innerloop/cluster-error.log",
    env=plain_environment,
    scrub=scrub,
    stalled_message=lambda verb, host: "the cluster does not answer",
)

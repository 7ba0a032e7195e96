"""The line to the program that talks to the cluster (`worker`)."""

from __future__ import annotations

from pathlib import Path

from ..worker import client
from ..worker.client import Fault, Service, plain_environment
from .worker.argo_errors import scrub

__all__ = ["Fault", "Line"]


class Line(client.Line):
    """Use as `with Line(root) as line: line.ask(...)`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, SERVICE)

    def __enter__(self) -> Line:
        return self


SERVICE = Service(
    name="the cluster",
    group="kubernetes",
    module="innerloop.remote.argo.worker.main",
    report=".innerloop/cluster-error.log",
    env=plain_environment,
    scrub=scrub,
    silent=lambda verb: "the cluster is silent",
)

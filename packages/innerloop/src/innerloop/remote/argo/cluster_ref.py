"""Which cluster Workflows go to."""

from __future__ import annotations

from ...util.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClusterRef:
    """`context` of the kubeconfig and `namespace`, each "" for the kubeconfig's own.

    `server` is the address of the API, once it has been asked.
    """

    context: str = ""
    namespace: str = ""
    server: str = ""

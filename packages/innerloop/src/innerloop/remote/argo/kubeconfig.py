"""Which cluster a kubeconfig or a pod's service account gives access to, read without the client."""

from __future__ import annotations

import os
from pathlib import Path


def find() -> str:
    """A description of the kubeconfig, or of the pod's service account; "" where there is none.

    Source: Kubernetes, "Organizing Cluster Access Using kubeconfig Files" and "Accessing the API from
    within a Pod".
    """
    path = os.environ.get("KUBECONFIG") or str(Path("~", ".kube", "config"))
    for part in path.split(os.pathsep):
        if part and Path(part).expanduser().is_file():
            return part
    return "the pod's service account" if "KUBERNETES_SERVICE_HOST" in os.environ else ""

"""The Kubernetes client, configured by the kubeconfig or from within the cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException

from .argo_errors import NoCluster

GROUP = {"group": "argoproj.io", "version": "v1alpha1", "plural": "workflows"}
# Where a pod finds its own namespace. Source: Kubernetes, "Accessing the API from within a Pod".
OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
CONNECT, READ = 15, 60
TIMES = {"_request_timeout": (CONNECT, READ)}


@dataclass(frozen=True, slots=True)
class ClusterClient:
    """`source` says where the configuration comes from."""

    api: Any
    namespace: str
    server: str
    source: str

    @property
    def workflows(self) -> Any:
        return client.CustomObjectsApi(self.api)

    @property
    def core(self) -> Any:
        return client.CoreV1Api(self.api)

    @property
    def access(self) -> Any:
        return client.AuthorizationV1Api(self.api)


def connect(request: Mapping[str, Any]) -> ClusterClient:
    """A kubeconfig has precedence, as for kubectl; without one the pod's service account is used."""
    target = request["target"]
    configuration = client.Configuration()
    # A request that may have arrived is not sent again.
    configuration.retries = urllib3.Retry(total=2, read=0, other=0, backoff_factor=0.2)
    path = os.environ.get("KUBECONFIG") or config.KUBE_CONFIG_DEFAULT_LOCATION
    if any(Path(one).expanduser().is_file() for one in path.split(os.pathsep) if one):
        context = _load(configuration, path, target["context"])
        own = str(context.get("context", {}).get("namespace") or "default")
        source = f"context {context.get('name')} of {path}"
    elif "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(client_configuration=configuration)
        own = OWN_NAMESPACE.read_text().strip() if OWN_NAMESPACE.is_file() else "default"
        source = "the pod's service account"
    else:
        raise NoCluster(
            "there is no kubeconfig that names a cluster",
            "Put one at ~/.kube/config, or name it with KUBECONFIG",
        )
    return ClusterClient(
        client.ApiClient(configuration), target["namespace"] or own, configuration.host, source
    )


def _load(configuration: Any, path: str, context: str) -> Mapping[str, Any]:
    try:
        known, current = config.list_kube_config_contexts(path)
        config.load_kube_config(path, context or None, client_configuration=configuration)
    except Exception as error:  # a user's file: no error in it is a bug of ours
        if context and isinstance(error, ConfigException) and "context" in str(error).lower():
            what = f'the kubeconfig has no context "{context}"'
            raise NoCluster(what, "`kubectl config get-contexts` lists them") from error
        words = " ".join(str(error).split())
        raise NoCluster(f"the kubeconfig cannot be used: {words}", f"Fix {path}") from error
    chosen = next((one for one in known if one["name"] == context), current)
    found: Mapping[str, Any] = chosen
    return found

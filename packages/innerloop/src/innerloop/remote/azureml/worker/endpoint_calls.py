"""Requests about online endpoints: their state, their logs, a test request, their deletion.

Keys and tokens stay in this process; only `endpoint_address` and `endpoint_keys` emit them, in an
`address` event, which is never printed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import requests
from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError

from ...worker.protocol import Emit

HEADER = "azureml-model-deployment"
_CONTAINERS = {"server": "inference-server", "model": "storage-initializer"}


def endpoint_get(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """The endpoint `name` with its deployments; None if it does not exist."""
    try:
        endpoint = client.online_endpoints.get(request["name"])
    except ResourceNotFoundError:
        return None
    shares = endpoint.traffic or {}  # mirrored traffic is not counted
    deployments = [
        item for item in client.online_deployments.list(request["name"]) if item is not None
    ]
    return {
        "name": endpoint.name,
        "url": endpoint.scoring_uri or "",
        "auth": str(endpoint.auth_mode or ""),
        "state": enum_text(endpoint.provisioning_state),
        "tags": dict(endpoint.tags or {}),
        "settings": _settings(endpoint),
        "deployments": [_deployment(item, shares) for item in deployments],
    }


def _settings(endpoint: Any) -> dict[str, Any]:
    """The endpoint's settings by the keys of endpoint.yaml."""
    identity = endpoint.identity
    own = [
        str(item.resource_id) for item in getattr(identity, "user_assigned_identities", None) or ()
    ]
    return {
        "description": endpoint.description or "",
        "auth_mode": str(endpoint.auth_mode or ""),
        "public_network_access": enum_text(getattr(endpoint, "public_network_access", "")),
        "compute": str(getattr(endpoint, "compute", "") or ""),
        "identity": {
            "type": enum_text(getattr(identity, "type", "")), "user_assigned_identities": own
        },
    }  # fmt: skip


def _deployment(deployment: Any, shares: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": deployment.name,
        "state": enum_text(deployment.provisioning_state),
        "traffic": int(shares.get(deployment.name, 0)),
        "model": _asset(deployment.model),
        "environment": _asset(deployment.environment),
        "instance": str(deployment.instance_type or ""),
        "count": int(deployment.instance_count or 0),
        "tags": dict(deployment.tags or {}),
    }


def enum_text(value: Any) -> str:
    """A value of Azure's client, which may be an enumeration member, as text."""
    return str(getattr(value, "value", value) or "")


def _asset(value: Any) -> str:
    """`name:version` of an asset's ARM id."""
    parts = str(value or "").split("/")
    return f"{parts[-3]}:{parts[-1]}" if len(parts) > 3 and parts[-2] == "versions" else parts[-1]


def endpoint_logs(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Emit the last `lines` lines of a deployment's container.

    The container is "server", or "model", which loads the model.
    """
    text = client.online_deployments.get_logs(
        request["deployment"],
        request["name"],
        request["lines"],
        container_type=_CONTAINERS[request["container"]],
    )
    emit("log", of="", file="", text=str(text))
    return None


def endpoint_address(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Emits the endpoint's URL and the headers that authorize a request."""
    endpoint = client.online_endpoints.get(request["name"])
    key = _key(client, request["name"])
    emit("address", url=endpoint.scoring_uri, headers={"Authorization": f"Bearer {key}"})
    return None


def endpoint_keys(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    keys = client.online_endpoints.get_keys(request["name"])
    names = ("primary_key", "secondary_key", "access_token")
    emit("address", keys={n: getattr(keys, n) for n in names if getattr(keys, n, None)})
    return None


def _key(client: MLClient, name: str) -> str:
    keys = client.online_endpoints.get_keys(name)
    return str(getattr(keys, "primary_key", None) or getattr(keys, "access_token", None) or "")


def endpoint_probe(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Send one request to one deployment, whatever the traffic is.

    Returns the status, the beginning of the answer and the seconds it took. A broken connection or
    a server that is not up yet (502, 503, 504) is tried again, `tries` times in all.
    """
    endpoint = client.online_endpoints.get(request["name"])
    headers = {
        "Authorization": f"Bearer {_key(client, request['name'])}",
        "Content-Type": request["type"],
        HEADER: request["deployment"],
    }
    with open(request["file"], "rb") as file:
        body = file.read()
    for left in range(request["tries"] - 1, -1, -1):
        status, text, seconds = _post(str(endpoint.scoring_uri), body, headers)
        if status not in (0, 429, 502, 503, 504) or not left:
            break
        emit("heartbeat")
        time.sleep(request["pause"])
    return {"status": status, "text": text[:2000], "seconds": seconds}


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, float]:
    began = time.monotonic()
    try:
        answer = requests.post(url, data=body, headers=dict(headers), timeout=(10, 100))
    except requests.RequestException as error:
        return 0, f"no answer: {type(error).__name__}", time.monotonic() - began
    return answer.status_code, answer.text, time.monotonic() - began


def deployment_delete(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    try:
        poller = client.online_deployments.begin_delete(request["deployment"], request["name"])
    except ResourceNotFoundError:
        return False
    wait(poller, emit, request["pause"])
    return True


def endpoint_delete(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    try:
        poller = client.online_endpoints.begin_delete(request["name"])
    except ResourceNotFoundError:
        return False
    wait(poller, emit, request["pause"])
    return True


def wait(poller: Any, emit: Emit, pause: float) -> Any:
    """The operation's result; emits heartbeats, since an operation takes up to 20 minutes."""
    while not poller.done():
        emit("heartbeat")
        poller.wait(pause)
    return poller.result()

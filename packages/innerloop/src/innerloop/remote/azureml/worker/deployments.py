"""Create what a deployment consists of.

It consists of versions of the model and the environment, the endpoint, the deployment, and the
traffic. Each function is one step and is safe to repeat.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from azure.ai.ml import MLClient, load_online_deployment, load_online_endpoint
from azure.ai.ml.entities import Environment, Model, OnlineEndpoint
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobClient

from ...worker.protocol import Emit
from .endpoint_calls import enum_text, wait
from .job_states import UNSETTLED

DIGEST, SOURCE = "innerloop.digest", "innerloop.source"


class DeploymentFailed(Exception):
    """Azure accepted the deployment and could not start it. The text is Azure's."""


def model_register(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Register a version of the model `name` from `path` (a local folder, or azureml://...).

    Nothing is registered if there is a version with the same digest or from the same job.
    """
    tags = request["tags"]
    marks = {key: tags[key] for key in (DIGEST, SOURCE) if tags.get(key)}
    for model in _versions(client, request["name"]):
        if marks and any((model.tags or {}).get(key) == value for key, value in marks.items()):
            return {"name": model.name, "version": str(model.version), "existed": True}
    created = client.models.create_or_update(
        Model(
            name=request["name"],
            path=request["path"],
            type=request["type"],
            description=request["description"] or None,
            tags=tags,
        )
    )
    return {"name": created.name, "version": str(created.version), "existed": False}


def _versions(client: MLClient, name: str) -> list[Any]:
    try:
        return list(client.models.list(name=name))
    except ResourceNotFoundError:
        return []


def model_find(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """A registered model; without a version the latest.

    `mark` identifies a registration of ours, "" for any other.
    """
    name, version = request["name"], request["version"]
    label = {"label": "latest"} if not version else {"version": version}
    model = client.models.get(name, **label)
    tags = model.tags or {}
    mark = f"folder:{tags[DIGEST]}" if tags.get(DIGEST) else tags.get(SOURCE, "")
    return {"name": model.name, "version": str(model.version), "mark": mark}


def environment_register(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Registers the environment of the deployment file.

    Its version is derived from its content, so an existing one is the same.
    """
    name, version = request["name"], request["version"]
    try:
        client.environments.get(name, version=version)
        return {"existed": True}
    except ResourceNotFoundError:
        pass
    os.chdir(request["root"])
    environment = load_online_deployment(request["file"]).environment
    assert isinstance(environment, Environment)
    environment.name, environment.version = name, version
    environment.tags = {**(environment.tags or {}), **request["tags"]}
    client.environments.create_or_update(environment)
    return {"existed": False}


def endpoint_create(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Creates the file's endpoint with the name `name` and waits until it is ready."""
    endpoint = _endpoint_of(request)
    endpoint.tags = {**(endpoint.tags or {}), **request["tags"]}
    endpoint.traffic = {}
    wait(client.online_endpoints.begin_create_or_update(endpoint), emit, request["pause"])
    return None


def _endpoint_of(request: Mapping[str, Any]) -> OnlineEndpoint:
    """The endpoint of a file with values that the service accepts.

    The client passes on `disabled` for `Disabled`, and a number as a tag.
    """
    endpoint = load_online_endpoint(request["file"], params_override=[{"name": request["name"]}])
    endpoint.tags = {key: str(value) for key, value in (endpoint.tags or {}).items()}
    if access := getattr(endpoint, "public_network_access", None):
        endpoint.public_network_access = access.capitalize()
    return endpoint


def endpoint_update(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Sets `keys` and `tags` of an endpoint to the values in the file."""
    from_file = _endpoint_of(request)
    endpoint = client.online_endpoints.get(request["name"])
    endpoint.tags = {
        **(endpoint.tags or {}),
        **{key: from_file.tags[key] for key in request["tags"]},
    }
    for key in request["keys"]:
        setattr(endpoint, key, getattr(from_file, key))
    wait(client.online_endpoints.begin_create_or_update(endpoint), emit, request["pause"])
    return None


def endpoint_wait(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Wait until Azure has ended an earlier operation on the endpoint.

    Returns its state, "" if it was deleted.
    """
    name = request["name"]
    return _settled(lambda: client.online_endpoints.get(name), emit, request["pause"])


def deployment_wait(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """The same for a deployment; raises DeploymentFailed if it failed."""
    name, deployment = request["name"], request["deployment"]
    get = client.online_deployments.get
    state = _settled(lambda: get(deployment, name), emit, request["pause"])
    if state == "Failed":
        raise DeploymentFailed(f'deployment "{deployment}" failed')
    return state


def _settled(get: Callable[[], Any], emit: Emit, pause: float) -> str:
    while True:
        try:
            state = enum_text(get().provisioning_state)
        except ResourceNotFoundError:
            return ""
        if state not in UNSETTLED:
            return state
        emit("heartbeat")
        time.sleep(pause)


def deployment_create(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Creates the file's deployment under another name, with a registered model and environment."""
    os.chdir(request["root"])
    deployment = load_online_deployment(
        request["file"],
        params_override=[{"name": request["deployment"]}, {"endpoint_name": request["name"]}],
    )
    deployment.model = f"azureml:{request['model']}" if request["model"] else None
    deployment.environment = request["environment"]
    deployment.tags = {**(deployment.tags or {}), **request["tags"]}
    poller = client.online_deployments.begin_create_or_update(deployment)
    try:
        wait(poller, emit, request["pause"])
    except HttpResponseError as error:
        words = str(error.message or error)
        _emit_build_log(client, words, emit)
        raise DeploymentFailed(words) from error
    return None


# How the service says where an image's build log is. Source: Azure Machine Learning,
# "Troubleshooting online endpoints", ImageBuildFailure.
_BUILD_LOG = re.compile(
    r"storage account '(?P<account>[a-z0-9]+)' in the container '(?P<container>[^']+)' "
    r"at the path '(?P<path>[^']+)'"
)


def _emit_build_log(client: MLClient, words: str, emit: Emit) -> None:
    """Emits the log of a failed image build, if the service says where it is and we may read it."""
    match = _BUILD_LOG.search(words)
    if match is None:
        return
    try:
        store = client.datastores.get_default(include_secrets=True).credentials
        secret = getattr(store, "account_key", None) or getattr(store, "sas_token", None)
        blob = BlobClient(
            f"https://{match['account']}.blob.core.windows.net",
            match["container"],
            match["path"],
            credential=secret or client._credential,
        )
        content: bytes = blob.download_blob().readall()
    except AzureError:
        return
    emit("log", of="", file=match["path"], text=content.decode("utf-8", "replace"))


def endpoint_traffic(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Sets the traffic and, in the same request, the endpoint's tags.

    A tag without a value is removed.
    """
    endpoint = client.online_endpoints.get(request["name"])
    endpoint.traffic = dict(request["traffic"])
    tags = {**(endpoint.tags or {}), **request["tags"]}
    endpoint.tags = {key: value for key, value in tags.items() if value}
    wait(client.online_endpoints.begin_create_or_update(endpoint), emit, request["pause"])
    return None

"""What a deployment is made of, each step asked for alone and each safe to repeat: the model and
the environment as versions of the workspace, the endpoint, the deployment, the traffic."""

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

from .endpoint_calls import text, wait
from .job_states import UNSETTLED

Tell = Callable[..., None]
DIGEST, SOURCE = "innerloop.digest", "innerloop.source"


class DeploymentFailed(Exception):
    """Azure took the deployment and could not bring it up. The words are Azure's."""


def model_register(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    """A version of the model `name` from `path` (a folder here, or azureml://...), unless one with
    the same digest, or from the same job, is there: then that one."""
    tags = request["tags"]
    marks = {key: tags[key] for key in (DIGEST, SOURCE) if tags.get(key)}
    for one in _versions(client, request["name"]):
        if marks and any((one.tags or {}).get(key) == value for key, value in marks.items()):
            return {"name": one.name, "version": str(one.version), "existed": True}
    made = client.models.create_or_update(
        Model(
            name=request["name"],
            path=request["path"],
            type=request["type"],
            description=request["description"] or None,
            tags=tags,
        )
    )
    return {"name": made.name, "version": str(made.version), "existed": False}


def _versions(client: MLClient, name: str) -> list[Any]:
    try:
        return list(client.models.list(name=name))
    except ResourceNotFoundError:
        return []


def model_find(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    """A model that is registered already; without a version the latest. `mark` is what our own
    registrations are told apart by, "" for others'."""
    name, version = request["name"], request["version"]
    label = {"label": "latest"} if not version else {"version": version}
    found = client.models.get(name, **label)
    tags = found.tags or {}
    mark = f"folder:{tags[DIGEST]}" if tags.get(DIGEST) else tags.get(SOURCE, "")
    return {"name": found.name, "version": str(found.version), "mark": mark}


def environment_register(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    """The environment of the deployment file under a version that follows from its content, so one
    that is there is the same."""
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


def endpoint_make(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    """The endpoint of the file under the name `name`, up when it answers."""
    endpoint = _endpoint_of(request)
    endpoint.tags = {**(endpoint.tags or {}), **request["tags"]}
    endpoint.traffic = {}
    wait(client.online_endpoints.begin_create_or_update(endpoint), tell, request["pause"])
    return None


def _endpoint_of(request: Mapping[str, Any]) -> OnlineEndpoint:
    """That of a file, under a name, in the service's own words: its client hands on `disabled` for
    `Disabled`, and a tag that is a number."""
    endpoint = load_online_endpoint(request["file"], params_override=[{"name": request["name"]}])
    endpoint.tags = {key: str(value) for key, value in (endpoint.tags or {}).items()}
    if access := getattr(endpoint, "public_network_access", None):
        endpoint.public_network_access = access.capitalize()
    return endpoint


def endpoint_change(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    """Sets some `keys` of an endpoint as the file has them, and the `tags` that are named of it."""
    wanted = _endpoint_of(request)
    endpoint = client.online_endpoints.get(request["name"])
    endpoint.tags = {**(endpoint.tags or {}), **{key: wanted.tags[key] for key in request["tags"]}}
    for key in request["keys"]:
        setattr(endpoint, key, getattr(wanted, key))
    wait(client.online_endpoints.begin_create_or_update(endpoint), tell, request["pause"])
    return None


def endpoint_settle(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    """Waits until Azure has ended what an earlier call began with the endpoint; its state, "" for
    one that has gone."""
    name = request["name"]
    return _settled(lambda: client.online_endpoints.get(name), tell, request["pause"])


def deployment_settle(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    """The same for a deployment; one that failed is a `DeploymentFailed`."""
    name, deployment = request["name"], request["deployment"]
    get = client.online_deployments.get
    state = _settled(lambda: get(deployment, name), tell, request["pause"])
    if state == "Failed":
        raise DeploymentFailed(f'deployment "{deployment}" failed')
    return state


def _settled(get: Callable[[], Any], tell: Tell, pause: float) -> str:
    while True:
        try:
            state = text(get().provisioning_state)
        except ResourceNotFoundError:
            return ""
        if state not in UNSETTLED:
            return state
        tell("beat")
        time.sleep(pause)


def deployment_make(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    """The deployment of the file, under another name, with a registered model and environment."""
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
        wait(poller, tell, request["pause"])
    except HttpResponseError as error:
        words = str(error.message or error)
        _tell_build_log(client, words, tell)
        raise DeploymentFailed(words) from error
    return None


# How the service names the place of an image's build log. Source: Azure Machine Learning,
# "Troubleshooting online endpoints", ImageBuildFailure.
_BUILD_LOG = re.compile(
    r"storage account '(?P<account>[a-z0-9]+)' in the container '(?P<container>[^']+)' "
    r"at the path '(?P<path>[^']+)'"
)


def _tell_build_log(client: MLClient, words: str, tell: Tell) -> None:
    """The log of an image that could not be built, where the service says where it is and we may
    read it. Without it there is still its sentence."""
    found = _BUILD_LOG.search(words)
    if found is None:
        return
    try:
        store = client.datastores.get_default(include_secrets=True).credentials
        secret = getattr(store, "account_key", None) or getattr(store, "sas_token", None)
        blob = BlobClient(
            f"https://{found['account']}.blob.core.windows.net",
            found["container"],
            found["path"],
            credential=secret or client._credential,
        )
        content: bytes = blob.download_blob().readall()
    except AzureError:
        return
    tell("log", of="", file=found["path"], text=content.decode("utf-8", "replace"))


def endpoint_traffic(client: MLClient, request: Mapping[str, Any], tell: Tell) -> Any:
    """Sets who gets how much, and in the same step the endpoint's tags that say who is who; a tag
    without a value is taken away."""
    endpoint = client.online_endpoints.get(request["name"])
    endpoint.traffic = dict(request["traffic"])
    tags = {**(endpoint.tags or {}), **request["tags"]}
    endpoint.tags = {key: value for key, value in tags.items() if value}
    wait(client.online_endpoints.begin_create_or_update(endpoint), tell, request["pause"])
    return None

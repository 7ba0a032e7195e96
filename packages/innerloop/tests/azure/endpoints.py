"""The stand-in's online endpoints.

Models, endpoints, deployments, their logs and keys, operations that take a while, and the scoring
address, which hands a request on to a real server on loopback.

It refuses what the service refuses: traffic that does not add up, traffic to what is not ready,
deletion of a deployment that has traffic, an asset that is not there, a wrong key.

Source of the shapes: Azure REST API specifications, Microsoft.MachineLearningServices
(onlineEndpoints, onlineDeployments, models), and what azure-ai-ml 1.35 sends.
"""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.azure.network import SCORING as SCORING
from tests.azure.network import Answer, Asked
from tests.azure.standin import ROOT, SUBSCRIPTION, Azure, _resource, refusal, route, told

PRIMARY, SECONDARY = "primary-key-of-an-endpoint-0f00d", "secondary-key-of-an-endpoint-0f00d"
OPERATIONS = (
    f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices"
    "/locations/westeurope/mfeOperationsStatus"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")


@dataclass(slots=True)
class Operation:
    """Something that takes `looks` looks, at it or at the resource that it is about.

    `error` is how it ends, if badly.
    """

    path: str
    looks: int
    during: str
    error: dict[str, str] | None = None
    removes: bool = False


@dataclass(slots=True)
class Endpoints:
    """`looks`: how many looks an operation takes.

    `errors`: how making a deployment ends, by its name, or by "*" for the next one. `ports`: where
    a deployment's container listens here (a real server), by its name or "*". `logs`: what its
    container has printed, each look one further.
    """

    looks: int = 1
    taken: set[str] = field(default_factory=set)
    errors: dict[str, dict[str, str]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    scored: list[tuple[str, Asked]] = field(default_factory=list)
    requests: int = 0


# The service's memory of endpoints, by the Azure that it belongs to.
def endpoints(azure: Azure) -> Endpoints:
    if azure.endpoints is None:
        azure.endpoints = Endpoints()
    made: Endpoints = azure.endpoints
    return made


def deployments(azure: Azure, endpoint: str) -> dict[str, Any]:
    """The bodies of an endpoint's deployments by their names."""
    start = f"{ROOT}/onlineEndpoints/{endpoint}/deployments/"
    return {p.removeprefix(start): b for p, b in azure.bodies.items() if p.startswith(start)}


def traffic(azure: Azure, endpoint: str) -> dict[str, int]:
    body = azure.bodies[f"{ROOT}/onlineEndpoints/{endpoint}"]
    found: dict[str, int] = body["properties"].get("traffic") or {}
    return found


# Models


@route("GET", ROOT + r"/models/([^/]+)")
def _model(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    versions = [version for version, _ in _models(azure, found[1])]
    if not versions:
        return refusal(404, "ResourceNotFound", f"there is no model {found[1]}")
    latest = max(map(int, versions))
    properties = {"latestVersion": str(latest), "nextVersion": str(latest + 1), "isArchived": False}
    return told(_resource(asked.path, {"properties": properties}))


@route("GET", ROOT + r"/models/([^/]+)/versions")
def _model_versions(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    versions = [version for version, _ in reversed(_models(azure, found[1]))]
    own = [_model_resource(azure, f"{ROOT}/models/{found[1]}/versions/{one}") for one in versions]
    return told({"value": own})


@route("GET", ROOT + r"/models/([^/]+)/versions/([^/]+)")
def _model_version(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    if asked.path not in azure.bodies:
        return refusal(404, "ResourceNotFound", f"there is no model {found[1]}:{found[2]}")
    return told(_model_resource(azure, asked.path))


@route("PUT", ROOT + r"/models/([^/]+)/versions/([^/]+)")
def _put_model(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    if asked.path in azure.bodies:
        return refusal(409, "Conflict", f"model {found[1]}:{found[2]} already exists")
    azure.bodies[asked.path] = json.loads(asked.body)
    return told(_model_resource(azure, asked.path), 201)


def _model_resource(azure: Azure, path: str) -> dict[str, Any]:
    """As the service tells it: a model without flavors has none of them, not null."""
    body = azure.bodies[path]
    properties = {k: v for k, v in body["properties"].items() if v is not None}
    return _resource(path, {**body, "properties": {"flavors": {}, **properties}})


def _models(azure: Azure, name: str) -> list[tuple[str, Any]]:
    start = f"{ROOT}/models/{name}/versions/"
    return [(p.removeprefix(start), b) for p, b in azure.bodies.items() if p.startswith(start)]


# Endpoints

_ENDPOINT = ROOT + r"/onlineEndpoints/([^/]+)"
_DEPLOYMENT = _ENDPOINT + r"/deployments/([^/]+)"


@route("GET", ROOT + r"/onlineEndpoints")
def _list_endpoints(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    paths = [path for path in azure.bodies if re.fullmatch(_ENDPOINT, path)]
    return told({"value": [_endpoint_resource(azure, path) for path in paths]})


@route("GET", _ENDPOINT)
def _endpoint(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    _look(azure, asked.path)
    if asked.path not in azure.bodies:
        return refusal(404, "ResourceNotFound", f"there is no onlineEndpoint {found[1]}")
    return told(_endpoint_resource(azure, asked.path))


@route("PUT", _ENDPOINT)
def _put_endpoint(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    name, body = found[1], json.loads(asked.body)
    if not _NAME.fullmatch(name):
        return refusal(400, "BadRequest", f"endpoint name {name} is invalid")
    if name in endpoints(azure).taken:
        message = (
            "There is already an endpoint with this name, it needs to be unique within a region"
        )
        return refusal(400, "BadRequest", message)
    wanted = body["properties"].get("traffic") or {}
    if wrong := _wrong_traffic(azure, name, wanted):
        return refusal(400, "BadArgument", wrong)
    azure.bodies[asked.path] = body
    return _begin(azure, asked.path, "Updating" if wanted else "Creating", None)


def _wrong_traffic(azure: Azure, name: str, wanted: dict[str, int]) -> str:
    if sum(wanted.values()) not in (0, 100):
        return f"the sum of traffic must be 0 or 100, not {sum(wanted.values())}"
    for deployment in wanted:
        path = f"{ROOT}/onlineEndpoints/{name}/deployments/{deployment}"
        if path not in azure.bodies or endpoints(azure).states.get(path) != "Succeeded":
            return f"deployment {deployment} is not ready for traffic"
    return ""


@route("DELETE", _ENDPOINT)
def _delete_endpoint(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    if asked.path not in azure.bodies:
        return Answer(204)
    return _begin(azure, asked.path, "Deleting", None, removes=True)


@route("POST", _ENDPOINT + r"/listKeys")
def _keys(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    return told({"primaryKey": PRIMARY, "secondaryKey": SECONDARY})


@route("POST", _ENDPOINT + r"/token")
def _endpoint_token(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    times = {"expiryTimeUtc": 4102444800, "refreshAfterTimeUtc": 4102441200}
    return told({"accessToken": PRIMARY, "tokenType": "Bearer", **times})


def _endpoint_resource(azure: Azure, path: str) -> dict[str, Any]:
    body, name = azure.bodies[path], path.rpartition("/")[2]
    properties = {
        **body["properties"],
        "scoringUri": f"https://{name}{SCORING}/score",
        "swaggerUri": f"https://{name}{SCORING}/swagger.json",
        "provisioningState": endpoints(azure).states.get(path, "Succeeded"),
    }
    kind = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
    return {**_resource(path, {**body, "properties": properties}), "type": kind}


# Deployments


@route("GET", _ENDPOINT + r"/deployments")
def _list_deployments(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    path = asked.path.removesuffix("/deployments")
    if path not in azure.bodies:
        return refusal(404, "ResourceNotFound", f"there is no onlineEndpoint {found[1]}")
    paths = [f"{asked.path}/{name}" for name in deployments(azure, found[1])]
    for one in paths:
        _look(azure, one)
    return told(
        {"value": [_deployment_resource(azure, one) for one in paths if one in azure.bodies]}
    )


@route("GET", _DEPLOYMENT)
def _deployment(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    _look(azure, asked.path)
    if asked.path not in azure.bodies:
        return refusal(404, "ResourceNotFound", f"there is no deployment {found[2]}")
    return told(_deployment_resource(azure, asked.path))


@route("PUT", _DEPLOYMENT)
def _put_deployment(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    body, known = json.loads(asked.body), endpoints(azure)
    if f"{ROOT}/onlineEndpoints/{found[1]}" not in azure.bodies:
        return refusal(404, "ResourceNotFound", f"there is no onlineEndpoint {found[1]}")
    for key in ("model", "environmentId"):
        wanted = body["properties"].get(key)
        if wanted is not None and wanted not in azure.bodies:
            return refusal(400, "BadArgument", f"{key} {wanted} does not exist")
    azure.bodies[asked.path] = body
    error = known.errors.pop(found[2], None) or known.errors.pop("*", None)
    return _begin(azure, asked.path, "Creating", error)


@route("DELETE", _DEPLOYMENT)
def _delete_deployment(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    if asked.path not in azure.bodies:
        return Answer(204)
    if traffic(azure, found[1]).get(found[2]):
        message = f"deployment {found[2]} has traffic and cannot be deleted"
        return refusal(400, "BadArgument", message)
    return _begin(azure, asked.path, "Deleting", None, removes=True)


@route("POST", _DEPLOYMENT + r"/getLogs")
def _logs(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    if found[2] not in deployments(azure, found[1]):
        return refusal(404, "ResourceNotFound", f"there is no deployment {found[2]}")
    stages = endpoints(azure).logs.get(found[2], [""])
    content = stages.pop(0) if len(stages) > 1 else stages[0]
    tail = json.loads(asked.body or b"{}").get("tail") or 500
    return told({"content": "".join(content.splitlines(keepends=True)[-tail:])})


def _deployment_resource(azure: Azure, path: str) -> dict[str, Any]:
    body = azure.bodies[path]
    state = endpoints(azure).states.get(path, "Succeeded")
    given = {key: value for key, value in body["properties"].items() if value is not None}
    scale = {"scaleSettings": {"scaleType": "Default"}}
    properties = {**scale, **given, "provisioningState": state}
    kind = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments"
    return {**_resource(path, {**body, "properties": properties}), "type": kind}


# Operations that take a while


def _begin(
    azure: Azure, path: str, during: str, error: dict[str, str] | None, removes: bool = False
) -> Answer:
    known = endpoints(azure)
    known.requests += 1
    name = f"operation-{known.requests}"
    known.operations[name] = Operation(path, known.looks, during, error, removes)
    known.states[path] = during
    address = f"https://management.azure.com{OPERATIONS}/{name}?api-version=2022-02-01-preview"
    headers = {"Azure-AsyncOperation": address, "Location": address, "Retry-After-Ms": "20"}
    if removes:
        return Answer(202, b"", headers)
    is_endpoint = "/deployments/" not in path
    made = _endpoint_resource(azure, path) if is_endpoint else _deployment_resource(azure, path)
    return told(made, 201, headers)


@route("GET", OPERATIONS + r"/([^/]+)")
def _operation(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    one = endpoints(azure).operations[found[1]]
    _further(azure, one)
    if one.looks > 0:
        return told({"status": "InProgress"}, headers={"Retry-After-Ms": "20"})
    if one.error:
        return told({"status": "Failed", "error": one.error})
    return told({"status": "Succeeded"})


def _look(azure: Azure, path: str) -> None:
    for one in endpoints(azure).operations.values():
        if one.path == path and one.looks > 0:
            _further(azure, one)


def _further(azure: Azure, one: Operation) -> None:
    if one.looks <= 0:
        return
    one.looks -= 1
    if one.looks > 0:
        return
    known = endpoints(azure)
    known.states[one.path] = "Failed" if one.error else "Succeeded"
    if one.removes:
        for path in [p for p in azure.bodies if p == one.path or p.startswith(f"{one.path}/")]:
            del azure.bodies[path]
            known.states.pop(path, None)


# Scoring


def score(azure: Azure, asked: Asked) -> Answer:
    """A request to an endpoint's own address.

    The key first, then the deployment by the header or by the traffic, then its container.
    """
    name = asked.host.removesuffix(SCORING)
    path = f"{ROOT}/onlineEndpoints/{name}"
    if path not in azure.bodies:
        return refusal(404, "NotFound", f"there is no endpoint {name}")
    headers = {key.lower(): value for key, value in asked.headers.items()}
    if headers.get("authorization") not in (f"Bearer {PRIMARY}", f"Bearer {SECONDARY}"):
        return Answer(401, b'{"message": "key is missing or wrong"}')
    known = endpoints(azure)
    chosen = headers.get("azureml-model-deployment") or _by_traffic(azure, name)
    if chosen not in deployments(azure, name):
        return Answer(404, b'{"message": "there is no such deployment, or no traffic"}')
    with azure.lock:
        known.scored.append((chosen, asked))
    port = known.ports.get(chosen, known.ports.get("*"))
    if port is None:
        return Answer(503, b'{"message": "the container does not answer"}')
    return _container(port, _route(azure, name, chosen), asked)


def _by_traffic(azure: Azure, name: str) -> str:
    """In turn, as the shares say: of 100 requests exactly as many as each one's percentage."""
    shares = traffic(azure, name)
    at = (endpoints(azure).requests * 37) % 100
    endpoints(azure).requests += 1
    for deployment, share in shares.items():
        if at < share:
            return deployment
        at -= share
    return ""


def _route(azure: Azure, name: str, deployment: str) -> str:
    environment = deployments(azure, name)[deployment]["properties"].get("environmentId") or ""
    config = azure.bodies.get(environment, {}).get("properties", {}).get("inferenceConfig") or {}
    return str((config.get("scoringRoute") or {}).get("path") or "/score")


def _container(port: int, path: str, asked: Asked) -> Answer:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        kind = {k: v for k, v in asked.headers.items() if k.lower() == "content-type"}
        line.request(asked.method, path, asked.body, kind)
        answer = line.getresponse()
        type_of = answer.getheader("Content-Type") or "application/json"
        return Answer(answer.status, answer.read(), {"Content-Type": type_of})
    except OSError:
        return Answer(502, b'{"message": "the container does not answer"}')
    finally:
        line.close()

"""A deploy folder's two files: the endpoint that people call, and the deployment behind it.

`deploy/endpoint.yaml` and the one `deploy/*deployment.yaml` are Azure ML's own. They say all that
is known of the server anywhere: its image, its routes and ports, where its model is mounted. We
model what we use; `document` keeps the rest as it is.
Source: CLI (v2) YAML schemas of managed online endpoints and deployments; azure-ai-ml 1.35.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ..util import yaml_text
from ..util.errors import UserError
from ..util.yaml_text import YamlText
from .jobs.job import Environment, Reading

FOLDER = "deploy"
ENDPOINT_FILE = "endpoint.yaml"
# The one file whose name ends so; the beginning is a word for the server.
DEPLOYMENT_ENDINGS = ("deployment.yaml", "deployment.yml")
# The request that shows whether the server works: the one file of that name, with any ending.
SAMPLE = "sample-request"

# Of endpoints and deployments. Source: Azure Machine Learning, "Manage resources and quotas".
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
NAME_RULE = "3 to 32 letters, digits and -, a letter first and no - at the end"

# Where Azure ML mounts models: <mount>/<model>/<version>, which AZUREML_MODEL_DIR names. The folder
# that was registered is in there under its own name.
MODEL_MOUNT = "/var/azureml-app/azureml-models"
MODEL_VARIABLE = "AZUREML_MODEL_DIR"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`name` is unique in an Azure region; `auth_mode` is key, aml_token or aad_token."""

    name: str
    auth_mode: str
    document: Mapping[str, Any]
    text: YamlText

    def where(self, *path: str | int) -> str:
        return self.text.where(*path)


@dataclass(frozen=True, slots=True)
class Route:
    """A path that the server answers, and the container's port it answers on."""

    path: str
    port: int


@dataclass(frozen=True, slots=True)
class Model:
    """The model as the deployment names it: a registered one (`name`, and `version` or `label`), or
    a `path` on this disk, relative to the deployment's file, that is registered on the way. All
    empty: none."""

    name: str = ""
    version: str = ""
    label: str = ""
    path: str = ""
    type: str = "custom_model"


@dataclass(frozen=True, slots=True)
class Requests:
    """What the service allows one request, and each instance (Azure's defaults)."""

    request_timeout_ms: int = 5000
    max_concurrent_requests_per_instance: int = 1
    max_queue_wait_ms: int = 500


@dataclass(frozen=True, slots=True)
class Probe:
    """How often the service asks a route (seconds and counts; Azure's defaults)."""

    initial_delay: int = 10
    period: int = 10
    timeout: int = 2
    success_threshold: int = 1
    failure_threshold: int = 30


@dataclass(frozen=True, slots=True)
class Deployment:
    """`file` is the path relative to the workspace. A route that the file does not name is None:
    those of Azure ML's own images are theirs. `environment.path` is relative to the file."""

    name: str
    endpoint_name: str
    file: str
    document: Mapping[str, Any]
    text: YamlText
    environment: Environment
    scoring: Route | None
    liveness: Route | None
    readiness: Route | None
    model: Model
    model_mount_path: str = MODEL_MOUNT
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    instance_type: str = ""
    instance_count: int = 1
    requests: Requests = field(default_factory=Requests)
    liveness_probe: Probe = field(default_factory=Probe)
    readiness_probe: Probe = field(default_factory=Probe)

    def where(self, *path: str | int) -> str:
        return self.text.where(*path)

    @property
    def routes(self) -> tuple[tuple[str, Route], ...]:
        """Those that it names, by their key in the file."""
        named = (
            ("liveness_route", self.liveness),
            ("readiness_route", self.readiness),
            ("scoring_route", self.scoring),
        )
        return tuple((key, route) for key, route in named if route is not None)

    def model_folder(self, name: str, version: str) -> str:
        """The folder in the container that holds a model: the value of AZUREML_MODEL_DIR."""
        return f"{self.model_mount_path.rstrip('/')}/{name}/{version}"


def deployment_file(names: Sequence[str], folder: str) -> str:
    """The one file of a deploy folder that describes a deployment; a `Mistake` for none and for
    several."""
    found = [name for name in names if name.endswith(DEPLOYMENT_ENDINGS)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(
            "no file here describes the deployment",
            where=folder,
            hint="It is an Azure ML deployment, and its name ends with deployment.yaml",
        )
    raise UserError(
        f"{' and '.join(found)} both describe a deployment",
        where=folder,
        hint="Keep one: a folder is one choice of a server",
    )


def parse_endpoint(text: str, name: str) -> Endpoint:
    """The endpoint of a file's text; a `Mistake` with file:line:column when it has no name."""
    parsed = _mapping(text, name)
    document = parsed.value
    called = document.get("name")
    if not isinstance(called, str) or not called:
        raise UserError(
            "the endpoint has no name", where=f"{name}:1", hint="Write `name: my-model`"
        )
    return Endpoint(called, str(document.get("auth_mode") or "key"), document, parsed)


def parse_deployment(text: str, name: str) -> Deployment:
    """The deployment of a file's text; a `Mistake` with file:line:column when it cannot be used."""
    deployment, problems = read_deployment(_mapping(text, name))
    if problems:
        raise problems[0]
    return deployment


def read_deployment(parsed: YamlText) -> tuple[Deployment, list[UserError]]:
    """The deployment together with all that keeps it from being used: with problems, the parts they
    speak of are left out."""
    reading = _DeploymentReading(parsed)
    return reading.deployment(), reading.problems


def _mapping(text: str, name: str) -> YamlText:
    parsed = yaml_text.parse(text, name)
    if not isinstance(parsed.value, dict):
        raise UserError(
            "this file holds no keys",
            where=f"{name}:1",
            hint="`scripts/loop help serve` shows what a deploy folder holds",
        )
    return parsed


class _DeploymentReading(Reading):
    """Reads the parts of one deployment file, and keeps every problem on the way."""

    def deployment(self) -> Deployment:
        document = self.parsed.value
        routes = self._routes(document)
        return Deployment(
            name=self._text(document, "name", "Write `name: blue`"),
            endpoint_name=self._text(document, "endpoint_name", "Name the endpoint that it is for"),
            file=self.parsed.name,
            document=document,
            text=self.parsed,
            environment=self.environment(document.get("environment"), ("environment",)),
            scoring=routes["scoring_route"],
            liveness=routes["liveness_route"],
            readiness=routes["readiness_route"],
            model=self._model(document.get("model")),
            model_mount_path=str(document.get("model_mount_path") or MODEL_MOUNT),
            environment_variables={
                name: "" if value is None else str(value)
                for name, value in self.mapping(document, "environment_variables").items()
            },
            instance_type=str(document.get("instance_type") or ""),
            instance_count=self.integer(document.get("instance_count"), ("instance_count",), 1),
            requests=Requests(**self._numbers(document, "request_settings", Requests)),
            liveness_probe=Probe(**self._numbers(document, "liveness_probe", Probe)),
            readiness_probe=Probe(**self._numbers(document, "readiness_probe", Probe)),
        )

    def _text(self, document: Mapping[str, Any], key: str, hint: str) -> str:
        value = document.get(key)
        if isinstance(value, str) and value:
            return value
        what = f"the deployment has no {key}" if value is None else f"{key} is no name: {value!r}"
        self.problem(what, (key,), hint)
        return ""

    def _routes(self, document: Mapping[str, Any]) -> dict[str, Route | None]:
        at = ("environment", "inference_config")
        environment = document.get("environment")
        config = self.mapping(environment, *at) if isinstance(environment, dict) else {}
        return {
            key: self._route(config.get(key), (*at, key))
            for key in ("liveness_route", "readiness_route", "scoring_route")
        }

    def _route(self, value: Any, at: tuple[str, ...]) -> Route | None:
        if value is None:
            return None
        route = value if isinstance(value, dict) else {}
        path, port = route.get("path"), self.integer(route.get("port"), (*at, "port"), None)
        if isinstance(path, str) and path.startswith("/") and port is not None:
            return Route(path, port)
        self.problem(
            f"{at[-1]} needs a port and a path that begins with /", at, "Write port: 8080, path: /"
        )
        return None

    def _model(self, value: Any) -> Model:
        if isinstance(value, str):
            return _model_of_text(value)
        if value is None or not isinstance(value, dict):
            return Model()
        return Model(
            name=str(value.get("name") or ""),
            version=str(value.get("version") or ""),
            path=str(value.get("path") or ""),
            type=str(value.get("type") or "custom_model"),
        )

    def _numbers(self, document: Mapping[str, Any], key: str, kind: type) -> dict[str, int]:
        given = self.mapping(document, key)
        known = [one.name for one in fields(kind)]
        numbers = {
            name: self.integer(given.get(name), (key, name), None)
            for name in known
            if given.get(name) is not None
        }
        return {name: number for name, number in numbers.items() if number is not None}


def _model_of_text(text: str) -> Model:
    """`azureml:NAME:VERSION`, `azureml:NAME@LABEL`, or a path."""
    if not text.startswith("azureml:"):
        return Model(path=text)
    rest = text.removeprefix("azureml:")
    if rest.startswith("//"):  # another registry's, or a job's output
        return Model(path=text)
    name, at, label = rest.partition("@")
    if at:
        return Model(name=name, label=label)
    name, _, version = rest.partition(":")
    return Model(name=name, version=version)

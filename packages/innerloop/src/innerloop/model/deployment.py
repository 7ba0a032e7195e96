"""A deploy folder's two files: the endpoint that clients call, and the deployment behind it.

`deploy/endpoint.yaml` and `deploy/*deployment.yaml` have Azure ML's own format. They describe the
server: its image, its routes and ports, where its model is mounted. The keys that the tool uses are
attributes; `document` keeps the others unchanged.
Source: CLI (v2) YAML schemas of managed online endpoints and deployments; azure-ai-ml 1.35.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, fields, replace
from typing import Any

from ..util import yaml_text
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.position import Position
from ..util.quick_dataclasses import dataclass
from ..util.yaml_text import YamlText
from .jobs.environment_file import environment_in
from .jobs.job import Environment, Reading

FOLDER = "deploy"
ENDPOINT_FILE = "endpoint.yaml"
# The ending of the deployment's file name; it begins with a word for the server.
DEPLOYMENT_ENDINGS = ("deployment.yaml", "deployment.yml")
# The name of the request that tests the server; the file has any ending.
SAMPLE = "sample-request"

# Of endpoints and deployments. Source: Azure Machine Learning, "Manage resources and quotas".
NAME = late_pattern(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
NAME_RULE = "3 to 32 letters, digits and -, a letter first and no - at the end"

# Where Azure ML mounts models: <mount>/<model>/<version>, the value of AZUREML_MODEL_DIR. The
# registered folder is in there under its own name.
MODEL_MOUNT = "/var/azureml-app/azureml-models"
MODEL_VARIABLE = "AZUREML_MODEL_DIR"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`name` is unique in an Azure region; `auth_mode` is key, aml_token or aad_token."""

    name: str
    auth_mode: str
    document: Mapping[str, Any]
    text: YamlText

    def where(self, *path: str | int) -> Position:
        return self.text.where(*path)


@dataclass(frozen=True, slots=True)
class Route:
    """A path that the server answers, and the container's port it answers on."""

    path: str
    port: int


@dataclass(frozen=True, slots=True)
class Model:
    """The model as the deployment names it.

    It is a registered one (`name`, and `version` or `label`), or a local `path`, relative to the
    deployment's file, that is registered first. All are empty if the deployment names no model.
    """

    name: str = ""
    version: str = ""
    label: str = ""
    path: str = ""
    type: str = "custom_model"


@dataclass(frozen=True, slots=True)
class Requests:
    """The service's limits of a request and of an instance, with Azure's defaults."""

    request_timeout_ms: int = 5000
    max_concurrent_requests_per_instance: int = 1
    max_queue_wait_ms: int = 500


@dataclass(frozen=True, slots=True)
class Probe:
    """How the service probes a route, in seconds and counts, with Azure's defaults."""

    initial_delay: int = 10
    period: int = 10
    timeout: int = 2
    success_threshold: int = 1
    failure_threshold: int = 30


@dataclass(frozen=True, slots=True)
class Deployment:
    """`file` is the path relative to the workspace.

    A route is None if the file does not name it, as for Azure ML's own images. `environment.path`
    is relative to the file. `endpoint_name` is "" if the file leaves it to endpoint.yaml.
    """

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

    def where(self, *path: str | int) -> Position:
        return self.text.where(*path)

    @property
    def routes(self) -> tuple[tuple[str, Route], ...]:
        """The routes that the file names, with their keys."""
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
    """The one file of a deploy folder that describes a deployment.

    Raises `UserError` for none or several.
    """
    candidates = [name for name in names if name.endswith(DEPLOYMENT_ENDINGS)]
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise UserError(
            "the folder has no deployment file",
            code="deployment-file-missing",
            where=folder,
            hint="Add an Azure ML deployment whose file name ends with deployment.yaml",
        )
    raise UserError(
        f"{' and '.join(candidates)} both describe a deployment",
        code="several-deployments",
        where=folder,
        hint="Keep one: a folder describes one server",
    )


def parse_endpoint(text: str, name: str) -> Endpoint:
    """The endpoint of a file's text. Raises `UserError` with a position if it has no name."""
    parsed = _mapping(text, name)
    document = parsed.value
    endpoint_name = document.get("name")
    if not isinstance(endpoint_name, str) or not endpoint_name:
        raise UserError(
            "the endpoint has no name",
            code="endpoint-name-missing",
            where=Position(name, 1, 1),
            hint="Write `name: my-model`",
        )
    return Endpoint(endpoint_name, str(document.get("auth_mode") or "key"), document, parsed)


def parse_deployment(text: str, name: str) -> Deployment:
    """The deployment of a file's text. Raises `UserError` with a position if it is unusable."""
    deployment, problems = read_deployment(_mapping(text, name))
    if problems:
        raise problems[0]
    return deployment


def read_deployment(parsed: YamlText) -> tuple[Deployment, list[UserError]]:
    """The deployment, and all problems that prevent its use. The parts with problems are left out."""
    reading = _DeploymentReading(parsed)
    return reading.deployment(), reading.problems


def with_environment(deployment: Deployment, text: str, file: str) -> Deployment:
    """The deployment with the environment of a file in place of a name.

    Its routes count where the deployment names none. Raises `UserError` if the file is invalid.
    """
    environment = environment_in(text, file, deployment.file)
    reading = _DeploymentReading(yaml_text.parse(text, file))
    routes = reading.routes({"environment": reading.parsed.value})
    if reading.problems:
        raise reading.problems[0]
    return replace(
        deployment,
        environment=environment,
        scoring=deployment.scoring or routes["scoring_route"],
        liveness=deployment.liveness or routes["liveness_route"],
        readiness=deployment.readiness or routes["readiness_route"],
    )


def _mapping(text: str, name: str) -> YamlText:
    parsed = yaml_text.parse(text, name)
    if not isinstance(parsed.value, dict):
        raise UserError(
            "not a deployment or an endpoint: expected a YAML mapping",
            code="not-a-mapping",
            where=Position(name, 1, 1),
            hint="`scripts/loop help serve` shows the files of a deploy folder",
        )
    return parsed


class _DeploymentReading(Reading):
    """Reads the parts of one deployment file and collects their problems."""

    def deployment(self) -> Deployment:
        document = self.parsed.value
        routes = self.routes(document)
        return Deployment(
            name=self._text(document, "name", "Write `name: blue`"),
            endpoint_name=(
                self._text(document, "endpoint_name", "Name its endpoint")
                if document.get("endpoint_name") is not None
                else ""
            ),
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
        what = (
            f"the deployment has no {key}" if value is None else f"{key} is not a name: {value!r}"
        )
        self.problem(what, (key,), hint, code="deployment-key-missing")
        return ""

    def routes(self, document: Mapping[str, Any]) -> dict[str, Route | None]:
        """The routes by their keys, None for those that the environment does not name."""
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
            f"{at[-1]} needs a port and a path that begins with /",
            at,
            "Write port: 8080, path: /",
            code="route-invalid",
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
        values = self.mapping(document, key)
        numbers = {
            known.name: self.integer(values[known.name], (key, known.name), None)
            for known in fields(kind)
            if values.get(known.name) is not None
        }
        return {name: number for name, number in numbers.items() if number is not None}


def _model_of_text(text: str) -> Model:
    """`azureml:NAME:VERSION`, `azureml:NAME@LABEL`, or a path."""
    if not text.startswith("azureml:"):
        return Model(path=text)
    rest = text.removeprefix("azureml:")
    if rest.startswith("//"):  # from another registry, or a job's output
        return Model(path=text)
    name, at, label = rest.partition("@")
    if at:
        return Model(name=name, label=label)
    name, _, version = rest.partition(":")
    return Model(name=name, version=version)

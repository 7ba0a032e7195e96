"""An Azure ML job file: what to run, with which inputs, in which environment.

We model what we use; `document` keeps the rest as it is, because the format is Azure ML's.
Source: CLI (v2) YAML schemas of command, sweep and pipeline jobs; azure-ai-ml 1.35.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Literal, get_args

from ...util import yaml_text
from ...util.errors import UserError
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from ...util.yaml_text import YamlText
from .file_kind import describe_file, is_component, kind_by_schema
from .legacy import normalize_type, upgrade_command, upgrade_environment, upgrade_input

JobKind = Literal["command", "sweep", "pipeline"]
InputKind = Literal["literal", "data"]
EnvironmentKind = Literal["build", "image", "conda", "registered", "none"]
DistributionType = Literal["pytorch", "tensorflow", "mpi", "ray"]

DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
LITERAL_TYPES = ("string", "number", "integer", "boolean", "str", "float", "int", "bool")
KINDS: tuple[JobKind, ...] = get_args(JobKind)
DISTRIBUTIONS: tuple[DistributionType, ...] = get_args(DistributionType)


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a job.

    kind "literal": `value`, None if it has none. kind "data": `path` as written ("" if it has
    none), `type` and `mode`.

    `optional` is a component's; a component's default is in `value` or `path` already. `origin` is
    the pipeline's input that a step's input is bound to, else "".
    """

    name: str
    kind: InputKind
    value: Any = None
    type: str = ""
    path: str | None = None
    mode: str | None = None
    optional: bool = False
    origin: str = ""

    @property
    def literal_text(self) -> str:
        """As azure-ai-ml sends it: Python's str() of the value (True is "True"), bytes as text."""
        if isinstance(self.value, bytes):
            return self.value.decode(errors="backslashreplace")
        return str(self.value)

    @property
    def passes_uri(self) -> bool:
        """Whether the program gets the data's URI instead of a path (mode: direct)."""
        return self.kind == "data" and (self.mode or "").lower() == "direct"

    @property
    def has_value(self) -> bool:
        """Whether the input has a value; without one its `$[[ ... ]]` is removed from the command."""
        return self.value is not None if self.kind == "literal" else bool(self.path)


@dataclass(frozen=True, slots=True)
class Output:
    """`type` is uri_folder by default. `path` and `mode` as written."""

    name: str
    type: str = "uri_folder"
    path: str | None = None
    mode: str | None = None

    @property
    def is_file(self) -> bool:
        """Whether the program gets the path of a file to write, not of a folder."""
        return self.type == "uri_file"


@dataclass(frozen=True, slots=True)
class Environment:
    """kind "build": `path`, `dockerfile_path`.

    "image": `image`. "conda": `image` and `conda_file` (a path, or the inline mapping).
    "registered": `reference` as written.
    """

    kind: EnvironmentKind
    path: str | None = None
    dockerfile_path: str | None = None
    image: str | None = None
    conda_file: Any = None
    reference: str | None = None

    @property
    def dockerfile(self) -> str:
        """The Dockerfile's path inside the build context."""
        return self.dockerfile_path or "Dockerfile"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Counts are processes per instance; for tensorflow, all workers and parameter servers."""

    type: DistributionType
    process_count_per_instance: int = 1
    worker_count: int | None = None
    parameter_server_count: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """A job, as its file or a step in it describes it.

    `name` is the file's path relative to the workspace. `code` is as written (a folder, or one
    file); `docker_args` is one string, to be split as a shell would; `timeout` is in seconds;
    `shm_size` is in Docker's units. `at` is the job's path in its document: () for the whole file,
    ("jobs", "train") for a step.

    kind "sweep": `command`, `code` and so on are the trial's, and empty if the trial is a component
    in another file (see pipeline.swept). kind "pipeline": they are empty; pipeline.pipeline_of
    makes a job of each step.
    """

    kind: JobKind
    name: str
    document: Mapping[str, Any]
    text: YamlText
    command: str
    code: str | None
    inputs: Mapping[str, Input]
    outputs: Mapping[str, Output]
    environment: Environment
    environment_variables: Mapping[str, str]
    shm_size: str = "2g"
    instance_count: int = 1
    docker_args: str = ""
    distribution: Distribution | None = None
    timeout: int | None = None
    services: Mapping[str, Any] = field(default_factory=dict)
    compute: str | None = None
    experiment_name: str | None = None
    search_space: Mapping[str, Any] = field(default_factory=dict)
    at: tuple[str, ...] = ()

    @property
    def processes(self) -> int:
        """How many processes of its program an instance starts."""
        return self.distribution.process_count_per_instance if self.distribution else 1

    @property
    def ports(self) -> dict[str, int]:
        """The port of each service that has a valid one: as written, else the type's default."""
        ports: dict[str, int] = {}
        for name, service in self.services.items():
            if not isinstance(service, dict):
                continue
            type_ = str(service.get("type") or service.get("job_service_type") or "").lower()
            port = service.get("port", _PORTS.get(type_))
            if isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65536:
                ports[name] = port
        return ports

    def where(self, *path: str | int) -> Position:
        """The position of a key of this job; a sweep's trial is searched too."""
        return self.text.where(*self.path_of(*path))

    def path_of(self, *path: str | int) -> tuple[str | int, ...]:
        """The path in the file of a key of this job; a sweep's trial is searched too."""
        if path[:1] in _OF_TRIAL and isinstance(self.document.get("trial"), dict):
            path = ("trial", *path)
        return (*self.at, *path)


_PORTS = {"tensor_board": 6006, "jupyter_lab": 8888}
_OF_TRIAL = (("command",), ("code",), ("environment",), ("environment_variables",))


def parse_job(text: str, name: str) -> Job:
    """The job of a file's text. Raises `UserError` with a position if it cannot be run."""
    return job_of(yaml_text.parse(text, name))


def job_of(parsed: YamlText) -> Job:
    """The job of a parsed file. Raises `UserError` with a position if it cannot be run."""
    job, problems = read_job(parsed)
    if job is None or problems:
        raise problems[0]
    return job


def read_job(parsed: YamlText) -> tuple[Job | None, list[UserError]]:
    """The job, and all problems that prevent its use.

    None if the file is not a job file. The parts with problems are left out of the job.
    """
    if not isinstance(parsed.value, dict):
        return None, [
            UserError(
                "not a job file: expected a YAML mapping",
                code="not-a-job-file",
                where=Position(parsed.name, 1, 1),
                hint="`scripts/loop help job` shows the shortest one",
            )
        ]
    reading = Reading(parsed)
    try:
        kind = job_kind(parsed)
    except UserError as error:
        return None, [error]
    return reading.job(kind), reading.problems


class Reading:
    """Reads the parts of one job file and collects their problems.

    `at` is the path of the mapping with command, code and environment: () for a command job,
    ("trial",) for a sweep, ("jobs", "step") for a step of a pipeline.
    """

    def __init__(self, parsed: YamlText) -> None:
        self.parsed = parsed
        self.problems: list[UserError] = []

    def job(self, kind: JobKind) -> Job:
        document = self.parsed.value
        at = ("trial",) if kind == "sweep" else ()
        if at and isinstance(document.get("trial"), str):  # pipeline.swept reads its file
            return replace(self.job_at("pipeline", {}, at, document, ()), kind="sweep")
        if at and not isinstance(document.get("trial"), dict):
            hint = "Write trial: with command:, code: and environment: below it"
            self.problem("the sweep has no trial", at, hint, code="sweep-incomplete")
            return replace(self.job_at("pipeline", {}, at, document, ()), kind="sweep")
        body = document["trial"] if at else document
        return self.job_at(kind, body, at, document, ())

    def job_at(
        self,
        kind: JobKind,
        body: Mapping[str, Any],
        at: tuple[str, ...],
        document: Mapping[str, Any],
        top: tuple[str, ...],
    ) -> Job:
        """The job whose command is in `body`, at the path `at`.

        Its inputs, outputs, limits and name are in `document`, at the path `top`.
        """
        resources = {
            **self.mapping(document, *top, "resources"),
            **self.mapping(body, *at, "resources"),
        }
        limits = self.mapping(document, *top, "limits")
        limit = "trial_timeout" if kind == "sweep" else "timeout"
        docker_args = resources.get("docker_args") or ""
        return Job(
            kind=kind,
            name=self.parsed.name,
            document=document,
            text=self.parsed,
            command="" if kind == "pipeline" else self.sent_command(body, at, document),
            code=self.code(body, at),
            inputs={
                name: input_
                for name, value in self.mapping(document, *top, "inputs").items()
                if (input_ := self.input(name, value, (*top, "inputs", name))) is not None
            },
            outputs={
                name: self.output(name, value, (*top, "outputs", name))
                for name, value in self.mapping(document, *top, "outputs").items()
            },
            environment=self.environment(body.get("environment"), (*at, "environment")),
            environment_variables={
                name: "" if value is None else str(value)
                for name, value in self.mapping(body, *at, "environment_variables").items()
            },
            shm_size=str(resources.get("shm_size") or "2g"),
            instance_count=self.integer(
                resources.get("instance_count"), (*at, "resources", "instance_count"), 1
            ),
            docker_args=(
                shlex.join(map(str, docker_args))
                if isinstance(docker_args, list)
                else str(docker_args)
            ),
            distribution=self.distribution(body, at),
            timeout=self.integer(limits.get(limit), (*top, "limits", limit), None),
            services=self.mapping(body, *at, "services"),
            compute=_text(document.get("compute") or body.get("compute")),
            experiment_name=_text(document.get("experiment_name")),
            search_space=self.mapping(document, *top, "search_space"),
            at=top,
        )

    def problem(self, what: str, path: tuple[str, ...], hint: str, *, code: str) -> None:
        self.problems.append(UserError(what, code=code, where=self.parsed.where(*path), hint=hint))

    def sent_command(
        self, body: Mapping[str, Any], at: tuple[str, ...], document: Mapping[str, Any]
    ) -> str:
        """The command as Azure ML's client sends it; only that of a job itself may be in old form."""
        command = self.command(body, at)
        is_whole_job = document is self.parsed.value and at in ((), ("trial",))
        return upgrade_command(command) if is_whole_job else command

    def command(self, body: Mapping[str, Any], at: tuple[str, ...]) -> str:
        command = body.get("command")
        if isinstance(command, str) and command.strip():
            return command
        if command is None and isinstance(body.get("component"), str):
            what = f"the job's command is in a component, {body['component']}"
            hint = "Write its command: and environment: here, or make the job a pipeline's step"
            self.problem(what, (*at, "component"), hint, code="component-not-job")
        elif command is None or command == "":
            what = "the job's command is empty" if "command" in body else "the job has no command"
            hint = "Write `command: python train.py`"
            from difflib import get_close_matches

            similar = get_close_matches("command", [str(key) for key in body], n=1, cutoff=0.7)
            if similar and "command" not in body:
                hint = f'Write `command:` for "{similar[0]}"'
            position = self.parsed.where(*at, "command")
            if not at and "command" not in body:
                position = Position(self.parsed.name, 1, 1)
            self.problems.append(UserError(what, code="command-missing", where=position, hint=hint))
        else:
            self.problem(
                (
                    "the job's command is empty"
                    if isinstance(command, str)
                    else "command is not a string"
                ),
                (*at, "command"),
                "Write `command: python train.py`, or several lines after `command: >-`",
                code="command-invalid",
            )
        return ""

    def code(self, body: Mapping[str, Any], at: tuple[str, ...]) -> str | None:
        code = body.get("code")
        if isinstance(code, dict):  # an older form, still in many repositories
            code = code.get("local_path", code.get("directory", code))
        if code is None or isinstance(code, str):
            return code or None
        self.problem(
            f"code is not a path: {code!r}",
            (*at, "code"),
            "Write `code: .`, or the folder's path",
            code="code-invalid",
        )
        return None

    def input(self, name: str, value: Any, path: tuple[str, ...]) -> Input | None:
        if isinstance(value, dict):
            return self.table_input(name, value, path)
        if value is None:
            self.problem(
                f'the input "{name}" has no value',
                path,
                "Give it one, or remove it",
                code="input-without-value",
            )
            return None
        if isinstance(value, list):
            self.problem(
                f'the input "{name}" is a list; Azure ML accepts strings, numbers and true or false',
                path,
                "Write it as one string, and split it in the program",
                code="input-invalid",
            )
            return None
        return Input(name, "literal", value=value)

    def table_input(self, name: str, value: Mapping[str, Any], path: tuple[str, ...]) -> Input:
        """An input written as a mapping: data with a path, or a literal with a type."""
        value = upgrade_input(value)
        kind = str(value.get("type") or ("" if "value" in value else "uri_folder")).lower()
        optional = value.get("optional") is True
        if kind in LITERAL_TYPES or "value" in value or (not kind and "default" in value):
            literal = _as_sent(value["value"]) if "value" in value else value.get("default")
            return Input(name, "literal", literal, kind, optional=optional)
        if value.get("path") is None and value.get("default") is None and not optional:
            self.problem(
                f'the input "{name}" has neither a value nor a path',
                path,
                "Write `path: azureml:NAME:VERSION`, a folder, or a plain value",
                code="input-without-value",
            )
        return Input(
            name,
            "data",
            type=kind,
            path=_text(value.get("path") or value.get("default")) or "",
            mode=_text(value.get("mode")),
            optional=optional,
        )

    def output(self, name: str, value: Any, path: tuple[str, ...]) -> Output:
        if value is None:
            return Output(name)
        if not isinstance(value, dict):
            self.problem(
                f'the output "{name}" is not a mapping',
                path,
                "Write `type: uri_folder` below it, or nothing",
                code="output-invalid",
            )
            return Output(name)
        kind = str(value.get("type") or "uri_folder").lower()
        return Output(name, kind, _text(value.get("path")), _text(value.get("mode")))

    def environment(self, value: Any, path: tuple[str, ...]) -> Environment:
        if value is None:
            return Environment("none")
        if isinstance(value, str):
            return Environment("registered", reference=value)
        if isinstance(value, dict):
            value = upgrade_environment(value)
            build = value.get("build")
            if isinstance(build, dict):
                build = {"path": build.get("local_path"), **build}
                return Environment(
                    "build",
                    path=_text(build.get("path")),
                    dockerfile_path=_text(build.get("dockerfile_path")),
                    image=_text(value.get("image")),
                )
            image = _text(value.get("image"))
            if value.get("conda_file") is not None:
                return Environment("conda", image=image, conda_file=value["conda_file"])
            if image:
                return Environment("image", image=image)
            if value.get("name"):
                return Environment("registered", reference=_reference(value))
        self.problem(
            "the environment has neither a build, an image nor a name",
            path,
            "Write `build: {path: ./environment}`",
            code="environment-invalid",
        )
        return Environment("none")

    def distribution(self, body: Mapping[str, Any], at: tuple[str, ...]) -> Distribution | None:
        value = self.mapping(body, *at, "distribution")
        if not value:
            return None
        path = (*at, "distribution")
        kind = str(value.get("type") or value.get("distribution_type") or "").lower()
        kind = "pytorch" if kind in ("torch.distributed", "torch_distributed") else kind
        type_ = next((one for one in DISTRIBUTIONS if one == kind), None)
        if type_ is None:
            self.problem(
                f"distribution.type is {kind or 'missing'}",
                path,
                f"Write one of {', '.join(DISTRIBUTIONS)}",
                code="distribution-unknown",
            )
            return None
        counts = {
            key: self.integer(value.get(key), (*path, key), None)
            for key in ("process_count_per_instance", "worker_count", "parameter_server_count")
        }
        return Distribution(
            type_,
            counts["process_count_per_instance"] or 1,
            counts["worker_count"],
            counts["parameter_server_count"] or 0,
        )

    def mapping(self, holder: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
        """The mapping under the path's last key.

        It is empty if the key is missing, and also, with a problem, if its value is not a mapping.
        """
        value = holder.get(path[-1])
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.problem(
                f'"{path[-1]}" is not a mapping',
                path,
                "Write names and values below it",
                code="not-a-mapping",
            )
            return {}
        return {str(name): below for name, below in value.items()}

    def integer(self, value: Any, path: tuple[str, ...], default: Any) -> Any:
        """An integer, in quotes or not; `default` for a reference to a pipeline's input."""
        if value is None or (isinstance(value, str) and value.strip().startswith("${{")):
            return default
        if isinstance(value, float) and abs(value) < 1e300:  # neither infinite nor nan
            value = int(value)  # as azure-ai-ml does
        text = str(value).strip()
        if isinstance(value, bool) or not re.fullmatch("-?[0-9]{1,18}", text):
            shown = text if len(text) <= 40 else f"{text[:37]}..."
            self.problem(
                f"{'.'.join(path)} is not an integer: {shown!r}",
                path,
                "Write a number",
                code="not-a-number",
            )
            return default
        return int(text)


# Types of jobs that only Azure ML can run.
ELSEWHERE = (
    "automl", "spark", "schedule", "parallel", "import", "data_transfer", "finetuning",
    "distillation", "base", "component",
)  # fmt: skip


def job_kind(parsed: YamlText) -> JobKind:
    """The job's kind by `type`, else by its keys.

    Raises `UserError` for types that only Azure ML can run (automl, spark, a schedule ...).
    """
    document = parsed.value
    schema = str(document.get("$schema") or "")
    if described := describe_file(document):
        raise UserError(
            f"this file describes {described}, not a job",
            code="not-a-job-file",
            where=parsed.where("type" if "type" in document else "$schema"),
            hint="Name a job file; `scripts/loop help job` shows the shortest one",
        )
    if "component." in schema.rsplit("/", 1)[-1].lower() or is_component(document):
        raise UserError(
            "this file is a component, not a job: a pipeline's step sets its inputs",
            code="component-not-job",
            where=parsed.where("$schema"),
            hint="Name the pipeline's file; --step NAME runs one step of it",
        )
    kind = normalize_type(str(document.get("type") or ""))
    if not kind:
        kind = kind_by_schema(schema)
        if {"create_job", "create_monitor"} & set(map(str, document)):
            kind = "schedule"
        if kind not in (*KINDS, *ELSEWHERE):
            kind = "command"
        for key, kind_by_key in (("trial", "sweep"), ("jobs", "pipeline"), ("command", "command")):
            if key in document:
                kind = kind_by_key
    for known in KINDS:
        if kind == known:
            return known
    if kind not in ELSEWHERE:
        raise UserError(
            f"the job type {kind} does not exist",
            code="job-type-unknown",
            where=parsed.where("type"),
            hint="Write type: command, sweep or pipeline",
        )
    what = "schedule" if kind == "schedule" else "job"
    raise UserError(
        f"a job of type {kind} cannot run here",
        code="no-local-equivalent",
        where=parsed.where("type" if "type" in document else "$schema"),
        hint="Only command, sweep and pipeline jobs run and are submitted from here; "
        f"`az ml {what} create --file {shlex.quote(parsed.name)}` submits this one",
    )


def _as_sent(value: Any) -> Any:
    """The value that azure-ai-ml makes of `{value: ...}`.

    1 and 0 become true and false, and other fractions are truncated. A plain value below the name
    is sent unchanged.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if value in (0, 1):
        return bool(value)
    return int(value) if abs(value) < 1e300 else value


def _reference(value: Mapping[str, Any]) -> str:
    version = value.get("version")
    return f"azureml:{value['name']}" + (f":{version}" if version is not None else "")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)

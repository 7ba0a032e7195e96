"""An Azure ML job file: what to run, with which inputs, in which environment.

We model what we use; `document` keeps the rest as it is, because the format is Azure ML's.
Source: CLI (v2) YAML schemas of command, sweep and pipeline jobs; azure-ai-ml 1.35.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from ...util import yaml_text
from ...util.errors import UserError
from ...util.yaml_text import YamlText
from .file_kind import describe_file, is_component, kind_by_schema
from .legacy import environment_of_today, normalize_type, upgrade_input

DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
LITERAL_TYPES = ("string", "number", "integer", "boolean", "str", "float", "int", "bool")
KINDS = ("command", "sweep", "pipeline")
DISTRIBUTIONS = ("pytorch", "tensorflow", "mpi", "ray")


@dataclass(frozen=True, slots=True)
class Input:
    """kind: "literal" (its `value`; None when nothing gives it one) or "data" (its `path` as
    written, "" when nothing gives it one; its `type` and `mode`).

    `optional` and `default` are a component's: a default stands in `value` already. `origin` is
    the pipeline's input that a step's input was taken from.
    """

    name: str
    kind: str
    value: Any = None
    type: str = ""
    path: str | None = None
    mode: str | None = None
    optional: bool = False
    origin: str = ""

    @property
    def literal_text(self) -> str:
        """As azure-ai-ml sends it: Python's str() of the value (True is "True")."""
        return str(self.value)

    @property
    def passes_uri(self) -> bool:
        """The program gets the data's address itself, and no path (mode: direct)."""
        return self.kind == "data" and (self.mode or "").lower() == "direct"

    @property
    def has_value(self) -> bool:
        """An input without one takes its `$[[ ... ]]` out of the command."""
        return self.value is not None if self.kind == "literal" else bool(self.path)


@dataclass(frozen=True, slots=True)
class Output:
    """`type`: uri_folder when the file is silent. `path` and `mode` as written."""

    name: str
    type: str = "uri_folder"
    path: str | None = None
    mode: str | None = None

    @property
    def is_file(self) -> bool:
        """Whether the program gets the path of a file to write, and not that of a folder."""
        return self.type == "uri_file"


@dataclass(frozen=True, slots=True)
class Environment:
    """kind: "build" (path, dockerfile_path), "image", "conda" (image + conda_file: a path, or the
    inline mapping), "registered" (reference, as written) or "none"."""

    kind: str
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
    """type: "pytorch" | "tensorflow" | "mpi" | "ray". Counts: processes per instance; for
    tensorflow workers and parameter servers in all."""

    type: str
    process_count_per_instance: int = 1
    worker_count: int | None = None
    parameter_server_count: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """`name` is the file's path relative to the workspace; `code` stands as it is written (a
    folder, or one file); `docker_args` is one text, to be split as a shell would;
    `timeout` is in seconds; `shm_size` is as Docker takes it, "2g" when the file is silent. `at`
    is where the job stands in its text: () is the whole file, ("jobs", "train") a step.

    kind "sweep": `command`, `code` and the like are those of one trial, and empty where that is a
    component in another file (see spec/pipeline.py). kind "pipeline": they are
    empty; spec/pipeline.py makes a job of each step.
    """

    kind: str
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
    def ports(self) -> dict[str, int]:
        """The port of each service that answers on one: as written, else the service's usual."""
        ports: dict[str, int] = {}
        for name, service in self.services.items():
            one = service if isinstance(service, dict) else {}
            kind = str(one.get("type") or one.get("job_service_type") or "").lower()
            port = one.get("port", _PORTS.get(kind))
            if isinstance(port, int) and not isinstance(port, bool):
                ports[name] = port
        return ports

    def where(self, *path: str | int) -> str:
        """The place of a key of this job; the trial's keys of a sweep are found as well."""
        if path[:1] in _OF_TRIAL and isinstance(self.document.get("trial"), dict):
            path = ("trial", *path)
        return self.text.where(*self.at, *path)


_PORTS = {"tensor_board": 6006, "jupyter_lab": 8888}
_OF_TRIAL = (("command",), ("code",), ("environment",), ("environment_variables",))


def parse_job(text: str, name: str) -> Job:
    """The job of a file's text; a `Mistake` with file:line:column when it cannot be run."""
    return job_of(yaml_text.parse(text, name))


def job_of(parsed: YamlText) -> Job:
    """The same from a parsed text."""
    job, problems = read_job(parsed)
    if job is None or problems:
        raise problems[0]
    return job


def read_job(parsed: YamlText) -> tuple[Job | None, list[UserError]]:
    """The job together with all that keeps it from being used: None when nothing can be said of
    it at all. With problems, the parts they speak of are left out."""
    if not isinstance(parsed.value, dict):
        return None, [
            UserError(
                "this is no job file: it holds no keys",
                where=f"{parsed.name}:1",
                hint="`scripts/loop help job` shows the shortest one",
            )
        ]
    reading = Reading(parsed)
    try:
        kind = job_kind(parsed)
    except UserError as mistake:
        return None, [mistake]
    return reading.job(kind), reading.problems


class Reading:
    """Reads the parts of one job file, and keeps every problem on the way.

    `at` is where in the document the command, code and environment stand: () for a command job,
    ("trial",) for a sweep, ("jobs", "step") for a step of a pipeline.
    """

    def __init__(self, parsed: YamlText) -> None:
        self.parsed = parsed
        self.problems: list[UserError] = []

    def job(self, kind: str) -> Job:
        document = self.parsed.value
        at = ("trial",) if kind == "sweep" else ()
        if at and isinstance(document.get("trial"), str):  # its file is read by spec/pipeline.py
            return replace(self.job_at("pipeline", {}, at, document, ()), kind="sweep")
        if at and not isinstance(document.get("trial"), dict):
            hint = "Write trial: with command:, code: and environment: below it"
            self.problem("the sweep has no trial to run", at, hint)
            return replace(self.job_at("pipeline", {}, at, document, ()), kind="sweep")
        body = document["trial"] if at else document
        return self.job_at(kind, body, at, document, ())

    def job_at(
        self,
        kind: str,
        body: Mapping[str, Any],
        at: tuple[str, ...],
        document: Mapping[str, Any],
        top: tuple[str, ...],
    ) -> Job:
        """The job whose command stands in `body`, found at `at`, and whose inputs, outputs,
        limits and name stand in `document`, found at `top`."""
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
            command="" if kind == "pipeline" else self.command(body, at),
            code=self.code(body, at),
            inputs={
                name: one
                for name, value in self.mapping(document, *top, "inputs").items()
                if (one := self.input(name, value, (*top, "inputs", name))) is not None
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

    def problem(self, what: str, path: tuple[str, ...], hint: str) -> None:
        self.problems.append(UserError(what, where=self.parsed.where(*path), hint=hint))

    def command(self, body: Mapping[str, Any], at: tuple[str, ...]) -> str:
        command = body.get("command")
        if isinstance(command, str) and command.strip():
            return command
        if command is None and isinstance(body.get("component"), str):
            what = f"the job's command is that of a component, {body['component']}"
            hint = "Write its command: and environment: here, or make the job a pipeline's step"
            self.problem(what, (*at, "component"), hint)
        elif command is None or command == "":
            what = "the job's command is empty" if "command" in body else "the job has no command"
            hint = "Write `command: python train.py`"
            close = get_close_matches("command", [str(key) for key in body], n=1, cutoff=0.7)
            if close and "command" not in body:
                hint = f'Write `command:` for "{close[0]}"'
            where = self.parsed.where(*at, "command")
            at_top = not at and "command" not in body
            self.problems.append(
                UserError(what, where=f"{self.parsed.name}:1" if at_top else where, hint=hint)
            )
        else:
            self.problem(
                "the job's command is empty" if isinstance(command, str) else "command is no text",
                (*at, "command"),
                "Write `command: python train.py`, or after `command: >-` several lines",
            )
        return ""

    def code(self, body: Mapping[str, Any], at: tuple[str, ...]) -> str | None:
        code = body.get("code")
        if isinstance(code, dict):  # an older form, still in many repositories
            code = code.get("local_path", code.get("directory", code))
        if code is None or isinstance(code, str):
            return code or None
        self.problem(
            f"code is no path: {code!r}", (*at, "code"), "Write `code: .`, or the folder's path"
        )
        return None

    def input(self, name: str, value: Any, path: tuple[str, ...]) -> Input | None:
        if isinstance(value, dict):
            return self.table_input(name, value, path)
        if value is None:
            self.problem(f'the input "{name}" has no value', path, "Give it one, or remove it")
            return None
        if isinstance(value, list):
            self.problem(
                f'the input "{name}" is a list; Azure ML takes text, numbers and true or false',
                path,
                "Write it as one text, and split it in the program",
            )
            return None
        return Input(name, "literal", value=value)

    def table_input(self, name: str, value: Mapping[str, Any], path: tuple[str, ...]) -> Input:
        """An input written as a mapping: data with a path, or a literal with a type."""
        value = upgrade_input(value)
        kind = str(value.get("type") or ("" if "value" in value else "uri_folder")).lower()
        optional = value.get("optional") is True
        if kind in LITERAL_TYPES or "value" in value or (not kind and "default" in value):
            given = _as_sent(value["value"]) if "value" in value else value.get("default")
            return Input(name, "literal", given, kind, optional=optional)
        if value.get("path") is None and value.get("default") is None and not optional:
            self.problem(
                f'the input "{name}" has neither a value nor a path',
                path,
                "Write `path: azureml:NAME:VERSION`, a folder, or a plain value",
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
                f'the output "{name}" is no mapping',
                path,
                "Write `type: uri_folder` below it, or nothing",
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
            value = environment_of_today(value)
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
            "the environment has neither build, image nor a name",
            path,
            "Write `build: {path: ./environment}`",
        )
        return Environment("none")

    def distribution(self, body: Mapping[str, Any], at: tuple[str, ...]) -> Distribution | None:
        value = self.mapping(body, *at, "distribution")
        if not value:
            return None
        path = (*at, "distribution")
        kind = str(value.get("type") or value.get("distribution_type") or "").lower()
        kind = "pytorch" if kind in ("torch.distributed", "torch_distributed") else kind
        if kind not in DISTRIBUTIONS:
            self.problem(
                f"distribution.type is {kind or 'missing'}",
                path,
                f"Write one of {', '.join(DISTRIBUTIONS)}",
            )
            return None
        counts = {
            key: self.integer(value.get(key), (*path, key), None)
            for key in ("process_count_per_instance", "worker_count", "parameter_server_count")
        }
        return Distribution(
            kind,
            counts["process_count_per_instance"] or 1,
            counts["worker_count"],
            counts["parameter_server_count"] or 0,
        )

    def mapping(self, holder: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
        """The mapping under the path's last key; empty when it is silent, and a problem when it
        is something else."""
        value = holder.get(path[-1])
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.problem(f'"{path[-1]}" must hold names and values', path, "Indent them below it")
            return {}
        return {str(name): one for name, one in value.items()}

    def integer(self, value: Any, path: tuple[str, ...], default: Any) -> Any:
        """A whole number, also one in quotes; a reference to a pipeline's input is none yet."""
        if value is None or (isinstance(value, str) and value.strip().startswith("${{")):
            return default
        if isinstance(value, float) and abs(value) < 1e300:  # neither infinite nor no number
            value = int(value)  # azure-ai-ml cuts it off too
        if isinstance(value, bool) or not str(value).strip().lstrip("-").isdigit():
            self.problem(f"{'.'.join(path)} is no whole number: {value!r}", path, "Write a number")
            return default
        return int(value)


# Kinds of jobs that Azure ML alone can run.
ELSEWHERE = (
    "automl", "spark", "schedule", "parallel", "import", "data_transfer", "finetuning",
    "distillation", "base", "component",
)  # fmt: skip


def job_kind(parsed: YamlText) -> str:
    """One of KINDS, by `type`, else by the keys that are there; a `Mistake` for what has no local
    form (automl, spark, a schedule ...)."""
    document = parsed.value
    schema = str(document.get("$schema") or "")
    if described := describe_file(document):
        raise UserError(
            f"this file describes {described}, not a job",
            where=parsed.where("type" if "type" in document else "$schema"),
            hint="Name a job file; `scripts/loop help job` shows the shortest one",
        )
    if "component." in schema.rsplit("/", 1)[-1].lower() or is_component(document):
        raise UserError(
            "this file is a component, not a job: a pipeline's step gives its inputs their values",
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
        for key, found in (("trial", "sweep"), ("jobs", "pipeline"), ("command", "command")):
            if key in document:
                kind = found
    if kind in KINDS:
        return kind
    if kind not in ELSEWHERE:
        raise UserError(
            f"there is no job of type {kind}",
            where=parsed.where("type"),
            hint="Write type: command, sweep or pipeline",
        )
    what = "schedule" if kind == "schedule" else "job"
    raise UserError(
        f"a job of type {kind} has no local form",
        where=parsed.where("type" if "type" in document else "$schema"),
        hint="Command, sweep and pipeline jobs are run and sent from here; "
        f"`az ml {what} create --file {shlex.quote(parsed.name)}` sends this one",
    )


def _as_sent(value: Any) -> Any:
    """What azure-ai-ml makes of `{value: ...}`: numbers that are 1 or 0 become true or false, and
    other fractions are cut off. A plain value below the name is sent as it is."""
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

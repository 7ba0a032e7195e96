"""An Azure ML job file: what to run, with which inputs, in which environment.

We model what we use; `document` keeps the rest as it is, because the format is Azure ML's.
Source: CLI (v2) command job YAML schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Mistake, nearest
from . import yaml_text
from .yaml_text import YamlText

DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
LITERAL_TYPES = ("string", "number", "integer", "boolean")


@dataclass(frozen=True, slots=True)
class Input:
    """kind: "literal" (its `value`) or "data" (its `path` as written, its `type` and `mode`)."""

    name: str
    kind: str
    value: Any = None
    type: str = ""
    path: str | None = None
    mode: str | None = None

    @property
    def literal_text(self) -> str:
        """As azure-ai-ml sends it: Python's str() of the value (True is "True")."""
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Output:
    name: str
    type: str = "uri_folder"
    path: str | None = None
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """kind: "build" (path, dockerfile), "image", "conda" (image + conda_file), "registered"
    (reference) or "none"."""

    kind: str
    path: str | None = None
    dockerfile: str | None = None
    image: str | None = None
    conda_file: Any = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """`name` is the file's path relative to the workspace; `code` stands as it is written;
    `timeout` is in seconds; `shm_size` is as Docker takes it, "2g" when the file is silent."""

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
    timeout: int | None = None
    compute: str | None = None
    experiment_name: str | None = None
    distribution: Mapping[str, Any] | None = field(default=None)


def parse_job(text: str, name: str) -> Job:
    """The job of a file's text; a `Mistake` with file:line when it cannot be run."""
    parsed = yaml_text.parse(text, name)
    if not isinstance(parsed.value, dict):
        raise Mistake(
            "this is no job file: it holds no keys",
            where=f"{name}:1",
            mend="`scripts/loop help job` shows the shortest one",
        )
    return job_of(parsed)


def job_of(parsed: YamlText) -> Job:
    document = parsed.value
    kind = _kind(parsed)
    resources = _mapping(parsed, "resources")
    limits = _mapping(parsed, "limits")
    return Job(
        kind=kind,
        name=parsed.name,
        document=document,
        text=parsed,
        command=_command(parsed),
        code=None if document.get("code") is None else str(document["code"]),
        inputs={
            key: _input(parsed, key, value) for key, value in _mapping(parsed, "inputs").items()
        },
        outputs={
            key: _output(parsed, key, value) for key, value in _mapping(parsed, "outputs").items()
        },
        environment=_environment(parsed),
        environment_variables={
            str(key): str(value) for key, value in _mapping(parsed, "environment_variables").items()
        },
        shm_size=str(resources.get("shm_size") or "2g"),
        instance_count=_integer(
            parsed, resources.get("instance_count", 1), "resources", "instance_count"
        ),
        timeout=(
            None
            if limits.get("timeout") is None
            else _integer(parsed, limits["timeout"], "limits", "timeout")
        ),
        compute=None if document.get("compute") is None else str(document["compute"]),
        experiment_name=document.get("experiment_name"),
        distribution=_mapping(parsed, "distribution") or None,
    )


def _kind(parsed: YamlText) -> str:
    schema = str(parsed.value.get("$schema", "")).rsplit("/", 1)[-1].lower()
    kind = str(parsed.value.get("type") or "") or schema.removesuffix(".schema.json").removesuffix(
        "job"
    )
    if kind in ("", "command"):
        return "command"
    raise Mistake(
        f"a {kind} job cannot be run here yet",
        where=parsed.where("type"),
        mend="Name a command job with --file",
    )


def _command(parsed: YamlText) -> str:
    command = parsed.value.get("command")
    if isinstance(command, str) and command.strip():
        return command
    if "command" in parsed.value:
        raise Mistake(
            "the job's command is empty", where=parsed.where("command"), mend="Say what to run"
        )
    keys = [str(key) for key in parsed.value]
    close = nearest("command", keys)
    raise Mistake(
        "the job has no command",
        where=f"{parsed.name}:1",
        mend=(
            f"{close} Write `command: python train.py`"
            if close.startswith("Did")
            else "Write `command: python train.py`"
        ),
    )


def _input(parsed: YamlText, name: str, value: Any) -> Input:
    if value is None:
        raise Mistake(
            f'the input "{name}" has no value',
            where=parsed.where("inputs", name),
            mend="Give it one, or remove it",
        )
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise Mistake(
                f'the input "{name}" is a list; Azure ML takes text, numbers and true or false',
                where=parsed.where("inputs", name),
                mend="Write it as one text, and split it in the program",
            )
        return Input(name, "literal", value=value)
    kind = str(value.get("type") or ("uri_folder" if "path" in value else ""))
    if kind in LITERAL_TYPES:
        return Input(name, "literal", value=value.get("default", value.get("value")), type=kind)
    if value.get("path") is None:
        raise Mistake(
            f'the input "{name}" has neither a value nor a path',
            where=parsed.where("inputs", name),
            mend="Write `path: azureml:NAME:VERSION`, a folder, or a plain value",
        )
    mode = value.get("mode")
    return Input(
        name, "data", type=kind, path=str(value["path"]), mode=None if mode is None else str(mode)
    )


def _output(parsed: YamlText, name: str, value: Any) -> Output:
    if value is None:
        return Output(name)
    if not isinstance(value, dict):
        raise Mistake(
            f'the output "{name}" is no table',
            where=parsed.where("outputs", name),
            mend="Write `type: uri_folder` below it, or nothing",
        )
    return Output(
        name, str(value.get("type") or "uri_folder"), value.get("path"), value.get("mode")
    )


def _environment(parsed: YamlText) -> Environment:
    value = parsed.value.get("environment")
    if value is None:
        return Environment("none")
    if isinstance(value, str):
        return Environment("registered", reference=value)
    build = value.get("build") if isinstance(value, dict) else None
    if isinstance(build, dict):
        return Environment("build", path=build.get("path"), dockerfile=build.get("dockerfile_path"))
    if isinstance(value, dict) and value.get("conda_file") is not None:
        return Environment("conda", image=value.get("image"), conda_file=value["conda_file"])
    if isinstance(value, dict) and value.get("image"):
        return Environment("image", image=str(value["image"]))
    raise Mistake(
        "the environment has neither build, image nor a name",
        where=parsed.where("environment"),
        mend="Write `build: {path: ./environment}`",
    )


def _mapping(parsed: YamlText, key: str) -> Mapping[str, Any]:
    value = parsed.value.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Mistake(
            f'"{key}" must hold names and values',
            where=parsed.where(key),
            mend="Indent them below it",
        )
    return {str(name): one for name, one in value.items()}


def _integer(parsed: YamlText, value: Any, *path: str) -> int:
    if isinstance(value, bool) or not str(value).lstrip("-").isdigit():
        raise Mistake(
            f"{'.'.join(path)} is no whole number: {value!r}",
            where=parsed.where(*path),
            mend="Write a number",
        )
    return int(value)

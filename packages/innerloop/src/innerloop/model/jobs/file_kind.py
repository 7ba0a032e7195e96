"""Recognizes YAML files that are not job files, to say what they are.

Source: CLI (v2) YAML schemas of the assets of Azure ML; the formats of the other tools.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ...util.late_patterns import late_pattern

Document = Mapping[Any, Any]

# https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
_SCHEMA = late_pattern(r"/(?P<name>\w+)\.schema\.json$", re.IGNORECASE)
# Keys that make a file a job file, whatever its other keys are.
_OF_JOBS = {"command", "trial"}
# Keys of a job that has services and lacks its command.
_BESIDE = {"$schema", "code", "component", "compute", "environment", "inputs", "outputs"}
# Keys that only components have, and keys that components never have.
_COMPONENT = {"version", "is_deterministic", "additional_includes"}
_NEVER_IN_COMPONENTS = {
    "compute", "experiment_name", "limits", "services", "identity", "queue_settings", "settings",
    "environment_variables",
}  # fmt: skip

# The type in an asset's file -> what the file describes.
_TYPES = {
    **dict.fromkeys(("uri_file", "uri_folder", "mltable"), "Azure ML data"),
    **dict.fromkeys(("mlflow_model", "custom_model", "triton_model"), "an Azure ML model"),
    **dict.fromkeys(
        ("amlcompute", "computeinstance", "virtualmachine", "synapsespark", "kubernetes"),
        "an Azure ML compute",
    ),
    **dict.fromkeys(
        ("azure_blob", "azure_file", "azure_data_lake_gen1", "azure_data_lake_gen2", "one_lake"),
        "an Azure ML datastore",
    ),
}


def describe_file(document: Document) -> str:
    """What the file describes if it is not a job file, as a noun phrase; "" if it is, or unknown."""
    keys = {str(key) for key in document}
    if _OF_JOBS & keys:
        return ""
    if "jobs" not in keys and (named := _by_schema(str(document.get("$schema") or ""))):
        return named
    kind = str(document.get("type") or "").lower()
    if kind in _TYPES:
        return _TYPES[kind]
    if kind.startswith("microsoft.machinelearningservices/"):
        return "a response of the service about a job"
    return next((words for words, is_one in _FORMS if is_one(document, keys)), "")


def _by_schema(url: str) -> str:
    if "promptflow" in url:
        return "a prompt flow"
    found = _SCHEMA.search(url)
    if found is None or found["name"].lower().endswith(("job", "schedule", "component")):
        return ""
    name = found["name"]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return "Azure ML data" if words == "data" else f"an Azure ML {words}"


def kind_by_schema(url: str) -> str:
    """The job type that a $schema names; "" if it names none."""
    found = _SCHEMA.search(url)
    name = found["name"].lower() if found else ""
    if name.startswith("automl"):  # one for each task
        return "automl"
    if name.endswith("schedule"):
        return "schedule"
    kind = name.removesuffix("job")
    return {"datatransfer": "data_transfer"}.get(kind, kind) if kind != name else ""


def is_component(document: Document) -> bool:
    """Whether the file is a component without a $schema that says so."""
    keys = {str(key) for key in document}
    named = str(document.get("type") or "").lower()
    if named.endswith("component") and named != "component":  # CommandComponent of older schemas
        return True
    return bool(_COMPONENT & keys) and not _NEVER_IN_COMPONENTS & keys and _runs(keys)


def _runs(keys: set[str]) -> bool:
    return bool({"command", "trial", "jobs"} & keys)


def _in_each(value: Any) -> list[Mapping[Any, Any]]:
    """The values of a mapping that are mappings."""
    below = value.values() if isinstance(value, dict) else ()
    return [one for one in below if isinstance(one, dict)]


def _is_workflow(document: Document, keys: set[str]) -> bool:
    """A workflow whose jobs have runners, or that only calls other workflows."""
    jobs = _in_each(document.get("jobs"))
    # "True": YAML 1.1 reads the key `on` as a boolean.
    is_triggered = bool({"on", "True"} & keys) and "jobs" in keys and "type" not in keys
    calls = (str(one.get("uses") or "") for one in jobs)
    return (
        is_triggered
        or any("runs-on" in one for one in jobs)
        or any(re.search(r"\.github/workflows/|^[\w.-]+/[\w.-]+.*@", call) for call in calls)
    )


def _is_action(document: Document, keys: set[str]) -> bool:
    runs = document.get("runs")
    return isinstance(runs, dict) and "using" in runs


def _is_devops(document: Document, keys: set[str]) -> bool:
    if isinstance(document.get("extends"), dict) and "template" in document["extends"]:
        return True
    stages = document.get("stages")
    if isinstance(document.get("jobs"), list) or (
        isinstance(stages, list) and any(isinstance(one, dict) for one in stages)
    ):
        return True
    steps = document.get("steps")
    if isinstance(steps, list) and any(
        isinstance(one, dict) and "template" in one for one in steps
    ):
        return True
    return isinstance(steps, list) and bool({"trigger", "pool", "pr", "schedules"} & keys)


def _is_compose(document: Document, keys: set[str]) -> bool:
    services = _in_each(document.get("services"))
    return not _BESIDE & keys and any({"image", "build"} & set(one) for one in services)


def _is_circleci(document: Document, keys: set[str]) -> bool:
    jobs = _in_each(document.get("jobs"))
    return "version" in keys and (
        "workflows" in keys or any({"docker", "machine", "executor"} & set(one) for one in jobs)
    )


def _has_list(*required: str) -> Callable[[Document, set[str]], bool]:
    return lambda document, keys: all(isinstance(document.get(key), list) for key in required)


def _has(*required: str) -> Callable[[Document, set[str]], bool]:
    return lambda document, keys: set(required) <= keys


# In this order: the first that matches.
_FORMS: tuple[tuple[str, Callable[[Document, set[str]], bool]], ...] = (
    ("a Kubernetes object", _has("apiVersion", "kind")),
    ("a pipeline of CircleCI", _is_circleci),
    ("a workflow of GitHub Actions", _is_workflow),
    ("an action of GitHub Actions", _is_action),
    ("a pipeline of Azure DevOps", _is_devops),
    ("a pipeline of GitLab", lambda document, keys: isinstance(document.get("stages"), list)),
    ("a pipeline of DVC", lambda document, keys: isinstance(document.get("stages"), dict)),
    ("a prompt flow", lambda document, keys: isinstance(document.get("nodes"), list)),
    ("a pipeline of Azure ML's SDK v1", lambda document, keys: "pipeline" in keys),
    ("a sweep of Weights & Biases", _has("program", "method")),
    ("containers for Docker Compose", _is_compose),
    ("an Azure ML deployment", _has("endpoint_name")),
    ("an Azure ML deployment", _has("name", "instance_type")),
    ("an Azure ML endpoint", _has("auth_mode")),
    ("a conda environment", lambda document, keys: isinstance(document.get("dependencies"), list)),
    ("an MLflow project", _has("entry_points")),
    ("a run of Azure ML's SDK v1", _has("script", "framework")),
    ("an Azure ML registry", _has("replication_locations")),
    ("an Azure ML environment", _has("name", "image")),
    ("an Azure ML environment", _has("name", "build")),
    ("an Azure ML environment", _has("conda_file")),
    ("an MLTable", _has("paths", "transformations")),
    ("a configuration of Dependabot", _has("version", "updates")),
    ("a configuration of pre-commit", _has_list("repos")),
    ("a description of an HTTP API", _has("openapi")),
    ("a description of an HTTP API", _has("swagger")),
    ("a kustomization", _has_list("resources")),
    ("a site of MkDocs", _has("site_name")),
    ("a job of Travis CI", _has("language", "script")),
    ("a configuration of Hydra", _has_list("defaults")),
)

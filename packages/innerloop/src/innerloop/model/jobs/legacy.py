"""Upgrades of forms from before the CLI (v2) was finished.

Azure ML no longer accepts these forms, and repositories still contain them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...util.late_patterns import late_pattern


def normalize_type(kind: str) -> str:
    """The job type in lower case; `sweep` for the `sweep_job` of the first previews."""
    return kind.lower().removesuffix("_job")


def upgrade_input(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The input with `type` and `path` in place of `file:`, `folder:`, `dataset:` or `data:`."""
    for key, kind in (("file", "uri_file"), ("folder", "uri_folder"), ("dataset", "uri_folder")):
        if key in value and "path" not in value:
            rest = {name: other for name, other in value.items() if name != key}
            return {"type": kind, "path": _local(value[key]), **rest}
    if "data" in value and "path" not in value:
        rest = {name: other for name, other in value.items() if name != "data"}
        return {**rest, "path": _local(value["data"])}
    return value


# As azure-ai-ml's `map_single_brackets_and_warn`, which rewrites it in command and sweep jobs.
_SINGLE_BRACES = late_pattern(r"(?<!\{)\{(?P<body>(?:inputs|outputs|search_space)\.[^}]*)\}(?!\})")


def upgrade_command(command: str) -> str:
    """The command with `${{inputs.x}}` in place of the old dialect's `{inputs.x}`."""
    return _SINGLE_BRACES.sub(lambda match: "${{" + match["body"] + "}}", command)


def single_braces(command: str) -> list[re.Match[str]]:
    """The references of the old dialect in a command as it is written; `body` is what they name."""
    return list(_SINGLE_BRACES.finditer(command))


def _local(value: Any) -> Any:
    """The path of a data reference that is written as a mapping."""
    if not isinstance(value, dict):
        return value
    store = value.get("datastore")
    if isinstance(store, str) and not {"path", "local_path"} & set(value):
        path = str(value.get("directory") or value.get("file") or "").strip("/")
        return f"azureml://datastores/{store.removeprefix('azureml:')}/paths/{path}"
    return value.get("path", value.get("local_path"))


def upgrade_environment(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The environment with `image` or `build` in place of the first previews' `docker: {...}`."""
    docker = value.get("docker")
    if not isinstance(docker, dict):
        return value
    build = docker.get("build")
    if isinstance(build, dict):
        name = str(build.get("dockerfile") or "Dockerfile").removeprefix("file:")
        folder, _, file = name.rpartition("/")
        return {**value, "build": {"path": folder or ".", "dockerfile_path": file}}
    return {**value, "image": docker.get("image")}

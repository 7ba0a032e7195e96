"""Forms of inputs and environments from before the CLI (v2) was finished, in the words of today:
Azure ML takes them no longer, and repositories still hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def normalize_type(kind: str) -> str:
    """A job's type: sweep for the `sweep_job` of the first previews."""
    return kind.lower().removesuffix("_job")


def upgrade_input(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """An input in one of the older forms that repositories still hold: `file:`, `folder:`,
    `dataset:` or `data:` in place of a type and a path."""
    for key, kind in (("file", "uri_file"), ("folder", "uri_folder"), ("dataset", "uri_folder")):
        if key in value and "path" not in value:
            rest = {name: one for name, one in value.items() if name != key}
            return {"type": kind, "path": _local(value[key]), **rest}
    if "data" in value and "path" not in value:
        rest = {name: one for name, one in value.items() if name != "data"}
        return {**rest, "path": _local(value["data"])}
    return value


def _local(value: Any) -> Any:
    """The path in a mapping that says more of it than an input can."""
    if not isinstance(value, dict):
        return value
    store = value.get("datastore")
    if isinstance(store, str) and not {"path", "local_path"} & set(value):
        inner = str(value.get("directory") or value.get("file") or "").strip("/")
        return f"azureml://datastores/{store.removeprefix('azureml:')}/paths/{inner}"
    return value.get("path", value.get("local_path"))


def environment_of_today(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """`docker: {image: ...}` and `docker: {build: {dockerfile: ...}}` of the first previews."""
    docker = value.get("docker")
    if not isinstance(docker, dict):
        return value
    build = docker.get("build")
    if isinstance(build, dict):
        name = str(build.get("dockerfile") or "Dockerfile").removeprefix("file:")
        folder, _, file = name.rpartition("/")
        return {**value, "build": {"path": folder or ".", "dockerfile_path": file}}
    return {**value, "image": docker.get("image")}

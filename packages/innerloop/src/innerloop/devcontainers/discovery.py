"""Finds dev containers by the labels that VS Code and the devcontainer CLI set.

It does not matter which of the two created a container.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..docker import client, docker_cli, engine, engine_location
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..sync.render.devcontainer_json import path_of
from ..util import process
from ..util.quick_dataclasses import dataclass

CONFIG = "devcontainer.config_file"
FOLDER = "devcontainer.local_folder"
METADATA = "devcontainer.metadata"
# Docker Compose's own labels, the same in all of its versions: the name of a project, its folder.
PROJECT = "com.docker.compose.project"
PROJECT_FOLDER = "com.docker.compose.project.working_dir"


@dataclass(frozen=True, slots=True)
class Container:
    """A dev container.

    `state` is Docker's: running, exited, created, paused, dead ... `user` is the image's; `mounts`
    maps the target of each bind mount to its source on the host.
    """

    id: str
    name: str
    state: str
    image: str
    user: str
    labels: Mapping[str, str]
    env: Mapping[str, str]
    mounts: Mapping[str, str]

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def config(self) -> str:
        return self.labels.get(CONFIG, "")

    @property
    def metadata(self) -> list[Mapping[str, Any]]:
        """The configuration that the container was created with, from its metadata label."""
        try:
            value = json.loads(self.labels.get(METADATA, "[]"))
        except ValueError:
            return []
        return [entry for entry in (value if isinstance(value, list) else [value]) if entry]

    @property
    def remote_user(self) -> str:
        """The user to work as: the last one in the metadata, else the image's user."""
        users = [entry.get("remoteUser") or entry.get("containerUser") for entry in self.metadata]
        return next((str(user) for user in reversed(users) if user), self.user or "root")


def find(workspace: Workspace, experiment: Experiment) -> list[Container]:
    """The experiment's dev containers, newest first. More than one is an accident."""
    if engine_location.is_elsewhere(workspace.root):
        return []
    config = _normal(_on_host(workspace, path_of(experiment)))
    return _matching(lambda labels: _normal(labels.get(CONFIG, "")) == config)


def of_workspace(workspace: Workspace) -> list[Container]:
    """Every dev container of the workspace."""
    if engine_location.is_elsewhere(workspace.root):
        return []
    folder = _normal(workspace.identity)
    return _matching(lambda labels: _normal(labels.get(FOLDER, "")) == folder)


def services_of(containers: Sequence[Container]) -> list[Container]:
    """The running containers that Docker Compose started for these dev containers alone."""
    projects = {_project_of(one.labels) for one in containers} - {None}
    if not projects:
        return []
    there = _matching(lambda labels: _project_of(labels) in projects, label=PROJECT)
    return services_among(there, containers)


def services_among(there: Sequence[Container], of: Sequence[Container]) -> list[Container]:
    """Those of the same projects that run, a database for example.

    The services of a project are also those of another running dev container in it: none is theirs
    alone.
    """
    ids = {one.id for one in of}
    others = [one for one in there if one.running and one.id not in ids]
    in_use = {_project_of(one.labels) for one in others if one.config}
    projects = {_project_of(one.labels) for one in of} - {None} - in_use
    return [one for one in others if _project_of(one.labels) in projects]


def _project_of(labels: Mapping[str, str]) -> tuple[str, str] | None:
    """Two clones may have projects of one name; the folder tells them apart."""
    name = labels.get(PROJECT, "")
    return (name, _normal(labels.get(PROJECT_FOLDER, ""))) if name else None


def labels_of(workspace: Workspace, experiment: Experiment) -> dict[str, str]:
    """Labels for the CLI to identify the container by.

    In the workspace's own container, those that VS Code on the host would set; elsewhere empty: the
    CLI sets the right ones itself.
    """
    if not workspace.host:
        return {}
    return {FOLDER: workspace.host, CONFIG: _on_host(workspace, path_of(experiment))}


def _on_host(workspace: Workspace, path: str) -> str:
    return os.path.join(workspace.identity, *path.split("/"))


def _matching(match: Callable[[Mapping[str, str]], bool], label: str = CONFIG) -> list[Container]:
    """The containers on this machine with a label, whose labels match; empty without an engine."""
    filters = quote(json.dumps({"label": [label]}))
    listed = engine.api_get(f"/containers/json?all=1&filters={filters}")
    if listed is not None:
        ids = [item["Id"] for item in listed if match(item.get("Labels") or {})]
        details = [engine.api_get(f"/containers/{container_id}/json") for container_id in ids]
        return [_container(item) for item in details if item]
    if not client.is_installed():
        return []
    ids = process.run(docker_cli.container_ids(label)).out.split()
    try:
        details = json.loads(process.run(docker_cli.inspect_containers(*ids)).out) if ids else []
    except ValueError:
        return []
    return [container for container in map(_container, details) if match(container.labels)]


def _container(value: Mapping[str, Any]) -> Container:
    """A container from the JSON of its inspection. Source: Docker Engine API v1.41."""
    config = value.get("Config") or {}
    return Container(
        id=value["Id"],
        name=str(value.get("Name", "")).lstrip("/"),
        state=(value.get("State") or {}).get("Status", ""),
        image=config.get("Image", ""),
        user=config.get("User", ""),
        labels=config.get("Labels") or {},
        env=dict(entry.partition("=")[::2] for entry in config.get("Env") or []),
        mounts={
            mount["Destination"]: mount.get("Source", "")
            for mount in value.get("Mounts") or []
            if mount.get("Type") == "bind"
        },
    )


def _normal(path: str) -> str:
    """A comparable path: Windows has drive letters in either case, and a path may contain links."""
    return os.path.normcase(os.path.realpath(path)) if path else ""

"""The dev containers that are there: found by the labels that VS Code and the devcontainer CLI put
on them, so that a container is the same one whoever made it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..docker import docker_cli, engine
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..sync.render.devcontainer_json import path_of
from ..util import process

CONFIG = "devcontainer.config_file"
FOLDER = "devcontainer.local_folder"
METADATA = "devcontainer.metadata"


@dataclass(frozen=True, slots=True)
class Container:
    """`state` is Docker's word: running, exited, created, paused, dead ...; `user` the one that the
    image names; `mounts` maps a bind mount's place in the container to the host's path."""

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
        """What the devcontainer CLI noted of the configuration that it was made with."""
        try:
            value = json.loads(self.labels.get(METADATA, "[]"))
        except ValueError:
            return []
        return [one for one in (value if isinstance(value, list) else [value]) if one]

    @property
    def remote_user(self) -> str:
        """Who works in it: the last one named wins, else the image's user."""
        named = [one.get("remoteUser") or one.get("containerUser") for one in self.metadata]
        return next((str(user) for user in reversed(named) if user), self.user or "root")


def find(workspace: Workspace, experiment: Experiment) -> list[Container]:
    """Those of an experiment's devcontainer.json, the newest first; two are an accident."""
    wanted = _normal(_on_host(workspace, path_of(experiment)))
    return _with(lambda labels: _normal(labels.get(CONFIG, "")) == wanted)


def of_workspace(workspace: Workspace) -> list[Container]:
    """Every dev container of the workspace, whichever devcontainer.json it was made with."""
    wanted = _normal(workspace.identity)
    return _with(lambda labels: _normal(labels.get(FOLDER, "")) == wanted)


def labels_of(workspace: Workspace, experiment: Experiment) -> dict[str, str]:
    """From within the workspace's own container, what VS Code on the host would call the
    experiment's; elsewhere nothing, since the CLI names it so itself."""
    if not workspace.host:
        return {}
    return {FOLDER: workspace.host, CONFIG: _on_host(workspace, path_of(experiment))}


def _on_host(workspace: Workspace, path: str) -> str:
    return os.path.join(workspace.identity, *path.split("/"))


def _with(match: Callable[[Mapping[str, str]], bool]) -> list[Container]:
    """The dev containers on this machine whose labels match; none without an engine."""
    filters = quote(json.dumps({"label": [CONFIG]}))
    listed = engine.api_get(f"/containers/json?all=1&filters={filters}")
    if listed is not None:
        ids = [one["Id"] for one in listed if match(one.get("Labels") or {})]
        details = [engine.api_get(f"/containers/{name}/json") for name in ids]
        return [_container(one) for one in details if one]
    if process.which("docker") is None:
        return []
    ids = process.run(docker_cli.container_ids(CONFIG)).out.split()
    try:
        details = json.loads(process.run(docker_cli.inspect_containers(*ids)).out) if ids else []
    except ValueError:
        return []
    return [one for one in map(_container, details) if match(one.labels)]


def _container(value: Mapping[str, Any]) -> Container:
    """From what Docker says about one container. Source: Docker Engine API v1.41."""
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
    """Windows writes a drive in either case; a folder may be named through a link."""
    return os.path.normcase(os.path.realpath(path)) if path else ""

"""What the devcontainer.json on the disk asks for."""

from __future__ import annotations

from typing import Any

import pytest

from innerloop.devcontainers.configuration import Configuration
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace
from innerloop.sync.render import devcontainer_json
from innerloop.sync.render.generated_files import Specification

THREE = "FROM python:3.11 AS base\nFROM base AS dev\nUSER dev\nFROM base AS job\n"
EXPERIMENT = Experiment("line", parse(THREE, "Dockerfile"), Settings())
WORKSPACE = Workspace("/home/me/w", Settings(), ("line",))


def rendered(**change: Any) -> Configuration:
    value = devcontainer_json.render(Specification(WORKSPACE, (EXPERIMENT,), {}), EXPERIMENT)
    value = {key: one for key, one in {**value, **change}.items() if one is not None}
    return Configuration(devcontainer_json.path_of(EXPERIMENT), value)


def built(**change: Any) -> Configuration:
    return rendered(build={**rendered().value["build"], **change})


def test_what_is_rendered_is_what_loop_build_builds() -> None:
    assert rendered().builds(EXPERIMENT)
    assert built(cacheFrom=["x"]).builds(EXPERIMENT)


@pytest.mark.parametrize(
    "change",
    [
        {"args": {"A": "1"}},
        {"target": "job"},
        {"dockerfile": "../../src/line/environment/Other"},
        {"context": "../.."},
        {"options": ["--tag=x", "--ssh=default"]},
    ],
)
def test_a_persons_own_build_is_theirs(change: dict[str, Any]) -> None:
    assert not built(**change).builds(EXPERIMENT)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, "build"),
        ({"build": None, "image": "x"}, "image"),
        ({"features": {"./mine": {}}}, "features"),
        ({"features": {}}, "build"),
        ({"build": None, "dockerComposeFile": "compose.yaml"}, "compose"),
    ],
)
def test_where_its_image_comes_from(change: dict[str, Any], kind: str) -> None:
    assert rendered(**change).kind == kind


@pytest.mark.parametrize(
    ("change", "gpu"),
    [
        ({}, "auto"),
        ({"runArgs": ["--gpus", "all"]}, "all"),
        ({"runArgs": ["--gpus=2"]}, "all"),
        ({"hostRequirements": {"gpu": True}}, "all"),
        ({"hostRequirements": {"gpu": {"cores": 1}}}, "all"),
        ({"hostRequirements": {"cpus": 4}}, "none"),
        ({"hostRequirements": None}, "none"),
    ],
)
def test_what_it_wants_of_a_gpu(change: dict[str, Any], gpu: str) -> None:
    assert rendered(**change).gpu == gpu


def test_on_an_image_all_else_stays() -> None:
    config = rendered(features={"./mine": {}}, remoteEnv={"A": "1"})
    value = config.on("image:tag", "me", {"a.b": "c d"}, WORKSPACE)
    assert (value["image"], value["remoteUser"]) == ("image:tag", "me")
    assert value["updateRemoteUserUID"] is False
    assert not {"build", "features"} & set(value)
    assert value["runArgs"][:4] == ["--shm-size", "2g", "--label", "a.b=c d"]
    for key in ("mounts", "containerEnv", "remoteEnv", "onCreateCommand", "customizations"):
        assert value[key] == config.value[key]


def test_from_the_workspaces_own_container_the_engine_hears_the_hosts_path() -> None:
    inside = Workspace("/workspaces/w", Settings(), ("line",), host="/home/me/w")
    value = rendered().on("image:tag", "me", {}, inside)
    assert value["workspaceMount"] == "type=bind,source=/home/me/w,target=/workspaces/w"
    assert value["workspaceFolder"] == "/workspaces/w"

"""What the devcontainer.json on the disk asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from innerloop.devcontainers import configuration as configuration_module
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


@pytest.mark.parametrize(
    ("root", "mount"),
    [
        ('/home/me/a"b', 'type=bind,"source=/home/me/a""b","target=/workspaces/a""b"'),
        ('/home/me"s, own/w', 'type=bind,"source=/home/me""s, own/w",target=/workspaces/w'),
        ("/home/me, own/w", None),  # the CLI quotes that itself
    ],
)
def test_path_with_a_quote_is_mounted_as_the_engine_reads_it(root: str, mount: str | None) -> None:
    value = rendered().on("image:tag", "me", {}, Workspace(root, Settings(), ("line",)))
    assert value.get("workspaceMount") == mount


@pytest.mark.parametrize(
    ("configuration", "file"),
    [
        ({"image": "a", "features": {"./hello": {}}}, ".devcontainer/line/hello/install.sh"),
        ({"dockerComposeFile": "compose.yml"}, ".devcontainer/line/compose.yml"),
        ({"dockerComposeFile": ["../a.yml", "compose.yml"]}, ".devcontainer/line/compose.yml"),
        ({"image": "a", "runArgs": ["--env-file", "my.env"]}, "my.env"),
        ({"image": "a", "runArgs": ["--env-file=${localWorkspaceFolder}/my.env"]}, "my.env"),
    ],
)
def test_decisive_names_the_files_that_it_refers_to(
    tmp_path: Path, configuration: dict[str, object], file: str
) -> None:
    before = loaded(tmp_path, configuration, {file: "one"})
    assert loaded(tmp_path, configuration, {file: "one"}).decisive == before.decisive
    assert loaded(tmp_path, configuration, {file: "two"}).decisive != before.decisive


def test_decisive_leaves_out_files_outside_the_workspace(tmp_path: Path) -> None:
    configuration = {"image": "a", "runArgs": ["--env-file", "/etc/hostname"]}
    assert loaded(tmp_path, configuration, {}).files == {}


def loaded(root: Path, configuration: Mapping[str, object], texts: dict[str, str]) -> Configuration:
    texts = {".devcontainer/line/devcontainer.json": json.dumps(configuration), **texts}
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return configuration_module.load(Workspace(str(root), Settings(), ("line",)), EXPERIMENT)

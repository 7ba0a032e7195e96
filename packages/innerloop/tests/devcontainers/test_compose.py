"""Dev containers that Docker Compose makes: what belongs to them, and when they are outdated."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.devcontainers import configuration, discovery, staleness, state_cache
from innerloop.devcontainers.discovery import CONFIG, PROJECT, PROJECT_FOLDER, Container
from innerloop.devcontainers.state_cache import Note
from innerloop.docker.image_staleness import configuration_label
from innerloop.workspace import loader
from tests.support import Workspace


def container(
    name: str, project: str = "", folder: str = "/w", state: str = "running", config: str = ""
) -> Container:
    labels = {PROJECT: project, PROJECT_FOLDER: folder} if project else {}
    labels |= {CONFIG: config} if config else {}
    return Container(name, name, state, "image", "", labels, {}, {})


@pytest.mark.parametrize(
    ("other", "is_service"),
    [
        (container("db", "train"), True),
        (container("db", "train", state="exited"), False),
        (container("db", "other"), False),
        (container("db", "train", folder="/another/clone"), False),
        (container("db"), False),
    ],
)
def test_service_of_the_same_project_and_folder_belongs_to_a_dev_container(
    other: Container, is_service: bool
) -> None:
    own = container("app", "train", config="/w/devcontainer.json")
    assert discovery.services_among([own, other], [own]) == ([other] if is_service else [])


def test_service_that_another_dev_container_uses_stays() -> None:
    first, second = (container(name, "all", config=f"/w/{name}") for name in ("a", "b"))
    database = container("db", "all")
    assert discovery.services_among([first, second, database], [first]) == []
    assert discovery.services_among([first, second, database], [first, second]) == [database]
    alone = container("plain", config="/w/c")
    assert discovery.services_of([alone]) == []


def test_container_of_compose_is_outdated_when_a_file_that_it_names_changes(
    workspace: Workspace,
) -> None:
    workspace.add("line", "")
    folder = ".devcontainer/line"
    workspace.write(
        f"{folder}/devcontainer.json", '{"dockerComposeFile": ["a.yml"], "service": "app"}\n'
    )
    workspace.write(f"{folder}/a.yml", "services: {app: {image: a}}\n")
    opened = loader.open_workspace(workspace.root)
    experiment = loader.open_experiment(opened, "line")
    config = configuration.load(opened, experiment)
    own = container("app", "line", config="x")
    note = Note("app", "root", "/w", whole=True, configuration=configuration_label(config.decisive))
    state_cache.write(Path(opened.root), "line", note)
    assert staleness.of_container(own, opened, experiment, config) == []
    workspace.write(f"{folder}/a.yml", "services: {app: {image: b}}\n")
    changed = configuration.load(opened, experiment)
    (change,) = staleness.of_container(own, opened, experiment, changed)
    assert change == f"{folder}/devcontainer.json changed (the file {folder}/a.yml)"

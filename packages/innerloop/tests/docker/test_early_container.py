"""A container that is created early is the run's, or is gone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from innerloop.docker import attached_container, containers, early_container, engine
from innerloop.model.container import ContainerSpec
from innerloop.model.container_api import create_body

pytestmark = pytest.mark.docker

NAME = f"innerloop-early-{os.getpid()}"
SPEC = ContainerSpec(
    "python:3.11-slim-bookworm", ("sh", "-c", "exit 3"), name=NAME, entrypoint="", remove=False
)


@pytest.fixture(autouse=True)
def gone() -> Iterator[None]:
    containers.remove(NAME)
    yield
    containers.remove(NAME)


def begin(spec: ContainerSpec, *folders: Path) -> None:
    socket_path, body = engine.own_socket(), create_body(spec, {})
    assert socket_path is not None and body is not None
    early_container.begin(socket_path, spec.name, body, folders)


def id_of(name: str) -> str:
    found = containers.find(name)
    return found.id if found is not None else ""


def start(spec: ContainerSpec) -> int | None:
    return attached_container.run(spec, {}, stop=lambda seconds: None)


def test_the_run_starts_the_container_of_its_name_and_body() -> None:
    with early_container.removed_unless_taken():
        begin(SPEC)
        (early,) = early_container._waiting
        assert start(SPEC) == 3
    assert early.id and id_of(NAME) == early.id


def test_a_container_with_another_body_is_replaced() -> None:
    with early_container.removed_unless_taken():
        begin(replace(SPEC, env={"A": "1"}))
        (early,) = early_container._waiting
        assert start(SPEC) == 3
    assert early.id and id_of(NAME) not in ("", early.id)


def test_a_container_that_no_run_takes_is_removed_with_its_folders(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "tiny" / "1"
    folder.mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt), early_container.removed_unless_taken():
        begin(SPEC, folder)
        raise KeyboardInterrupt
    assert not id_of(NAME) and [*tmp_path.rglob("*")] == [tmp_path / "outputs"]


def test_one_that_cannot_be_created_is_left_to_the_run() -> None:
    words = ["docker", "create", "--name", NAME, SPEC.image]
    subprocess.run(words, check=True, capture_output=True)
    with early_container.removed_unless_taken():
        begin(SPEC)
        assert early_container.take(NAME, create_body(SPEC, {}) or {}) == ""
    assert id_of(NAME)


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_run_that_does_not_begin_is_forgotten(is_taken: bool) -> None:
    forgotten: list[str] = []
    socket_path, body = engine.own_socket(), create_body(SPEC, {})
    assert socket_path is not None and body is not None
    with early_container.removed_unless_taken():
        early_container.begin(socket_path, NAME, body, forget=lambda: forgotten.append(NAME))
        if is_taken:
            assert start(SPEC) == 3
    assert forgotten == ([] if is_taken else [NAME])

"""A request with the debugger in it, as a value."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from innerloop.model.container import ContainerSpec, Mount
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.jobs.job import parse_job
from innerloop.model.run import ProcessSpec, Request, Run
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace
from innerloop.runner import debug
from innerloop.util.errors import UserError

JOB = "command: a && b\ncode: .\nenvironment: {build: {path: ./environment}}\n"
COMMAND = ("bash", "-c", "a && b")


def run_of(root: str = "/home/me/our work") -> Run:
    return Run(
        workspace=Workspace(root, Settings(), ("line",)),
        experiment=Experiment("line", parse("FROM a\n", "Dockerfile"), Settings()),
        job=parse_job(JOB, "src/line/azure-ml-job.yaml"),
        id="1",
        data={},
        code=f"{root}/src/line",
    )


def in_docker(*options: str) -> Request:
    there = "/workspaces/our work/src/line"
    return Request(
        experiment="line",
        backend="docker",
        command="a && b",
        container=ContainerSpec(
            image="image:job",
            command=COMMAND,
            name="x",
            workdir=there,
            mounts=(Mount("/home/me/our work/src/line", there), Mount("/data/x", "/mnt/inputs/x")),
            options=options,
        ),
        outputs="outputs/line/1",
        why="",
    )


def settings_of(request: Request) -> dict[str, Any]:
    at = next(i for i, word in enumerate(request.argv) if word.endswith("/start.sh"))
    settings: dict[str, Any] = json.loads(request.argv[at + 2])
    return settings


def test_a_container_gets_two_mounts_no_port_and_a_program_before_its_command() -> None:
    plain = in_docker()
    made = debug.debugged(run_of(), plain, 24500, 28500)
    assert made.container is not None and plain.container is not None
    assert made.container.ports == ()
    assert made.container.labels == {"innerloop.debugged-at": "24500"}
    assert made.container.command[:2] == ("bash", "/opt/innerloop/debugger/start.sh")
    assert made.container.command[-3:] == COMMAND
    assert [mount.read_only for mount in made.mounts[2:]] == [True, True]
    assert made.command == plain.command
    assert plain.container == replace(
        made.container, labels={}, mounts=plain.mounts, command=plain.container.command
    )
    assert settings_of(made)["port"] == 28500
    assert settings_of(made)["shown"] == "127.0.0.1:24500"


def test_the_innermost_folder_is_mapped_first() -> None:
    assert settings_of(debug.debugged(run_of(), in_docker(), 24500, 28500))["folders"] == [
        ["src/line", "/workspaces/our work/src/line"],
        ["/data/x", "/mnt/inputs/x"],
        ["", "/workspaces/our work"],
    ]


@pytest.mark.parametrize("network", ["", "host", "none", "of-my-own"])
def test_the_network_does_not_matter(network: str) -> None:
    words = ("--network", network) if network else ()
    made = debug.debugged(run_of(), in_docker(*words), 24500, 28500)
    assert made.container is not None and made.container.ports == ()
    assert settings_of(made) == settings_of(debug.debugged(run_of(), in_docker(), 24500, 28500))


def test_the_secret_is_in_no_argv_and_not_in_what_a_dry_run_prints() -> None:
    process = replace(in_docker(), process=ProcessSpec(COMMAND, cwd="/x"), container=None)
    for plain in (in_docker(), process):
        made = debug.with_secret(debug.debugged(run_of(), plain, 24500, 28500))
        secret = made.secrets[debug.SECRET]
        assert len(secret) == 64 and secret not in json.dumps(made.json()) + repr(made)
        assert debug.with_secret(plain).secrets[debug.SECRET] != secret


def test_the_adapter_has_another_port() -> None:
    assert debug.adapter_port(24500) == 28500
    assert debug.adapter_port(65000) == 61000


def test_here_the_view_stands_for_the_code() -> None:
    view = "/home/me/our work/.innerloop/scratch/line/1"
    plain = replace(
        in_docker(), backend="venv", process=ProcessSpec(COMMAND, cwd=view), container=None
    )
    made = debug.debugged(run_of(), plain, 24500, 28500)
    assert made.argv[0] == "bash" and made.argv[-3:] == COMMAND
    settings = settings_of(made)
    assert settings["folders"] == [["src/line", view], ["", "/home/me/our work"]]


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("", "src/line/azure-ml-job.yaml:1"),
        ("src/line", "src/line/azure-ml-job.yaml:1"),
        ("src/line/environment/Dockerfile:3", "src/line/environment/Dockerfile:3"),
    ],
)
def test_a_mistake_has_a_place_that_an_editor_can_show(
    where: str, shown: str, tmp_path: Path
) -> None:
    found = debug.with_position(UserError("it is wrong", where=where), tmp_path, "line", None)
    assert found.where == shown
    assert "it is wrong" in found.message()


def test_a_mistake_about_the_open_file_is_shown_there(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    found = debug.with_position(UserError("it is wrong"), tmp_path, "train.py", None)
    assert found.where == "train.py:1"

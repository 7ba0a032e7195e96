"""The backend docker: the container as a value, and the argv that it starts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from innerloop.docker import attached_container, container_ports, containers
from innerloop.docker.containers import OwnContainer
from innerloop.docker.engine import Engine
from innerloop.docker.engine_facts import EngineFacts
from innerloop.local import container_run, docker
from innerloop.model.container import PublishedPort
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.gpu import NO_GPU, Gpu
from innerloop.model.jobs.job import parse_job
from innerloop.model.run import Request, Run
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace
from innerloop.util import process
from innerloop.util.errors import UserError

JOB = "command: a && b\ncode: .\nenvironment: {build: {path: ./environment}}\n"


def run_of(root: str, job: str = JOB) -> Run:
    return Run(
        workspace=Workspace(root, Settings(), ("line",)),
        experiment=Experiment("line", parse("FROM a\n", "Dockerfile"), Settings()),
        job=parse_job(job, "src/line/azure-ml-job.yaml"),
        id="1",
        data={},
        code=f"{root}/src/line",
        ports={6006: 16006},
        options=("--cpus", "2"),
        attended=False,
    )


def request_of(run: Run, image: str | None = "image:job") -> Request:
    return docker.request(
        run, image=image, engine=Engine(True), gpu=Gpu(False, "CPU"), owner="1:2", why="asked for"
    )


def test_request_holds_the_container_as_a_value(tmp_path: Path) -> None:
    container = request_of(run_of(str(tmp_path))).container
    assert container is not None
    assert (container.image, container.user, container.name) == (
        "image:job",
        "1:2",
        "innerloop-line-1",
    )
    assert container.ports == (PublishedPort(16006, 6006, gated=True),)
    assert container.options == ("--cpus", "2")
    assert container.command[-1] == "a && b"
    assert container.entrypoint == ""
    assert "HOME" not in container.env and "/.local/bin" in container.command[2]


def test_request_without_an_image_describes_the_container_and_cannot_start(tmp_path: Path) -> None:
    request = request_of(run_of(str(tmp_path)), image=None)
    assert (request.can_start, request.argv, request.image) == (False, (), None)
    assert request.cwd == f"/workspaces/{tmp_path.name}/src/line" and request.mounts


def test_docker_args_with_an_open_quote_raise_at_their_line(tmp_path: Path) -> None:
    job = f"{JOB}resources: {{docker_args: '--label \"x'}}\n"
    with pytest.raises(UserError) as caught:
        request_of(run_of(str(tmp_path), job))
    assert (caught.value.code, caught.value.where) == (
        "docker-args-invalid", "src/line/azure-ml-job.yaml:4:13",
    )  # fmt: skip


def test_submit_starts_the_very_argv_that_a_dry_run_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sequence[str]] = []

    def run_foreground(argv: Sequence[str], **_: Any) -> int:
        started.append(list(argv))
        return 7

    monkeypatch.setattr(process, "run_foreground", run_foreground)
    monkeypatch.setattr(container_ports, "opened", nullcontext)  # asks the engine
    monkeypatch.setattr(attached_container, "run", lambda *_, **__: None)
    (tmp_path / "src/line").mkdir(parents=True)
    run = run_of(str(tmp_path))
    request = request_of(run)
    assert request.container is not None
    changed = replace(request, container=request.container.with_port(1, 2))
    assert docker.submit(run, changed) == 7
    assert started == [changed.json()["argv"]]
    assert changed.json()["argv"] != request.json()["argv"]


ROOTLESS = EngineFacts(rootless=True)
OLD_PODMAN = EngineFacts("podman", "docker", "4.3.1", rootless=True)


@pytest.mark.parametrize(
    ("facts", "options", "user"),
    [
        (EngineFacts(), "", "1:2"),
        (ROOTLESS, "", "0:0"),
        (OLD_PODMAN, "", "0:0"),
        (EngineFacts(in_machine=True), "", ""),
        (EngineFacts("podman", "podman", "5.0", rootless=True), "--userns=keep-id", "1:2"),
        (EngineFacts("podman", "podman", "5.0", rootless=True), "--userns keep-id", "1:2"),
    ],
)
def test_user_of_the_container_is_the_person_with_every_engine(
    tmp_path: Path, facts: EngineFacts, options: str, user: str
) -> None:
    run = run_of(str(tmp_path), f"{JOB}resources: {{docker_args: '{options}'}}\n")
    container = request_with(run, facts).container
    assert container is not None and container.user == user


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("facts", "keeps"),
    [
        (EngineFacts(), True),
        (EngineFacts("podman", "podman", "4.3.1"), True),
        (EngineFacts("podman", "docker", "4.6.0"), True),
        (OLD_PODMAN, False),
    ],
)
def test_container_is_not_removed_by_an_engine_that_loses_its_exit_code(
    tmp_path: Path, facts: EngineFacts, keeps: bool, in_place: bool
) -> None:
    run = run_of(str(tmp_path), f"{JOB}resources: {{docker_args: '--rm --ipc host'}}\n")
    run = replace(run, in_place=in_place)
    request = request_with(run, facts)
    assert request.container is not None
    words = request.argv
    assert ("--rm" in words, "--ipc" in words) == (keeps, True)
    assert request.container.apart is not facts.has_own_networks


def test_submit_reads_the_exit_code_of_a_container_that_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a terminal or a test, which other engines remove as they end."""
    ended: list[str] = []
    monkeypatch.setattr(process, "run_foreground", lambda argv, **_: 7)
    monkeypatch.setattr(container_ports, "opened", nullcontext)
    monkeypatch.setattr(attached_container, "run", lambda *_, **__: None)
    monkeypatch.setattr(
        container_run, "_asked", lambda name: OwnContainer("1", name, "exited", {}, 7, "a", "b")
    )
    monkeypatch.setattr(containers, "remove", ended.append)
    (tmp_path / "src/line").mkdir(parents=True)
    run = replace(run_of(str(tmp_path)), in_place=True)
    assert docker.submit(run, request_with(run, OLD_PODMAN)) == 7
    assert ended == ["innerloop-line-1"]


def request_with(run: Run, facts: EngineFacts) -> Request:
    engine = Engine(True, facts=facts)
    return docker.request(run, image="i", engine=engine, gpu=NO_GPU, owner="1:2", why="")

"""The backend docker: the container as a value, and the argv that it starts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from innerloop.docker import container_ports
from innerloop.docker.engine import Engine
from innerloop.local import docker
from innerloop.model.container import PublishedPort
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.gpu import Gpu
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
    (tmp_path / "src/line").mkdir(parents=True)
    run = run_of(str(tmp_path))
    request = request_of(run)
    assert request.container is not None
    changed = replace(request, container=request.container.with_port(1, 2))
    assert docker.submit(run, changed) == 7
    assert started == [changed.json()["argv"]]
    assert changed.json()["argv"] != request.json()["argv"]

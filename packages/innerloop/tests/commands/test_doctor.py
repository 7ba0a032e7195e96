"""`loop doctor` on machines that lack one thing each.

A program that is there or not is a program on PATH.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from innerloop.doctor.checks import Checkup, Fact, run
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace as Spec
from tests.support import Workspace

Facts = Mapping[str, Any]


def facts(workspace: Workspace, **env: str) -> Facts:
    answer = workspace.loop("doctor", "--json", env=env)
    assert answer.message == ""
    told = json.loads(answer.out)
    assert answer.code == any(fact["state"] == "bad" for fact in told)
    return {fact["name"]: fact for fact in told}


def program(folder: Path, name: str, script: str) -> str:
    """A PATH on which this program comes first."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_every_fact_that_is_not_well_has_a_mend(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    told = facts(workspace)
    wanted = ("python", "cache", "disk", "gpu", "proxy", "ports", "line endings", "symbolic links")
    assert set(wanted) <= set(told)
    for fact in told.values():
        assert fact["what"] and not fact["what"].startswith("this check failed"), fact
        assert fact["state"] == "ok" or fact["hint"], fact


def test_without_docker(workspace: Workspace, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "bash", "cksum", "tr", "git", "python3", "dirname"):
        if found := next((p for p in map(Path, ("/bin", "/usr/bin")) if (p / name).exists()), None):
            (tools / name).symlink_to(found / name)
    told = facts(workspace, PATH=str(tools))
    assert told["docker engine"]["state"] == "note"
    assert "Docker is not installed" in told["docker engine"]["what"]
    assert "buildx" not in told and told["devcontainer"]["state"] == "note"


@pytest.mark.parametrize("engine", ["absent", "silent"])
def test_inside_an_experiments_container_nothing_of_the_host_is_advised(
    workspace: Workspace, tmp_path: Path, engine: str
) -> None:
    workspace.add("tiny", "")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "bash", "cksum", "tr", "git", "python3", "dirname"):
        if found := next((p for p in map(Path, ("/bin", "/usr/bin")) if (p / name).exists()), None):
            (tools / name).symlink_to(found / name)
    if engine == "silent":
        program(tools, "docker", "echo Cannot connect to the Docker daemon >&2; exit 1")
    env = {"PATH": str(tools), "DOCKER_HOST": "tcp://127.0.0.1:9", "INNERLOOP_EXPERIMENT": "tiny"}
    told = facts(workspace, **env)
    assert told["container"]["state"] == "ok" and "tiny" in told["container"]["what"]
    assert not {"docker engine", "buildx", "devcontainer", "vs code"} & set(told)
    advised = " ".join(fact["hint"] for fact in told.values())
    assert "Docker" not in advised and "VS Code" not in advised
    built = workspace.loop("build", "tiny", env=env)
    assert built.code == 1 and "[engine-unavailable]" in built.message
    assert "on the host" in built.err and "nstall Docker" not in built.err


def test_a_driver_that_is_older_than_the_locks_cuda(workspace: Workspace, tmp_path: Path) -> None:
    workspace.add("tiny", "")
    workspace.write(
        "src/tiny/environment/requirements.txt", "nvidia-cuda-runtime==13.0.96 \\\n    --hash=x\n"
    )
    smi = 'case $1 in --query*) echo "NVIDIA X";; *) echo "Driver Version: 550.1 CUDA Version: 12.4";; esac'
    told = facts(workspace, PATH=program(tmp_path / "bin", "nvidia-smi", smi))
    assert told["gpu"]["what"] == "1 x NVIDIA X, driver 550.1, up to CUDA 12.4"
    assert told["cuda of tiny"]["state"] == "bad"
    assert "13.0" in told["cuda of tiny"]["what"] and "driver" in told["cuda of tiny"]["hint"]


def test_an_experiment_that_insists_on_a_gpu_where_there_is_none(workspace: Workspace) -> None:
    workspace.add("tiny", "", toml='gpu = "all"\n')
    told = facts(workspace, INNERLOOP_NO_GPU="1")
    assert told["gpu"]["state"] == "bad" and "auto" in told["gpu"]["hint"]


def test_extensions_that_are_not_there(workspace: Workspace, tmp_path: Path) -> None:
    code = "case $1 in --version) echo 1.139.0;; *) echo MS-Python.python; echo ms-vscode-remote.remote-containers;; esac"
    told = facts(workspace, PATH=program(tmp_path / "bin", "code", code))
    assert told["vs code"]["what"] == "1.139.0"
    assert "--install-extension ms-python.debugpy" in told["extensions"]["hint"]
    assert "ms-python.python" not in told["extensions"]["hint"]


def test_windows_line_endings(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    path = workspace.root / "src/tiny/environment/Dockerfile"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    told = facts(workspace)
    assert told["line endings"]["state"] == "bad"
    assert "src/tiny/environment/Dockerfile" in told["line endings"]["what"]


def test_a_link_that_git_wrote_as_text(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    workspace.write("src/tiny/common/digits.py", "../../common/digits.py")
    assert facts(workspace)["symbolic links"]["state"] == "bad"


def test_a_port_that_is_taken(workspace: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        workspace.add("tiny", "", toml=f"ports = [{port}]\n")
        told = facts(workspace)
    assert told["ports"]["state"] == "note"
    assert f"{port} (tiny) is in use" in told["ports"]["what"]


def test_a_proxy_that_does_not_answer_without_its_password(workspace: Workspace) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answer = workspace.loop("doctor", env={"HTTPS_PROXY": f"http://ada:hidden@127.0.0.1:{port}"})
    assert answer.code == 1
    assert f"127.0.0.1:{port} does not answer" in answer.out and "hidden" not in answer.out


def test_a_certificate_authority_that_is_not_there(workspace: Workspace) -> None:
    workspace.write("pyproject.toml", '[tool.innerloop]\nca = "gone.pem"\n')
    told = facts(workspace)
    assert told["authority"]["state"] == "bad" and "gone.pem" in told["authority"]["what"]


def test_rendered_files_that_are_behind(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    assert facts(workspace)["generated files"]["state"] == "note"
    workspace.loop("sync")
    assert facts(workspace)["generated files"]["state"] == "ok"


@pytest.mark.docker
def test_what_is_stale_and_what_clean_would_free(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    name = workspace.loop("build", "tiny").out.strip()
    assert facts(workspace)["disk usage"]["state"] == "ok"
    workspace.write("src/tiny/environment/Dockerfile", "FROM python:3.11-slim-bookworm\nENV A=1\n")
    left = facts(workspace)["disk usage"]
    assert left["state"] == "note" and name in left["what"] and "loop clean" in left["hint"]


def test_questions_are_asked_at_the_same_time_and_one_that_fails_is_a_fact() -> None:
    begun: list[float] = []

    def slow(patient: Checkup) -> list[Fact]:
        begun.append(time.monotonic())
        time.sleep(0.3)
        return [Fact("ok", "slow", f"{len(begun)} have begun")]

    def failing(patient: Checkup) -> list[Fact]:
        raise ValueError("no such thing")

    patient = Checkup(Path("/"), Spec("/", Settings(), ()), ())
    rounds = list(run(patient, [slow, failing, slow]))
    told = [fact.what for found, _ in rounds for fact in found]
    assert told == ["2 have begun", "this check failed: no such thing", "2 have begun"]
    assert any("slow" in waiting for _, waiting in rounds)


def test_a_file_of_authorities_that_is_gone_is_named(workspace: Workspace) -> None:
    """As after a company's certificate was moved: builds go on without, all else fails."""
    answer = workspace.loop("doctor", "--json", env={"REQUESTS_CA_BUNDLE": "/not/here.pem"})
    told = [fact for fact in json.loads(answer.out) if fact["name"] == "authority"]
    (gone,) = [fact for fact in told if "/not/here.pem" in fact["what"]]
    assert gone["state"] == "bad" and "REQUESTS_CA_BUNDLE" in gone["what"] + gone["hint"]
    assert answer.code == 1


def test_a_rendered_file_that_cannot_be_read_is_named(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    assert workspace.loop("sync").code == 0
    workspace.write(".devcontainer/tiny/devcontainer.json", "{ broken")
    fact = facts(workspace)["generated files"]
    assert fact["state"] == "bad"
    assert ".devcontainer/tiny/devcontainer.json:1:3: expected a key" in fact["what"]

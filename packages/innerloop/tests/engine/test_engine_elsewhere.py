"""An engine that does not see the workspace's files: noticed before anything is built or started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.own_engine import OwnEngine, own_engine
from tests.engine.relay import Relay
from tests.support import Answer, Workspace

pytestmark = [pytest.mark.docker, pytest.mark.engine]

DOCKER = ("--backend", "docker")
DEPLOYMENT = """name: blue
environment:
  build: {path: .}
  inference_config:
    liveness_route: {path: /, port: 8080}
    readiness_route: {path: /, port: 8080}
    scoring_route: {path: /, port: 8080}
"""


@pytest.fixture(scope="module")
def engine(
    _no_home_of_a_person: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnEngine]:
    with own_engine(hidden=tmp_path_factory.getbasetemp(), has_image=False) as engine:
        yield engine


@pytest.fixture(scope="module")
def relay(engine: OwnEngine) -> Iterator[Relay]:
    relay = Relay(engine.socket)
    yield relay
    relay.listener.close()


@pytest.fixture
def away(workspace: Workspace, engine: OwnEngine, tmp_path: Path) -> Workspace:
    """A workspace whose client reaches the engine by ssh: a program of that name stands in for it."""
    workspace.add("tiny", "print('trained')")
    workspace.write("src/tiny/environment/Dockerfile", "FROM innerloop.invalid/never-built\n")
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f"#!/bin/sh\nexec docker --host unix://{engine.socket} system dial-stdio\n")
    ssh.chmod(0o755)
    path = f"{ssh.parent}:{os.environ['PATH']}"
    workspace.env.update({"DOCKER_HOST": "ssh://gpu-box", "PATH": path})
    return workspace


def refused(answer: Answer, where: str) -> bool:
    assert "--backend venv" in answer.message
    return answer.code == 1 and where in answer.message and "engine-elsewhere" in answer.message


def test_every_command_that_needs_the_files_refuses_before_it_builds(
    away: Workspace, engine: OwnEngine
) -> None:
    away.write("src/tiny/deploy/deployment.yaml", DEPLOYMENT)
    away.write("src/tiny/deploy/Dockerfile", "FROM innerloop.invalid/never-built\n")
    away.write("notebooks/look.ipynb", json.dumps({"cells": [], "metadata": {}, "nbformat": 4}))
    assert away.loop("sync").code == 0
    for words in (
        ("run", "tiny", *DOCKER),
        ("test", "tiny", *DOCKER),
        ("terminal", "tiny", *DOCKER, "--", "true"),
        ("jupyter", "tiny", *DOCKER),
        ("notebook", "tiny", "look.ipynb", *DOCKER),
        ("serve", "tiny", "--model", "src/tiny"),
        ("serve", "tiny", "--stop"),
        ("up", "tiny"),
        ("exec", "tiny", "--", "true"),
        ("down", "tiny"),
    ):
        assert refused(away.loop(*words), "another machine (ssh://gpu-box)"), words
    assert engine.containers() == []
    assert not (away.root / "outputs").exists()


def test_auto_takes_venv_and_says_why_and_doctor_names_it(away: Workspace) -> None:
    answer = away.loop("run", "tiny")
    assert (answer.code, answer.out) == (0, "trained\n"), answer.err
    assert "the engine is on another machine (ssh://gpu-box)" in answer.err
    facts = json.loads(away.loop("doctor", "--json").out)
    (fact,) = [fact for fact in facts if fact["name"] == "docker engine"]
    assert fact["state"] == "note" and "another machine (ssh://gpu-box)" in fact["what"]


def test_a_dry_run_says_it_and_leaves_nothing(away: Workspace) -> None:
    before = {path for path in away.root.rglob("*") if ".innerloop" in path.parts}
    answer = away.loop("run", "tiny", *DOCKER, "--dry-run", "--json")
    assert "another machine" in " ".join(json.loads(answer.out)["notes"])
    assert {path for path in away.root.rglob("*") if ".innerloop" in path.parts} == before


@pytest.mark.parametrize("same_path", [False, True])
def test_a_loopback_port_that_leads_elsewhere(
    away: Workspace, engine: OwnEngine, relay: Relay, same_path: bool
) -> None:
    """Also where the other machine has a folder of the same name."""
    if same_path:
        engine.make_folder(away.root)
    away.env["DOCKER_HOST"] = relay.address
    answer = away.loop("run", "tiny", *DOCKER)
    assert refused(answer, f"the engine ({relay.address}) does not see this workspace's files")


def test_a_context_and_a_socket_that_lead_elsewhere(
    away: Workspace, engine: OwnEngine, relay: Relay, tmp_path: Path
) -> None:
    away.env["DOCKER_HOST"] = engine.env["DOCKER_HOST"]
    assert refused(away.loop("run", "tiny", *DOCKER), "does not see this workspace's files")
    away.env.update({"DOCKER_HOST": "", "DOCKER_CONFIG": str(tmp_path / "config")})
    words = ["docker", "context", "create", "far", "--docker", f"host={relay.address}"]
    subprocess.run(words, env={**os.environ, **away.env}, check=True, capture_output=True)
    away.env["DOCKER_CONTEXT"] = "far"
    answer = away.loop("run", "tiny", *DOCKER)
    assert refused(answer, relay.address) and "docker context use default" in answer.err


def test_an_engine_of_this_machine_at_a_port_is_used(workspace: Workspace) -> None:
    workspace.add("tiny", "print('trained')")
    relay = Relay(Path("/var/run/docker.sock"))
    workspace.env["DOCKER_HOST"] = relay.address
    answer = workspace.loop("run", "tiny", *DOCKER)
    workspace.clean()
    relay.listener.close()
    assert (answer.code, answer.out) == (0, "trained\n"), answer.err


@pytest.mark.parametrize(
    ("config", "expected"),
    [({}, ""), ({"detachKeys": "ctrl-e,e"}, "run\n")],
    ids=["socket", "client"],
)
def test_a_run_starts_the_client_at_most_once(
    workspace: Workspace, tmp_path: Path, config: dict[str, str], expected: str
) -> None:
    """What a run costs: requests over the socket, or one client where that has settings of its own."""
    workspace.add("tiny", "print('trained')")
    client, calls = tmp_path / "bin" / "docker", tmp_path / "calls"
    client.parent.mkdir()
    calls.touch()
    client.write_text(f'#!/bin/sh\necho "$1" >> \'{calls}\'\nexec {shutil.which("docker")} "$@"\n')
    client.chmod(0o755)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.json").write_text(json.dumps(config))
    path = f"{client.parent}:{os.environ['PATH']}"
    workspace.env |= {"DOCKER_CONFIG": str(tmp_path / "config"), "PATH": path}
    workspace.env |= {"DOCKER_HOST": "", "DOCKER_CONTEXT": ""}
    assert workspace.loop("run", "tiny", *DOCKER).code == 0  # builds the image
    calls.write_text("")
    answers = [workspace.loop("run", "tiny", *DOCKER) for _ in range(2)]
    workspace.clean()
    assert [(answer.code, answer.out) for answer in answers] == [(0, "trained\n")] * 2
    assert calls.read_text() == expected * 2


def test_a_run_starts_by_the_plan_of_the_last_one(workspace: Workspace, tmp_path: Path) -> None:
    workspace.env["INNERLOOP_CACHE"] = str(workspace.root / ".innerloop" / "cache")
    folder = Path(workspace.env["INNERLOOP_CACHE"])
    folder.mkdir(parents=True)
    (folder / "tool").symlink_to(Path(os.environ["INNERLOOP_CACHE"]) / "tool")
    workspace.env["DOCKER_CONFIG"] = str(tmp_path)
    workspace.add("tiny", "import os\nopen('outputs/id', 'w').write(os.environ['AZUREML_RUN_ID'])")
    for _ in range(20):  # what has just changed is planned again
        assert workspace.loop("run", "tiny", *DOCKER).code == 0
        if entries := [*folder.glob("run/*")]:
            break
        time.sleep(0.2)
    (entry,) = entries
    entry.write_bytes(entry.read_bytes().replace(b"asked for", b"by a plan"))
    answer = workspace.loop("run", "tiny", *DOCKER)
    workspace.write("src/tiny/train.py", "print('changed')")
    changed = workspace.loop("run", "tiny", *DOCKER)
    workspace.clean()
    assert answer.code == 0 and "(by a plan; " in answer.err
    assert "(asked for; " in changed.err and changed.out == "changed\n"
    ids = [*(workspace.root / "outputs" / "tiny").glob("*/id")]
    assert len(ids) > 1 and all(path.read_text() == path.parent.name for path in ids)

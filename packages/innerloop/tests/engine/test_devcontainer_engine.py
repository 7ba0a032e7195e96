"""Engines that a person may have: one with an NVIDIA runtime, one that is stopped half-way."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.engine.own_engine import OwnEngine, own_engine
from tests.support import TINY, Workspace

pytestmark = [pytest.mark.docker, pytest.mark.devcontainer, pytest.mark.engine]

# A machine with a GPU, as far as anybody looks: in namespaces of its own, so that no other test
# meets it.
WITH_GPU = (
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs none /proc/driver && mkdir -p /proc/driver/nvidia/gpus/0 && exec "$@"',
    "sh",
)


@pytest.fixture(scope="module")
def nvidia(_no_home_of_a_person: None) -> Iterator[OwnEngine]:
    with own_engine(nvidia=True) as engine:
        yield engine


@pytest.fixture
def gpu_engine(nvidia: OwnEngine) -> Iterator[OwnEngine]:
    yield nvidia
    nvidia.clean()
    nvidia.calls.unlink(missing_ok=True)


def prepared(workspace: Workspace, engine: OwnEngine, gpu: str = "auto") -> Workspace:
    workspace.env.update(engine.env)
    workspace.add("tiny", "print('hello')", toml=f'gpu = "{gpu}"\n')
    assert workspace.loop("sync").code == 0
    return workspace


@pytest.mark.parametrize("gpu", ["auto", "all"])
def test_the_gpu_is_handed_over(workspace: Workspace, gpu_engine: OwnEngine, gpu: str) -> None:
    prepared(workspace, gpu_engine, gpu)
    answer = workspace.loop("up", "tiny", prefix=WITH_GPU)
    assert answer.code == 0, answer.err
    fact = "/proc/driver/nvidia/gpus shows a GPU and the engine has the runtime nvidia"
    assert f"GPU, because {fact}" in answer.err
    (made,) = gpu_engine.containers()
    (request,) = made["HostConfig"]["DeviceRequests"]
    assert (request["Count"], request["Capabilities"]) == (-1, [["gpu"]])
    assert made["Config"]["Labels"]["innerloop.gpus"] == "all"
    # With "auto" the engine is tried first, so that one that refuses costs a run nothing.
    assert gpu_engine.calls.read_text() == "prestart\n" * (2 if gpu == "auto" else 1)


def test_none_leaves_it_alone(workspace: Workspace, gpu_engine: OwnEngine) -> None:
    prepared(workspace, gpu_engine, "none")
    answer = workspace.loop("up", "tiny", prefix=WITH_GPU)
    assert answer.code == 0 and 'CPU, because gpu = "none"' in answer.err
    assert not gpu_engine.calls.exists()


def test_a_runtime_without_a_gpu_is_not_taken_for_one(
    workspace: Workspace, gpu_engine: OwnEngine
) -> None:
    """The CLI alone would: it looks at the runtime and not at the machine."""
    prepared(workspace, gpu_engine)
    answer = workspace.loop("up", "tiny", env={"INNERLOOP_NO_GPU": "1"})
    assert answer.code == 0, answer.err
    assert "CPU, because INNERLOOP_NO_GPU is set" in answer.err
    assert not gpu_engine.calls.exists()


def test_a_gpu_that_this_engine_cannot_hand_over(workspace: Workspace) -> None:
    """With the machine's own engine, which has no NVIDIA runtime."""
    from tests.engine import dev

    workspace.add("tiny", "print('hello')", toml='gpu = "all"\n')
    assert workspace.loop("sync").code == 0
    refused = workspace.loop("up", "tiny", prefix=WITH_GPU)
    assert refused.code == 1
    assert "Install the NVIDIA Container Toolkit" in refused.message
    assert dev.containers(workspace) == []
    workspace.write("src/tiny/innerloop.toml", 'gpu = "auto"\n')
    assert workspace.loop("sync").code == 0
    answer = workspace.loop("up", "tiny", prefix=WITH_GPU)
    dev.clean(workspace)
    assert answer.code == 0, answer.err
    assert "shows a GPU, but the engine has no NVIDIA runtime" in answer.err


def test_an_engine_that_is_stopped_while_it_builds_and_while_it_opens(workspace: Workspace) -> None:
    with own_engine() as engine:
        prepared(workspace, engine)
        workspace.write(
            "src/tiny/environment/Dockerfile", TINY + "RUN echo in the build && sleep 60\n"
        )
        started = workspace.start("up", "tiny")
        started.wait_for("in the build")
        engine.stop()
        answer = started.end(60)
        assert answer.code == 1, answer.err
        assert "the Docker engine has stopped" in answer.message, answer.err

        engine.start()
        workspace.write("src/tiny/environment/Dockerfile", TINY)
        path = ".devcontainer/tiny/devcontainer.json"
        value = json.loads(workspace.read(path))
        command = "echo in the command; test -e src/again || sleep 60"
        workspace.write(path, json.dumps({**value, "postCreateCommand": command}))
        started = workspace.start("up", "tiny")
        started.wait_for("in the command")
        engine.stop()
        answer = started.end(60)
        assert answer.code == 1, answer.err
        assert "engine" in answer.message.splitlines()[-1]

        gone = workspace.loop("up", "tiny")
        assert gone.code == 1 and "its engine is not running" in gone.message
        assert "its engine is not running" in workspace.loop("down", "tiny").message

        engine.start()
        workspace.write("src/again", "")
        answer = workspace.loop("up", "tiny")
        assert answer.code == 0, answer.err
        (made,) = engine.containers()
        assert made["State"]["Status"] == "running"
        assert workspace.loop("exec", "tiny", "--", "echo", "works").out == "works\n"

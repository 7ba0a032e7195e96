"""`loop lock` with indexes on loopback: from which files, and the lock for machines without a GPU."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.docker import image_build
from innerloop.workspace import cpu_locks, loader
from tests.commands.test_add import DOCKERFILE, FOLDER, pins, served
from tests.launcher.conftest import ALONE
from tests.locks.frozen_index import FrozenIndex
from tests.support import Workspace

LOOK = "from importlib.metadata import version\nprint(version('torch'), version('base'))\n"
JOB = "command: python train.py\nenvironment:\n  build: {path: environment}\ncode: .\n"


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Two: everybody's, with a torch that needs CUDA's libraries, and that of builds for the CPU."""
    every = FrozenIndex(tmp_path_factory.mktemp("every") / "wheels")
    for name, version, requires in (
        ("base", "1.0", []),
        ("base", "2.0", []),
        ("nvidia-big", "1.0", []),
        ("torch", "2.0", ["base", "nvidia-big"]),
        ("lib", "1.0", ["torch", "base<2"]),
    ):
        every.add(name, version, requires)
    cpu = FrozenIndex(tmp_path_factory.mktemp("cpu") / "wheels")
    cpu.add("torch", "2.0+cpu", ["base"])
    cpu.add("base", "2.0")  # a newer one, which must not come from there
    with served(every.folder) as one, served(cpu.folder) as other:
        yield one, other


@pytest.fixture
def line(workspace: Workspace, indexes: tuple[str, str]) -> Workspace:
    workspace.add("line", LOOK, dockerfile=DOCKERFILE)
    workspace.write(f"{FOLDER}/requirements.txt", "")
    workspace.write("pyproject.toml", f'[tool.innerloop]\ntorch_cpu_index = "{indexes[1]}"\n')
    workspace.env |= {
        **ALONE,
        "PIP_INDEX_URL": indexes[0],
        "UV_HTTP_RETRIES": "0",
        "INNERLOOP_NO_GPU": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    return workspace


def test_lock_torch_cpu_is_what_a_machine_without_a_gpu_installs(
    line: Workspace, indexes: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line.write(f"{FOLDER}/requirements.in", "lib\n")
    answer = line.loop("lock", "line", "--torch", "cpu", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["written"] == [
        f"{FOLDER}/requirements.cpu.txt",
        f"{FOLDER}/requirements.txt",
    ]
    assert pins(line, "requirements.txt") == [
        "base==1.0",
        "lib==1.0",
        "nvidia-big==1.0",
        "torch==2.0",
    ]
    assert pins(line, "requirements.cpu.txt") == ["base==1.0", "lib==1.0", "torch==2.0+cpu"]
    cpu = line.read(f"{FOLDER}/requirements.cpu.txt")
    assert f"--extra-index-url {indexes[1]}\n" in cpu and cpu.count("--hash=sha256:") == 3
    assert str(line.root) not in cpu
    assert line.loop("check", "line").code == 0

    # The backend venv installs it, by uv: the CPU's index has another version of `base`.
    answer = line.loop("run", "line", "--backend", "venv")
    assert (answer.code, answer.out) == (0, "2.0+cpu 1.0\n"), answer.err
    assert "pip tries" not in answer.err
    assert "requirements.cpu.txt is installed, because this machine has no GPU" in answer.err

    # So does the image, and another digest tells it from that of a machine with a GPU.
    monkeypatch.setenv("INNERLOOP_NO_GPU", "1")
    workspace = loader.open_workspace(line.root)
    experiment = loader.open_experiment(workspace, "line")
    lock = cpu_locks.lock_for(workspace, experiment)
    assert lock.path == f"{FOLDER}/requirements.cpu.txt"
    image = image_build.image_of(workspace, experiment)
    pushed = image_build.image_of(workspace, experiment, full=True)
    assert image.digest != pushed.digest and image.name == pushed.name
    assert image.dockerfile is not None and pushed.dockerfile is experiment.dockerfile
    copied = [one.rest for one in image.dockerfile.last.instructions if one.keyword == "COPY"]
    assert copied == ["requirements.cpu.txt /opt/requirements.txt"]

    # parity has a row for it, and explains it.
    answer = line.loop("parity", "line", "--json")
    assert answer.code == 0, answer.err
    backends = json.loads(answer.out)[0]["backends"]
    assert backends["azureml"]["lock"]["value"] == f"{FOLDER}/requirements.txt"
    assert backends["venv"]["lock"]["value"] == f"{FOLDER}/requirements.cpu.txt"
    assert "no GPU" in backends["venv"]["lock"]["why"]

    # An edit of one lock alone makes the other outdated: check and run say so.
    full = line.read(f"{FOLDER}/requirements.txt")
    line.write(f"{FOLDER}/requirements.txt", full.replace("base==1.0", "base==0.9"))
    answer = line.loop("check", "line", "--json")
    assert "lock-outdated" in answer.out and "requirements.cpu.txt" in answer.out
    answer = line.loop("run", "line", "--backend", "venv", "--dry-run")
    assert "requirements.cpu.txt is outdated" in answer.out + answer.err
    line.write(f"{FOLDER}/requirements.txt", full)

    # `add` compiles both from now on.
    answer = line.loop("add", "line", "base<3", "--json")
    assert answer.code == 0, answer.err
    assert "base<3" in line.read(f"{FOLDER}/requirements.in")


def test_lock_without_a_requirements_file_comes_from_the_project(line: Workspace) -> None:
    project = (
        '[project]\nname = "line"\nversion = "1"\nrequires-python = ">=3.10"\n'
        'dependencies = ["base<2"]\n'
    )
    answer = line.loop("lock", "line")
    assert answer.code == 1 and "requirements.in" in answer.err
    line.write("src/line/pyproject.toml", project)
    answer = line.loop("lock", "line")
    assert answer.code == 0, answer.err
    assert pins(line, "requirements.txt") == ["base==1.0"]
    answer = line.loop("lock", "line", "--torch", "cpu")
    assert answer.code == 1 and "pins no PyTorch" in answer.err

    # A uv.lock is what counts, whatever the index has.
    text = line.read(f"{FOLDER}/requirements.txt")
    digest = text.split("--hash=")[1].split()[0]
    line.write(
        "src/line/uv.lock",
        'version = 1\nrequires-python = ">=3.10"\n\n[[package]]\nname = "base"\nversion = "1.0"\n'
        f'source = {{ registry = "{line.env["PIP_INDEX_URL"]}" }}\n'
        f'wheels = [{{ url = "{line.env["PIP_INDEX_URL"]}/base-1.0-py3-none-any.whl", hash = "{digest}" }}]\n\n'
        '[[package]]\nname = "line"\nversion = "1"\nsource = { virtual = "." }\n'
        'dependencies = [{ name = "base" }]\n\n'
        '[package.metadata]\nrequires-dist = [{ name = "base", specifier = "<2" }]\n',
    )
    answer = line.loop("lock", "line", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["file"] == "src/line/uv.lock"
    assert pins(line, "requirements.txt") == ["base==1.0"]
    assert line.read(f"{FOLDER}/requirements.txt").count("--hash=sha256:") == 1

"""The code folder belongs to the person: what a run leaves in it, and what of it the run changes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import Answer, Workspace, until

pytestmark = pytest.mark.docker

DOCKER, VENV = ("--backend", "docker"), ("--backend", "venv")

WRITES = """
import os, pathlib
for name in ("lightning_logs/version_0/a", "mlruns/0/meta.yaml", ".hydra/config.yaml", "best.ckpt"):
    pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(name).write_text(name)
pathlib.Path("outputs/model").write_text("m")
pathlib.Path("data/cache").write_text("made by the program")
pathlib.Path("state.tmp").write_text("new")
os.replace("state.tmp", "state.json")
with open("config.json", "a") as file:
    file.write("more")
os.remove("data/old")
import helper
"""


def files_of(folder: Path) -> set[str]:
    found = (
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    return {path.relative_to(folder).as_posix() for path in found}


def add(workspace: Workspace, train: str, **more: str) -> Path:
    code = workspace.add("tiny", train, **more)
    (code / "data").mkdir()
    for name in ("data/old", "state.json", "config.json", "helper.py"):
        (code / name).write_text("")
    return code


@pytest.mark.parametrize("backend", [DOCKER, VENV])
def test_what_is_written_beside_outputs_is_in_one_place_and_one_line(
    workspace: Workspace, backend: tuple[str, ...]
) -> None:
    code = add(workspace, WRITES)
    before = files_of(code)
    answer = workspace.loop("run", "tiny", *backend)
    assert answer.code == 0, answer.err
    run = workspace.outputs("tiny")
    assert {name for name in files_of(run) if not name.startswith(".run/")} == {
        "model", *(f"beside-outputs/{name}" for name in (
            "lightning_logs/version_0/a", "mlruns/0/meta.yaml", ".hydra/config.yaml", "best.ckpt",
            "state.json",
        )),
    }  # fmt: skip
    assert files_of(code) == before - {"data/old"} | {"data/cache"}
    assert (code / "state.json").read_text() == ""
    assert (code / "config.json").read_text() == "more"
    (line,) = [line for line in answer.err.splitlines() if "beside ./outputs" in line]
    assert f"outputs/tiny/{run.name}/beside-outputs/" in line
    for words in ("lightning_logs/ (1 file)", "best.ckpt", "new data/ (1 file)", "config.json"):
        assert words in line
    assert "removed data/ (1 file)" in line
    assert not (code / "outputs").exists()
    assert not list((workspace.root / ".innerloop").glob("scratch/*"))


def test_cache_that_the_program_keeps_in_a_folder_of_the_code_is_found_again(
    workspace: Workspace,
) -> None:
    code = add(workspace, "import os; print(os.path.exists('data/c')); open('data/c', 'w').close()")
    said = [workspace.loop("run", "tiny", *backend).out for backend in (DOCKER, DOCKER, VENV)]
    assert said == ["False\n", "True\n", "True\n"] and (code / "data/c").exists()


def test_edits_of_the_person_while_it_runs_stay_in_the_code(workspace: Workspace) -> None:
    train = "import time, os\nopen('made', 'w').close()\nprint('at work', flush=True)\n"
    train += "while not os.path.exists('data/go'): time.sleep(0.05)\n"
    code = add(workspace, train)
    started = workspace.start("run", "tiny", *DOCKER)
    started.wait_for("at work", 120)
    (code / "new.py").write_text("mine")
    (code / "new.tmp").write_text("edited")
    os.replace(code / "new.tmp", code / "helper.py")
    (code / "data/go").write_text("")
    answer = started.end(120)
    assert answer.code == 0, answer.err
    assert (code / "new.py").read_text() == "mine"
    assert (code / "helper.py").read_text() == "edited"
    beside = workspace.outputs("tiny") / "beside-outputs"
    assert files_of(beside) == {"made", "helper.py"} or files_of(beside) == {"made"}
    assert not (code / "made").exists()


def test_view_of_a_killed_command_is_cleared_once_its_container_has_ended(
    workspace: Workspace,
) -> None:
    train = "import time, os\nopen('made', 'w').close()\nprint('at work', flush=True)\n"
    train += "while not os.path.exists('data/go'): time.sleep(0.05)\nopen('late', 'w').close()"
    code = add(workspace, train)
    before = files_of(code)
    started = workspace.start("run", "tiny", *DOCKER)
    started.wait_for("at work", 120)
    started.send(signal.SIGKILL)
    started.child.wait()
    workspace.loop("runs")
    (code / "data/go").write_text("")

    def has_ended() -> bool:
        (run,) = json.loads(workspace.loop("runs", "--json").out)
        return bool(run["state"] != "running")

    assert until(has_ended, 120)
    assert files_of(workspace.outputs("tiny") / "beside-outputs") == {"made", "late"}
    assert files_of(code) == before | {"data/go"}
    assert not list((workspace.root / ".innerloop").glob("scratch/*/*"))


UV = Path(sys.executable).with_name("uv")
PROJECT = """
[project]
name = "tiny"
version = "1"
requires-python = ">=3.9"
dependencies = []
[tool.uv]
package = false
"""
WITH_UV = "FROM python:3.11-slim-bookworm\nENV UV_OFFLINE=1\nCOPY uv /usr/local/bin/uv\n"
MARKS = """
import pathlib, sys
mark = pathlib.Path(sys.prefix, "mark")
print(mark.exists(), pathlib.Path(".venv/mine").exists())
mark.write_text("")
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    """An experiment that is a project of uv, with an environment of the host's own beside it."""
    code = add(
        workspace, MARKS, dockerfile=WITH_UV, job="command: uv run --no-sync -q python train.py\n"
    )
    (code / "pyproject.toml").write_text(PROJECT)
    shutil.copy2(UV, code / "environment/uv")
    workspace.env = {"UV_OFFLINE": "1", "PATH": f"{UV.parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([UV, "venv", "-q", "--offline", code / ".venv"], check=True)
    (code / ".venv/mine").write_text("")
    return workspace


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Every entry below a folder, with its inode and time."""
    entries = {path: path.lstat() for path in folder.rglob("*")}
    return {str(path): (one.st_ino, one.st_mtime_ns) for path, one in entries.items()}


def test_environment_of_the_host_stays_and_the_containers_is_kept(project: Workspace) -> None:
    environment = project.root / "src/tiny/.venv"
    before = state(environment)

    def ran(*words: str) -> Answer:
        answer = project.loop(*words)
        assert answer.code == 0, answer.err
        assert state(environment) == before
        return answer

    assert ran("run", "tiny", *DOCKER).out == "False False\n"
    assert ran("run", "tiny", *DOCKER).out == "True False\n"
    assert ran("run", "tiny", *VENV).out == "False False\n"
    assert ran("run", "tiny", *VENV).out == "True False\n"
    words = ("sh", "-c", "ls .venv; uv run -q --no-sync python -c 'import sys; print(sys.prefix)'")
    shown = ran("terminal", "tiny", *DOCKER, "--", *words).out
    assert "mine" not in shown and shown.endswith("/src/tiny/.venv\n")
    listed = ran("clean", "environments", "--all", "--dry-run").out
    assert ".innerloop/environments/tiny-" in listed


def test_environment_that_only_the_container_makes_never_reaches_the_code(
    project: Workspace,
) -> None:
    code = project.root / "src/tiny"
    shutil.rmtree(code / ".venv")
    (code / "uv.lock").write_text('version = 1\nrequires-python = ">=3.9"\n')
    for words in (("run", "tiny", *DOCKER), ("run", "tiny", *VENV)):
        assert project.loop(*words).code == 0
        assert not (code / ".venv").exists()
    shown = project.loop("terminal", "tiny", *DOCKER, "--", "uv", "venv", "-q", "--clear")
    assert shown.code == 0, shown.err
    assert not (code / ".venv").exists()


def test_variables_of_the_env_file_reach_the_program_and_no_record(workspace: Workspace) -> None:
    secret = "wandb-0123456789abcdef"
    job = "environment_variables: {OWN: job}\n"
    add(workspace, "import os; print(*(os.environ[n] for n in ('A', 'OWN')),"
        " len(os.environ['WANDB_API_KEY']))", job=job)  # fmt: skip
    workspace.write(".env", f"A=one\nOWN=file\nWANDB_API_KEY={secret}\n")
    for backend in (DOCKER, VENV):
        dry = workspace.loop("run", "tiny", *backend, "--dry-run", "--json")
        answer = workspace.loop("run", "tiny", *backend)
        assert (answer.code, answer.out) == (0, f"one job {len(secret)}\n"), answer.err
        assert ".env sets A, WANDB_API_KEY" in answer.err
        assert secret not in dry.out + dry.err + answer.err
    texts = [path.read_text() for path in workspace.root.glob("outputs/*/*/.run/*")]
    assert texts and not any(secret in text for text in texts)
    parity = json.loads(workspace.loop("parity", "tiny", "--json").out)
    text = json.dumps(parity)
    assert '"env file"' in text and ".env: A, WANDB_API_KEY" in text and secret not in text

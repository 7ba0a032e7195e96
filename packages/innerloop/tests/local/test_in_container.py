"""In the experiment's own container: INNERLOOP_EXPERIMENT says which it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from innerloop.local import in_container
from tests.support import Workspace

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs bash")


@pytest.fixture
def inside(workspace: Workspace) -> Workspace:
    workspace.add("tiny", "import sys; print('ran', *sys.argv[1:])")
    workspace.add("other", "")
    # The container has the experiment's Python as `python`; here it is that of the tests.
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    workspace.env = {"INNERLOOP_EXPERIMENT": "tiny", "PATH": programs}
    return workspace


def test_auto_takes_it_and_says_why(inside: Workspace) -> None:
    answer = inside.loop("run", "tiny", "--", "x")
    assert (answer.code, answer.out) == (0, "ran x\n"), answer.err
    assert "backend in-container" in answer.err


def test_its_experiment_is_the_default(inside: Workspace) -> None:
    answer = inside.loop("run")
    assert (answer.code, answer.out) == (0, "ran\n"), answer.err


def test_another_experiment_is_somewhere_else(inside: Workspace) -> None:
    answer = inside.loop("run", "other")
    assert answer.code == 1
    assert "the dev container of tiny" in answer.message


def test_files_beside_outputs_are_where_every_backend_puts_them(inside: Workspace) -> None:
    inside.write("src/tiny/train.py", "open('best.ckpt', 'w').write('x')")
    inside.write(".env", "A=1\n")
    answer = inside.loop("run", "tiny")
    assert answer.code == 0, answer.err
    run = inside.outputs("tiny")
    assert (run / "beside-outputs/best.ckpt").read_text() == "x"
    assert (
        f"best.ckpt beside ./outputs, where Azure ML keeps nothing: in outputs/tiny/{run.name}/"
        in (answer.err)
    )
    assert not (inside.root / "src/tiny/best.ckpt").exists() and ".env sets A" in answer.err


def test_environment_that_the_command_creates_is_new_in_each_run(inside: Workspace) -> None:
    inside.write("src/tiny/.venv/pyvenv.cfg", "mine")
    command = "[ ! -e .venv ] && python -m venv --without-pip .venv && .venv/bin/python train.py"
    job = (inside.root / "src/tiny/azure-ml-job.yaml").read_text()
    inside.write("src/tiny/job.yaml", job.replace("python -u train.py", f"'{command}'"))
    inside.write("src/tiny/train.py", "import sys; print(sys.prefix.endswith('.venv'))")
    for _ in range(2):
        answer = inside.loop("run", "tiny", "--file", "src/tiny/job.yaml")
        assert (answer.code, answer.out) == (0, "True\n"), answer.err
        assert "beside" not in answer.err
    assert (inside.root / "src/tiny/.venv/pyvenv.cfg").read_text() == "mine"
    assert not list((inside.root / ".innerloop").glob("*/tiny*"))


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root")
def test_path_of_root_is_left_as_it_is() -> None:
    assert in_container._path() == {}


def test_path_of_a_person_has_their_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/dev")
    monkeypatch.setenv("PATH", "/usr/bin")
    assert in_container._path() == {"PATH": "/home/dev/.local/bin:/usr/bin"}
    monkeypatch.setenv("PATH", "/usr/bin:/home/dev/.local/bin")
    assert in_container._path() == {}

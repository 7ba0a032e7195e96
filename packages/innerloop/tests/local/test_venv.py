"""The place `venv` on this machine, with an experiment that needs no packages."""

from __future__ import annotations

import ast
import json
import os
import signal
from pathlib import Path

import pytest

from tests.support import Workspace, until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs bash")

LOOK = """
import json, os, sys
print(json.dumps({"names": sorted(os.listdir(".")), "prefix": sys.prefix, "cwd": os.getcwd()}))
"""
VENV = ("--backend", "venv")


def test_runs_in_an_environment_of_its_own(workspace: Workspace) -> None:
    workspace.add("tiny", LOOK)
    answer = workspace.loop("run", "tiny", *VENV)
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert told["prefix"].startswith(os.path.realpath(os.environ["INNERLOOP_CACHE"]))
    assert {"train.py", "outputs", "environment"} <= set(told["names"])
    assert not list(workspace.root.rglob("pyvenv.cfg"))
    assert not list((workspace.root / ".innerloop").glob("scratch/*/*"))


def test_outputs_land_where_every_place_puts_them(workspace: Workspace) -> None:
    workspace.add("tiny", "open('outputs/score', 'w').write('1'); open('stray', 'w').write('2')")
    answer = workspace.loop("run", "tiny", *VENV)
    assert answer.code == 0, answer.err
    folder = workspace.outputs("tiny")
    assert (folder / "score").read_text() == "1"
    assert f"outputs/tiny/{folder.name}/" in answer.err
    # What Azure ML would not keep is not lost, and not left among the code.
    assert not (workspace.root / "src/tiny/stray").exists()
    assert [path.read_text() for path in folder.rglob("stray")] == ["2"]


def test_a_run_without_outputs_leaves_its_record_alone(workspace: Workspace) -> None:
    workspace.add("tiny", "print('ran')")
    answer = workspace.loop("run", "tiny", *VENV)
    assert answer.code == 0
    assert "outputs are in" not in answer.err
    assert [path.name for path in workspace.outputs("tiny").iterdir()] == [".run"]


@pytest.mark.parametrize("code", [0, 1, 2, 5, 255])
def test_exit_code_passes_through(workspace: Workspace, code: int) -> None:
    workspace.add("tiny", f"raise SystemExit({code})")
    assert workspace.loop("run", "tiny", *VENV).code == code


def test_a_traceback_of_the_program_is_the_programs(workspace: Workspace) -> None:
    workspace.add("tiny", "raise ValueError('mine')")
    answer = workspace.loop("run", "tiny", *VENV)
    assert answer.code == 1
    assert answer.err.count("Traceback") == 1 and "train.py" in answer.err


def test_common_code_and_data_are_found(workspace: Workspace) -> None:
    job = "command: python train.py ${{inputs.d}}\n"
    job += "inputs:\n  d: {type: uri_folder, path: azureml:numbers:1}\n"
    train = "import sys; from common.tool import NAME; print(NAME, open(sys.argv[1] + '/a').read())"
    workspace.add("tiny", train, job=job)
    workspace.write("src/common/tool.py", "NAME = 'shared'\n")
    workspace.write("data/numbers/a", "7")
    (workspace.root / "src/tiny/common").mkdir()
    (workspace.root / "src/tiny/common/tool.py").symlink_to("../../common/tool.py")
    answer = workspace.loop("run", "tiny", *VENV)
    assert (answer.code, answer.out) == (0, "shared 7\n"), answer.err


def test_other_data_by_setting_and_by_word(workspace: Workspace, tmp_path: Path) -> None:
    job = "command: cat ${{inputs.d}}/a\n"
    job += "inputs:\n  d: {type: uri_folder, path: azureml:numbers:1}\n"
    here = tmp_path / "elsewhere"
    here.mkdir()
    (here / "a").write_text("outside")
    workspace.write("data/second/a", "second")
    workspace.add("tiny", "", job=job, toml='[data.d]\npath = "data/second"\n')
    assert workspace.loop("run", "tiny", *VENV).out == "second"


def test_dry_run_says_it_and_does_nothing(workspace: Workspace) -> None:
    workspace.add("tiny", "print('never')", job="inputs: {epochs: 3}\n")
    before = sorted(workspace.root.rglob("*"))
    answer = workspace.loop("run", "tiny", *VENV, "--dry-run", "--json", "--", "--x", "a b")
    told = json.loads(answer.out)
    assert told["command"] == "python -u train.py --x 'a b'"
    assert (told["backend"], told["image"], told["mounts"]) == ("venv", None, [])
    assert sorted(workspace.root.rglob("*")) == before


def test_control_c_stops_the_program_and_leaves_no_view(workspace: Workspace) -> None:
    workspace.add("tiny", "import time; print('at work', flush=True); time.sleep(60)")
    started = workspace.start("run", "tiny", *VENV)
    started.wait_for("at work")
    started.interrupt_group()
    answer = started.end(30)
    assert answer.code == 130, answer.err
    assert until(lambda: not list((workspace.root / ".innerloop").glob("scratch/*/*")), 5)


def test_being_ended_ends_the_program(workspace: Workspace, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    train = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid()))\n"
    workspace.add("tiny", train + "print('at work', flush=True)\ntime.sleep(60)")
    started = workspace.start("run", "tiny", *VENV)
    started.wait_for("at work")
    started.send(signal.SIGTERM)
    assert started.end(30).code == 143
    assert until(lambda: not Path(f"/proc/{mark.read_text()}").exists(), 5)


def test_a_missing_lock_is_one_sentence(workspace: Workspace) -> None:
    folder = workspace.add("tiny", "")
    (folder / "environment/requirements.txt").unlink()
    answer = workspace.loop("run", "tiny", *VENV)
    assert answer.code == 1
    assert "src/tiny/environment/requirements.txt" in answer.message


JOB = ("run", "jobs/job.yml", *VENV)


def test_a_conda_file_gives_the_packages(workspace: Workspace) -> None:
    inline = "{image: base, conda_file: {dependencies: [libx=1, pip, {pip: []}]}}"
    look = "python -c 'import sys, os; print(sys.prefix, os.listdir())'"
    workspace.write("jobs/job.yml", f'command: "{look}"\nenvironment: {inline}\n')
    answer = workspace.loop(*JOB)
    assert answer.code == 0, answer.err
    assert answer.out.startswith(os.path.realpath(os.environ["INNERLOOP_CACHE"]))
    assert "['outputs']" in answer.out
    assert "left out, since pip has no such packages: libx=1" in answer.err


@pytest.mark.network
def test_files_and_variables_of_a_conda_file_count(workspace: Workspace) -> None:
    """A file that the pip list names, and the constraints that this one names, decide as well."""
    look = "python -c 'import six; print(six.__version__)' && echo $A, $B"
    workspace.write(
        "jobs/job.yml",
        f'command: "{look}"\nenvironment: {{image: base, conda_file: env/conda.yml}}\n'
        "environment_variables: {B: of the job}\n",
    )
    workspace.write(
        "jobs/env/conda.yml",
        "dependencies: [pip, {pip: [-r six.txt]}]\nvariables: {A: of conda, B: of conda}\n",
    )
    workspace.write("jobs/env/six.txt", "-c limits.txt\nsix # any\n")
    for version in ("1.16.0", "1.17.0"):
        workspace.write("jobs/env/limits.txt", f"six=={version}\n")
        answer = workspace.loop(*JOB)
        assert answer.out == f"{version}\nof conda, of the job\n", answer.err
    assert "the variables of conda_file are set: A, B" in answer.err
    workspace.write("jobs/env/six.txt", "-r gone.txt\n")
    refused = workspace.loop(*JOB)
    assert refused.code == 1 and "there is no jobs/env/gone.txt" in refused.message


def test_an_image_alone_says_nothing_of_packages(workspace: Workspace) -> None:
    workspace.write("jobs/job.yml", "command: ls\nenvironment: {image: team/python}\n")
    answer = workspace.loop(*JOB)
    assert answer.code == 1
    assert "the backend venv cannot know its packages" in answer.message


@pytest.mark.parametrize("image", ["python", "docker.io/library/python:latest", "python:3-slim"])
def test_pythons_own_image_has_no_packages(workspace: Workspace, image: str) -> None:
    look = "python -c 'import importlib.metadata as m; print({d.name for d in m.distributions()})'"
    text = json.dumps(look)
    workspace.write("jobs/job.yml", f"command: {text}\nenvironment: {{image: '{image}'}}\n")
    answer = workspace.loop(*JOB)
    assert answer.code == 0, answer.err
    assert ast.literal_eval(answer.out) <= {"pip", "setuptools", "wheel", "packaging"}
    assert f"the image {image} is Python and pip alone" in answer.err


def test_another_python_than_the_images_is_said(workspace: Workspace) -> None:
    workspace.write("jobs/job.yml", "command: ls\nenvironment: {image: 'python:3.1-slim'}\n")
    answer = workspace.loop(*JOB, "--dry-run")
    assert "the image has Python 3.1, this machine has" in answer.out + answer.err


def test_several_processes_and_their_outputs(workspace: Workspace) -> None:
    job = "command: echo $RANK > outputs/$RANK && exit $RANK\n"
    job += "distribution: {type: pytorch, process_count_per_instance: 2}\n"
    workspace.add("tiny", "", job=job)
    answer = workspace.loop("run", "tiny", *VENV)
    assert answer.code == 1 and "rank 1 ended with exit code 1" in answer.err
    assert (workspace.outputs("tiny") / "1").read_text() == "1\n"


def test_control_c_stops_every_process(workspace: Workspace) -> None:
    job = "command: python -u train.py && true\n"
    job += "distribution: {type: pytorch, process_count_per_instance: 2}\n"
    workspace.add("tiny", "import time; print('at work'); time.sleep(60)", job=job)
    started = workspace.start("run", "tiny", *VENV)
    started.wait_for("[rank 0] at work")
    started.wait_for("[rank 1] at work")
    started.interrupt_group()
    assert started.end(30).code == 130


def test_the_limit_of_time_ends_all_that_was_started(workspace: Workspace, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    train = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    job = "command: python train.py && echo never\nlimits: {timeout: 2}\n"
    workspace.add("tiny", train, job=job)
    assert (
        workspace.loop("run", "tiny", *VENV, "--set", "limits.timeout=100", "--dry-run").code == 0
    )
    answer = workspace.loop("run", "tiny", *VENV)
    assert (answer.code, answer.out) == (124, ""), answer.err
    assert "stopped after 2 s" in answer.err
    assert until(lambda: not Path(f"/proc/{mark.read_text()}").exists(), 5)
    assert not list((workspace.root / ".innerloop").glob("scratch/*/*"))


def test_being_ended_ends_what_a_shell_started(workspace: Workspace, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    train = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid()))\n"
    train += "print('at work', flush=True)\ntime.sleep(60)"
    workspace.add("tiny", train, job="command: python train.py && echo never\n")
    started = workspace.start("run", "tiny", *VENV)
    started.wait_for("at work")
    started.send(signal.SIGTERM)
    assert started.end(30).code == 143
    assert until(lambda: not Path(f"/proc/{mark.read_text()}").exists(), 5)

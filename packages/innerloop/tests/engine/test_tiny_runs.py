"""`loop run` in real containers whose image is the bare base image."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support import Workspace, docker, make_workspace

pytestmark = pytest.mark.docker

LOOK = """
import json, os, pathlib
root = pathlib.Path("/workspaces")
seen = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
print(json.dumps({"cwd": os.getcwd(), "seen": seen, "uid": os.getuid()}))
"""


def test_exit_code_of_the_program_passes_through(workspace: Workspace) -> None:
    workspace.add("tiny", "import sys; print('hello'); sys.exit(5)")
    answer = workspace.loop("run", "tiny", "--backend", "docker")
    assert answer.code == 5, answer.err
    assert answer.out == "hello\n"
    assert "exit code 5" in answer.message
    assert workspace.containers() == []


def test_only_its_own_code_common_code_and_data_are_there(workspace: Workspace) -> None:
    workspace.add("tiny", LOOK, job="inputs:\n  d: {type: uri_folder, path: azureml:numbers:1}\n")
    workspace.add("sibling", "print('never')")
    workspace.write("src/common/shared/one.py", "")
    workspace.write("src/common/other/two.py", "")
    workspace.write("data/numbers/a.csv", "1")
    workspace.write("data/secret/b.csv", "2")
    link = workspace.root / "src/tiny/common/shared"
    link.parent.mkdir()
    link.symlink_to("../../common/shared")
    answer = workspace.loop("run", "tiny", "--backend", "docker")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert told["cwd"] == "/workspaces/work space/src/tiny"
    seen = {path.removeprefix("work space/") for path in told["seen"]}
    assert {"src/tiny/train.py", "src/common/shared/one.py", "data/numbers/a.csv"} <= seen
    assert not [path for path in seen if "sibling" in path or "two.py" in path or "secret" in path]


def test_job_inputs_reach_the_program_whatever_they_hold(workspace: Workspace) -> None:
    job = "command: python -u train.py --name '${{inputs.name}}'\ninputs: {name: none}\n"
    workspace.add("tiny", "import sys; print(sys.argv[1:])", job=job)
    answer = workspace.loop(
        "run", "tiny", "--backend", "docker", "--set", "inputs.name=a b ü", "--", "--x", "c d$HOME"
    )
    assert answer.code == 0, answer.err
    assert answer.out == "['--name', 'a b ü', '--x', 'c d$HOME']\n"


def test_build_is_skipped_until_the_environment_changes(workspace: Workspace) -> None:
    workspace.add("tiny", "print('ran')")
    first = workspace.loop("run", "tiny", "--backend", "docker")
    assert "building" in first.err
    workspace.write("src/tiny/train.py", "print('ran again')")
    second = workspace.loop("run", "tiny", "--backend", "docker")
    assert (second.out, "building" in second.err) == ("ran again\n", False)
    workspace.write("src/tiny/environment/Dockerfile", "FROM python:3.11-slim-bookworm\nENV A=1\n")
    third = workspace.loop("run", "tiny", "--backend", "docker")
    assert third.code == 0 and "building" in third.err


def test_build_command_names_the_image_and_says_when_it_is_up_to_date(workspace: Workspace) -> None:
    workspace.add("tiny", "print('ran')")
    first, second = (workspace.loop("build", "tiny") for _ in range(2))
    assert first.code == second.code == 0, first.err
    assert first.out == second.out
    assert "building" in first.err and "up to date" in second.err
    forced = workspace.loop("build", "tiny", "--no-cache")
    assert forced.code == 0 and "building" in forced.err


def test_two_clones_get_two_images(workspace: Workspace, tmp_path: Path) -> None:
    other = make_workspace(tmp_path / "second clone" / "work space")
    names = []
    try:
        for one in (workspace, other):
            one.add("tiny", "print('ran')")
            names.append(one.loop("build", "tiny").out)
        assert len(set(names)) == 2, names
    finally:
        other.clean()


def test_a_dockerfile_that_does_not_build_shows_the_step_and_its_line(workspace: Workspace) -> None:
    broken = "FROM python:3.11-slim-bookworm\n\n# why\nRUN echo before \\\n && cat /not-here\n"
    workspace.add("tiny", "print('never')", dockerfile=broken)
    answer = workspace.loop("run", "tiny", "--backend", "docker")
    assert answer.code == 1
    assert "/not-here: No such file or directory" in answer.message
    assert "src/tiny/environment/Dockerfile:5:" in answer.err  # where cat is
    assert "never" not in answer.out


def test_a_full_disk_while_building_says_so(workspace: Workspace) -> None:
    full = "FROM python:3.11-slim-bookworm\nRUN cat /etc/passwd > /dev/full\n"
    workspace.add("tiny", "print('never')", dockerfile=full)
    answer = workspace.loop("run", "tiny", "--backend", "docker")
    assert answer.code == 1
    assert "The disk is full" in answer.message


def test_a_build_that_failed_leaves_nothing_behind(workspace: Workspace) -> None:
    command = "echo a step that no other build has && false"
    broken = f"FROM python:3.11-slim-bookworm\nRUN {command}\n"
    workspace.add("tiny", "print('never')", dockerfile=broken)
    assert workspace.loop("run", "tiny", "--backend", "docker").code == 1
    left = docker("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Command}}").splitlines()
    assert [line for line in left if command in line] == []


def test_dry_run_is_one_json_object_whose_argv_really_runs(workspace: Workspace) -> None:
    workspace.add("tiny", "print('from argv')")
    assert workspace.loop("build", "tiny").code == 0
    answer = workspace.loop("run", "tiny", "--backend", "docker", "--dry-run", "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    wanted = {"experiment", "backend", "command", "argv", "cwd", "env", "image", "mounts"}
    assert wanted <= set(told)
    assert (told["experiment"], told["backend"]) == ("tiny", "docker")
    assert not (workspace.root / "outputs").exists()
    (workspace.root / told["outputs"]).mkdir(parents=True)
    done = subprocess.run(told["argv"], capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stdout) == (0, "from argv\n"), done.stderr


def test_dry_run_builds_nothing(workspace: Workspace) -> None:
    workspace.add("tiny", "print('never')")
    answer = workspace.loop("run", "tiny", "--backend", "docker", "--dry-run")
    assert answer.code == 0 and "docker run" in answer.out
    assert workspace.images() == []


def test_from_a_sub_folder_without_a_name(workspace: Workspace) -> None:
    workspace.add("tiny", "print('ran')")
    answer = workspace.loop(
        "run", "--backend", "docker", cwd=workspace.root / "src" / "tiny" / "environment"
    )
    assert (answer.code, answer.out) == (0, "ran\n"), answer.err


def test_all_gpus_on_a_machine_without_one_is_one_sentence(workspace: Workspace) -> None:
    workspace.add("tiny", "print('never')", toml='gpu = "all"\n')
    answer = workspace.loop("run", "tiny", "--backend", "docker", env={"INNERLOOP_NO_GPU": "1"})
    assert answer.code == 1
    assert "requires a GPU, but INNERLOOP_NO_GPU is set" in answer.message
    assert len(answer.err.strip().splitlines()) == 1
    assert workspace.containers() == []


def test_a_command_that_is_not_in_the_image(workspace: Workspace) -> None:
    workspace.add("tiny", "", job="command: no-such-program --x\n")
    answer = workspace.loop("run", "tiny", "--backend", "docker")
    assert answer.code == 127
    assert "not in the image" in answer.message


def test_what_is_written_to_outputs_is_kept_for_each_run(workspace: Workspace) -> None:
    workspace.add("tiny", "import os; open('outputs/score.txt', 'w').write('1')")
    for _ in range(2):
        assert workspace.loop("run", "tiny", "--backend", "docker").code == 0
    kept = sorted((workspace.root / "outputs" / "tiny").glob("*/score.txt"))
    assert [path.read_text() for path in kept] == ["1", "1"]
    assert {path.stat().st_uid for path in kept} == {os.getuid()}


@pytest.mark.parametrize("word", ["auto", "docker"])
def test_an_engine_that_is_installed_but_not_running(
    workspace: Workspace, tmp_path: Path, word: str
) -> None:
    workspace.add("tiny", "print('ran')")
    dead = {"DOCKER_HOST": f"unix://{tmp_path}/dead.sock"}
    answer = workspace.loop("run", "tiny", "--backend", word, env=dead)
    assert "engine is not running" in answer.message
    if word == "docker":
        assert answer.code == 1 and len(answer.err.strip().splitlines()) == 1
    else:
        assert (answer.code, answer.out) == (0, "ran\n"), answer.err

"""Runs of the backend apptainer, in containers of a stand-in: see apptainer_stand_in.py."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.apptainer.conftest import Machine

pytestmark = [pytest.mark.docker, pytest.mark.mounts]

ON = ("--backend", "apptainer")
LOOK = """
import getpass, json, os, pathlib, sys
root = pathlib.Path("/workspaces")
def writes(path):
    try:
        pathlib.Path(path).write_text("x")
        return True
    except OSError:
        return False
print(json.dumps({
    "cwd": os.getcwd(), "argv": sys.argv[1:], "env": dict(os.environ), "user": getpass.getuser(),
    "seen": sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()),
    "writes": {name: writes(name) for name in (
        "outputs/a", "beside", "/tmp/a", "/usr/a", os.path.expanduser("~/a"), sys.argv[1] + "/a")},
    "tmp": os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize, "pid": os.getpid(),
}))
sys.exit(5)
"""
JOB = """command: python -u train.py ${{inputs.d}} 'a b,c=$HOME'
inputs:
  d: {type: uri_folder, path: azureml:numbers:1}
environment_variables: {PLAIN: 'x, y=$(date) "z"'}
"""


@pytest.fixture(scope="module")
def looked(machine: Machine) -> tuple[dict[str, object], Machine]:
    """What a program sees that is run on a shell with settings of its own."""
    workspace = machine.workspace
    workspace.add("tiny", LOOK, job=JOB)
    workspace.add("sibling", "print('never')")
    workspace.write("data/numbers/a.csv", "1")
    workspace.write("src/common/shared/one.py", "")
    link = workspace.root / "src/tiny/common/shared"
    link.parent.mkdir()
    link.symlink_to("../../common/shared")
    workspace.write(".env", 'MY_TOKEN=ab$c`d\\"e12345\n')
    own = {"APPTAINER_BIND": "/usr:/other", "APPTAINERENV_LEAK": "1", "OF_THE_SHELL": "1"}
    answer = machine.loop("run", "tiny", *ON, env=own)
    workspace.root.joinpath(".env").unlink()
    assert answer.code == 5, answer.err
    return {**json.loads(answer.out), "err": answer.err}, machine


def test_run_has_the_docker_backends_paths_and_the_persons_user(
    looked: tuple[dict[str, object], Machine],
) -> None:
    seen, machine = looked
    assert seen["cwd"] == "/workspaces/work space/src/tiny"
    assert seen["argv"] == ["/workspaces/work space/data/numbers", "a b,c=$HOME"]
    paths = {path.removeprefix("work space/") for path in ast.literal_eval(str(seen["seen"]))}
    assert {"src/tiny/train.py", "src/common/shared/one.py", "data/numbers/a.csv"} <= paths
    assert not [path for path in paths if "sibling" in path]
    assert seen["user"] == "root" and seen["pid"] != os.getpid()


def test_run_has_a_clean_environment_and_values_as_they_are(
    looked: tuple[dict[str, object], Machine],
) -> None:
    seen, machine = looked
    env = seen["env"]
    assert isinstance(env, dict)
    assert env["PLAIN"] == 'x, y=$(date) "z"'
    assert env["MY_TOKEN"] == 'ab$c`d\\"e12345'
    assert not {"LEAK", "OF_THE_SHELL"} & set(env)
    assert env["HOME"] == "/tmp"
    (argv,) = machine.calls("exec")
    assert "e12345" not in json.dumps(argv)
    assert json.loads(machine.log.read_text().splitlines()[-1])["variables"] == [
        "APPTAINERENV_MY_TOKEN"
    ]


def test_run_writes_where_a_container_of_docker_can(
    looked: tuple[dict[str, object], Machine],
) -> None:
    seen, machine = looked
    writes = seen["writes"]
    assert isinstance(writes, dict)
    data = "/workspaces/work space/data/numbers/a"
    assert {name for name, ok in writes.items() if not ok} == {"/usr/a", data}
    assert int(str(seen["tmp"])) > 64 << 20  # a folder of this machine, and not 64 MB of memory
    folder = machine.workspace.outputs("tiny")
    assert (folder / "a").read_text() == "x" and (folder / "beside-outputs/beside").exists()
    assert "exit code 5" in str(seen["err"])
    assert not list(machine.workspace.root.glob(".innerloop/scratch/*/*"))


def test_run_is_recorded_as_a_process_of_this_machine(
    looked: tuple[dict[str, object], Machine],
) -> None:
    _, machine = looked
    record = json.loads((machine.workspace.outputs("tiny") / ".run/run.json").read_text())
    assert record["backend"] == "apptainer" and record["exit_code"] == 5
    assert record["image"].endswith("/image.sif") and record["in_engine"] is False
    assert record["program"]["pid"] > 0


def test_auto_takes_apptainer_where_no_engine_answers_and_says_why(
    looked: tuple[dict[str, object], Machine],
) -> None:
    _, machine = looked
    answer = machine.loop("run", "tiny", "--dry-run", "--json")
    request = json.loads(answer.out)
    assert request["backend"] == "apptainer"
    assert request["why"].startswith(
        "Docker is installed, but its engine is not running; apptainer 1.3"
    )
    assert request["argv"][:2] == ["apptainer", "exec"]
    assert request["image"].endswith("/image.sif") and request["env"]["PLAIN"].startswith("x, y")
    assert {mount["target"] for mount in request["mounts"]} >= {request["cwd"]}


def test_second_run_makes_no_image_and_an_old_program_gets_secrets_as_they_are(
    looked: tuple[dict[str, object], Machine],
) -> None:
    _, machine = looked
    machine.workspace.write("src/old/environment/Dockerfile", "FROM python:3.11-slim-bookworm\n")
    machine.workspace.add("old", "import os; print(os.environ['MY_TOKEN'])")
    machine.workspace.write(".env", 'MY_TOKEN=ab$c`d\\"e12345\n')
    answer = machine.loop(
        "run", "old", *ON, env={"STAND_IN_VERSION": "singularity version 3.8.7-1.el8"}
    )
    machine.workspace.root.joinpath(".env").unlink()
    assert (answer.code, answer.out) == (0, 'ab$c`d\\"e12345\n'), answer.err
    builds = len(machine.calls("build"))
    answer = machine.loop("run", "tiny", *ON)
    assert answer.code == 5 and len(machine.calls("build")) == builds


def test_ctrl_c_ends_the_container_and_its_processes(machine: Machine) -> None:
    train = """
import pathlib, signal, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
signal.signal(signal.SIGINT, lambda *_: (print("told", flush=True), sys.exit(3)))
print("ready", flush=True)
time.sleep(600)
"""
    machine.workspace.add("slow", train)
    started = machine.start("run", "slow", *ON)
    started.wait_for("ready", 120)
    started.interrupt_group()
    answer = started.end()
    assert answer.code == 130 and "told" in answer.out, answer.err
    assert not _processes_of(machine.workspace.root)
    assert (
        json.loads((machine.workspace.outputs("slow") / ".run/run.json").read_text())["exit_code"]
        == 130
    )


def test_time_limit_of_the_job_ends_it(machine: Machine) -> None:
    machine.workspace.add("late", "import time; time.sleep(600)", job="limits: {timeout: 1}\n")
    answer = machine.loop("run", "late", *ON)
    assert answer.code == 124 and "time limit" in answer.err, answer.err
    assert not _processes_of(machine.workspace.root)


def test_signal_of_the_program_is_its_exit_code(machine: Machine) -> None:
    machine.workspace.add("killed", "import os; os.kill(os.getpid(), 9)")
    answer = machine.loop("run", "killed", *ON)
    assert answer.code == 137 and "SIGKILL" in answer.err, answer.err


def test_container_that_cannot_start_is_named(machine: Machine) -> None:
    machine.workspace.add("gone", "print(1)")
    assert machine.loop("run", "gone", *ON).code == 0
    (image,) = Path(machine.env["INNERLOOP_CACHE"], "sif").glob("gone-*/image.sif")
    image.write_text("damaged")
    answer = machine.loop("run", "gone", *ON)
    assert answer.code == 255 and "the container did not start" in answer.message
    image.unlink()


def test_terminal_reads_a_script_in_the_development_environment(machine: Machine) -> None:
    machine.workspace.add("shell", "print(1)")
    done = subprocess.run(
        [machine.workspace.root / "scripts/loop", "terminal", "shell", *ON],
        cwd=machine.workspace.root,
        env={**os.environ, **machine.env},
        input="pwd; ls; exit 4\n",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 4, done.stderr
    assert done.stdout.split("\n")[0] == "/workspaces/work space/src/shell"
    assert "train.py" in done.stdout


def test_clean_and_outdated_know_the_image_files(machine: Machine) -> None:
    machine.workspace.add("kept", "print(1)")
    assert machine.loop("build", "kept", *ON).code == 0
    assert machine.loop("outdated", "kept", "--json").out.strip() == "[]"
    dockerfile = machine.workspace.root / "src/kept/environment/Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + "LABEL a=b\n")
    (outdated,) = json.loads(machine.loop("outdated", "kept", "--json").out)
    assert (outdated["kind"], outdated["changed"]) == (
        "image file", ["environment/Dockerfile changed"],
    )  # fmt: skip
    assert outdated["update"] == ["build", "kept", "--backend", "apptainer"]
    found = json.loads(machine.loop("clean", "images", "--dry-run", "--json").out)
    whys = {item["name"].split("-")[0]: item["why"] for item in found["would_remove"]}
    assert whys["kept"] == "environment/ has changed" and "tiny" not in whys
    assert machine.loop("clean", "images", "--yes").code == 0
    assert not list(Path(machine.env["INNERLOOP_CACHE"], "sif").glob("kept-*/image.sif"))


def _processes_of(root: Path) -> list[str]:
    """The command lines of this machine that name the workspace, and those of a stand-in for it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if any(str(root) in word for word in words):
            found.append(" ".join(words))
    return found

"""`loop run FILE` of job files that belong to no experiment, in real containers."""

from __future__ import annotations

import signal

import pytest

from tests.support import Workspace, docker, until

pytestmark = pytest.mark.docker

BASE = "python:3.11-slim-bookworm"
IMAGE = f"environment: {{image: '{BASE}'}}\n"
RUN = ("run", "jobs/job.yml", "--backend", "docker")


def test_an_image_a_job_names_is_used_as_it_is(workspace: Workspace) -> None:
    job = """command: |
  python look.py ${{inputs.d}} $[[--no ${{inputs.none}}]] "$GREETING" > ${{outputs.log}}
  cp ${{inputs.d}}/a.txt ${{outputs.all}}/ && cat ${{outputs.log}} | tr a-z A-Z
  env | grep -c ^AZURE_ML_
code: src
inputs:
  d: {type: uri_folder, path: sample}
  none: {type: string, optional: true}
outputs:
  all:
  log: {type: uri_file}
  never: {type: mlflow_model}
environment_variables: {GREETING: good day}
"""
    workspace.write("jobs/job.yml", job + IMAGE)
    workspace.write(
        "jobs/src/look.py", "import os, sys; print(sys.argv[1:], os.listdir('outputs'))"
    )
    workspace.write("jobs/sample/a.txt", "a")
    answer = workspace.loop(*RUN)
    assert answer.code == 0, answer.err
    first, second = answer.out.splitlines()
    assert "'GOOD DAY'" in first and "'ALL'" in first and "'NEVER'" in first
    assert "WORK SPACE/JOBS/SAMPLE" in first
    assert second == "4"
    folder = workspace.outputs("jobs")
    kept = {path.name for path in folder.iterdir()}
    assert kept == {"all", "log", ".run"}
    assert (folder / "all/a.txt").read_text() == "a"
    assert (workspace.images(), workspace.containers()) == ([], [])


def test_without_code_the_working_directory_is_empty(workspace: Workspace) -> None:
    workspace.write("jobs/job.yml", f"command: pwd; ls -A; echo 1 > stray\n{IMAGE}")
    answer = workspace.loop(*RUN)
    assert answer.code == 0, answer.err
    cwd, *names = answer.out.splitlines()
    assert names == ["outputs"]
    assert cwd.startswith("/workspaces/work space/.innerloop/scratch/jobs/")
    assert (workspace.outputs("jobs") / "beside-outputs/stray").read_text() == "1\n"
    assert not list((workspace.root / ".innerloop").glob("scratch/*/*"))


def test_code_that_is_one_file_or_outside_the_workspace(workspace: Workspace) -> None:
    outside = workspace.root.parent / "elsewhere"
    outside.mkdir()
    (outside / "one.py").write_text("import os; print(sorted(os.listdir()))")
    workspace.write("jobs/job.yml", f"command: python one.py\ncode: ../../elsewhere\n{IMAGE}")
    (outside / "link.py").symlink_to("one.py")
    assert workspace.loop(*RUN).out == "['link.py', 'one.py', 'outputs']\n"
    workspace.write("jobs/one.py", "import os; print(sorted(os.listdir()))")
    workspace.write("jobs/job.yml", f"command: python one.py\ncode: one.py\n{IMAGE}")
    answer = workspace.loop(*RUN)
    assert (answer.code, answer.out) == (0, "['one.py', 'outputs']\n"), answer.err
    assert (workspace.root / "jobs/one.py").read_text().startswith("import")


def test_another_dockerfile_is_built_once(workspace: Workspace) -> None:
    workspace.write("jobs/env/files/My.Dockerfile", f"FROM {BASE}\nENV WHICH=mine\n")
    workspace.write("jobs/env/Dockerfile", "FROM nothing-at-all\n")
    job = "command: echo $WHICH\ncode: .\nenvironment:\n  build:\n    path: env\n"
    workspace.write("jobs/job.yml", f"{job}    dockerfile_path: files/My.Dockerfile\n")
    first, second = workspace.loop(*RUN), workspace.loop(*RUN)
    assert first.out == second.out == "mine\n", first.err
    assert ("building" in first.err, "building" in second.err) == (True, False)


def test_the_job_of_an_experiment_may_have_another_environment(workspace: Workspace) -> None:
    workspace.add("tiny", "import os; print(os.environ.get('WHICH'))")
    other = "command: python train.py\ncode: .\nenvironment: {build: {path: second}}\n"
    workspace.write("src/tiny/other.yml", other)
    workspace.write("src/tiny/second/Dockerfile", f"FROM {BASE}\nENV WHICH=second\n")
    words = ("run", "tiny", "--backend", "docker")
    for more, said in [((), "None\n"), (("--file", "other.yml"), "second\n"), ((), "None\n")]:
        answer = workspace.loop(*words, *more)
        assert answer.out == said, answer.err
    assert "building" not in answer.err
    assert len(workspace.images()) == 2


CONDA = """#!/bin/bash
case "$1 $2" in "env create") ;; *) exit 2;; esac
while [ "$1" != --prefix ]; do shift; done
mkdir -p $2/bin; cat $4 > $2/seen
printf '#!/bin/sh\\ncat /opt/innerloop/env/seen\\n' > $2/bin/python; chmod +x $2/bin/python
"""


def test_a_conda_file_on_top_of_an_image(workspace: Workspace) -> None:
    """The conda of the base image is a program that notes what it is asked for.

    No conda can be had from the package indexes. Without one, the image's own pip is asked.
    """
    name = f"{workspace.root.parent.parent.name.lower().replace('_', '')[:30]}-conda:1"
    workspace.write("base/conda", CONDA)
    workspace.write(
        "base/Dockerfile", f"FROM {BASE}\nCOPY conda /usr/bin/\nRUN chmod 755 /usr/bin/conda\n"
    )
    label = f"innerloop.workspace={workspace.root}"
    docker("build", "-q", "-t", name, "--label", label, str(workspace.root / "base"))
    job = "command: python\ncode: .\nenvironment:\n  image: BASE\n  conda_file: conda.yml\n"
    workspace.write("jobs/conda.yml", "name: e\ndependencies: [python, pip]\n")
    workspace.write("jobs/job.yml", job.replace("BASE", name))
    answer = workspace.loop(*RUN)
    assert answer.out == "name: e\ndependencies: [python, pip]\n", answer.err
    assert "building" not in workspace.loop(*RUN).err
    look = "python -c 'import os; print(os.environ[chr(65)])'"
    workspace.write("jobs/job.yml", job.replace("BASE", BASE).replace("python", look, 1))
    text = "dependencies: [python, pip, {pip: [-r none.txt]}]\nvariables: {A: of conda}\n"
    workspace.write("jobs/conda.yml", text)
    workspace.write("jobs/none.txt", "# no package yet\n-c limits.txt\n")
    workspace.write("jobs/limits.txt", "six<1.17\n")
    plain = workspace.loop(*RUN)
    assert plain.out == "of conda\n", plain.err
    assert "this image has no conda, so pip installs the packages" in plain.err


def test_an_image_that_cannot_be_had_is_one_sentence(workspace: Workspace) -> None:
    workspace.write("jobs/job.yml", "command: ls\nenvironment: {image: 'localhost:9/none/x:1'}\n")
    answer = workspace.loop(*RUN)
    assert answer.code == 1
    assert "the image localhost:9/none/x:1 is not on this machine" in answer.message
    assert "[environment.images]" in answer.err


def test_processes_in_one_container(workspace: Workspace) -> None:
    job = "distribution: {type: pytorch, process_count_per_instance: 3}\n"
    job += "command: echo $RANK $WORLD_SIZE $MASTER_ADDR $(hostname); exit $RANK\n"
    workspace.write("jobs/job.yml", job + IMAGE)
    answer = workspace.loop(*RUN, "--processes", "2")
    lines = sorted(line.split() for line in answer.out.splitlines())
    assert answer.code == 1, answer.err
    assert [line[:5] for line in lines] == [
        ["[rank", f"{rank}]", str(rank), "2", "127.0.0.1"] for rank in (0, 1)
    ]
    assert len({line[5] for line in lines}) == 1
    assert "rank 1 ended with exit code 1" in answer.err


def test_control_c_reaches_every_process(workspace: Workspace) -> None:
    job = "distribution: {type: pytorch, process_count_per_instance: 2}\n"
    job += "command: trap 'echo asked; exit 9' INT; echo ready; for i in $(seq 400); do sleep 0.1; done\n"
    workspace.write("jobs/job.yml", job + IMAGE)
    started = workspace.start(*RUN)
    started.wait_for("[rank 0] ready")
    started.wait_for("[rank 1] ready")
    started.interrupt_group()
    answer = started.end(40)
    assert answer.code == 130, answer.err
    assert answer.out.count("asked") == 2
    assert until(lambda: workspace.containers() == [], 10)


def test_the_limit_of_time_ends_the_container(workspace: Workspace) -> None:
    job = f"command: echo begun && sleep 60 && echo never\nlimits: {{timeout: 1}}\n{IMAGE}"
    workspace.write("jobs/job.yml", job)
    answer = workspace.loop(*RUN)
    assert (answer.code, answer.out) == (124, "begun\n")
    assert "stopped after 1 s, the job's time limit" in answer.err
    assert workspace.containers() == []


def test_what_docker_is_told(workspace: Workspace) -> None:
    job = "command: hostname; df -m /dev/shm | tail -1 | awk '{print $2}'; id -u\n"
    job += "resources: {shm_size: 96m, docker_args: '--hostname \"of mine\" --user 4321'}\n"
    workspace.write("jobs/job.yml", job.replace('"of mine"', "mine") + IMAGE)
    answer = workspace.loop(*RUN)
    assert answer.out == "mine\n96\n4321\n", answer.err


def test_a_services_port_answers_on_this_machine_alone(workspace: Workspace) -> None:
    import urllib.request

    job = f"command: python -m http.server 4321\nservices: {{web: {{type: custom, port: 4321}}}}\n{IMAGE}"
    workspace.write("jobs/job.yml", job)
    started = workspace.start(*RUN)
    started.wait_for("http://127.0.0.1:")
    address = started.text.split("answers at ")[1].split(",")[0]

    def answers() -> bool:
        try:
            return bool(urllib.request.urlopen(address, timeout=2).status == 200)
        except OSError:
            return False

    assert until(answers, 30), started.text
    (name,) = workspace.containers()
    assert docker("port", name) == ""  # a gate of this user's own, and no port of the engine
    started.send(signal.SIGTERM)
    assert started.end(40).code == 143
    assert until(lambda: workspace.containers() == [], 10)

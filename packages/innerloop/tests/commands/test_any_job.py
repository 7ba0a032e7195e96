"""`loop run FILE --dry-run --json` of job files by people who never heard of this tool.

The command, working directory and variables that they would have on Azure ML, or one sentence why
not.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support import Workspace

ROOT = "/workspaces/work space"
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
IMAGE = "environment: {image: python}\n"


def told(workspace: Workspace, text: str, *words: str, file: str = "jobs/a/job.yml") -> Any:
    workspace.write(file, text)
    before = sorted(workspace.root.rglob("*"))
    line = ["run", file, "--dry-run", "--json", "--backend", "docker", *words]
    answer = workspace.loop(*line, env=NO_ENGINE)
    assert answer.code == 0, answer.err
    assert answer.err == ""
    assert sorted(workspace.root.rglob("*")) == before
    return json.loads(answer.out)


def refused(workspace: Workspace, text: str) -> str:
    workspace.write("jobs/a/job.yml", text)
    answer = workspace.loop("run", "jobs/a/job.yml", "--dry-run", "--json", env=NO_ENGINE)
    assert (answer.code, answer.out) == (1, ""), answer.err
    assert len(answer.err.strip().splitlines()) == 1, answer.err
    return answer.message


INPUTS = """
  sample: {type: uri_folder, path: sample}
  asset: {type: uri_folder, path: azureml:mnist:3}
  label: {type: mltable, path: azureml:mnist@latest, mode: eval_mount}
  store: {type: uri_file, path: azureml://datastores/blobs/paths/a/b.csv}
  web: {type: uri_file, path: "https://example.com/a/b.csv"}
  wasb: {type: uri_folder, path: "wasbs://box@acc.blob.core.windows.net/set/"}
  lake: {type: uri_folder, path: "abfss://fs@acc.dfs.core.windows.net/x"}
  model: {type: custom_model, path: "azureml://registries/azureml/models/bert/versions/2"}
  earlier: {type: uri_folder, path: "azureml://jobs/j1/outputs/artifacts/paths/model"}
"""
BACKENDS = {
    "sample": "jobs/a/sample",
    "asset": "data/mnist",
    "label": "data/mnist",
    "store": "data/blobs/a/b.csv",
    "web": "data/example.com/a/b.csv",
    "wasb": "data/acc.blob.core.windows.net/box/set",
    "lake": "data/acc.blob.core.windows.net/fs/x",
    "model": "data/bert",
    "earlier": "data/jobs/j1/outputs/artifacts/paths/model",
}


def test_data_are_where_they_would_be_and_what_is_missing_is_noted(workspace: Workspace) -> None:
    command = " ".join(f'"${{{{inputs.{name}}}}}"' for name in BACKENDS)
    found = told(workspace, f"command: 'ls {command}'\ninputs:{INPUTS}{IMAGE}")
    expected = {name: f"{ROOT}/{path}" for name, path in BACKENDS.items()}
    assert found["command"] == "ls " + " ".join(f'"{path}"' for path in expected.values())
    inputs = {
        key.removeprefix("AZURE_ML_INPUT_"): value
        for key, value in found["env"].items()
        if key.startswith("AZURE_ML_INPUT_")
    }
    assert inputs == expected
    notes = "\n".join(found["notes"])
    for said in (
        "there is no jobs/a/sample",
        "scripts/loop data get azureml:mnist:3",
        "`az ml datastore show --name blobs` names both",
        "first downloads https://example.com/a/b.csv",
        "first downloads https://acc.blob.core.windows.net/box/set/",
        "az ml model download --name bert --version 2",
        "az ml job download --name j1",
    ):
        assert said in notes


def test_literals_optional_parts_and_addresses(workspace: Workspace) -> None:
    job = """
command: >-
  python t.py --a ${{inputs.a}} --b '${{inputs.b}}' $[[--c ${{inputs.c}}]] $[[--d ${{inputs.d}}]]
  --u ${{inputs.u}} --v ${{inputs.v}}/x | tee ${{outputs.log}} && echo "$HOME" > ${{outputs.o}}/h
inputs:
  a: 0.00001
  b: true
  c: {type: integer, optional: true}
  d: {type: uri_folder, optional: true}
  u: {type: uri_file, path: "https://x.blob.core.windows.net/a.csv?sig=1&se=2", mode: direct}
  v: {type: mltable, path: azureml:numbers:1, mode: direct}
outputs:
  o:
  log: {type: uri_file, path: azureml://datastores/d/paths/log.txt}
environment_variables: {N: "${{inputs.a}}", M: ""}
"""
    found = told(workspace, job + IMAGE)
    out = f"{found['cwd']}/outputs"
    assert found["command"] == (
        "python t.py --a 1e-05 --b 'True'   --u https://x.blob.core.windows.net/a.csv?sig=1&se=2 "
        f"--v azureml:numbers:1/x | tee '{out}/log' && echo \"$HOME\" > '{out}/o'/h"
    )
    env = found["env"]
    assert (env["AZUREML_PARAMETER_a"], env["N"], env["M"]) == ("1e-05", "1e-05", "")
    assert (env["AZURE_ML_OUTPUT_o"], env["AZURE_ML_OUTPUT_log"]) == (f"{out}/o", f"{out}/log")
    assert not {"AZUREML_PARAMETER_c", "AZURE_ML_INPUT_d"} & set(env)
    assert env["AZURE_ML_INPUT_v"] == "azureml:numbers:1"
    assert "the output log is written to outputs/ here" in "\n".join(found["notes"])


@pytest.mark.parametrize(
    ("code", "cwd"),
    [
        ("code: .\n", f"{ROOT}/jobs/a"),
        ("code: ./lib/../lib\n", f"{ROOT}/jobs/a/lib"),
        ("code: ..\n", f"{ROOT}/jobs"),
        ("code: ../..\n", ROOT),
        ("code: lib\\deep\n", f"{ROOT}/jobs/a/lib/deep"),
        ("code: {local_path: lib}\n", f"{ROOT}/jobs/a/lib"),
        ("code: ../../../elsewhere\n", "/mnt/code/elsewhere"),
        ("code: /opt/somewhere\n", "/mnt/code/somewhere"),
    ],
)
def test_the_code_root_is_the_working_directory(workspace: Workspace, code: str, cwd: str) -> None:
    workspace.write("jobs/a/lib/deep/x.py", "")
    found = told(workspace, f"command: python x.py\n{code}{IMAGE}")
    assert found["cwd"] == cwd
    assert found["mounts"][0]["target"] == cwd


def test_without_code_it_is_an_empty_folder(workspace: Workspace) -> None:
    found = told(workspace, f"command: ls\n{IMAGE}")
    assert found["cwd"] == f"{ROOT}/.innerloop/scratch/{found['outputs'].removeprefix('outputs/')}"
    assert [mount["target"] for mount in found["mounts"]] == [
        found["cwd"],
        f"{found['cwd']}/outputs",
    ]


def test_code_that_is_not_on_this_machine_is_said_with_the_rest(workspace: Workspace) -> None:
    for code in ("azureml:tools:3", "git+https://example.com/team/code.git"):
        found = told(workspace, f"command: ls\ncode: {code}\n{IMAGE}")
        said = (
            f"jobs/a/job.yml:2:1: the job's code is not in this workspace: {code}. Check the code"
        )
        assert sum(said in note for note in found["notes"]) == 1
        assert found["command"] == "ls"


def test_code_that_is_one_file(workspace: Workspace) -> None:
    workspace.write("jobs/a/one.py", "")
    found = told(workspace, f"command: python one.py\ncode: one.py\n{IMAGE}")
    targets = [mount["target"] for mount in found["mounts"]]
    assert targets[1] == f"{found['cwd']}/one.py"


# the environment's text, the image, what the notes say
ENVIRONMENTS = [
    ("{image: 'docker.io/python:3.8'}", "docker.io/python:3.8", ""),
    ("{docker: {image: 'docker://python:3'}}", "python:3", ""),
    ("{build: {path: image}}", "a.image-", ""),
    ("{build: {path: image, dockerfile_path: other/Docker.file}}", ".other-docker.file-", ""),
    ("{build: {local_path: image}}", "a.image-", ""),
    ("file:env.yml", "a.image-", ""),
    ("{build: {path: nowhere}}", None, "there is no jobs/a/nowhere/Dockerfile"),
    ("file:gone.yml", None, "jobs/a/gone.yml does not exist"),
    ("{image: base, conda_file: conda.yml}", "-conda-", "the image is base with the packages"),
    (
        "{image: base, conda_file: {dependencies: [python=3.9, libx, {pip: [a]}]}}",
        "-conda-",
        "(without libx)",
    ),
    ("{image: base, conda_file: gone.yml}", None, "jobs/a/gone.yml"),
    ("{conda_file: conda.yml}", None, "a conda_file and no image"),
    ("azureml:own:3", None, '[environment.images] and "own" = "IMAGE"'),
    ("{name: own, version: 3}", None, "azureml:own:3, is registered in Azure ML"),
    (
        "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        None,
        "mcr.microsoft.com/azureml/curated/sklearn-1.5:TAG",
    ),
    ("azureml:AzureML-ACPT-x@latest", None, "mcr.microsoft.com/azureml/curated/acpt-x:TAG"),
]


@pytest.mark.parametrize(("environment", "image", "said"), ENVIRONMENTS)
def test_environments(workspace: Workspace, environment: str, image: str | None, said: str) -> None:
    workspace.write("jobs/a/image/Dockerfile", "FROM base\n")
    workspace.write("jobs/a/image/other/Docker.file", "FROM base\n")
    workspace.write("jobs/a/conda.yml", "dependencies: [pip]\n")
    workspace.write("jobs/a/env.yml", "name: e\nbuild: {path: image}\n")
    found = told(workspace, f"command: ls\ncode: .\nenvironment: {environment}\n")
    if image is None:
        assert (found["image"], found["argv"]) == (None, [])
    else:
        assert image in found["image"]
        assert found["image"] in found["argv"]
    assert said in "\n".join(found["notes"])
    assert (found["command"], found["cwd"]) == ("ls", f"{ROOT}/jobs/a")


@pytest.mark.parametrize(
    ("path", "toml", "image"),
    [
        ("jobs/a/innerloop.toml", '[environment]\nimage = "near"\n', "near"),
        ("jobs/a/innerloop.toml", '[environment.images]\nown = "named"\n', "named"),
        ("jobs/a/innerloop.toml", '[environment.images]\nother = "named"\n', None),
        ("jobs/a/innerloop.toml", '[environment]\nbuild = "jobs/a/image"\n', ".image-"),
        ("pyproject.toml", '[tool.innerloop.environment.images]\nown = "wide"\n', "wide"),
    ],
)
def test_a_setting_stands_for_a_registered_environment(
    workspace: Workspace, path: str, toml: str, image: str | None
) -> None:
    workspace.write("jobs/a/image/Dockerfile", "FROM base\n")
    workspace.write(path, toml)
    found = told(workspace, "command: ls\ncode: .\nenvironment: azureml:own:3\n")
    assert image in found["image"] if image else found["image"] is None


@pytest.mark.parametrize("environment", ["{image: python}", "{image: 'docker://python'}"])
def test_a_setting_stands_for_an_image(workspace: Workspace, environment: str) -> None:
    workspace.write("jobs/a/innerloop.toml", '[environment.images]\npython = "mirror/python:3"\n')
    found = told(workspace, f"command: ls\nenvironment: {environment}\n")
    assert found["image"] == "mirror/python:3"
    said = "the settings name mirror/python:3 for the image python"
    assert said in found["notes"]
    workspace.write("jobs/a/innerloop.toml", '[environment]\nimage = "other"\n')
    assert told(workspace, f"command: ls\nenvironment: {environment}\n")["image"] == "python"


def test_several_processes(workspace: Workspace) -> None:
    job = f"command: python -m t --rank $RANK\ncode: .\n{IMAGE}"
    job += "distribution: {type: PyTorch, process_count_per_instance: 4}\n"
    job += "resources: {instance_count: 2, shm_size: 16g, docker_args: '--ipc=host --cap-add A'}\n"
    found = told(workspace, job)
    assert found["command"] == "python -m t --rank $RANK"
    assert [one["RANK"] for one in found["processes"]] == ["0", "1", "2", "3"]
    assert (found["env"]["WORLD_SIZE"], found["env"]["RANK"]) == ("4", "0")
    argv = " ".join(found["argv"])
    assert "--shm-size 16g" in argv and "--ipc=host --cap-add A" in argv
    notes = "\n".join(found["notes"])
    assert "the job's 2 instances all run on this one machine" in notes and "--processes N" in notes
    fewer = told(workspace, job, "--processes", "1")
    assert (fewer["processes"], fewer["env"]["WORLD_SIZE"]) == ([], "1")


def test_services_identity_and_queues(workspace: Workspace) -> None:
    job = f"""command: sleep 1
{IMAGE}services:
  lab: {{type: jupyter_lab}}
  board: {{job_service_type: tensor_board, properties: {{logDir: outputs}}}}
  mine: {{type: custom, port: 4321}}
  code: {{type: vs_code}}
  shell: {{type: ssh}}
identity: {{type: user_identity}}
queue_settings: {{job_tier: spot}}
"""
    found = told(workspace, job)
    assert "--publish" not in found["argv"]
    notes = "\n".join(found["notes"])
    assert re.findall(r"port (\d+) of the container answers", notes) == ["8888", "6006", "4321"]
    for said in (
        "port 4321 of the container answers at http://127.0.0.1:",
        "the service lab is not started here",
        "the service code is not needed here",
        "the service shell is not needed here",
        "identity applies to Azure ML only",
        "queue_settings applies to Azure ML only",
    ):
        assert said in notes


def test_arguments_go_behind_the_command(workspace: Workspace) -> None:
    job = f"command: |\n  cd lib && \\\n  python t.py \\\ncode: .\n{IMAGE}"
    found = told(workspace, job, "--", "--x", "a b")
    assert found["command"] == "cd lib && \\\npython t.py --x 'a b'"


def test_set_changes_any_of_it(workspace: Workspace) -> None:
    job = f"command: ls ${{{{inputs.d}}}} ${{{{inputs.n}}}}\ninputs: {{d: {{type: uri_folder}}, n: 1}}\n{IMAGE}"
    found = told(workspace, job, "--set", "inputs.d=/data/x", "--set", "environment.image=other")
    assert (found["command"], found["image"]) == ("ls /mnt/inputs/d/x 1", "other")
    answer = workspace.loop("run", "jobs/a/job.yml", "--set", "environment.imagee=x", "--dry-run")
    assert answer.code == 2 and 'Did you mean "image"' in answer.message


NOT_HERE = [
    ("type: automl\ntask: classification\n", "[no-local-equivalent]"),
    ("type: spark\nentry: {file: a.py}\n", "[no-local-equivalent]"),
    ("$schema: https://x/latest/schedule.schema.json\nname: s\n", "[no-local-equivalent]"),
    ("type: parallel\n", "[no-local-equivalent]"),
    ("$schema: https://x/latest/environment.schema.json\nimage: a\n", "environment, not a job"),
    (f"command: ls ${{{{inputs.no}}}}\n{IMAGE}", "which the job does not declare"),
    (f"command: ls ${{{{inputs.a}}}}\ninputs: {{a: [1]}}\n{IMAGE}", "is a list"),
    (f"component: azureml:c:1\ninputs: {{a: 1}}\n{IMAGE}", "[component-not-job]"),
    ("command: ls\nenvironment: azureml:x:1\n  image: y\n", "job.yml:3:8: not YAML"),
    (f"{IMAGE}code: .\n", "the job has no command"),
]


@pytest.mark.parametrize(("text", "said"), NOT_HERE)
def test_one_sentence_why_not(workspace: Workspace, text: str, said: str) -> None:
    assert said in refused(workspace, text)


def test_every_way_to_name_a_job_file(workspace: Workspace) -> None:
    job = f"command: echo here\ncode: .\n{IMAGE}"
    workspace.write("src/alone/azure-ml-job.yaml", job)
    workspace.write("src/alone/sub/other.yml", job)
    workspace.add("tiny", "", job="command: echo tiny\n")
    workspace.write("src/tiny/other.yml", job)
    ways = [
        (["src/alone/azure-ml-job.yaml"], ".", "src/alone", "alone"),
        (["alone"], ".", "src/alone", "alone"),
        (["src/alone"], ".", "src/alone", "alone"),
        (["azure-ml-job.yaml"], "src/alone", "src/alone", "alone"),
        (["./sub/other.yml"], "src/alone", "src/alone/sub", "alone/sub"),
        (["src/alone", "--file", "sub/other.yml"], ".", "src/alone/sub", "alone/sub"),
        (["tiny", "--file", "other.yml"], ".", "src/tiny", "tiny"),
        (["src/tiny/other.yml"], ".", "src/tiny", "tiny"),
        (["tiny", "--file", "src/tiny/other.yml"], ".", "src/tiny", "tiny"),
    ]
    for words, here, cwd, name in ways:
        line = ["run", *words, "--dry-run", "--json", "--backend", "docker"]
        answer = workspace.loop(*line, cwd=workspace.root / here, env=NO_ENGINE)
        assert answer.code == 0, (words, answer.err)
        found = json.loads(answer.out)
        assert (found["cwd"], found["experiment"]) == (f"{ROOT}/{cwd}", name), words
        assert found["command"] == "echo here"


def test_a_job_file_that_is_nowhere(workspace: Workspace) -> None:
    outside = workspace.root.parent / "job.yml"
    outside.write_text("command: ls\n")
    assert "there is no job file jobs/no.yml" in workspace.loop("run", "jobs/no.yml").message
    assert "is outside the workspace" in workspace.loop("run", str(outside)).message


def test_a_real_run_says_all_that_is_missing_at_once(workspace: Workspace) -> None:
    job = """command: python gone.py ${{inputs.d}} ${{inputs.e}}
code: .
inputs: {d: {type: uri_folder, path: there}, e: {type: uri_folder, path: azureml:x:1}}
environment: azureml:own
"""
    workspace.write("jobs/a/job.yml", job)
    answer = workspace.loop("run", "jobs/a/job.yml", env=NO_ENGINE)
    assert (answer.code, answer.out) == (1, "")
    for said in ("4 things", "gone.py", "jobs/a/there", "data/x", "azureml:own"):
        assert said in answer.message
    assert not (workspace.root / "outputs").exists()


def test_what_azure_refuses_is_one_line_and_stops_nothing(workspace: Workspace) -> None:
    job = "command: echo ran\ncode: .\ntags: 3\nexperiment_name: a b\n"
    job += "environment: {build: {path: environment}}\n"
    workspace.write("jobs/a/job.yml", job)
    workspace.write("jobs/a/environment/Dockerfile", "FROM python\n")
    workspace.write("jobs/a/environment/requirements.txt", "")
    answer = workspace.loop("run", "jobs/a/job.yml", "--backend", "venv")
    assert (answer.code, answer.out) == (0, "ran\n"), answer.err
    lines = [line for line in answer.err.splitlines() if "`loop submit` refuses" in line]
    assert len(lines) == 1 and "and 1 more" in lines[0]
    assert "scripts/loop check jobs/a/job.yml" in lines[0]
    checked = workspace.loop("check", "jobs/a/job.yml")
    assert checked.code == 1 and checked.out.count("jobs/a/job.yml:") == 2


def test_a_folder_with_a_job_file_of_another_name(workspace: Workspace) -> None:
    workspace.write("jobs/a/train.yml", f"command: ls\n{IMAGE}")
    answer = workspace.loop("run", "jobs/a", "--dry-run")
    assert answer.code == 2
    assert "jobs/a has no azure-ml-job.yaml. Name its job file: jobs/a/train.yml" in answer.err
    there = workspace.root / "jobs/a"
    answer = workspace.loop("run", "--file", "train.yml", "--dry-run", "--json", cwd=there)
    assert answer.code == 0 and json.loads(answer.out)["command"] == "ls"

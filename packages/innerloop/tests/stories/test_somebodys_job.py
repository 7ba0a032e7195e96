"""A repository of somebody who never heard of this tool, laid into a workspace: its jobs run."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support import Workspace

pytestmark = pytest.mark.docker

TRAIN = """
import argparse, csv, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--iris-csv"); parser.add_argument("--C", type=float)
parser.add_argument("--kernel"); parser.add_argument("--model", type=pathlib.Path)
args = parser.parse_args()
rows = list(csv.reader(open(args.iris_csv)))
(args.model / "model.json").write_text(json.dumps({"rows": len(rows), "C": args.C}))
os.makedirs("outputs", exist_ok=True)
open("outputs/metrics.txt", "w").write(args.kernel)
print("trained", len(rows), os.environ["LEVEL"], os.environ["AZUREML_PARAMETER_kernel"])
"""
JOB = """$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
code: src
command: >-
  python main.py
  --iris-csv ${{inputs.iris_csv}}
  --C ${{inputs.C}} --kernel "${{inputs.kernel}}"
  --model ${{outputs.model}} && ls ${{outputs.model}}
inputs:
  iris_csv:
    type: uri_file
    path: URL/datasets/iris.csv
  C: 0.8
  kernel: rbf
outputs:
  model:
environment: azureml://registries/azureml/environments/sklearn-1.5/labels/latest
environment_variables:
  LEVEL: debug
compute: azureml:cpu-cluster
resources:
  instance_count: 1
display_name: sklearn-iris-example
experiment_name: sklearn-iris-example
description: Train a classifier on the Iris dataset.
"""
DISTRIBUTED = """$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
type: command
code: ../src
command: |
  echo "machine rank: $NODE_RANK, master: $MASTER_ADDR"
  python ddp.py
environment:
  build:
    path: docker-context
distribution:
  type: pytorch
  process_count_per_instance: 2
resources:
  instance_count: 2
compute: azureml:gpu-cluster
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served/datasets").mkdir(parents=True)
    (tmp_path / "served/datasets/iris.csv").write_text("a,b\n1,2\n3,4\n")
    handler = partial(Quiet, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_its_jobs_run_as_they_are(workspace: Workspace, url: str) -> None:
    there = "third-party/examples/iris"
    job = workspace.write(f"{there}/job.yml", JOB.replace("URL", url))
    workspace.write(f"{there}/src/main.py", TRAIN)

    # Before anything: what would happen is known, and so is what is missing.
    dry = workspace.loop("run", f"{there}/job.yml", "--backend", "docker", "--dry-run", "--json")
    told = json.loads(dry.out)
    assert told["cwd"] == f"/workspaces/work space/{there}/src"
    assert told["command"].startswith("python main.py --iris-csv '/workspaces/work space/data/")
    assert (told["image"], told["env"]["LEVEL"]) == (None, "debug")
    refused = workspace.loop("run", f"{there}/job.yml", "--backend", "docker")
    assert refused.code == 1 and "sklearn-1.5" in refused.message
    assert f"{there}/innerloop.toml" in refused.err

    # The sentence says what to write, and where.
    image = '[environment.images]\n"sklearn-1.5" = "python:3.11-slim-bookworm"\n'
    workspace.write(f"{there}/innerloop.toml", image)
    before = job.read_text()
    ran = workspace.loop("run", "job.yml", "--backend", "docker", cwd=job.parent)
    assert ran.code == 0, ran.err
    assert ran.out == "trained 3 debug rbf\nmodel.json\n"
    assert "the settings name the image python:3.11-slim-bookworm for it" in ran.err
    kept = workspace.outputs("third-party.examples.iris")
    assert json.loads((kept / "model/model.json").read_text()) == {"rows": 3, "C": 0.8}
    assert (kept / "metrics.txt").read_text() == "rbf"
    assert job.read_text() == before

    # Other values, arguments on top, and the same data again without the network.
    words = ("--set", "inputs.kernel=linear", "--set", "inputs.C=2")
    again = workspace.loop("run", f"{there}/job.yml", "--backend", "docker", *words)
    assert again.out == "trained 3 debug linear\nmodel.json\n", again.err
    assert "downloading" in ran.err and "downloading" not in again.err


def test_its_distributed_job_runs_on_one_machine(workspace: Workspace) -> None:
    workspace.write("ddp/jobs/train.yml", DISTRIBUTED)
    workspace.write("ddp/jobs/docker-context/Dockerfile", "FROM python:3.11-slim-bookworm\n")
    workspace.write("ddp/src/ddp.py", "import os; print('I am', os.environ['RANK'])")
    ran = workspace.loop("run", "ddp/jobs/train.yml", "--backend", "docker")
    assert ran.code == 0, ran.err
    assert sorted(ran.out.splitlines()) == [
        "[rank 0] I am 0",
        "[rank 0] machine rank: 0, master: 127.0.0.1",
        "[rank 1] I am 1",
        "[rank 1] machine rank: 0, master: 127.0.0.1",
    ]
    assert "the job's 2 instances all run on this one machine" in ran.err
    one = workspace.loop("run", "ddp/jobs/train.yml", "--backend", "docker", "--processes", "1")
    assert one.out.splitlines()[-1] == "I am 0"

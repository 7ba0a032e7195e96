"""The real TensorBoard and MLflow: what they write is read, and what runs wrote is shown by them."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from innerloop.history import written_metrics
from innerloop.util import locked_environments, ports, venvs
from tests.support import Started, Workspace, until

TENSORBOARD = """
import math, numpy
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util
scalars = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
for name in ("train", "val"):
    writer = EventFileWriter(f"runs/{name}")
    for step in range(3):
        loss = math.nan if step == 2 and name == "val" else 1 / (step + 1)
        tensor = tensor_util.make_tensor_proto(numpy.float32(step / 2))
        for value in (
            Summary.Value(tag="loss", simple_value=loss),
            Summary.Value(tag="acc", tensor=tensor, metadata=scalars),
        ):
            writer.add_event(Event(wall_time=1.8e9 + step, step=step, summary=Summary(value=[value])))
    writer.close()
"""
MLFLOW = """
import math, mlflow, sys
for uri in ("sqlite:///db/mlflow.db", "file:./files/mlruns"):
    mlflow.set_tracking_uri(uri)
    with mlflow.start_run():
        mlflow.log_metric("loss", 2.0, step=0)
        mlflow.log_metric("loss", math.nan, step=1)
        mlflow.log_metric("val/acc", math.inf, step=5)
"""


def python_of(group: str) -> str:
    return str(venvs.python_of(locked_environments.ensure(group)))


def write(group: str, text: str, folder: Path) -> None:
    env = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [python_of(group), "-c", text], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def served(workspace: Workspace, *words: str, **env: str) -> Iterator[str]:
    """The address of a viewer, while it is served."""
    started: Started = workspace.start(*words, env=env)
    try:
        started.wait_for("is ready: ", 300)
        match = re.search(r"is ready: (\S+)", started.text)
        assert match is not None
        yield match[1]
    finally:
        started.interrupt_group()
        assert started.end().code == 130


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


@pytest.mark.nightly
def test_real_tensorboard_is_read_and_shows_what_runs_wrote(workspace: Workspace) -> None:
    workspace.add("line", "")
    folder = workspace.root / "outputs/line/1/beside-outputs"
    folder.mkdir(parents=True)
    write("tensorboard", TENSORBOARD, folder)
    found = written_metrics.read(folder.parent)
    assert set(found.series) == {"train/loss", "val/loss", "train/acc", "val/acc"}
    assert found.series["train/acc"].curve == ((0, 0), (1, 0.5), (2, 1))
    assert math.isnan(found.scores["val/loss"])
    assert found.series["val/loss"].times == (1.8e9, 1.8e9 + 1, 1.8e9 + 2)
    with served(workspace, "tensorboard", "line") as address:
        top = re.match(r"http://127\.0\.0\.1:\d+/", address)
        assert top is not None and len(address) - len(top[0]) > 30
        runs: list[str] = []

        def loaded() -> bool:
            runs[:] = json.loads(get(f"{address}data/runs")[1])
            return len(runs) == 2

        until(loaded, 120)
        assert sorted(runs) == ["1/beside-outputs/runs/train", "1/beside-outputs/runs/val"]
        assert [get(f"{top[0]}{path}")[0] for path in ("", "data/runs", "x/")] == [404] * 3


@pytest.mark.nightly
def test_real_mlflow_is_read_and_shows_what_runs_wrote(workspace: Workspace) -> None:
    workspace.add("line", "")
    folder = workspace.root / "outputs/line/1"
    for name in ("db", "files", ".run"):
        (folder / name).mkdir(parents=True)
    write("mlflow", MLFLOW, folder)
    for name in ("db", "files"):
        found = written_metrics.read(folder / name)
        assert [f"{value:g}" for value in found.series["loss"].values] == ["2", "nan"], name
        assert (found.scores["val/acc"], found.series["val/acc"].steps) == (math.inf, (5,))
    workspace.write(
        "outputs/line/1/.run/run.json",
        json.dumps({"experiment": "line", "exit_code": 0, "inputs": {"rate": "0.1"}}),
    )
    workspace.write("outputs/line/1/.run/notes.json", '{"tags": ["best"], "note": "a note"}')
    with served(workspace, "mlflow") as address:
        assert get(address)[0] == 200
        top = address[: address.index("/", 8) + 1]
        assert [get(f"{top}{path}")[0] for path in ("", "api/2.0/mlflow/runs/search")] == [404] * 2
        api = f"{address}ajax-api/2.0/mlflow/"
        listed = json.loads(get(f"{api}experiments/search?max_results=9")[1])["experiments"]
        (line,) = [one for one in listed if one["name"] == "line"]
        found_: list[dict[str, Any]] = post(
            f"{api}runs/search", {"experiment_ids": [line["experiment_id"]]}
        )["runs"]
        (run,) = found_
        values = {item["key"]: item["value"] for item in run["data"]["metrics"]}
        assert math.isnan(float(values["loss"])) and float(values["val/acc"]) > 1e308
        assert run["data"]["params"] == [{"key": "rate", "value": "0.1"}]
        assert run["info"]["status"] == "FINISHED" and run["info"]["run_name"] == "1"
        tags = {item["key"]: item["value"] for item in run["data"]["tags"]}
        assert (tags["innerloop.tags"], tags["mlflow.note.content"]) == ("best", "a note")
        # A run that comes meanwhile is shown.
        workspace.write("outputs/line/2/metrics.json", '{"loss": 1.5}')
        body = {"experiment_ids": [line["experiment_id"]]}
        until(lambda: len(post(f"{api}runs/search", body)["runs"]) == 2, 120)


@pytest.mark.nightly
def test_real_mlflow_answers_under_the_name_that_codespaces_forwards(workspace: Workspace) -> None:
    workspace.add("line", "")
    workspace.write("outputs/line/1/metrics.json", '{"loss": 1.5}')
    codespace = {"CODESPACE_NAME": "box", ports.DOMAIN: "app.github.dev"}
    with served(workspace, "mlflow", **codespace) as address:
        match = re.fullmatch(r"https://(box-(\d+)\.app\.github\.dev)(/\S+)", address)
        assert match is not None, address
        host, port, path = match.groups()
        api = f"http://127.0.0.1:{port}{path}ajax-api/2.0/mlflow/experiments/search"
        asked = {"Host": host, "Origin": f"https://{host}"}
        assert post(api, {"max_results": 9}, asked)["experiments"]
        with pytest.raises(urllib.error.HTTPError):
            post(api, {"max_results": 9}, {**asked, "Host": "elsewhere.example"})


def post(url: str, body: dict[str, Any], headers: Mapping[str, str] = {}) -> Any:
    headers = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())

"""Jobs after they were sent: their logs, their end, their outputs."""

from __future__ import annotations

import json

import pytest

from tests.azure.conftest import Cloud
from tests.azure.standin import RunOf
from tests.azure.test_submit import files_of
from tests.support import Workspace

pytestmark = pytest.mark.azure
LOG = "user_logs/std_log.txt"


def submitted(cloud: Cloud, tiny: Workspace, run: RunOf, *words: str) -> str:
    """The name of a job that fares so."""
    cloud.azure.next_run = run
    answer = cloud.loop(tiny, "submit", "tiny", "--json", *words)
    assert answer.code == 0, answer.err
    return str(json.loads(answer.out)["name"])


def growing(*texts: str) -> dict[str, list[str]]:
    """A log that holds one text more at each look."""
    return {LOG: ["".join(texts[: n + 1]) for n in range(len(texts))]}


def test_stream_shows_the_whole_log_and_ends_with_the_jobs_outcome(
    cloud: Cloud, tiny: Workspace
) -> None:
    states = ["Queued", "Running", "Running", "Completed"]
    texts = ["", "epoch 1: loss 0.5 é\n", "epoch", " 2: loss 0.2\ndone"]
    cloud.azure.next_run = RunOf(states, growing(*texts))
    answer = cloud.loop(tiny, "submit", "tiny", "--stream", "--name", "watched")
    assert answer.code == 0, answer.err
    assert answer.out.endswith("epoch 1: loss 0.5 é\nepoch 2: loss 0.2\ndone\n")
    assert answer.err.count("innerloop: Running") == 1
    assert "innerloop: watched completed" in answer.err


@pytest.mark.parametrize(
    ("state", "error", "code"),
    [
        ("Failed", "Execution failed. User process 'python' exited with status code 7. x", 7),
        ("Canceled", "", 130),
    ],
)
def test_wait_passes_the_jobs_own_end_on(
    cloud: Cloud, tiny: Workspace, state: str, error: str, code: int
) -> None:
    cloud.azure.next_run = RunOf(["Running", state], {}, error)
    answer = cloud.loop(tiny, "submit", "tiny", "--wait")
    assert answer.code == code
    assert error in answer.err


def test_logs_of_a_job_that_has_ended_are_there_from_the_start(
    cloud: Cloud, tiny: Workspace
) -> None:
    name = submitted(cloud, tiny, RunOf(["Completed"], growing("first\nlast\n")))
    answer = cloud.loop(tiny, "logs")
    assert (answer.code, answer.out) == (0, "first\nlast\n")
    assert cloud.loop(tiny, "logs", name).out == "first\nlast\n"


def test_logs_without_follow_do_not_wait(cloud: Cloud, tiny: Workspace) -> None:
    submitted(cloud, tiny, RunOf(["Queued"]))
    answer = cloud.loop(tiny, "logs")
    assert (answer.code, answer.out) == (0, "")
    assert "is Queued; there are no logs yet" in answer.err


def test_ctrl_c_while_following_leaves_the_job_running(cloud: Cloud, tiny: Workspace) -> None:
    name = submitted(cloud, tiny, RunOf(["Running"], growing("epoch 1\n")))
    started = cloud.start(tiny, "logs", "--follow")
    started.wait_for("epoch 1")
    started.interrupt_group()
    answer = started.end()
    cloud.check(answer.out + answer.err)
    assert answer.code == 130
    assert f"`scripts/loop cancel {name}` stops it" in answer.err
    assert cloud.azure.runs[name].states == ["Running"]


def test_status_then_cancel(cloud: Cloud, tiny: Workspace) -> None:
    name = submitted(cloud, tiny, RunOf(["Running"]))
    answer = cloud.loop(tiny, "status", name)
    assert answer.code == 0, answer.err
    assert f"job        {name} (command, experiment tiny)" in answer.out
    assert "state      Running for" in answer.out
    assert cloud.loop(tiny, "cancel").out == f"{name}: Canceled\n"
    assert "state      Canceled after 1 h 2 min" in cloud.loop(tiny, "status", name).out
    row = cloud.loop(tiny, "status").out.splitlines()[1].split()
    assert row[:4] == ["stopped", name, "tiny", "azureml"]
    again = cloud.loop(tiny, "cancel")
    assert (again.code, again.out) == (0, f"{name} had ended already: Canceled\n")
    assert f"{name}  Canceled" in cloud.loop(tiny, "status", "--all").out


def test_a_job_goes_to_the_workspace_it_was_submitted_to(cloud: Cloud, tiny: Workspace) -> None:
    submitted(cloud, tiny, RunOf(["Running"]))
    elsewhere = {"AZUREML_WORKSPACE_NAME": "another"}
    answer = cloud.loop(tiny, "status", "--json", env=elsewhere)
    assert [(one["state"], one["status"]) for one in json.loads(answer.out)] == [
        ("running", "Running")
    ]


def test_nothing_submitted_yet(cloud: Cloud, tiny: Workspace) -> None:
    assert cloud.loop(tiny, "status").out == "Nothing has run yet.\n"
    for verb in ("logs", "cancel", "download"):
        answer = cloud.loop(tiny, verb)
        assert answer.code == 1
        assert "no job has been submitted from here yet" in answer.message
    assert cloud.azure.asked == []


def test_a_name_that_is_no_job(cloud: Cloud, tiny: Workspace) -> None:
    answer = cloud.loop(tiny, "status", "nothing")
    assert answer.code == 1
    assert 'there is no job "nothing" in workspace ws-vision' in answer.message


@pytest.mark.parametrize("spelling", ["uri_folder", "UriFolder"])
def test_download_puts_outputs_where_local_runs_have_them(
    cloud: Cloud, tiny: Workspace, spelling: str
) -> None:
    name = submitted(cloud, tiny, RunOf())
    model = f"azureml/{name}/model/"
    run = cloud.azure.runs[name]
    run.outputs = {"model": f"azureml://datastores/workspaceblobstore/paths/{model}"}
    run.output_type = spelling
    store = cloud.azure.blobs
    start = f"ExperimentRun/dcid.{name}"
    store.put("workspaceartifactstore", f"{start}/outputs/metrics.json", b'{"accuracy": 0.9}')
    store.put("workspaceartifactstore", f"{start}/outputs/deep/curve.csv", b"1,2\n")
    store.put("workspaceartifactstore", f"{start}/{LOG}", b"done\n")
    store.put("workspaceblobstore", f"{model}weights.bin", b"\0" * 1000)
    answer = cloud.loop(tiny, "download")
    assert answer.code == 0, answer.err
    found = files_of(tiny.root / "outputs/tiny" / name)
    assert {path: found[path] for path in found if not path.startswith(".run/")} == {
        "metrics.json": b'{"accuracy": 0.9}',
        "deep/curve.csv": b"1,2\n",
        LOG: b"done\n",
        "model/weights.bin": b"\0" * 1000,
    }
    assert f"outputs/tiny/{name}/ has the outputs of {name}: 4 files" in answer.out
    assert list((tiny.root / ".innerloop").glob("scratch/*")) == []


def test_download_waits_for_no_job(cloud: Cloud, tiny: Workspace) -> None:
    name = submitted(cloud, tiny, RunOf(["Running"]))
    answer = cloud.loop(tiny, "download")
    assert answer.code == 1
    assert "the job has not ended yet: it is Running" in answer.message
    assert f"scripts/loop logs {name} --follow" in answer.message
    assert [p.name for p in (tiny.root / "outputs/tiny" / name).iterdir()] == [".run"]


def test_cloud_runs_stand_among_the_local_ones(cloud: Cloud, tiny: Workspace) -> None:
    name = submitted(cloud, tiny, RunOf(["Queued", "Completed"]), "--set", "inputs.epochs=9")
    (listed,) = json.loads(cloud.loop(tiny, "runs", "--json").out)
    assert (listed["run"], listed["backend"], listed["state"]) == (name, "azureml", "queued")
    assert listed["inputs"] == {"data": "azureml:digits:1", "epochs": "9"}
    assert cloud.loop(tiny, "logs", "--follow").code == 0
    store = cloud.azure.blobs
    start = f"ExperimentRun/dcid.{name}"
    store.put("workspaceartifactstore", f"{start}/outputs/metrics.json", b'{"accuracy": 0.875}')
    store.put("workspaceartifactstore", f"{start}/{LOG}", b"from the cloud\n")
    assert cloud.loop(tiny, "download").code == 0
    (listed,) = json.loads(cloud.loop(tiny, "runs", "tiny", "--json").out)
    assert (listed["state"], listed["exit_code"], listed["seconds"]) == ("done", 0, 3723.0)
    assert listed["scores"] == {"accuracy": 0.875}
    assert cloud.loop(tiny, "runs", "--log", name).out == "from the cloud\n"
    assert "azureml" in cloud.loop(tiny, "runs").out

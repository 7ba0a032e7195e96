"""A deployment, from the deploy folder to traffic, by the unmodified azure-ai-ml.

Each phase, each way it ends, each way back.
"""

from __future__ import annotations

import json
import signal
import threading

import pytest

from tests.azure import deployable, endpoints
from tests.azure.conftest import Deployed
from tests.azure.deployable import NAME
from tests.azure.endpoints import Operation
from tests.azure.network import Asked
from tests.azure.published import check_bodies
from tests.azure.standin import ACCOUNT, RunOf
from tests.azure.standin import ROOT as WORKSPACE_ID
from tests.support import until

pytestmark = pytest.mark.azure


def test_the_first_deployment_and_the_same_again(deployed: Deployed) -> None:
    answer = deployed.deploy()
    assert deployed.traffic == {"blue": 100}
    assert deployed.models == ["tiny/versions/1"]
    (body,) = endpoints.deployments(deployed.cloud.azure, NAME).values()
    assert body["properties"]["model"].endswith("/models/tiny/versions/1")
    assert "/environments/tiny-deploy/versions/" in body["properties"]["environmentId"]
    assert body["sku"] == {"name": "Default", "capacity": 1}
    assert deployed.container.asked == [b'{"image": [0, 1]}\n']
    kinds = [path.removeprefix(WORKSPACE_ID).split("/")[1] for path in deployed.cloud.azure.bodies]
    assert kinds == ["models", "environments", "onlineEndpoints", "onlineEndpoints"]
    check_bodies(deployed.cloud)
    assert "test request answered" in answer.err and '"digit": 7' in answer.err
    assert "traffic      blue 100 %" in answer.out
    assert f"https://{NAME}" in answer.out
    folder = deployed.workspace.root / f".innerloop/deployments/{NAME}"
    (entry,) = [json.loads(one.read_text()) for one in folder.glob("*/deployment.json")]
    assert entry["deployment"] == "blue" and entry["state"] == "serving"
    assert entry["model"] == "tiny:1" and entry["traffic"] == {"blue": 100}

    before = dict(deployed.cloud.azure.bodies)
    asked = len(deployed.cloud.azure.asked)
    again = deployed.deploy()
    assert "unchanged    blue serves this model already" in again.out
    assert deployed.cloud.azure.bodies == before
    methods = {one.method for one in deployed.cloud.azure.asked[asked:] if "onlineE" in one.path}
    assert methods == {"GET"}


def test_a_canary_to_its_end(deployed: Deployed) -> None:
    """A canary rollout from start to end.

    It starts beside the first deployment and gets more of the traffic, while no other rollout can
    start. With all of the traffic the old deployment is deleted, and its name is free.
    """
    deployed.both("--traffic", "10")
    assert deployed.traffic == {"green": 10, "blue": 90}
    assert deployed.models == ["tiny/versions/1", "tiny/versions/2"]
    deployable.model(deployed.workspace, "run-3", "weights of the third\n")
    third = deployed.deploy(code=1)
    assert "is not finished: blue is kept beside green (blue 90 %, green 10 %)" in third.message
    assert "--finish" in third.message and "--rollback" in third.message
    assert len(deployed.models) == 2
    shift = deployed.deploy("--model", "run-2", "--traffic", "60", "--json")
    assert json.loads(shift.out)["traffic"] == {"blue": 40, "green": 60}
    refused = deployed.deploy("--finish", code=1)
    assert "green 100 %, and blue is deleted" in refused.message and "--yes" in refused.message
    assert deployed.names == ["blue", "green"]
    deployed.deploy("--finish", "--yes")
    assert deployed.traffic == {"green": 100} and deployed.names == ["green"]
    assert "nothing to finish" in deployed.deploy("--finish", "--yes").err
    deployed.deploy()
    assert deployed.traffic == {"blue": 100} and deployed.names == ["blue", "green"]


def test_no_traffic_then_all_then_back_at_once(deployed: Deployed) -> None:
    deployed.both("--traffic", "0")
    assert deployed.traffic == {"blue": 100} and deployed.names == ["blue", "green"]
    assert len(deployed.container.asked) == 2
    deployed.deploy()
    assert deployed.traffic == {"green": 100} and len(deployed.container.asked) == 3
    answer = deployed.deploy("--rollback")
    assert "traffic      blue 100 %" in answer.out
    assert deployed.traffic == {"blue": 100} and deployed.names == ["blue", "green"]
    assert "[nothing-to-roll-back]" in deployed.deploy("--rollback", code=1).message


NO_CODE_OF_OURS = f"""name: own
endpoint_name: {NAME}
model: azureml:tiny@latest
code_configuration:
  code: .
  scoring_script: score.py
environment:
  image: mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest
  conda_file: conda.yaml
instance_type: Standard_DS3_v2
"""


def test_azures_own_image_with_a_scoring_script(deployed: Deployed) -> None:
    """No Dockerfile: the code is sent beside the image, and counts for what is unchanged."""
    folder = "src/tiny/deploy"
    deployed.workspace.write(f"{folder}/own-deployment.yaml", NO_CODE_OF_OURS)
    deployed.workspace.write(f"{folder}/conda.yaml", "name: x\ndependencies:\n  - python=3.11\n")
    deployed.workspace.write(f"{folder}/score.py", "def init(): ...\ndef run(raw): return 7\n")
    deployed.deploy()
    (body,) = endpoints.deployments(deployed.cloud.azure, NAME).values()
    assert body["properties"]["codeConfiguration"]["scoringScript"] == "score.py"
    assert body["properties"]["codeConfiguration"]["codeId"] in deployed.cloud.azure.codes
    (environment,) = [
        body for path, body in deployed.cloud.azure.bodies.items() if "/environments/" in path
    ]
    assert "python=3.11" in environment["properties"]["condaFile"]
    check_bodies(deployed.cloud)
    deployed.workspace.write(f"{folder}/score.py", "def init(): ...\ndef run(raw): return 8\n")
    assert "was registered already" in deployed.deploy("--traffic", "0").err
    assert deployed.names == ["blue", "green"] and len(deployed.cloud.azure.codes) == 2


def test_a_failed_test_request_moves_no_traffic(deployed: Deployed) -> None:
    """What failed makes room for the next."""
    deployed.deploy()
    deployable.model(deployed.workspace, "run-2", "weights of the second\n")
    deployed.container.status = 500
    deployed.known.logs["green"] = ["loading\nKeyError: 'weights'\n"]
    answer = deployed.deploy(code=1)
    assert "the test request to green was answered 500" in answer.message
    assert "no such weights" in answer.message and "no traffic was moved" in answer.message
    assert "KeyError: 'weights'" in answer.err
    assert deployed.traffic == {"blue": 100}
    deployed.container.status = 200
    deployable.model(deployed.workspace, "run-3", "mended\n")
    answer = deployed.deploy("--traffic", "20")
    assert "green without traffic is deleted first" in answer.out
    assert deployed.traffic == {"green": 20, "blue": 80}
    green = endpoints.deployments(deployed.cloud.azure, NAME)["green"]
    assert green["properties"]["model"].endswith("/versions/3")


def test_the_image_is_built_anew_only_for_what_is_in_it(deployed: Deployed) -> None:
    """Settings of the server and the sample are not: another deployment, the same environment."""
    deployed.deploy()
    sent = deployed.cloud.azure.blobs.names("workspaceblobstore")
    names = {one.rpartition("/")[2] for one in sent}
    assert {"Dockerfile", "serve.py"} <= names
    assert not names & {"endpoint.yaml", "own-deployment.yaml", "sample-request.json"}
    path = "src/tiny/deploy/own-deployment.yaml"
    text = deployed.workspace.read(path)
    deployed.workspace.write(path, text.replace("instance_count: 1", "instance_count: 2"))
    assert "was registered already" in deployed.deploy().err
    assert deployed.traffic == {"green": 100} and len(deployed.models) == 1
    assert deployed.cloud.azure.count("PUT " + WORKSPACE_ID + "/environments/") == 1


STAGES = {
    "the model's upload": "PUT .*/models/",
    "the endpoint": "PUT .*/onlineEndpoints/[^/]+$",
    "the deployment": "PUT .*/deployments/",
    "the test request": "POST .*inference",
}


@pytest.mark.parametrize("stage", list(STAGES))
def test_cut_off_and_repeated(deployed: Deployed, stage: str) -> None:
    """The answer never comes, and the person presses Ctrl-C, or the machine dies.

    The same command again goes on.
    """
    held = threading.Event()
    fault = deployed.cloud.azure.fault(STAGES[stage], 503, "x", after=True, held=held)
    started = deployed.cloud.start(deployed.workspace, "deploy", "tiny")
    assert until(lambda: fault.times < 1_000_000, 60), started.text
    dies = stage == "the deployment"
    started.send(signal.SIGKILL) if dies else started.interrupt_group()
    answer = started.end(10)
    held.set()
    deployed.cloud.check(answer.out + answer.err)
    assert answer.code == (-signal.SIGKILL if dies else 130)
    assert dies or "same command again continues from there" in answer.err
    deployed.cloud.azure.faults.clear()
    deployed.deploy()
    assert deployed.traffic == {"blue": 100}
    assert deployed.models == ["tiny/versions/1"] and deployed.names == ["blue"]
    made = [
        one
        for one in deployed.cloud.azure.asked
        if one.method == "PUT" and "/deployments/" in one.path
    ]
    assert len(made) == 1


def test_one_that_azure_is_still_making_is_waited_for(deployed: Deployed) -> None:
    deployed.known.looks = 1_000_000
    started = deployed.cloud.start(deployed.workspace, "deploy", "tiny")
    operations = deployed.known.operations
    assert until(lambda: any(o.looks < 1_000_000 for o in operations.values()), 60), started.text
    started.interrupt_group()
    assert started.end(10).code == 130
    deployed.known.looks = 1
    for one in operations.values():
        one.looks = 2
    deployed.deploy()
    assert deployed.traffic == {"blue": 100}
    assert deployed.cloud.azure.count(f"PUT {WORKSPACE_ID}/onlineEndpoints/{NAME}") == 3


def test_one_that_is_still_being_made_of_something_else_goes_first(deployed: Deployed) -> None:
    """An earlier command was cut off, and the model has changed since."""
    deployed.both("--traffic", "0")
    path = f"{WORKSPACE_ID}/onlineEndpoints/{NAME}/deployments/green"
    deployed.known.states[path] = "Creating"
    deployed.known.operations["earlier"] = Operation(path, 3, "Creating")
    deployable.model(deployed.workspace, "run-3", "weights of the third\n")
    answer = deployed.deploy()
    assert "green is creating since an earlier attempt; waiting" in answer.err
    assert deployed.traffic == {"green": 100}
    green = endpoints.deployments(deployed.cloud.azure, NAME)["green"]
    assert green["properties"]["model"].endswith("/versions/3")


FAILURES = {
    "image": (
        {
            "code": "ImageBuildFailure",
            "message": "Image build failed. Check the build log under the storage account "
            f"'{ACCOUNT}' in the container 'azureml' at the path 'ImageLogs/1/build.log'",
        },
        "Azure could not build the deployment's image",
    ),
    "container": (
        {"code": "ResourceNotReady", "message": "User container has crashed or terminated"},
        "the container did not become ready",
    ),
    "quota": (
        {"code": "OutOfQuota", "message": "Not enough quota available for Standard_DS3_v2"},
        "there is not enough quota for it",
    ),
}


@pytest.mark.parametrize("name", list(FAILURES))
def test_a_deployment_that_does_not_come_up(deployed: Deployed, name: str) -> None:
    error, message = FAILURES[name]
    deployed.known.errors["blue"] = error
    deployed.known.logs["blue"] = ["starting\nImportError: no module named digits\n"]
    log = b"Step 3/9 : RUN pip install\nERROR: no matching distribution for digitz\n"
    deployed.cloud.azure.blobs.put("azureml", "ImageLogs/1/build.log", log)
    answer = deployed.deploy(code=1)
    assert message in answer.message
    assert deployed.traffic == {}
    assert ("no matching distribution for digitz" in answer.err) == (name == "image")
    assert ("ImportError: no module named digits" in answer.err) == (name == "container")
    if name == "image":
        deployed.deploy()
        assert deployed.traffic == {"blue": 100} and deployed.names == ["blue"]


def test_a_name_that_is_taken_in_the_region(deployed: Deployed) -> None:
    deployed.known.taken.add(NAME)
    answer = deployed.deploy(code=1)
    assert f'the endpoint\'s name "{NAME}" is taken' in answer.message
    assert "[azure] endpoint" in answer.message
    deployed.workspace.write("src/tiny/innerloop.toml", '[azure]\nendpoint = "tiny-digits-2"\n')
    deployed.deploy()
    assert endpoints.traffic(deployed.cloud.azure, "tiny-digits-2") == {"blue": 100}


def test_an_endpoint_serves_one_experiment(deployed: Deployed) -> None:
    deployed.deploy()
    deployed.workspace.add("other", "")
    tags = deployed.cloud.azure.bodies[f"{WORKSPACE_ID}/onlineEndpoints/{NAME}"]["tags"]
    assert tags["innerloop.experiment"] == "tiny"
    tags["innerloop.experiment"] = "other"
    answer = deployed.deploy("--traffic", "0", "--name", "mine", code=1)
    where = "src/tiny/deploy/endpoint.yaml:1"
    assert f"the endpoint {NAME} belongs to other" in answer.message and where in answer.message


def test_one_that_is_being_deleted_is_waited_for_and_made_anew(deployed: Deployed) -> None:
    deployed.deploy()
    deployed.known.looks = 4
    deployed.cloud.azure(delete(f"{WORKSPACE_ID}/onlineEndpoints/{NAME}"))
    answer = deployed.deploy()
    assert f"{NAME} is still deleting; waiting" in answer.err
    assert deployed.traffic == {"blue": 100}


def delete(path: str) -> Asked:
    return Asked("DELETE", "management.azure.com", path, {}, {}, b"")


def test_what_a_job_left_and_what_is_registered_is_taken_where_it_is(
    deployed: Deployed,
) -> None:
    missing = deployed.deploy("--model", "tiny-7", code=1)
    assert 'there is no job "tiny-7"' in missing.message
    azure = deployed.cloud.azure
    azure.next_run = RunOf(["Running", "Completed"])
    assert deployed.cloud.loop(deployed.workspace, "submit", "tiny", "--name", "tiny-7").code == 0
    running = deployed.deploy("--model", "tiny-7", code=1)
    assert "tiny-7 is Running: only a completed job has a model" in running.message
    assert deployed.models == []
    deployed.deploy("--model", "tiny-7")
    (path,) = [path for path in azure.bodies if "/models/" in path]
    body = azure.bodies[path]["properties"]
    assert body["modelUri"] == "azureml://jobs/tiny-7/outputs/artifacts/paths/outputs/model/"
    assert "unchanged" in deployed.deploy("--model", "tiny-7").out
    assert "unchanged" in deployed.deploy("--model", "azureml:tiny@latest").out
    tags = body["tags"]
    assert tags.pop("innerloop.source") == "job:tiny-7"  # as a pipeline registers it
    deployed.deploy("--model", "azureml:tiny:1", "--traffic", "0")
    assert deployed.models == ["tiny/versions/1"] and deployed.names == ["blue", "green"]


def test_the_dry_run_asks_nobody(deployed: Deployed) -> None:
    answer = deployed.deploy("--dry-run", "--traffic", "10")
    assert "endpoint     tiny-digits" in answer.out
    assert "tiny, from outputs/tiny/run-1/model: 1 files" in answer.out
    assert "(test_accuracy 0.9375)" in answer.out
    assert "10 % to the new deployment, once its test request is answered" in answer.out
    told = json.loads(deployed.deploy("--dry-run", "--json").out)
    assert told["model"]["path"] == "outputs/tiny/run-1/model"
    assert told["environment"]["version"] in answer.out
    assert deployed.cloud.azure.asked == []


def test_what_azure_would_refuse_is_said_before_anything_is_sent(deployed: Deployed) -> None:
    path = "src/tiny/deploy/own-deployment.yaml"
    text = deployed.workspace.read(path)
    deployed.workspace.write(path, text.replace("instance_type", "instance_typ"))
    answer = deployed.deploy(code=1)
    assert f"{path}:" in answer.message and "instance_typ" in answer.message
    assert "nothing was sent: src/tiny/deploy would fail on Azure ML" in answer.message
    assert deployed.cloud.azure.asked == []


def test_likely_secrets_stay_here(deployed: Deployed) -> None:
    deployed.workspace.write("src/tiny/deploy/.env", "PASSWORD=x\n")
    answer = deployed.deploy(code=1)
    assert "src/tiny/deploy/.env: looks like a secret" in answer.message
    assert deployed.cloud.azure.asked == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--traffic", "101"], "101 is not a percentage"),
        (["--traffic", "ten"], "ten is not a percentage: use a number from 0 to 100"),
        (["--finish", "--rollback"], "[options-exclusive]"),
        (["--rollback", "--traffic", "5"], "[options-exclusive]"),
        (["--model", "no such"], 'there is no model "no such"'),
    ],
)
def test_a_wrong_command_line(deployed: Deployed, words: list[str], message: str) -> None:
    assert message in deployed.deploy(*words, code=2).message

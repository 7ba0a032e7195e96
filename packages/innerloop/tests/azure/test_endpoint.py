"""Tests of `loop endpoint`, and of the address that `loop invoke` uses.

They cover its state, its logs, its address, its keys only when they are asked for, and its
deletion.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.azure import deployable, endpoints, standin
from tests.azure.conftest import Deployed
from tests.azure.deployable import NAME
from tests.azure.endpoints import PRIMARY, SECONDARY
from tests.support import ROOT, Answer

pytestmark = pytest.mark.azure


def ask(deployed: Deployed, *words: str, code: int = 0) -> Answer:
    answer = deployed.cloud.loop(deployed.workspace, "endpoint", *words)
    assert answer.code == code, answer.out + answer.err
    return answer


def test_status_is_a_table_and_a_value(deployed: Deployed) -> None:
    deployed.both("--traffic", "10")
    answer = ask(deployed, "status", "tiny")
    lines = answer.out.splitlines()
    assert lines[0] == "tiny-digits in ws-vision: succeeded, auth key"
    assert lines[1].startswith("https://tiny-digits")
    assert lines[2].split() == ["DEPLOYMENT", "TRAFFIC", "STATE", "MODEL", "INSTANCE", "ROLE"]
    assert "90 %     Succeeded  tiny:1  1 x Standard_DS3_v2  old, kept" in lines[3]
    assert "10 %     Succeeded  tiny:2  1 x Standard_DS3_v2  new" in lines[4]
    told: dict[str, Any] = json.loads(ask(deployed, "status", "tiny", "--json").out)
    assert told["traffic"] == {"blue": 90, "green": 10}
    assert {one["name"]: one["role"] for one in told["deployments"]} == {
        "blue": "old",
        "green": "new",
    }
    assert ask(deployed, "url", "tiny").out == f"{told['url']}\n"


def test_logs_of_the_newest_and_as_they_grow(deployed: Deployed) -> None:
    deployed.deploy()
    deployed.known.logs["blue"] = ["one\ntwo\n", "one\ntwo\nthree\n", "two\nthree\nfour\n"]
    started = deployed.cloud.start(deployed.workspace, "endpoint", "logs", "tiny", "--follow")
    started.wait_for("four")
    started.interrupt_group()
    answer = started.end(10)
    assert answer.code == 130
    assert answer.out == "one\ntwo\nthree\nfour\n"
    assert ask(deployed, "logs", "tiny", "--lines", "1").out == "four\n"
    deployed.known.logs["blue"] = [f"Authorization: Bearer {PRIMARY}\n{standin.TOKEN}\n"]
    answer = ask(deployed, "logs", "tiny")
    assert PRIMARY not in answer.out and "Bearer [token]" in answer.out
    wrong = ask(deployed, "logs", "tiny", "--deployment", "red", code=1)
    assert 'the endpoint tiny-digits has no deployment "red"' in wrong.message


def test_keys_only_by_name(deployed: Deployed) -> None:
    deployed.deploy()
    words = ("endpoint", "keys", "tiny")
    answer = deployed.workspace.loop(*words, env=deployed.cloud.env, timeout=300)
    assert answer.code == 0, answer.err
    assert answer.out == f"primary_key   {PRIMARY}\nsecondary_key {SECONDARY}\n"
    for file in deployed.workspace.root.rglob("*"):
        if file.is_file() and "scripts" not in file.parts:
            assert PRIMARY.encode() not in file.read_bytes(), file
    action = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/listKeys/action"
    message = f"The client 'x' does not have authorization to perform action '{action}' over '/s'"
    deployed.cloud.azure.fault("listKeys", 403, "AuthorizationFailed", message=message)
    answer = ask(deployed, "keys", "tiny", code=1)
    assert f": {action}" in answer.message


def test_a_deployment_is_deleted_alone_then_the_endpoint(deployed: Deployed) -> None:
    deployed.both()
    refused = ask(deployed, "delete", "tiny", "--deployment", "green", "--yes", code=1)
    assert "green has 100 % of the traffic" in refused.message
    unasked = ask(deployed, "delete", "tiny", code=1)
    assert "the endpoint tiny-digits with blue (0 %) and green (100 %)" in unasked.message
    ask(deployed, "delete", "tiny", "--deployment", "blue", "--yes")
    assert deployed.names == ["green"]
    ask(deployed, "delete", "tiny", "--yes")
    assert not any("onlineEndpoints" in path for path in deployed.cloud.azure.bodies)
    assert len(deployed.models) == 2
    gone = ask(deployed, "status", "tiny", code=1)
    assert "there is no endpoint tiny-digits in ws-vision" in gone.message


CALL = """
import sys, urllib.request
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from innerloop.workspace import loader
from innerloop.remote.azureml.deploy import endpoints
address = endpoints.address_of(loader.open_workspace(Path(sys.argv[2])), sys.argv[3])
print(repr(address))
headers = {**address.headers, "Content-Type": "application/json"}
request = urllib.request.Request(address.url, b'{"image": []}', headers)
print(urllib.request.urlopen(request).read().decode())
"""


def test_the_address_lets_a_request_in_and_shows_no_key(deployed: Deployed) -> None:
    deployed.deploy()
    words = [
        sys.executable,
        "-c",
        CALL,
        str(ROOT / "packages/innerloop/src"),
        str(deployed.workspace.root),
        NAME,
    ]
    env = {**os.environ, **deployed.cloud.env}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    deployed.cloud.check(done.stdout + done.stderr)
    assert '"digit": 7' in done.stdout and f"https://{NAME}" in done.stdout
    assert deployed.known.scored[-1][0] == "blue"


def test_what_somebody_made_by_hand_is_left_alone(deployed: Deployed) -> None:
    """A deployment that somebody made by hand keeps its name, its place and its traffic."""
    deployed.deploy()
    path = f"{standin.ROOT}/onlineEndpoints/{NAME}/deployments"
    body = deployed.cloud.azure.bodies[f"{path}/blue"]
    deployed.cloud.azure.bodies[f"{path}/green"] = {**body, "tags": {}}
    deployed.known.states[f"{path}/green"] = "Succeeded"
    deployable.model(deployed.workspace, "run-2", "weights of the second\n")
    refused = deployed.deploy(code=1)
    assert "--name NAME" in refused.message
    deployed.deploy("--name", "canary", "--traffic", "5")
    assert deployed.traffic == {"canary": 5, "blue": 95}
    assert "green" in deployed.names
    assert endpoints.deployments(deployed.cloud.azure, NAME)["green"]["tags"] == {}

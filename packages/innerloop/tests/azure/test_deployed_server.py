"""A deployment whose answers come from real containers.

The image of the deploy folder, as `loop serve` starts it, behind the scoring address of the
stand-in.
"""

from __future__ import annotations

import json

import pytest

from tests.azure import endpoints
from tests.azure.conftest import Cloud
from tests.serving.tiny import add_model, add_server
from tests.support import Workspace, free_port

pytestmark = [pytest.mark.azure, pytest.mark.docker]


def test_served_deployed_called(cloud: Cloud, workspace: Workspace) -> None:
    """The first run's model is deployed and called.

    The second, three times as good, gets a tenth of the traffic after its own container has
    answered; then all of it.
    """
    add_server(workspace)
    workspace.write("src/line/deploy/endpoint.yaml", "name: line\nauth_mode: key\n")
    known = endpoints.endpoints(cloud.azure)
    for run, deployment, times in (("20260101-a", "blue", 1), ("20260102-b", "green", 3)):
        add_model(workspace, run, times=times)
        known.ports[deployment] = free_port()
        words = ("--port", str(known.ports[deployment]), "--detach")
        served = cloud.loop(workspace, "serve", "line", "--model", run, *words)
        assert served.code == 0, served.err
        share = "10" if deployment == "green" else "100"
        deployed = cloud.loop(workspace, "deploy", "line", "--traffic", share)
        assert deployed.code == 0, deployed.err
        assert "test request answered" in deployed.err
        assert {one for one, _ in known.scored[-1:]} == {deployment}
    assert endpoints.traffic(cloud.azure, "line") == {"green": 10, "blue": 90}

    answers = [json.loads(cloud.loop(workspace, "invoke", "line", "--endpoint").out) for _ in "ab"]
    assert {one["answer"] for one in answers} <= {21, 63}
    assert cloud.loop(workspace, "deploy", "line", "--finish", "--yes").code == 0
    last = cloud.loop(workspace, "invoke", "line", "--endpoint", "--json")
    told = json.loads(last.out)
    assert (told["status"], told["answer"]["answer"]) == (200, 63)
    assert told["url"] == f"https://line{endpoints.SCORING}/score"

    wrong = workspace.write("words.txt", "words")
    refused = cloud.loop(workspace, "invoke", "line", str(wrong), "--endpoint")
    assert refused.code == 1 and "no number" in refused.out
    assert cloud.loop(workspace, "serve", "line", "--stop").code == 0

"""`loop serve` with a server of 30 lines, in a real container: everything but the server itself."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.serving.tiny import SERVER, add_model, add_server
from tests.support import Workspace, docker, free_port, until

pytestmark = pytest.mark.docker


def test_ready_after_a_prediction_then_calls_then_control_c(workspace: Workspace) -> None:
    add_server(workspace)
    add_model(workspace)
    add_model(workspace, "20260102-b", times=3)
    port = str(free_port())
    serving = workspace.start("serve", "line", "--port", port)
    serving.wait_for("line is served at ")
    assert f"line is served at http://127.0.0.1:{port}/score" in serving.text
    assert "serving outputs/line/20260102-b/model in " in serving.text
    called = workspace.loop("invoke", "line")
    assert (called.code, json.loads(called.out)) == (0, {"answer": 63, "word": "hello"})
    words = workspace.write("words.txt", "words")
    refused = workspace.loop("invoke", "line", str(words))
    assert refused.code == 1 and "no number" in refused.out
    # Each request is in the log as it comes: the sample, the call, the bad one.
    serving.wait_for('"POST /score HTTP/1.1" 400')
    assert serving.text.count('"POST /score HTTP/1.1" 200') == 2
    # Nobody but this machine is answered.
    (name,) = workspace.containers()
    assert docker("port", name) == ""
    second = workspace.loop("serve", "line", "--port", port)
    assert second.code == 1
    assert f"port {port} of this machine is taken by {name} of {workspace.root}" in second.message
    serving.interrupt_group()
    ended = serving.end(30)
    assert ended.code == 130 and ended.err.rstrip().endswith("innerloop: stopped")
    assert "Traceback" not in ended.err
    assert workspace.containers() == []
    nobody = workspace.loop("invoke", "line")
    assert nobody.code == 1 and "no server of line runs here" in nobody.message


def test_somebody_impatient_leaves_nothing_either(workspace: Workspace) -> None:
    add_server(workspace)
    add_model(workspace)
    file = "src/line/deploy/server.py"
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    workspace.write(file, workspace.read(file).replace("import sys\n", f"import sys\n{deaf}", 1))
    serving = workspace.start("serve", "line", "--port", str(free_port()))
    serving.wait_for("line is served at ")
    serving.interrupt_group()
    until(lambda: False, 0.5)
    serving.interrupt_group()
    assert serving.end(30).code == 130
    assert workspace.containers() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_that_is_closed_leaves_nothing(workspace: Workspace, number: int) -> None:
    add_server(workspace)
    add_model(workspace)
    serving = workspace.start("serve", "line", "--port", str(free_port()))
    serving.wait_for("line is served at ")
    serving.send(number)
    assert serving.end(30).code == 143
    assert workspace.containers() == []


def test_a_run_by_name_and_an_image_that_is_built_once(workspace: Workspace) -> None:
    add_server(workspace)
    add_model(workspace, "20260101-a", times=5)
    add_model(workspace, "20260102-b")
    port = str(free_port())
    words = ("serve", "line", "--port", port, "--detach")
    first = workspace.loop(*words, "--model", "20260101-a")
    assert first.code == 0 and "innerloop: building" in first.err, first.err
    assert json.loads(workspace.loop("invoke", "line").out)["answer"] == 105
    stopped = workspace.loop("serve", "line", "--stop")
    assert stopped.code == 0 and f":{port}/score is stopped" in stopped.err
    assert workspace.containers() == []
    # Another sample and another model change nothing of the image.
    workspace.write("src/line/deploy/sample-request.json", "4")
    other = workspace.loop(*words, "--model", "outputs/line/20260102-b/model")
    assert other.code == 0 and "building" not in other.err
    assert json.loads(workspace.loop("invoke", "line").out)["answer"] == 8
    assert workspace.loop("serve", "line", "--stop").code == 0
    assert "deploy/" not in workspace.loop("clean", "--dry-run").out
    workspace.write("src/line/deploy/server.py", SERVER + "# changed\n")
    assert "deploy/ has changed" in workspace.loop("clean", "--dry-run").out


@pytest.mark.parametrize("how", [(), ("--detach",)])
def test_a_healthy_door_with_nobody_behind_it_is_not_ready(
    workspace: Workspace, how: tuple[str, ...]
) -> None:
    add_server(workspace)
    add_model(workspace, hangs=True)
    port = str(free_port())
    words = ("serve", "line", "--port", port, *how)
    answer = workspace.loop(*words, env={"INNERLOOP_PATIENCE": "3"})
    assert answer.code == 1 and "is served at" not in answer.out
    assert (
        "src/line/deploy/blue-deployment.yaml: the server does not work: no prediction within 3 s: "
        "the server accepts the request and does not answer" in answer.message
    )
    assert workspace.containers() == []


@pytest.mark.parametrize("how", [(), ("--detach",)])
def test_a_server_that_ends_at_once_shows_its_last_words(
    workspace: Workspace, how: tuple[str, ...]
) -> None:
    add_server(workspace)
    add_model(workspace, dies=True)
    answer = workspace.loop("serve", "line", "--port", str(free_port()), *how)
    assert answer.code == 1
    assert "the model is broken" in answer.err
    assert "the server ended with exit code 1 before it was ready" in answer.message
    assert workspace.containers() == []


def test_a_sample_that_the_server_refuses_is_said(workspace: Workspace) -> None:
    add_server(workspace)
    add_model(workspace)
    workspace.write("src/line/deploy/sample-request.json", "words")
    answer = workspace.loop("serve", "line", "--port", str(free_port()))
    assert answer.code == 1
    assert "the server refuses the sample request: the answer is 400, no number" in answer.message
    os.remove(workspace.root / "src/line/deploy/sample-request.json")
    answer = workspace.loop("serve", "line")
    assert answer.code == 1 and "there is no sample request" in answer.message
    assert workspace.containers() == []

"""F5 in a deploy folder.

The rendered task starts the server with its debugger, and the worker that the server forks stops in
a live request, which is the sample at first and then anybody's.
"""

from __future__ import annotations

import json

import pytest

from tests.editor.dap import Editor
from tests.editor.f5 import own_port, press_f5, problem, seen, started
from tests.serving.tiny import SERVER, add_model, add_server
from tests.support import Workspace, until

SERVES = "line: a request to its server"
LINE = SERVER.splitlines().index('    answer = number * model["times"]') + 1


@pytest.mark.docker
def test_a_request_stops_in_the_code_beside_the_dockerfile(
    workspace: Workspace, editors: list[Editor]
) -> None:
    add_server(workspace)
    add_model(workspace)
    own_port(workspace, "line")
    assert workspace.loop("sync").code == 0
    editor = started(workspace, editors, SERVES)
    code = workspace.root / "src/line/deploy/server.py"
    stops = {code: [LINE]}
    root = editor.attach(stops)
    editor.next_process(stops)  # the server itself
    worker = editor.next_process(stops)
    thread = worker.stopped()
    assert seen(worker, thread) == (str(code), LINE)
    assert worker.evaluate("number", thread) == "21"
    assert "is served at" not in editor.text
    worker.go_on(thread)
    assert until(lambda: "line is served at http://127.0.0.1:" in editor.text, 30), editor.text
    calling = workspace.start("invoke", "line", str(workspace.write("five.json", "5")))
    thread = worker.stopped()
    assert worker.evaluate("number", thread) == "5"
    worker.go_on(thread)
    called = calling.end(30)
    assert json.loads(called.out)["answer"] == 10
    root.send("disconnect", terminateDebuggee=False)
    assert editor.exit_code(20) == 143, editor.text
    assert workspace.containers() == []


@pytest.mark.docker
def test_what_keeps_it_from_starting_ends_f5_with_its_sentence(
    workspace: Workspace, editors: list[Editor]
) -> None:
    add_server(workspace)
    own_port(workspace, "line")
    assert workspace.loop("sync").code == 0
    editor = press_f5(workspace, SERVES)
    editors.append(editor)
    assert not editor.start_task()
    assert editor.exit_code() == 1, editor.text
    assert "has a model" in problem(editor)["message"]
    assert problem(editor)["line"] == "1"
    assert workspace.containers() == []

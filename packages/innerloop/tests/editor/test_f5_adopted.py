"""F5 in a repository whose parts are where its team has them."""

from __future__ import annotations

import os

import pytest

from tests.editor.dap import Editor
from tests.editor.f5 import free_port, seen, started
from tests.support import Workspace

FILES = {
    "cli/jobs/fit.yml": "command: python fit.py 4\ncode: ../../packages/fit\n"
    "environment: azureml:team@latest\n",
    "environments/team.yml": "name: team\nversion: 2\nimage: python:3.11-slim-bookworm\n",
    "packages/fit/fit.py": "import sys\nfrom lib import twice\n\nvalue = twice(int(sys.argv[1]))\nprint(value)\n",
    "packages/fit/lib.py": "def twice(number):\n    result = 2 * number\n    return result\n",
}
DECLARED = """[adopted]
[experiments.fit]
folder = "packages/fit"
job = "cli/jobs/fit.yml"
environment = "environments/team.yml"
"""


def adopted(workspace: Workspace) -> None:
    for path, text in FILES.items():
        workspace.write(path, text)
    workspace.write("innerloop.toml", f"debug_port = {free_port()}\n{DECLARED}")
    answer = workspace.loop("sync")
    assert answer.code == 0, answer.err


def stops(workspace: Workspace, editor: Editor) -> None:
    """In the program and in its module, under the paths that the team sees; to its end."""
    program, module = (workspace.root / "packages/fit" / name for name in ("fit.py", "lib.py"))
    lines = {program: [4], module: [2]}
    editor.attach(lines)
    process = editor.next_process(lines)
    thread = process.stopped()
    assert seen(process, thread) == (str(program), 4)
    process.go_on(thread)
    thread = process.stopped()
    assert seen(process, thread) == (str(module), 2)
    assert process.evaluate("number", thread) == "4"
    process.go_on(thread)
    assert editor.exit_code() == 0, editor.text
    assert "8" in editor.text.split()


@pytest.mark.docker
def test_job_of_a_declared_experiment_stops_in_its_container(
    workspace: Workspace, editors: list[Editor]
) -> None:
    adopted(workspace)
    stops(workspace, started(workspace, editors, "fit: job in its container"))
    assert workspace.containers() == []


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_open_file_of_a_declared_experiment_is_its_job(
    workspace: Workspace, editors: list[Editor]
) -> None:
    """Without an engine, from a file of its code."""
    adopted(workspace)
    name = "this experiment"
    editor = started(workspace, editors, name, engine=False, file="packages/fit/lib.py")
    stops(workspace, editor)

"""F5 in any command, from the host: the rendered preLaunchTask starts the run with its debugger,
the rendered configuration attaches, and each Python process of the command is stopped in."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editor.dap import Editor
from tests.editor.f5 import press_f5
from tests.support import Workspace, docker, until

TRAIN = """import os
import sys
from common import shared

value = shared.twice(int(sys.argv[1]))
print("value", value, flush=True)
sys.exit(int(os.environ.get("CODE", "0")))
"""
SHARED = """def twice(number):
    result = 2 * number
    return result
"""


@pytest.fixture
def editors() -> Iterator[list[Editor]]:
    made: list[Editor] = []
    yield made
    for editor in made:
        editor.close()


def experiment(workspace: Workspace, job: str, name: str = "line", train: str = TRAIN) -> Path:
    folder = workspace.add(name, train, job=job)
    workspace.write("src/common/shared.py", SHARED)
    if not (folder / "common").exists():
        (folder / "common").mkdir()
        os.symlink("../../common/shared.py", folder / "common" / "shared.py")
    answer = workspace.loop("sync")
    assert answer.code == 0, answer.err
    return folder


BEHIND = 'command: bash -c "python train.py 2 && CODE=7 python train.py 3"\n'


@pytest.mark.docker
def test_each_process_behind_and_in_a_container(
    workspace: Workspace, editors: list[Editor]
) -> None:
    folder = experiment(workspace, BEHIND)
    editor = press_f5(workspace, "line: job in its container")
    editors.append(editor)
    assert editor.start_task(), editor.text
    shared = workspace.root / "src" / "common" / "shared.py"
    stops = {folder / "train.py": [5], shared: [2]}
    editor.attach(stops)
    for number in (2, 3):
        process = editor.next_process(stops)
        thread = process.stopped()
        assert process.top(thread)["source"]["path"] == str(folder / "train.py")
        assert process.evaluate("sys.argv", thread) == repr(["train.py", str(number)])
        assert process.evaluate("os.getcwd()", thread) == repr("/workspaces/work space/src/line")
        process.go_on(thread)
        thread = process.stopped()
        assert process.top(thread)["name"] == "twice"
        assert process.evaluate("number", thread) == str(number)
        assert Path(process.top(thread)["source"]["path"]).resolve() == shared
        process.ask("next", threadId=thread)
        assert process.stopped("step") == thread
        assert process.evaluate("result", thread) == str(2 * number)
        process.go_on(thread)
    assert editor.exit_code() == 7, editor.text
    assert "value 4" in editor.text and "value 6" in editor.text
    assert workspace.containers() == []

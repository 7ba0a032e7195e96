"""The same tasks in an experiment's dev container.

VS Code's server runs in it, as after Reopen in Container, and the command finds out where it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.sync.render import vscode_tasks
from tests.editor.conftest import Opener, fill
from tests.editor.workbench import Problem, Server, program
from tests.support import Workspace, free_port, make_workspace

pytestmark = [pytest.mark.editor, pytest.mark.docker, pytest.mark.devcontainer]

DOCKERFILE = """FROM python:3.11-slim-bookworm
COPY requirements-dev.txt /tmp/
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements-dev.txt
"""
HOME = "/code-home"


@pytest.fixture
def inside(tmp_path: Path, _tool: None) -> Iterator[tuple[Workspace, Server]]:
    """A workspace whose experiment `line` is open in its dev container, and a server in there."""
    workspace = make_workspace(tmp_path / "work space", share_scripts=False, copy_source=True)
    fill(workspace)
    workspace.write("src/line/environment/Dockerfile", DOCKERFILE)
    assert workspace.loop("sync").code == 0
    home, port = tmp_path / "code-home", free_port()
    home.mkdir()
    _open_for_a_server(workspace, home, port)
    try:
        up = workspace.loop("up", "line", "--json", timeout=300)
        assert up.code == 0, up.err
        container = json.loads(up.out)["container"]
        server = Server.start(
            home,
            seen_as=HOME,
            prefix=["docker", "exec", container],
            address="0.0.0.0:8443",
        )
        server.url = f"http://127.0.0.1:{port}"
        yield workspace, server
        server.close()
    finally:
        workspace.loop("down", "line")
        workspace.clean()


def _open_for_a_server(workspace: Workspace, home: Path, port: int) -> None:
    """A person's own additions to the rendered file: mounts and a port."""
    path = ".devcontainer/line/devcontainer.json"
    value = json.loads(workspace.read(path))
    node, entry = program()
    folders = [Path(node).parent, next(p for p in Path(entry).parents if p.name == "code-server")]
    value["mounts"] += [
        {"type": "bind", "source": str(folder.parent), "target": str(folder.parent)}
        for folder in folders
    ]
    value["mounts"].append({"type": "bind", "source": str(home), "target": HOME})
    value["appPort"] = [f"127.0.0.1:{port}:8443"]
    workspace.write(path, json.dumps(value, indent=4))


def test_the_same_tasks_work_in_the_experiments_container(
    inside: tuple[Workspace, Server], opened: Opener
) -> None:
    workspace, server = inside
    window = opened(f"/workspaces/{workspace.root.name}", at=server)
    labels = {label for label, _ in window.palette()}
    assert labels == {task.label for task in vscode_tasks.TASKS if not task.hidden}
    window.press("Escape")
    window.open_file("src/line/train.py")
    window.press("Control+Shift+B")
    assert window.ended(vscode_tasks.RUN, seconds=120) == 0
    assert (workspace.outputs("line") / "arguments.txt").read_text() == "--epochs 8"

    test = "src/line/tests/test_line.py"
    workspace.write(test, workspace.read(test).replace("== 2", "== 3"))
    window.start(vscode_tasks.TEST)
    assert window.ended(vscode_tasks.TEST) == 1
    assert Problem(test, "Error", "test_it: assert (1 + 1) == 3", 2, 1) in window.problems()

    window.open_file("src/shop/churn/train.py")
    window.start(vscode_tasks.RUN)
    assert window.ended(vscode_tasks.RUN) == 1
    window.says("this is the dev container of line, not of shop/churn")

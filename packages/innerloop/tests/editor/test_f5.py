"""F5: the rendered launch configuration, driven through the real debugpy adapter."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.editor.dap import Client, resolve, variables
from tests.support import ROOT, Workspace

TRAIN = """import os
import sys

print(sys.argv)
os.makedirs("outputs", exist_ok=True)
sys.exit(5)
"""

# Of sitecustomize.py: the program did not start.
EXIT_CODE = 78

JOB = """command: >-
  python train.py --data ${{inputs.data}} --epochs ${{inputs.epochs}} --name "two words"
inputs:
  data: {type: uri_folder, path: "azureml:mnist:1"}
  epochs: 8
environment_variables: {MODE: fast}
"""


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.close()


def configuration(workspace: Workspace, name: str) -> dict[str, Any]:
    """The launch configuration as VS Code hands it to the adapter."""
    launch = json.loads(workspace.read(".vscode/launch.json"))
    found = next(one for one in launch["configurations"] if one["name"] == name)
    resolved = resolve(found, variables(workspace.root))
    return {**resolved, "python": [sys.executable], "breakOnSystemExitZero": False}


def test_a_breakpoint_is_hit_with_the_arguments_of_the_job_file(
    workspace: Workspace, client: Client
) -> None:
    folder = workspace.add("line", TRAIN, job=JOB, toml="[data.data]\ncreate = true\n")
    assert workspace.loop("sync").code == 0
    client.begin(configuration(workspace, "line: train.py"), {folder / "train.py": [4]})
    stopped = client.event("stopped")
    assert stopped["reason"] == "breakpoint"
    thread = stopped["threadId"]
    assert client.evaluate("sys.argv[1:]", thread) == repr(
        ["--data", str(workspace.root / "data" / "mnist"), "--epochs", "8", "--name", "two words"]
    )
    assert client.evaluate("os.getcwd()", thread) == repr(str(folder))
    assert client.evaluate("os.environ['MODE']", thread) == repr("fast")
    client.ask("next", threadId=thread)
    assert client.event("stopped")["reason"] == "step"
    client.ask("setExceptionBreakpoints", filters=[])
    client.ask("continue", threadId=thread)
    assert client.event("exited")["exitCode"] == 5
    assert (folder / "outputs").is_dir()


def test_a_change_of_the_job_file_reaches_f5(workspace: Workspace) -> None:
    workspace.add("line", TRAIN, job=JOB, toml="[data.data]\ncreate = true\n")
    workspace.loop("sync")
    path = "src/line/azure-ml-job.yaml"
    workspace.write(path, workspace.read(path).replace("epochs: 8", "epochs: 3"))
    assert workspace.loop("sync", "--check").code == 1
    assert workspace.loop("sync").code == 0
    assert configuration(workspace, "line: train.py")["args"][3] == "3"
    assert workspace.loop("sync", "--check").code == 0


NEEDY = """import contextlib
import sys

try:
    import not_there_at_all
except ImportError:
    print("goes on")
with contextlib.suppress(ImportError):
    import neither_is_this
import helper
"""
HELPER = "import sys\n\nimport of_the_image\n"


def test_a_missing_package_ends_f5_with_one_sentence(
    workspace: Workspace, client: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the editor's own choice of exceptions: the debugger stops at none of them."""
    folder = workspace.add("line", NEEDY, job=JOB, toml="[data.data]\ncreate = true\n")
    workspace.write("src/line/helper.py", HELPER)
    hook = ".vscode/extensions/innerloop/start/sitecustomize.py"
    workspace.write(hook, (ROOT / hook).read_text(encoding="utf-8"))
    assert workspace.loop("sync").code == 0
    client.begin(
        configuration(workspace, "line: train.py"), {folder / "train.py": [7]}, ["uncaught"]
    )
    thread = client.stopped()
    assert client.evaluate("sys.modules['os'].environ.get('PYTHONPATH')", thread) == repr(None)
    client.go_on(thread)
    assert client.event("exited")["exitCode"] == EXIT_CODE
    client.event("terminated")
    said = capfd.readouterr().err.splitlines()
    assert [line for line in said if "of_the_image" in line] == said[-1:]
    assert said[-1].startswith("src/line/helper.py:3: error: ")
    assert "loop run src/line/train.py --debug" in said[-1]
    assert "Traceback" not in "".join(said)

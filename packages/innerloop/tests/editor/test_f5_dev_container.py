"""F5 in an open dev container.

The image's stage `dev`, its own Python and debugger, the rendered configurations with the
container's paths in them.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.editor.dap import Client, Editor, Machine, resolve, variables
from tests.editor.f5 import press_f5, rendered, seen, task_of
from tests.support import Workspace, docker, make_workspace

pytestmark = [pytest.mark.docker, pytest.mark.devcontainer, pytest.mark.network]

THREE = """FROM BASE AS base
FROM base AS dev
RUN pip install --no-cache-dir --root-user-action=ignore debugpy==1.8.22
FROM base AS job
"""
TRAIN = """import os
import sys

print(sys.argv)
with open(os.environ["AZURE_ML_OUTPUT_model"] + "/weights", "w") as file:
    file.write("x")
sys.exit(5)
"""
SHELL = """import sys

number = 5
sys.exit(number)
"""
JOB = """command: python train.py --data ${{inputs.data}} --name "two words" $[[--more ${{inputs.more}}]]
inputs:
  data: {type: uri_folder, path: "azureml:mnist:1"}
  more: {type: string, optional: true}
outputs: {model: }
environment_variables: {MODE: fast}
"""


@dataclass(frozen=True)
class Opened:
    workspace: Workspace
    container: str
    folder: str

    @property
    def machine(self) -> Machine:
        return Machine("docker", "exec", "-i", self.container)


@pytest.fixture(
    scope="module",
    params=[
        "python:3.11-slim-bookworm",
        # The newest Python and Debian, which the workspace's own container has, too.
        pytest.param("python:3.13-slim-trixie", marks=pytest.mark.nightly),
    ],
)
def dev_container(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _tool: None
) -> Iterator[Opened]:
    three = THREE.replace("BASE", request.param)
    made = make_workspace(
        tmp_path_factory.mktemp("in") / "our work", share_scripts=False, copy_source=True
    )
    made.add("line", TRAIN, job=JOB, dockerfile=three, toml="[data.data]\ncreate = true\n")
    made.add("shell", SHELL, job="command: cd . && python train.py\n", dockerfile=three)
    assert made.loop("sync").code == 0
    answer = made.loop("up", "shell", "--json")
    try:
        assert answer.code == 0, answer.err
        told = json.loads(answer.out)
        yield Opened(made, told["container"], told["folder"])
    finally:
        made.loop("down", "shell")
        made.clean()


def test_the_plain_configuration_needs_nothing_else(dev_container: Opened) -> None:
    configuration = resolve(
        rendered(dev_container.workspace, "line: train.py"), variables(dev_container.folder)
    )
    folders = resolve(
        task_of(dev_container.workspace, configuration), variables(dev_container.folder)
    )
    made = dev_container.machine.started([folders["command"], *folders["args"]])
    assert subprocess.run(made["args"]).returncode == 0
    client = Client(machine=dev_container.machine)
    program = Path(dev_container.folder, "src/line/train.py")
    try:
        client.begin({**configuration, "python": ["python"]}, {program: [4]})
        thread = client.stopped()
        assert seen(client, thread) == (str(program), 4)
        assert client.evaluate("sys.argv[1:]", thread) == repr(
            ["--data", f"{dev_container.folder}/data/mnist", "--name", "two words"]
        )
        assert client.evaluate("os.environ['MODE']", thread) == repr("fast")
        assert client.evaluate("os.getcwd()", thread) == repr(f"{dev_container.folder}/src/line")
        assert client.evaluate("os.environ['AZURE_ML_INPUT_data']", thread) == repr(
            f"{dev_container.folder}/data/mnist"
        )
        client.ask("next", threadId=thread)
        assert client.stopped("step") == thread
        client.go_on(thread)
        assert client.event("exited")["exitCode"] == 5
        weights = dev_container.workspace.root / "src" / "line" / "outputs" / "model" / "weights"
        assert weights.read_text() == "x"
    finally:
        client.close()


def test_another_command_runs_inside(dev_container: Opened, editors: list[Editor]) -> None:
    editor = press_f5(
        dev_container.workspace,
        "shell: job in its container",
        dev_container.folder,
        dev_container.machine,
    )
    editors.append(editor)
    assert editor.start_task(), editor.text
    assert "backend in-container" in editor.text
    assert "setting up the debugger" not in editor.text  # the image's own is the same
    program = Path(dev_container.folder, "src/shell/train.py")
    editor.attach({program: [4]})
    process = editor.next_process({program: [4]})
    thread = process.stopped()
    assert seen(process, thread) == (str(program), 4)
    process.go_on(thread)
    assert editor.exit_code() == 5, editor.text
    assert "start.py" not in docker("top", dev_container.container)

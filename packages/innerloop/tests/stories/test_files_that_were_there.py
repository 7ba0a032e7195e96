"""Files that were there before sync could generate them: left alone, and reported once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from innerloop.util.jsonc import parse
from tests.support import Workspace

JOB = "command: python train.py --epochs ${{inputs.epochs}}\ninputs:\n  epochs: 8\n"
CONTAINER = ".devcontainer/devcontainer.json"
OWN = ".devcontainer/line/devcontainer.json"
DOCKERFILE, ENTRYPOINT = ".devcontainer/Dockerfile", ".devcontainer/entrypoint.sh"

# Dev containers of other people's repositories.
CONTAINERS: dict[str, dict[str, str]] = {
    "image": {CONTAINER: '{\n  // ours\n  "image": "python:3.13",\n}\n'},
    "compose": {
        CONTAINER: '{"dockerComposeFile": "compose.yml", "service": "app",'
        ' "workspaceFolder": "/app", "remoteUser": "node"}',
        ".devcontainer/compose.yml": "services: {app: {image: node}}\n",
    },
    "build": {
        CONTAINER: '{"build": {"dockerfile": "Dockerfile", "context": ".."}, "runArgs": ["--init"]}',
        DOCKERFILE: "FROM python:3.13\n",
    },
    "build of another file": {
        CONTAINER: '{"dockerFile": "../docker/dev.Dockerfile", "overrideCommand": true}'
    },
    "user": {CONTAINER: '{"image": "python:3.13", "containerUser": "me", "remoteUser": "me"}'},
    "features only": {CONTAINER: '{"features": {}}'},
    "nothing": {CONTAINER: "{}"},
    "not JSON": {CONTAINER: "{"},
    "in the root": {".devcontainer.json": '{"image": "python:3.13"}'},
    "a Dockerfile alone": {DOCKERFILE: "FROM python:3.13\n"},
}


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def sync_twice(workspace: Workspace) -> str:
    """What the first sync reports; the second one finds nothing to do and reports nothing."""
    answer = workspace.loop("sync")
    assert answer.code == 0, answer.err
    before = files(workspace.root)
    again = workspace.loop("sync")
    assert (again.code, again.out, again.err) == (0, "everything is up to date\n", "")
    assert files(workspace.root) == before
    assert workspace.loop("sync", "--check").code == 0
    return answer.err


@pytest.mark.parametrize("kind", CONTAINERS)
def test_dev_container_of_others_is_left_alone_and_reported_once(
    workspace: Workspace, kind: str
) -> None:
    workspace.add("line", "print(1)\n", job=JOB)
    theirs = CONTAINERS[kind]
    for path, text in theirs.items():
        workspace.write(path, text)
    message = sync_twice(workspace)
    named = DOCKERFILE if kind == "a Dockerfile alone" else CONTAINER
    assert message.count(f"innerloop: {named}: ") == 1
    assert f"--take '{named}:.'" in message
    for path, text in theirs.items():
        assert workspace.read(path) == text
    # None of the workspace's own container is written beside it: it would not work.
    for path in (CONTAINER, DOCKERFILE, ENTRYPOINT):
        assert path in theirs or not (workspace.root / path).exists()
    # The experiments' own containers are generated all the same, and go on to be.
    workspace.write("src/line/innerloop.toml", 'gpu = "none"\n')
    assert workspace.loop("sync").out == f"update {OWN}\n"


@pytest.mark.parametrize("kind", ["image", "compose", "user"])
def test_take_adds_what_sync_generates(workspace: Workspace, kind: str) -> None:
    workspace.add("line", "print(1)\n", job=JOB)
    for path, text in CONTAINERS[kind].items():
        workspace.write(path, text.replace("{", '{"customizations": {"mine": 1}, ', 1))
    sync_twice(workspace)
    answer = workspace.loop("sync", "--take", f"{CONTAINER}:.")
    assert answer.code == 0, answer.err
    sync_twice(workspace)
    value = parse(workspace.read(CONTAINER)).value
    assert value["customizations"]["mine"] == 1
    assert value["build"] == {"dockerfile": "Dockerfile", "context": "."}
    assert value["remoteUser"] == "dev" and value["overrideCommand"] is False
    others = {"image", "dockerComposeFile", "service", "containerUser", "workspaceFolder"}
    assert not others & set(value)
    assert (workspace.root / DOCKERFILE).is_file() and (workspace.root / ENTRYPOINT).is_file()


OTHERS = {
    "AGENTS.md": "# mine\n",
    OWN: '{"image": "mine"}',
    ".vscode/tasks.json": '{"version": "2.0.0", "tasks": [] /* mine */}',
    ".vscode/launch.json": '{"configurations": []}',
    ".vscode/settings.json": '{"files.eol": "\\r\\n"}',
    ".vscode/extensions.json": "{}",
    ".vscode/mcp.json": '{"servers": {}}',
    ".github/workflows/ci.yml": "name: mine\n",
    ".github/workflows/prebuild.yml": "name: mine\n",
    ".github/workflows/train-line.yml": "name: mine\n",
    "orchestration/azure-devops/ci.yml": "name: mine\n",
    "orchestration/azure-devops/train-line.yml": "name: mine\n",
    "orchestration/azure-devops/variables.yml": "variables: {}\n",
}


@pytest.fixture
def line(workspace: Workspace) -> Workspace:
    text = '[tool.innerloop]\norchestrators = ["github", "azure-devops"]\n'
    workspace.write("pyproject.toml", text)
    toml = '[schedule]\ncron = "0 3 * * 1"\n'
    workspace.add("line", "print(1)\n", job=f"{JOB}compute: azureml:c\n", toml=toml)
    return workspace


def test_every_kind_of_file_is_left_alone_and_reported_once(line: Workspace) -> None:
    for path, text in OTHERS.items():
        line.write(path, text)
    message = sync_twice(line)
    assert [part.split(": ")[1] for part in message.splitlines()] == sorted(OTHERS)
    for path, text in OTHERS.items():
        assert line.read(path) == text


def test_file_with_the_generated_content_is_adopted(line: Workspace) -> None:
    """As after the record was deleted: what sync would write counts as generated."""
    assert line.loop("sync").code == 0
    (line.root / ".innerloop/state.json").unlink()
    extensions = json.loads(line.read(".vscode/extensions.json"))
    line.write(".vscode/extensions.json", json.dumps(extensions, indent=1) + "\n// mine\n")
    assert sync_twice(line) == ""
    line.write("src/line/innerloop.toml", "")
    assert "remove .github/workflows/train-line.yml" in line.loop("sync").out


def test_removed_dockerfile_stays_removed_and_no_container_is_written_for_it(
    workspace: Workspace,
) -> None:
    assert workspace.loop("sync").code == 0
    for path in (CONTAINER, DOCKERFILE):
        (workspace.root / path).unlink()
    state = workspace.read(".innerloop/state.json").splitlines()
    kept = [row for row in state if f'"{CONTAINER}"' not in row]
    workspace.write(".innerloop/state.json", "\n".join(kept) + "\n")
    sync_twice(workspace)
    assert not (workspace.root / CONTAINER).exists()
    assert not (workspace.root / DOCKERFILE).exists()


def test_base_that_a_git_merge_left_in_doubt_is_the_closer_one_and_not_a_strangers_file(
    line: Workspace,
) -> None:
    """Two branches recorded two texts, `merge=union` kept both: the file was generated."""
    path = ".github/workflows/train-line.yml"
    assert line.loop("sync").code == 0
    state = line.read(".innerloop/state.json")
    (row,) = [one for one in state.splitlines() if one.startswith(f'["{path}"')]
    line.write(".innerloop/state.json", state.replace(row, f'{row}\n["{path}","another"],'))
    line.write(path, line.read(path).replace("360", "30"))
    answer = line.loop("sync")
    assert answer.code == 0, answer.err
    sync_twice(line)
    assert "timeout-minutes: 30\n" in line.read(path)  # the edit, which is one of the closer text
    rows = [one for one in line.read(".innerloop/state.json").splitlines() if path in one]
    assert rows == [row]


def test_new_reports_a_file_that_it_leaves_alone(workspace: Workspace) -> None:
    workspace.write(".devcontainer/churn/devcontainer.json", '{"image": "mine"}')
    answer = workspace.loop("new", "churn")
    assert answer.code == 0
    assert "innerloop: .devcontainer/churn/devcontainer.json: this file is yours" in answer.err

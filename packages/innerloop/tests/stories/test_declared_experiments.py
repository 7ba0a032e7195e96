"""Repositories as teams have them, with their experiments declared: no file moves, and all works."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support import Workspace, git

IMAGE = "python:3.11-slim-bookworm"
PROGRAM = "import os\nos.makedirs('outputs', exist_ok=True)\nprint('trained')\n"
TEST = "import helper\n\n\ndef test_helper() -> None:\n    assert helper.X == 1\n"

# Shape -> the files of a repository, its declaration, and what a run of it is: the command, the
# folder that it starts in, and the environment's source.
SHAPES: dict[str, tuple[dict[str, str], str, tuple[str, str, str]]] = {
    "jobs in a folder of their own": (
        {
            "ml/train.py": PROGRAM,
            "jobs/train.yml": "command: python train.py\ncode: ../ml\nenvironment: azureml:team@latest\n",
            "environments/train.yml": "dependencies: [python=3.11, pip]\n",
        },
        'folder = "ml"\njob = "jobs/train.yml"\nenvironment = "environments/train.yml"\ncontext = "."\n',
        ("python train.py", "ml", "conda"),
    ),
    "a folder for mlops": (
        {
            "mlops/azureml/train/job.yml": f"command: python run.py\ncode: ../../../code\n"
            f"environment:\n  image: {IMAGE}\n",
            "code/run.py": PROGRAM,
            "code/requirements.txt": "",
        },
        'job = "mlops/azureml/train/job.yml"\nfolder = "code"\n',
        ("python run.py", "code", "image"),
    ),
    "packages side by side": (
        {
            "packages/rank/rank.py": PROGRAM,
            "packages/rank/job.yaml": "command: python rank.py\ncode: .\n",
            "packages/rank/requirements.txt": "",
            "packages/score/score.py": PROGRAM,
        },
        (
            "folder = 'packages/rank'\njob = 'packages/rank/job.yaml'\n"
            "environment = 'packages/rank/requirements.txt'\n"
        ),
        ("python rank.py", "packages/rank", "requirements"),
    ),
    "components alone": (
        {
            "components/fit/component.yml": "name: fit\ntype: command\n",
            "components/fit/fit.py": PROGRAM,
            "components/job.yml": "command: python fit.py\ncode: ./fit\nenvironment:\n"
            "  build:\n    path: ../docker\n    dockerfile_path: fit.Dockerfile\n",
            "docker/fit.Dockerfile": f"FROM {IMAGE}\n",
            "docker/requirements.txt": "",
        },
        'folder = "components/fit"\njob = "components/job.yml"\n',
        ("python fit.py", "components/fit", "dockerfile"),
    ),
    "dev containers beside the code": (
        {
            "app/.devcontainer/devcontainer.json": '{"image": "python:3.11"}\n',
            "app/.devcontainer/Dockerfile": f"FROM {IMAGE}\nCOPY app/requirements.txt /r\n",
            "app/requirements.txt": "",
            "app/main.py": PROGRAM,
            "app/job.yml": "command: python main.py\ncode: .\n",
        },
        (
            "folder = 'app'\njob = 'app/job.yml'\nenvironment = 'app/.devcontainer/Dockerfile'\n"
            "context = '.'\n"
        ),
        ("python main.py", "app", "dockerfile"),
    ),
    "the editor's settings are ignored": (
        {
            ".gitignore": ".vscode/\n",
            "train.py": PROGRAM,
            "helper.py": "X = 1\n",
            "job.yml": "command: python train.py\ncode: .\n",
            "requirements.txt": "",
            "tests/unit/test_helper.py": TEST,
        },
        'folder = "."\njob = "job.yml"\nenvironment = "requirements.txt"\ntests = "tests/unit"\n',
        ("python train.py", "", "requirements"),
    ),
}


def adopted(workspace: Workspace, shape: str) -> tuple[str, str, str]:
    files, declaration, expected = SHAPES[shape]
    for path, text in files.items():
        workspace.write(path, text)
    workspace.write("innerloop.toml", f"[experiments.train]\n{declaration}")
    git(workspace.root, "init", "-q")
    return expected


def answer(workspace: Workspace, *words: str) -> Any:
    done = workspace.loop(*words)
    assert done.code == 0, done.out + done.err
    return json.loads(done.out)


def texts(root: Path) -> dict[str, str]:
    paths = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())
    names = {path.relative_to(root).as_posix(): path for path in paths}
    return {name: path.read_text("utf-8") for name, path in names.items() if name[:5] != ".git/"}


@pytest.mark.parametrize("shape", SHAPES)
def test_repository_with_a_declaration_has_an_experiment(workspace: Workspace, shape: str) -> None:
    command, folder, source = adopted(workspace, shape)
    before = texts(workspace.root)
    (row,) = answer(workspace, "list", "--json")
    assert (row["experiment"], row["command"], row["problem"]) == ("train", command, "")
    assert "docker" in row["backends"]
    request = answer(workspace, "run", "train", "--backend", "venv", "--dry-run", "--json")
    assert (request["experiment"], request["command"]) == ("train", command)
    findings = json.loads(workspace.loop("check", "train", "--json").out)
    assert [one for one in findings if one["severity"] == "error"] == []
    assert workspace.loop("sync").code == 0
    config = json.loads(workspace.read(".devcontainer/train/devcontainer.json"))
    generated = workspace.root / ".devcontainer/train/Dockerfile"
    assert generated.is_file() is (source in ("conda", "requirements"))
    if source == "image":
        assert config["image"] == IMAGE
    else:
        beside = workspace.root / ".devcontainer/train"
        assert (beside / config["build"]["dockerfile"]).is_file()
        assert (beside / config["build"]["context"]).is_dir()
    launch = json.loads(workspace.read(".vscode/launch.json"))
    title = f"train: {command.removeprefix('python ')}"
    (plain,) = (one for one in launch["configurations"] if one["name"] == title)
    cwd = "/".join(filter(None, ("${workspaceFolder}", folder)))
    assert plain["cwd"] == cwd
    after = texts(workspace.root)
    assert {path: after.get(path) for path in before} == before  # nothing of the team's changed
    assert workspace.loop("sync", "--check").code == 0


def test_declared_experiment_lives_and_goes_by_its_table(workspace: Workspace) -> None:
    adopted(workspace, "jobs in a folder of their own")
    other = "# the other one\n[experiments.other]\njob = 'jobs/train.yml'\nfolder = 'ml'\n"
    workspace.write("innerloop.toml", workspace.read("innerloop.toml") + other)
    assert workspace.loop("sync").code == 0
    before = texts(workspace.root)
    assert workspace.loop("rename", "train", "shop/ranker").code == 0
    assert '[experiments."shop/ranker"]' in workspace.read("innerloop.toml")
    names = [row["experiment"] for row in answer(workspace, "list", "--json")]
    assert names == ["other", "shop/ranker"]
    assert (workspace.root / ".devcontainer/shop.ranker/Dockerfile").is_file()
    assert not (workspace.root / ".devcontainer/train").exists()
    assert workspace.loop("sync", "--check").code == 0
    done = workspace.loop("remove", "ranker", "--yes")
    assert done.code == 0, done.err
    assert workspace.read("innerloop.toml") == other
    assert "jobs/train.yml" in done.out  # it says what stays
    after = texts(workspace.root)
    team = {path for path in before if path.split("/")[0] in ("ml", "jobs", "environments")}
    assert {path: after.get(path) for path in team} == {path: before[path] for path in team}
    assert workspace.loop("sync", "--check").code == 0


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_linked_experiment_is_renamed_and_removed_by_its_link(workspace: Workspace) -> None:
    train = workspace.add("old", PROGRAM)
    train.rename(workspace.root / "rank")
    (workspace.root / "src/rank").symlink_to("../rank")
    before = {path: text for path, text in texts(workspace.root).items() if path[:5] == "rank/"}
    assert workspace.loop("sync").code == 0
    done = workspace.loop("rename", "rank", "shop/first")
    assert done.code == 0, done.err
    (row,) = answer(workspace, "list", "--json")
    assert (row["experiment"], row["folder"]) == ("shop/first", "rank")
    assert os.readlink(workspace.root / "src/shop/first") == "../../rank"
    assert workspace.loop("sync", "--check").code == 0
    assert workspace.loop("remove", "first", "--yes").code == 0
    assert answer(workspace, "list", "--json") == []
    after = texts(workspace.root)
    assert {path: after.get(path) for path in before} == before


def test_declaration_that_is_wrong_is_one_error_with_its_line(workspace: Workspace) -> None:
    adopted(workspace, "packages side by side")
    workspace.write("innerloop.toml", '[experiments.train]\nfolder = "packages/gone"\n')
    done = workspace.loop("run", "train", "--dry-run")
    assert done.code == 1
    assert done.message.count("[declared-path-missing]") == 1
    assert "innerloop.toml:2" in done.message
    (row,) = json.loads(workspace.loop("list", "--json").out)
    assert "innerloop.toml:2" in row["problem"]
    (finding,) = json.loads(workspace.loop("check", "--json").out)
    assert (finding["code"], finding["file"], finding["line"]) == (
        "declared-path-missing",
        "innerloop.toml",
        2,
    )
    workspace.write("innerloop.toml", "[experiments.train]\n\n[experiments.train]\n")
    done = workspace.loop("list")
    assert (done.code, "innerloop.toml:3" in done.message) == (1, True)


def test_generated_dockerfile_stays_beside_its_devcontainer_json(workspace: Workspace) -> None:
    adopted(workspace, "packages side by side")
    assert workspace.loop("sync").code == 0
    dockerfile = workspace.root / ".devcontainer/train/Dockerfile"
    generated = dockerfile.read_text("utf-8")
    workspace.write("packages/rank/job.yaml", "command: [\n")  # while it cannot be read
    assert workspace.loop("sync").code == 1
    assert dockerfile.read_text("utf-8") == generated
    workspace.write("innerloop.toml", "")
    assert workspace.loop("sync").code == 0
    assert not dockerfile.exists()
    # A dev container of the team's own gets no Dockerfile beside it.
    adopted(workspace, "packages side by side")
    workspace.write(".devcontainer/train/devcontainer.json", '{"image": "python:3.11"}\n')
    assert workspace.loop("sync").code == 0
    assert not dockerfile.exists()
    assert workspace.read(".devcontainer/train/devcontainer.json") == '{"image": "python:3.11"}\n'


def test_declared_tests_are_listed_and_run_in_the_venv(workspace: Workspace) -> None:
    adopted(workspace, "the editor's settings are ignored")
    (test,) = answer(workspace, "test", "train", "--list", "--json")
    assert (test["id"], test["file"]) == (
        "tests/unit/test_helper.py::test_helper",
        "tests/unit/test_helper.py",
    )


@pytest.mark.docker
def test_declared_conda_file_runs_in_an_image_that_is_built_once(workspace: Workspace) -> None:
    adopted(workspace, "jobs in a folder of their own")
    # The base image has no conda, so pip installs the packages: none.
    job = workspace.read("jobs/train.yml").replace(
        "environment: azureml:team@latest\n",
        f"environment:\n  image: {IMAGE}\n  conda_file: ../environments/train.yml\n",
    )
    workspace.write("jobs/train.yml", job)
    first = workspace.loop("run", "jobs/train.yml", "--backend", "docker")
    assert first.code == 0, first.err
    assert "trained" in first.out
    workspace.write("ml/other.py", "")
    there = {"ml": ["other.py", "train.py"], "environments": ["train.yml"]}
    again = workspace.loop("run", "train", "--backend", "docker")
    assert again.code == 0, again.err
    assert "building" not in again.err
    assert names_of(workspace) == there
    workspace.write("environments/train.yml", "name: new\ndependencies: [python=3.11, pip]\n")
    outdated = workspace.loop("outdated", "train")
    assert ": environments/train.yml changed" in outdated.out + outdated.err


def names_of(workspace: Workspace) -> dict[str, list[str]]:
    """What is in the team's folders, where a build and a run write nothing."""
    folders = ("ml", "environments")
    return {one: sorted(os.listdir(workspace.root / one)) for one in folders}


LOCKED = {
    "uv.lock": 'version = 1\nrequires-python = ">=3.10"\n',
    "pyproject.toml": "[project]\nname = 'p'\nversion = '1'\n[dependency-groups]\ntest = []\n",
    "poetry/poetry.lock": '[metadata]\nlock-version = "2.1"\n',
    "pylock.toml": 'lock-version = "1.0"\n',
    "requirements.in": "numpy\n",  # which is of something else
    "assets/team.yml": "name: team\nbuild: {path: ../docker}\n",
    "docker/Dockerfile": f"FROM {IMAGE}\n",
    "ml/train.py": PROGRAM,
    "ml/job.yml": "command: python train.py\ncode: .\nenvironment: azureml:team@latest\n",
}


def test_declared_lock_is_taken_by_every_command(workspace: Workspace) -> None:
    for path, text in LOCKED.items():
        workspace.write(path, text)
    for name, environment in (
        ("a", "uv.lock"),
        ("b", "poetry/poetry.lock"),
        ("c", "pylock.toml"),
        ("d", "assets/team.yml"),
    ):
        table = f'[experiments.{name}]\njob = "ml/job.yml"\nenvironment = "{environment}"\n'
        toml = workspace.root / "innerloop.toml"
        toml.write_text((toml.read_text() if toml.exists() else "") + table)
    assert workspace.loop("sync").code == 0
    assert workspace.loop("sync", "--check").code == 0
    rows = answer(workspace, "list", "--json")
    assert [(row["experiment"], row["problem"]) for row in rows] == [(n, "") for n in "abcd"]
    for name in "abcd":
        config = json.loads(workspace.read(f".devcontainer/{name}/devcontainer.json"))
        assert config["build"].get("target") == ("dev" if name == "a" else None)
    for name in "ab":
        request = answer(workspace, "run", name, "--backend", "docker", "--dry-run", "--json")
        assert (request["experiment"], request["command"]) == (name, "python train.py")
        facts = workspace.loop("parity", name, "--json")
        assert facts.code == 0, facts.message
    assert not (workspace.root / ".devcontainer/d/Dockerfile").exists()
    added = workspace.loop("add", "a", "numpy")
    assert added.code == 1 and "uv add --project . --no-sync" in added.message
    # An edit of the lock makes what was built from it outdated; of poetry's, the Dockerfile.
    poetry = '[[package]]\nname = "x"\nversion = "1"\ngroups = ["main"]\n'
    lock = f'{poetry}files = [{{file = "x.whl", hash = "sha256:{"a" * 64}"}}]\n'
    workspace.write("poetry/poetry.lock", lock + LOCKED["poetry/poetry.lock"])
    check = workspace.loop("sync", "--check")
    assert check.code == 1 and ".devcontainer/b/Dockerfile" in check.out
    workspace.write("poetry/poetry.lock", LOCKED["poetry/poetry.lock"].replace("2.1", "1.1"))
    problem = json.loads(workspace.loop("list", "--json").out)[1]["problem"]
    assert "poetry/poetry.lock" in problem and "lock-version" in problem

"""Story: somebody takes the tool out again, and keeps what is theirs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stories import made
from tests.stories.made import git, init, loop, tree

OWN = {
    "README.md": "# mine\n",
    "LICENSE": "all mine",
    ".gitignore": "*.log\r\n!keep.log",
    ".gitattributes": "*.bin binary\n\n",
    ".devcontainer/devcontainer.json": '{"image": "python:3.13"} // mine\n',
}
SECRET = ".env"


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _tool: None) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "gitconfig").write_text("[user]\n\tname = a\n\temail = a@example.org\n")
    made.wheel(tmp_path)
    return tmp_path


def files(root: Path) -> dict[str, str]:
    return {path: text for path, text in tree(root).items() if not path.endswith("/")}


@pytest.mark.parametrize(
    ("own", "options"),
    [
        ({}, ()),
        ({}, ("--example", "tiny", "--azure-devops")),
        (OWN, ("--example", "digits", "--github")),
    ],
    ids=["nothing", "tiny", "digits in a clone"],
)
def test_leave_gives_back_the_tree_that_was_there_before_init(
    plain: Path, own: dict[str, str], options: tuple[str, ...]
) -> None:
    folder = plain / "a workspace é"
    folder.mkdir()
    for name, text in own.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode())
    before = tree(folder)
    assert init(folder, *options).code == 0
    after = tree(folder)
    listed = loop(folder, "leave", "--dry-run")
    assert listed.code == 0 and "stays:" not in listed.out, listed
    assert tree(folder) == after
    goes = set(re.findall(r"(?m)^goes:   (.+)$", listed.out))
    assert ".innerloop/" in goes
    left = loop(folder, "leave", "--yes")
    assert left.code == 0, left.err
    assert tree(folder) == before
    assert f"removed {len(goes)} files and folders" in left.out
    gone = {path for path in after.keys() - before.keys() if not path.endswith("/")}
    folders = tuple(path for path in goes if path.endswith("/"))
    assert {path for path in gone if path not in goes and not path.startswith(folders)} == set()


def test_leave_keeps_all_that_a_person_wrote_and_names_what_they_edited(plain: Path) -> None:
    folder = plain / "ws"
    assert init(folder, "--example", "tiny").code == 0
    assert loop(folder, "new", "churn").code == 0
    tasks = (folder / ".vscode/tasks.json").read_text()
    mine = '{"label": "mine", "type": "shell", "command": "echo"}, // mine'
    (folder / ".vscode/tasks.json").write_text(tasks.replace('"tasks": [', f'"tasks": [{mine}', 1))
    launch = folder / ".vscode/launch.json"
    launch.write_text(launch.read_text().replace('"justMyCode": false', '"justMyCode": true', 1))
    container = folder / ".devcontainer/churn/devcontainer.json"
    container.write_text(container.read_text().replace("{", '{"postStartCommand": "date",', 1))
    edited = (container.read_text(), launch.read_text())
    own = {
        "src/tiny/train.py": "print('mine')\n",
        "tests/test_mine.py": "def test_mine(): pass\n",
        "scripts/mine.sh": "echo mine\n",
        "scripts/test": "echo mine\n",
        "data/mnist/a.csv": "1\n",
        "outputs/churn/1/metrics.json": "{}\n",
        ".innerloop/removed/old-1/src/train.py": "print('removed')\n",
        SECRET: "KEY=1\n",
    }
    for name, text in own.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    settings = folder / "pyproject.toml"
    settings.write_text(settings.read_text().replace("100", "88", 1))
    git(folder, "add", "--all")
    git(folder, "commit", "-qm", "All of it")
    listed = loop(folder, "leave", "--dry-run").out
    assert loop(folder, "leave", "--yes").code == 0
    left = files(folder)
    assert {name: left.get(name) for name in own} == own
    assert {"goes:   .innerloop/state.json", "goes:   .innerloop/wheels/"} <= set(
        listed.splitlines()
    )
    assert left["pyproject.toml"] == settings.read_text()
    assert container.read_text() == edited[0]
    (kept,) = json.loads(launch.read_text())["configurations"]
    assert kept in json.loads(edited[1])["configurations"] and kept["justMyCode"] is True
    assert mine.replace("},", "}") in left[".vscode/tasks.json"]
    assert "scripts/loop" not in left[".vscode/tasks.json"]
    stays = set(re.findall(r"(?m)^stays:  (\S+) \(", listed))
    assert stays == {
        ".devcontainer/churn/devcontainer.json",
        ".innerloop/removed/",
        ".vscode/launch.json",
        ".vscode/tasks.json",
        "scripts/test",
    }
    tool = {name for name in left if name.startswith((".innerloop/", "scripts/"))}
    assert tool == {name for name in own if name.startswith((".innerloop/", "scripts/"))}
    assert {"src/churn/train.py", "src/churn/environment/Dockerfile"} <= set(left)


@pytest.mark.parametrize("below", ["ws", "team é/ws"], ids=["its own", "a larger one"])
def test_leave_keeps_out_of_git_what_was_out_of_it(plain: Path, below: str) -> None:
    """A secret or a data set that is there is not suddenly a file to add; in any repository."""
    folder = plain / below
    folder.mkdir(parents=True)
    git(plain / below.split("/")[0], "init", "-q")
    (folder / ".gitignore").write_text("*.log\n")
    assert init(folder).code == 0
    for name in (SECRET, "data/mnist/a.csv", "outputs/a/1/model", "src/a/train.py", "b.log"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    git(folder, "add", "--all")
    git(folder, "commit", "-qm", "All of it")
    assert loop(folder, "leave", "--yes").code == 0
    assert "??" not in git(folder, "status", "--porcelain", "--untracked-files=all")
    lines = (folder / ".gitignore").read_text().splitlines()
    assert sorted(filter(None, lines)) == ["*.log", SECRET, "/data/*", "/outputs/"]


def test_experiments_run_by_their_plain_command_after_leave(plain: Path) -> None:
    folder = plain / "ws"
    assert init(folder).code == 0
    assert loop(folder, "new", "churn").code == 0
    assert loop(folder, "leave", "--yes", "--keep-dev-containers").code == 0
    done = subprocess.run([sys.executable, "train.py"], cwd=folder / "src/churn")
    assert done.returncode == 0
    container = json.loads((folder / ".devcontainer/churn/devcontainer.json").read_text())
    dockerfile = folder / ".devcontainer/churn" / container["build"]["dockerfile"]
    assert dockerfile.resolve().is_file()
    assert not (folder / "scripts").exists()
    assert not (folder / ".devcontainer/devcontainer.json").exists()


def test_leave_keeps_an_example_that_an_own_experiment_uses(plain: Path) -> None:
    folder = plain / "ws"
    assert init(folder, "--example", "digits").code == 0
    assert loop(folder, "new", "churn").code == 0
    (folder / "src/churn/digits.py").symlink_to("../common/digits.py")
    assert loop(folder, "leave", "--yes").code == 0
    assert (folder / "src/churn/digits.py").is_file()
    assert (folder / "src/digit_recognition/common/digits.py").is_file()


def refused(folder: Path, code: str) -> None:
    before = tree(folder)
    answer = loop(folder, "leave", "--yes")
    assert answer.code in (1, 2) and f"[{code}]" in answer.message, answer
    assert tree(folder) == before


def test_leave_refuses_where_it_cannot_know_what_is_whose(plain: Path) -> None:
    folder = plain / "ws"
    assert init(folder).code == 0
    asked = loop(folder, "leave")
    assert (asked.code, "[no-terminal]" in asked.message) == (2, True)
    state = folder / ".innerloop/state.json"
    text = state.read_text()
    state.write_text(f"<<<<<<< ours\n{text}")
    refused(folder, "state-damaged")
    state.write_text(text)
    (folder / "scripts").rename(folder / "elsewhere")
    (folder / "scripts").symlink_to("elsewhere")
    refused(folder, "link-leads-out")


def test_leave_in_the_tools_own_repository_is_refused(plain: Path) -> None:
    (plain / "packages/innerloop/src").mkdir(parents=True)
    refused(plain, "tool-repository")


def test_leave_finishes_what_a_killed_leave_began(plain: Path) -> None:
    """The last steps are not undone: the launcher is there until the very last one."""
    folder = plain / "ws"
    folder.mkdir()
    before = tree(folder)
    assert init(folder).code == 0
    launcher = {
        name: text for name, text in files(folder).items() if name.startswith("scripts/loop")
    }
    assert loop(folder, "leave", "--yes").code == 0
    (folder / "scripts").mkdir()
    for name, text in launcher.items():
        (folder / name).write_bytes(text.encode())
    assert loop(folder, "leave", "--yes").code == 0
    assert tree(folder) == before


def test_owners_name_the_state_of_every_file(plain: Path) -> None:
    folder = plain / "ws"
    folder.mkdir()
    (folder / ".devcontainer").mkdir()
    (folder / ".devcontainer/devcontainer.json").write_text('{"image": "x"}')
    assert init(folder, "--example", "tiny", "--github").code == 0
    (folder / "scripts/test").write_text("mine")
    (folder / "scripts/mine").write_text("mine")
    (folder / ".vscode/extensions/innerloop/tool.js").write_text("mine")
    (folder / ".github/workflows/own.yml").write_text("on: push\n")
    ci = folder / ".github/workflows/ci.yml"
    ci.write_text(ci.read_text() + "# mine\n")
    (folder / ".github/workflows/prebuild.yml").unlink()
    ignored = folder / ".gitignore"
    ignored.write_text(ignored.read_text().replace(".venv/\n", ".venv/\nmine/\n"))
    rows = json.loads(loop(folder, "owners", "--json").out)
    found = {row["path"]: (row["owner"], row["state"]) for row in rows}
    assert len(found) == len(rows)
    expected = {
        "scripts/loop": ("tool", "as shipped"),
        "scripts/loop-requirements.txt": ("tool", "as shipped"),
        "scripts/test": ("tool", "edited"),
        "scripts/mine": ("team", ""),
        ".vscode/tasks.json": ("shared", "as generated"),
        ".vscode/extensions/innerloop/package.json": ("tool", "as shipped"),
        ".vscode/extensions/innerloop/tool.js": ("tool", "edited"),
        ".github/workflows/ci.yml": ("shared", "edited"),
        ".github/workflows/prebuild.yml": ("shared", "removed"),
        ".github/workflows/own.yml": ("team", ""),
        ".gitignore": ("shared", "edited (the block)"),
        ".gitattributes": ("shared", "as generated (the block)"),
        ".devcontainer/devcontainer.json": ("team", "taken over"),
        "src/tiny/": ("team", ""),
        "pyproject.toml": ("team", ""),
    }
    assert {path: found.get(path) for path in expected} == expected
    everything = {path for path in files(folder) if not path.startswith(".innerloop/")}
    covered = tuple(path for path in found if path.endswith("/"))
    assert {
        path for path in everything if path not in found and not path.startswith(covered)
    } == set()


@pytest.mark.parametrize("name", [".gitignore", ".gitattributes"])
def test_owners_name_an_ignore_file_that_is_no_text(plain: Path, name: str) -> None:
    folder = plain / "ws"
    assert init(folder).code == 0
    (folder / name).write_bytes((folder / name).read_bytes() + b"caf\xe9\n")
    rows = json.loads(loop(folder, "owners", "--json").out)
    assert [row for row in rows if row["path"] == name] == [
        {"path": name, "owner": "team", "state": "it cannot be read"}
    ]
    assert loop(folder, "owners", name).code == 0


def test_owners_of_one_file_from_any_folder(plain: Path) -> None:
    folder = plain / "ws"
    assert init(folder, "--example", "tiny").code == 0
    below = folder / "src" / "tiny"
    for word, owner in (
        ("train.py", "team"),
        ("scripts/loop", "tool"),
        (".vscode/tasks.json", "shared"),
    ):
        (row,) = json.loads(loop(folder, "owners", word, "--json", cwd=below).out)
        assert row["owner"] == owner
    for word, code in (("nothing.py", "path-missing"), ("../../..", "outside-workspace")):
        answer = loop(folder, "owners", word, cwd=below)
        assert answer.code in (1, 2) and f"[{code}]" in answer.message


def test_owners_show_a_conflict(plain: Path) -> None:
    folder = plain / "ws"
    assert init(folder, "--github").code == 0
    ci = folder / ".github/workflows/ci.yml"
    ci.write_text(re.sub("ubuntu-24.04", "mine", ci.read_text()))
    settings = folder / "pyproject.toml"
    settings.write_text(settings.read_text() + '\n[tool.innerloop.github]\nrunner = "theirs"\n')
    (row,) = json.loads(loop(folder, "owners", ".github/workflows/ci.yml", "--json").out)
    assert row["state"] == "in conflict"
    settings.write_text(settings.read_text().replace("theirs", "mine"))
    (row,) = json.loads(loop(folder, "owners", ".github/workflows/prebuild.yml", "--json").out)
    assert row["state"] == "outdated"

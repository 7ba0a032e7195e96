"""A team of which some have a newer version than others: refusals, merges, and pins in conflict."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from innerloop import __version__
from tests import versions
from tests.support import Workspace
from tests.versions import NEWER, NEWEST, PIN, ToolVersion, commit, git, tree

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the shell launcher")
STATE = ".innerloop/state.json"
TASKS = ".vscode/tasks.json"
JOB = "command: python train.py --epochs ${{inputs.epochs}}\ninputs:\n  epochs: 8\n"
TRAIN = "print('trained')\n"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("versions") / "cache"


@pytest.fixture(scope="module")
def tools(cache: Path) -> dict[str, ToolVersion]:
    """The version that is tested, and two newer ones that generate other texts."""
    made = {
        "old": versions.make(cache.parent, __version__, {}),
        "newer": versions.make(cache.parent, "90.9", NEWER),
        "newest": versions.make(cache.parent, "90.10", NEWEST),
    }
    for version in made.values():
        versions.install(version, cache)
    return made


@pytest.fixture
def team(tmp_path: Path, cache: Path, tools: dict[str, ToolVersion]) -> Workspace:
    """A repository with two experiments, at the old version."""
    workspace = versions.workspace_of(tmp_path / "team", cache)
    tools["old"].choose(workspace)
    for name in ("first", "second"):
        workspace.add(name, TRAIN, job=JOB)
    git(workspace, "init", "-q", "-b", "main")
    assert workspace.loop("sync").code == 0
    commit(workspace, "start")
    return workspace


def upgrade(workspace: Workspace, version: ToolVersion) -> None:
    version.choose(workspace)
    answer = workspace.loop("sync")
    assert answer.code == 0, answer.err


def branch(workspace: Workspace, name: str, *, of: str = "main") -> None:
    git(workspace, "checkout", "-q", "-b", name, of)


REFUSED = (
    ["sync"], ["sync", "--check"], ["sync", "--diff"], ["sync", "--take", f"{TASKS}:."],
    ["sync", "--eject", TASKS], ["new", "third"], ["new", "third", "--from", "first"],
    ["rename", "first", "other"], ["remove", "first", "--yes"], ["share", "first", "--repair"],
)  # fmt: skip
GOING_ON = (["list"], ["check"], ["run", "first", "--backend", "venv"], ["help"], ["--version"])


def test_older_tool_refuses_to_write_and_still_runs_jobs(
    team: Workspace, tools: dict[str, ToolVersion]
) -> None:
    team.write("src/first/environment/Dockerfile", "FROM python:3.11-slim-bookworm\n")
    upgrade(team, tools["newer"])
    commit(team, "upgraded")
    tools["old"].choose(team)  # as an older pin in another branch, or an environment of a container
    before = tree(team)
    for words in REFUSED:
        answer = team.loop(*words)
        assert (answer.code, answer.out) == (1, ""), (words, answer)
        assert "[state-newer]" in answer.message and len(answer.err.splitlines()) == 1
        assert "innerloop 90.9" in answer.err and f"innerloop {__version__}" in answer.err
        assert "`scripts/loop upgrade --to 90.9`" in answer.err
        assert tree(team) == before
    for words in GOING_ON:
        answer = team.loop(*words)
        assert answer.code == 0 and "state-newer" not in answer.message, (words, answer)
    doctor = team.loop("doctor")
    assert "innerloop 90.9 generated the files" in doctor.out + doctor.message
    tools["newer"].choose(team)
    assert team.loop("sync", "--check").code == 0


def test_older_tool_refuses_a_record_whose_form_it_does_not_know(
    team: Workspace, tools: dict[str, ToolVersion]
) -> None:
    """Rows of a kind, and of paths, that only a later version knows."""
    row = '[".vscode/tasks.json","written by innerloop","90.9"],\n'
    for more in ('{"later":"a"},\n', '["docs/generated.md","text"],\n', "<<<<<<< HEAD\n"):
        text = team.read(STATE)
        team.write(STATE, text.replace('["end"]]', f'{row}{more}["end"]]'))
        for words in (["sync"], ["new", "third"], ["remove", "first", "--yes"]):
            answer = team.loop(*words)
            assert answer.code == 1 and "[state-newer]" in answer.message, (more, words)
        team.write(STATE, text)
    assert team.loop("sync", "--check").code == 0


def test_older_tool_leaves_a_killed_sync_of_a_newer_one_to_it(
    team: Workspace, tools: dict[str, ToolVersion]
) -> None:
    journal = ".innerloop/writing/journal.json"
    row = '[".vscode/tasks.json","written by innerloop","90.9"],'
    state = f'[["x"],\n{row}\n{{"later":"a"}},\n["end"]]\n'
    text = json.dumps({"after": {"docs/generated.md": None}, "state": state})
    team.write(journal, text)
    for words in (["sync"], ["sync", "--check"], ["rename", "first", "other"]):
        answer = team.loop(*words)
        assert answer.code == 1 and "[state-newer]" in answer.message, (words, answer)
    assert team.loop("run", "first", "--backend", "venv").code == 0
    assert team.read(journal) == text


@pytest.mark.parametrize("into", ["old", "new"])
def test_branches_of_which_one_upgraded_merge_both_ways(
    team: Workspace, tools: dict[str, ToolVersion], into: str
) -> None:
    branch(team, "new")
    upgrade(team, tools["newer"])
    commit(team, "upgraded")
    branch(team, "old", of="main")
    team.add("third", TRAIN, job=JOB)
    assert team.loop("sync").code == 0
    mine = team.read(TASKS).replace('"version"', '// a word of mine\n    "version"', 1)
    team.write(TASKS, mine)
    commit(team, "third")
    git(team, "checkout", "-q", into)
    git(team, "merge", "-q", "--no-edit", "old" if into == "new" else "new", check=False)
    answer = team.loop("sync")
    assert answer.code == 0, answer.err
    assert team.read(PIN) == tools["newer"].pin
    assert '"written by innerloop","90.9"' in team.read(STATE)
    assert team.read(STATE).count("written by innerloop") == 1
    assert "// a word of mine" in team.read(TASKS)
    assert_generated_by(team, tools["newer"], own={TASKS: "// a word of mine\n    "})


def assert_generated_by(
    workspace: Workspace, version: ToolVersion, own: dict[str, str] | None = None
) -> None:
    """Equal to what that version makes of src/ alone, but for a person's own words."""
    again = workspace.loop("sync")
    assert (again.code, again.out, again.err) == (0, "everything is up to date\n", "")
    here = tree(workspace)
    for path, word in (own or {}).items():
        here[path] = here[path].replace(word, "", 1)
    elsewhere = versions.workspace_of(
        workspace.root.parent / "fresh", Path(workspace.env["INNERLOOP_CACHE"])
    )
    for path, text in here.items():
        if path.startswith(("src/", "scripts/", "pyproject")):
            elsewhere.write(path, text)
    git(elsewhere, "init", "-q")
    assert elsewhere.loop("sync").code == 0
    assert here == tree(elsewhere)


@pytest.mark.parametrize("has_attributes", [True, False])
@pytest.mark.parametrize("into", ["newer", "newest"])
def test_branches_that_upgraded_to_different_versions_merge_both_ways(
    team: Workspace, tools: dict[str, ToolVersion], into: str, has_attributes: bool
) -> None:
    if not has_attributes:
        team.write(".gitattributes", "* text=auto\n/.innerloop/state.json merge=union\n")
        commit(team, "attributes")
    for name in ("newer", "newest"):
        branch(team, name, of="main")
        upgrade(team, tools[name])
        team.add(f"of_{name}", TRAIN, job=JOB)
        assert team.loop("sync").code == 0
        commit(team, name)
    other = "newest" if into == "newer" else "newer"
    git(team, "checkout", "-q", into)
    git(team, "merge", "-q", "--no-edit", other, check=False)
    unmerged = git(team, "diff", "--name-only", "--diff-filter=U").split()
    assert PIN in unmerged
    assert ("<<<<<<<" in team.read(PIN)) != has_attributes
    answer = team.loop("sync")
    assert answer.code == 0, answer.err
    assert team.read(PIN) == tools["newest"].pin
    assert_generated_by(team, tools["newest"])
    commit(team, "merged")
    assert git(team, "status", "--short") == ""

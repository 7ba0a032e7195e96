"""A team of which some have a newer version than others: refusals, merges, and pins in conflict."""

from __future__ import annotations

import json
import os
import shutil
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


@pytest.fixture(scope="module")
def team_as_made(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, tools: dict[str, ToolVersion]
) -> Workspace:
    workspace = versions.workspace_of(tmp_path_factory.mktemp("made") / "team", cache)
    tools["old"].choose(workspace)
    for name in ("first", "second"):
        workspace.add(name, TRAIN, job=JOB)
    git(workspace, "init", "-q", "-b", "main")
    assert workspace.loop("sync").code == 0
    commit(workspace, "start")
    return workspace


@pytest.fixture
def team(team_as_made: Workspace, tmp_path: Path) -> Workspace:
    """A repository with two experiments, at the old version."""
    return copy_of(team_as_made, tmp_path / "team")


def copy_of(workspace: Workspace, root: Path) -> Workspace:
    shutil.copytree(workspace.root, root, symlinks=True)
    return Workspace(root, dict(workspace.env))


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
        if path.startswith(("src/", "scripts/", "pyproject", ".gitattributes")):
            elsewhere.write(path, text)
    git(elsewhere, "init", "-q")
    assert elsewhere.loop("sync").code == 0
    assert here == tree(elsewhere)


@pytest.mark.parametrize(
    ("into", "has_attributes"), [("newer", True), ("newest", True), ("newer", False)]
)
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


DOCKERFILE, SETTINGS = ".devcontainer/Dockerfile", ".vscode/settings.json"
# branch -> file -> after which text, and the words that come there
OWN = {
    "newer": {
        DOCKERFILE: ('CMD ["sleep", "infinity"]\n', "# a line of the first\n"),
        TASKS: ("{\n", "    // a comment of the first\n"),
        SETTINGS: ("{\n", '    "own of the first": 1,\n'),
    },
    "newest": {
        DOCKERFILE: ("#\n", "# a line of the second\n"),
        TASKS: ('"tasks": [\n', '        {"label": "task of the second", "type": "shell"},\n'),
        SETTINGS: ('"files.exclude": {\n', '        "**/own of the second": true,\n'),
    },
}


@pytest.fixture(scope="module")
def edited_as_made(
    team_as_made: Workspace,
    tools: dict[str, ToolVersion],
    tmp_path_factory: pytest.TempPathFactory,
) -> Workspace:
    team = copy_of(team_as_made, tmp_path_factory.mktemp("edited") / "team")
    for name, edits in OWN.items():
        branch(team, name, of="main")
        upgrade(team, tools[name])
        for path, (after, words) in edits.items():
            text = team.read(path)
            assert text.count(after) >= 1
            team.write(path, text.replace(after, after + words, 1))
        assert team.loop("sync").out == "everything is up to date\n"
        commit(team, name)
    return team


@pytest.fixture
def edited(edited_as_made: Workspace, tmp_path: Path) -> Workspace:
    """Two branches that upgraded to different versions, each with edits of its own."""
    return copy_of(edited_as_made, tmp_path / "team")


@pytest.mark.parametrize(
    ("into", "verb"),
    [("newer", "merge"), ("newest", "merge"), ("newer", "rebase"), ("newest", "cherry-pick")],
)
def test_edits_in_branches_of_different_versions_all_stay(
    edited: Workspace, tools: dict[str, ToolVersion], into: str, verb: str
) -> None:
    other = "newest" if into == "newer" else "newer"
    git(edited, "checkout", "-q", into)
    git(edited, verb, other, check=False)
    assert {PIN, DOCKERFILE, TASKS} <= set(
        git(edited, "diff", "--name-only", "--diff-filter=U").split()
    )
    answer = edited.loop("sync")
    assert answer.code == 0, answer.err
    assert "both branches changed" not in answer.err
    assert edited.read(PIN) == tools["newest"].pin
    for path in OWN["newer"]:
        for words in ("of the first", "of the second"):
            assert edited.read(path).count(words) == 1, (path, words)
    assert edited.loop("sync").out == "everything is up to date\n"
    commit(edited, "merged")
    assert edited.loop("sync", "--check").code == 0
    if (into, verb) == ("newer", "merge"):
        check_restored(edited, tools)


def check_restored(edited: Workspace, tools: dict[str, ToolVersion]) -> None:
    """Without the edits, all is as the newest version makes it."""
    for path in OWN["newer"]:
        (edited.root / path).unlink()
        assert edited.loop("sync", "--take", f"{path}:.").code == 0
    assert_generated_by(edited, tools["newest"])


def test_edit_of_what_the_newest_version_changed_is_a_conflict_until_it_is_settled(
    edited: Workspace, tools: dict[str, ToolVersion]
) -> None:
    git(edited, "checkout", "-q", "newer")
    edited.write(SETTINGS, edited.read(SETTINGS).replace('Detect": "off"', 'Detect": "mine"'))
    edited.write(DOCKERFILE, edited.read(DOCKERFILE).replace("slim-trixie", "slim-mine"))
    commit(edited, "edits")
    git(edited, "merge", "newest", check=False)
    first, dockerfile = edited.loop("sync"), edited.read(DOCKERFILE)
    second = edited.loop("sync")
    for answer in (first, second):
        assert answer.code == 1
        assert f"{DOCKERFILE}:" in answer.message and f"{SETTINGS}:" in answer.err
        assert answer.err.count("[generated-conflict]") == 2, answer.err
    assert '"task.autoDetect": "mine"' in edited.read(SETTINGS)
    assert edited.read(DOCKERFILE) == dockerfile and "slim-mine" in dockerfile
    assert second.out == ""
    settled = edited.loop("sync", "--keep", f'{SETTINGS}:["task.autoDetect"]')
    assert settled.err.count("[generated-conflict]") == 1, settled.err
    # By hand, what git left is one of the sides.
    git(edited, "checkout", "--theirs", DOCKERFILE)
    git(edited, "add", DOCKERFILE)
    assert edited.loop("sync").code == 0
    assert "of the second" in edited.read(DOCKERFILE)
    assert edited.loop("sync").out == "everything is up to date\n"


@pytest.mark.parametrize("side", ["--ours", "--theirs"])
def test_one_side_of_all_files_taken_and_committed_is_brought_up_to_date(
    edited: Workspace, tools: dict[str, ToolVersion], side: str
) -> None:
    """The record is that of both branches then, and git no longer knows the sides."""
    git(edited, "checkout", "-q", "newer")
    git(edited, "merge", "newest", check=False)
    git(edited, "checkout", side, ".")
    tools["newest"].choose(edited)
    commit(edited, "merged by hand")
    answer = edited.loop("sync")
    assert answer.code == 0, answer.err
    words = "of the first" if side == "--ours" else "of the second"
    for path in (DOCKERFILE, TASKS, SETTINGS):
        assert edited.read(path).count(words) == 1, path
    assert edited.loop("sync").out == "everything is up to date\n"
    check_restored(edited, tools)


def test_older_side_of_the_pin_taken_and_committed_refuses_and_says_what_to_do(
    edited: Workspace, tools: dict[str, ToolVersion]
) -> None:
    git(edited, "checkout", "-q", "newer")
    git(edited, "merge", "newest", check=False)
    git(edited, "checkout", "--ours", ".")
    commit(edited, "merged by hand")
    answer = edited.loop("sync")
    assert (answer.code, answer.out) == (1, "")
    assert "`scripts/loop upgrade --to 90.10`" in answer.message


def test_pin_that_a_person_settled_is_theirs(
    edited: Workspace, tools: dict[str, ToolVersion]
) -> None:
    git(edited, "checkout", "-q", "newer")
    git(edited, "merge", "newest", check=False)
    mine = tools["newest"].pin + "# settled by hand\n"
    edited.write(PIN, mine)
    versions.install(
        ToolVersion("90.10", tools["newest"].package, mine), Path(edited.env["INNERLOOP_CACHE"])
    )
    assert edited.loop("sync").code == 0
    assert edited.read(PIN) == mine


@pytest.mark.parametrize("words", [["--check"], ["--diff"]])
def test_pin_in_conflict_is_shown_and_not_written(edited: Workspace, words: list[str]) -> None:
    git(edited, "checkout", "-q", "newest")
    git(edited, "merge", "newer", check=False)
    pin = edited.read(PIN).replace(
        "# The pin\n", "<<<<<<< HEAD\n# The pin\n=======\n>>>>>>> newer\n"
    )
    edited.write(PIN, pin)
    before = tree(edited)
    answer = edited.loop("sync", *words)
    assert answer.code == (1 if words == ["--check"] else 0), answer
    assert tree(edited) == before


HELPING = (
    ["sync"], ["sync", "--check"], ["check"], ["list"], ["help"], ["--version"], ["doctor"],
    ["completion", "bash"], ["upgrade", "--check"], ["run", "first", "--backend", "venv"],
)  # fmt: skip


@pytest.mark.parametrize("kind", ["pyproject", "experiment", "halves", "not toml"])
def test_settings_in_conflict_are_one_error_or_none(team: Workspace, kind: str) -> None:
    conflict = "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n"
    path, line, text = {
        "pyproject": (
            "pyproject.toml", 3,
            "[tool.black]\n[tool.innerloop]\n" + conflict.format('gpu = "all"', 'gpu = "none"'),
        ),
        "experiment": (
            "src/first/innerloop.toml", 1, conflict.format("ports = [1]", "ports = [2]")
        ),
        "halves": ("pyproject.toml", 2, '[tool.innerloop]\n<<<<<<< HEAD\ngpu = "all"\n'),
        "not toml": ("pyproject.toml", 2, "[tool.innerloop]\n" + conflict.format("gpu =", "= 3")),
    }[kind]  # fmt: skip
    team.write(path, text)
    for words in HELPING:
        answer = team.loop(*words)
        assert answer.code in (0, 1, 2) and len(answer.message.splitlines()) <= 8, words
        reads = words[0] in ("sync", "check", "run") or (
            words[0] == "list" and kind != "experiment"
        )
        if reads:
            assert answer.code == 1, (words, answer)
            assert f"{path}:{line}:" in answer.out + answer.err, words
            hint = "Correct the file" if kind == "halves" else "Keep one of the two sides"
            assert hint in answer.out + answer.err


def test_settings_in_conflict_whose_sides_agree_count(team: Workspace) -> None:
    text = "<<<<<<< HEAD\n[tool.black]\nline-length = 99\n=======\n[tool.black]\n>>>>>>> other\n"
    team.write("pyproject.toml", f'[tool.innerloop]\norchestrators = ["github"]\n{text}')
    answer = team.loop("sync")
    assert answer.code == 0, answer.err
    assert (team.root / ".github/workflows/ci.yml").is_file()
    assert team.loop("check").code == 0


def test_broken_settings_of_an_experiment_leave_the_others_in_line(team: Workspace) -> None:
    team.write("src/first/innerloop.toml", "<<<<<<< HEAD\nports = [1]\n=======\n>>>>>>> other\n")
    team.write("src/second/innerloop.toml", "ports = [4711]\n")
    answer = team.loop("sync")
    assert answer.code == 1 and "src/first/innerloop.toml:1:1: " in answer.message
    assert "4711" in team.read(".devcontainer/second/devcontainer.json")

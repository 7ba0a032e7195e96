"""The pin and the launcher where git left them in conflict."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from innerloop.sync import engine, tool_files
from innerloop.sync.tool_files import PATHS, pinned_version
from innerloop.sync.transaction import PIN
from innerloop.util import files
from tests.support import Workspace, make_workspace
from tests.versions import commit, git

# What the tool owns: VS Code's extension as well.
OWNED = (*PATHS, f"{tool_files.EXTENSION}tool.js")


def pin(version: str, *more: str) -> str:
    return f"# The pin\ninnerloop=={version} \\\n    --hash=sha256:0\n" + "".join(more)


@pytest.fixture
def team(tmp_path: Path) -> Workspace:
    """Branches `old` and `new` with other pins and launchers; `old` is checked out."""
    workspace = make_workspace(tmp_path / "team", share_scripts=False)
    for name in OWNED:
        workspace.write(name, f"start of {name}\n")
    git(workspace, "init", "-q", "-b", "main")
    commit(workspace, "start")
    for name, version in (("new", "0.10"), ("old", "0.9")):
        git(workspace, "checkout", "-q", "-b", name, "main")
        for path in OWNED:
            workspace.write(path, f"{name} of {path}\n")
        workspace.write(PIN, pin(version, f"of-{name}==1\n"))
        commit(workspace, name)
    return workspace


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (pin("1.0"), "1.0"), ("innerloop==2\n", "2"), ("innerloop==2;python_version>'3'\n", "2"),
        ("# innerloop==1\ninnerloop-x==2\n", ""), ("", ""), ("innerloop>=1\n", ""),
    ],
)  # fmt: skip
def test_pinned_version_is_that_of_the_tools_line(text: str, version: str) -> None:
    assert pinned_version(text) == version


@pytest.mark.parametrize("into", ["old", "new"])
@pytest.mark.parametrize("style", ["merge", "diff3"])
@pytest.mark.parametrize("attributes", ["", "* -merge\n"], ids=["markers", "whole"])
def test_settlement_takes_all_files_of_the_newer_side(
    team: Workspace, into: str, style: str, attributes: str
) -> None:
    (team.root / ".git/info/attributes").write_text(attributes)
    git(team, "checkout", "-q", into)
    git(
        team,
        "-c",
        f"merge.conflictstyle={style}",
        "merge",
        "new" if into == "old" else "old",
        check=False,
    )
    settlement = tool_files.settlement(team.root)
    if attributes and into == "new":
        assert settlement is None  # the newer side is there already
        return
    assert settlement is not None and settlement.version == "0.10"
    assert [change.path for change in settlement.changes] == list(OWNED)
    before = {path: team.read(path) for path in OWNED}
    assert [change.before for change in settlement.changes] == list(before.values())
    assert engine.settle_tool_files(team.root) == settlement
    assert team.read(PIN) == pin("0.10", "of-new==1\n")
    assert all(team.read(path) == f"new of {path}\n" for path in OWNED[1:])
    assert tool_files.settlement(team.root) is None
    assert PIN in git(team, "diff", "--name-only", "--diff-filter=U")


def test_settlement_keeps_line_ends_and_modes(team: Workspace) -> None:
    git(team, "merge", "new", check=False)
    for path in PATHS:
        target = team.root / path
        target.write_bytes(target.read_bytes().replace(b"\n", b"\r\n"))
        target.chmod(0o755)
    assert engine.settle_tool_files(team.root) is not None
    for path in PATHS:
        content = (team.root / path).read_bytes()
        assert content.count(b"\r\n") == content.count(b"\n") > 0
        assert os.name == "nt" or (team.root / path).stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("edit", ["one of both", "in the conflict", "added"])
def test_file_that_a_person_began_to_resolve_is_theirs(team: Workspace, edit: str) -> None:
    git(team, "merge", "new", check=False)
    text = team.read(PIN)
    edited = {
        "one of both": pin("0.10", "of-new==1\n", "of-old==1\n"),
        "in the conflict": text.replace("of-new==1", "of-new==2"),
        "added": text + "mine==1\n",
    }[edit]
    team.write(PIN, edited)
    assert tool_files.settlement(team.root) is None
    assert engine.settle_tool_files(team.root) is None and team.read(PIN) == edited


def test_edited_launcher_stays_when_the_pin_is_settled(team: Workspace) -> None:
    git(team, "merge", "new", check=False)
    team.write("scripts/test", "mine\n")
    settlement = engine.settle_tool_files(team.root)
    assert settlement is not None
    assert "scripts/test" not in {change.path for change in settlement.changes}
    assert team.read("scripts/test") == "mine\n"


def test_conflict_of_a_stash_is_settled_by_its_markers(team: Workspace) -> None:
    """Git knows of no unfinished merge then."""
    git(team, "checkout", "-q", "new")
    team.write(PIN, pin("0.11", "of-stash==1\n"))
    git(team, "stash", "-q")
    git(team, "checkout", "-q", "old")
    git(team, "stash", "pop", check=False)
    assert "<<<<<<< " in team.read(PIN)
    settlement = engine.settle_tool_files(team.root)
    assert settlement is not None and settlement.version == "0.11"
    assert team.read(PIN) == pin("0.11", "of-stash==1\n")


def test_markers_without_git_are_settled(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "alone", share_scripts=False)
    text = f"<<<<<<< a\n{pin('0.9')}=======\n{pin('0.10')}>>>>>>> b\n"
    workspace.write(PIN, text)
    assert engine.settle_tool_files(workspace.root) is not None
    assert workspace.read(PIN) == pin("0.10")


def test_pins_without_a_tool_keep_ours(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "alone", share_scripts=False)
    workspace.write(PIN, "<<<<<<< a\na==1\n=======\nb==1\n>>>>>>> b\n")
    settlement = engine.settle_tool_files(workspace.root)
    assert settlement is not None and settlement.version == ""
    assert workspace.read(PIN) == "a==1\n"


def test_no_conflict_is_no_settlement(team: Workspace) -> None:
    assert tool_files.settlement(team.root) is None
    (team.root / PIN).unlink()
    assert tool_files.settlement(team.root) is None


def test_pin_behind_a_link_that_leads_out_is_left_alone(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "alone", share_scripts=False)
    text = f"<<<<<<< a\n{pin('0.9')}=======\n{pin('0.10')}>>>>>>> b\n"
    (tmp_path / "outside.txt").write_text(text)
    (workspace.root / PIN).unlink()
    (workspace.root / PIN).symlink_to(tmp_path / "outside.txt")
    with files.confining(workspace.root):
        assert tool_files.settlement(workspace.root) is None
    assert (tmp_path / "outside.txt").read_text() == text

"""Journals of interrupted changes that came with a stranger's workspace, or that were torn."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from innerloop.util import change_folder, undo_journal
from innerloop.util.errors import UserError
from innerloop.util.undo_journal import Delete, MakeLink, Move, Step, Write
from tests.support import Workspace

BEGIN = {"do": "begin", "what": "the rename of a to b"}
BAD = {
    "not JSON": "{",
    "another form": "[]",
    "a number": "1",
    "deep": "[" * 100_000,
    "unknown": '{"do": "run", "path": "a"}',
    "no keys": '{"do": "move"}',
    "another key": '{"do": "make", "path": "a", "mode": "1"}',
    "no text": '{"do": "make", "path": 1}',
    "a list": '{"do": ["move"], "path": "a"}',
    "out of the workspace": '{"do": "move", "path": "../../a", "target": "b"}',
    "absolute": '{"do": "move", "path": "/tmp/a", "target": "b"}',
    "a drive": '{"do": "make", "path": "C:/a"}',
    "backslashes": '{"do": "make", "path": "a\\\\..\\\\..\\\\b"}',
    "a null character": '{"do": "make", "path": "a\\u0000b"}',
    "git's own": '{"do": "move", "path": ".git/hooks/pre-commit", "target": "src/a"}',
    "git's own, below": '{"do": "move", "path": "src/.GIT/config", "target": "src/a"}',
    "a folder of the person": '{"do": "hide", "path": "data"}',
    "a hidden folder": '{"do": "hide", "path": ".ssh"}',
}


def written(root: Path, *lines: object) -> None:
    (root / undo_journal.FOLDER).mkdir(parents=True, exist_ok=True)
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (root / undo_journal.JOURNAL).write_text(text)


@pytest.mark.parametrize("line", BAD.values(), ids=BAD)
def test_line_that_no_change_writes_is_an_error_with_its_position(
    tmp_path: Path, line: str
) -> None:
    (tmp_path / "src/a").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    written(tmp_path, BEGIN, {"do": "move", "path": "src/b", "target": "src/a"}, line)
    with pytest.raises(UserError) as error:
        undo_journal.recover(tmp_path)
    assert (error.value.code, error.value.where) == (
        "journal-invalid",
        f"{undo_journal.JOURNAL}:3:1",
    )
    assert (tmp_path / "src/a").is_dir() and (tmp_path / "data").is_dir()


@pytest.mark.parametrize("name", change_folder.OLD_RECORDS)
@pytest.mark.parametrize("text", ["", "{", '{"old": "../../a", "new": "b"}', '{"old": 1}'])
def test_record_of_an_earlier_version_is_an_error(
    workspace: Workspace, name: str, text: str
) -> None:
    workspace.write(name, text)
    workspace.write("src/a/train.py", "print(1)\n")
    answer = workspace.loop("sync")
    assert (answer.code, name in answer.err) == (1, True), answer
    assert answer.err.rstrip().endswith("[journal-invalid]"), answer
    assert len(answer.message.splitlines()) == 1
    assert (workspace.root / "src/a/train.py").exists()


def test_folder_that_is_a_link_out_of_the_workspace_is_an_error(tmp_path: Path) -> None:
    root, outside = tmp_path / "ws", tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    root.mkdir()
    (root / "src").symlink_to(outside)
    written(root, BEGIN, {"do": "move", "path": "stolen", "target": "src/mine"})
    with pytest.raises(UserError) as error:
        undo_journal.recover(root)
    assert error.value.code == "link-leads-out"
    shutil.rmtree(root / ".innerloop")
    for step in (Move("src/mine", "a"), Write("src/mine", "new"), Delete("src/mine")):
        with pytest.raises(UserError) as error, undo_journal.change(root, "a change") as change:
            change.carry_out([step])
        assert error.value.code == "link-leads-out"
    assert (outside / "mine").read_text() == "mine" and not change_folder.is_pending(root)


def test_link_in_the_place_of_a_file_is_not_followed_out_of_the_workspace(tmp_path: Path) -> None:
    root, outside = tmp_path / "ws", tmp_path / "victim"
    root.mkdir()
    outside.write_text("mine")
    (root / "file").symlink_to(outside)
    with pytest.raises(UserError) as error, undo_journal.change(root, "a change") as change:
        change.carry_out([Write("file", "new")])
    assert (error.value.code, outside.read_text()) == ("link-leads-out", "mine")


def test_any_journal_of_a_stranger_changes_nothing_outside(tmp_path: Path) -> None:
    """500 journals of plausible lines, with a fixed seed."""
    draw = random.Random(15)
    paths = ["src/a", "src/b", "link/c", "../out", "/etc/x", ".git/config", "data", "", ".", "a//b"]
    paths += [
        ".x.0123456789abcdef",
        "link/.x.0123456789abcdef",
        ".innerloop/changing/1",
        "~",
        "NUL",
    ]
    values: list[Any] = [*paths, *paths, None, 1, [], {}, "x" * 5000, "\x1b[31m", "é\ud800"]
    keys = {"path", "target", "copy", "aside", "staged", "kept", "old", "new", "top", "what"}
    outside, home = tmp_path / "out", tmp_path / "home"
    for directory in (outside, home):
        directory.mkdir()
        (directory / "c").write_text("mine")
        (directory / ".x.0123456789abcdef").write_text("mine")
    ends = {"done": 0, "refused": 0}
    for number in range(500):
        root = tmp_path / "ws"
        (root / "src/a").mkdir(parents=True)
        (root / "data").mkdir()
        (root / "data/mine").write_text("mine")
        (root / ".git").mkdir()
        (root / ".git/config").write_text("mine")
        (root / "link").symlink_to(home)
        lines = []
        for _ in range(draw.randint(1, 4)):
            kind = draw.choice([*undo_journal._KEYS, "run"])
            used = undo_journal._KEYS.get(kind, keys) if draw.random() < 0.9 else keys
            lines.append({"do": kind, **{key: draw.choice(values) for key in sorted(used)}})
        written(root, *lines)
        if number % 3 == 0:
            (root / undo_journal.JOURNAL).rename(root / undo_journal.COMMITTED)
        try:
            undo_journal.recover(root)
            ends["done"] += 1
        except UserError as error:
            assert error.code in (
                "journal-invalid",
                "link-leads-out",
                "path-exists",
                "file-error",
            )
            assert "\x1b" not in error.message()
            ends["refused"] += 1
        for directory in (outside, home):
            assert {path.name for path in directory.iterdir()} == {"c", ".x.0123456789abcdef"}
        assert (root / ".git/config").read_text() == "mine"
        mine = [path for path in root.rglob("mine") if path.read_text() == "mine"]
        assert len(mine) == 1, lines
        shutil.rmtree(root)
    assert min(ends.values()) > 10, ends


def test_journal_that_is_torn_anywhere_is_undone(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    (root / "src/a").mkdir(parents=True)
    (root / "src/a/file").write_text("old")
    (root / "link").symlink_to("src/a")
    steps: list[list[Step]] = [
        [Move("src/a", "src/b/c")],
        [Write("src/b/c/file", "new"), MakeLink("link", "src/b/c")],
    ]
    with pytest.raises(ZeroDivisionError), undo_journal.change(root, "a change") as change:
        for step in steps:
            change.carry_out(step)
        text = (root / undo_journal.JOURNAL).read_text()
        raise ZeroDivisionError
    for length in range(len(text)):
        written(root)
        (root / undo_journal.JOURNAL).write_text(text[:length])
        undo_journal.recover(root)
        assert (root / "src/a/file").read_text() == "old" and os.readlink(root / "link") == "src/a"
        assert sorted(os.listdir(root)) == [".innerloop", "link", "src"]
        assert os.listdir(root / ".innerloop") == []


def test_what_a_person_wrote_after_the_kill_stays(tmp_path: Path) -> None:
    for path, text in (("a", "old"), ("b", "old")):
        (tmp_path / path).write_text(text)
    with pytest.raises(KeyboardInterrupt), undo_journal.change(tmp_path, "a change") as change:
        change.carry_out([Write("a", "new"), Write("b", "new"), Write("c", "new")])
        (tmp_path / "a").write_text("mine")
        (tmp_path / "c").write_text("mine too")
        raise KeyboardInterrupt
    assert [(tmp_path / name).read_text() for name in "abc"] == ["mine", "old", "mine too"]


def test_undo_that_is_in_the_way_of_a_new_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "src/b").mkdir(parents=True)
    (tmp_path / "src/a").mkdir()
    written(tmp_path, BEGIN, {"do": "move", "path": "src/a", "target": "src/b"})
    for _ in itertools.repeat(None, 2):
        with pytest.raises(UserError) as error:
            undo_journal.recover(tmp_path)
        assert (error.value.code, error.value.where) == ("path-exists", "src/a")
    (tmp_path / "src/a").rmdir()
    undo_journal.recover(tmp_path)
    assert os.listdir(tmp_path / "src") == ["a"]

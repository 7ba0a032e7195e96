"""Texts that git left in conflict, in each of its styles."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from innerloop.util import git_markers

# A line of seven "=" outside of a conflict is one of the text's own.
HEAD = "title\n=======\n" + "".join(f"line {n}\n" for n in range(9))
BASE = f"{HEAD}two\nthree\nfour\n"
OURS = f"{HEAD}ours\nthree\nfour\nmore of ours\n"
THEIRS = f"{HEAD}theirs\nand theirs\nthree\nfour\nmore of theirs"
STYLES: tuple[list[str], ...] = ([], ["--diff3"], ["--zdiff3"])


def conflict(folder: Path, *options: str) -> str:
    for name, text in (("base", BASE), ("ours", OURS), ("theirs", THEIRS)):
        (folder / name).write_text(text)
    argv = ["git", "merge-file", "-p", *options, "ours", "base", "theirs"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True).stdout


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("eol", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_side_is_the_text_of_each_branch(tmp_path: Path, style: list[str], eol: str) -> None:
    text = conflict(tmp_path, *style).replace("\n", eol)
    assert git_markers.is_whole(text) and git_markers.first_line(text) == 12
    assert git_markers.side(text, "<") == OURS
    assert git_markers.side(text, ">") == THEIRS + "\n"


@pytest.mark.parametrize("text", ["", "a\n", "a\n=======\nb\n", "||||||| a\n", "a\u2028b\x0cc\n"])
def test_side_of_a_text_without_conflict_is_the_text(text: str) -> None:
    assert not git_markers.is_whole(text) and git_markers.first_line(text) == 0
    assert git_markers.side(text, "<") == git_markers.side(text, ">") == text


@pytest.mark.parametrize("text", ["<<<<<<< a\nb\n", "a\n>>>>>>> b\n", "=======\n>>>>>>> a\n"])
def test_half_a_conflict_has_a_line_and_is_not_whole(text: str) -> None:
    assert git_markers.first_line(text) > 0
    assert not git_markers.is_whole(text)


@pytest.mark.parametrize("text", ["x <<<<<<< a\n", "<<<<<<<<< a\n", "<<<<<<<a\n", "# >>>>>>> b\n"])
def test_text_that_only_looks_alike_is_no_marker(text: str) -> None:
    assert git_markers.first_line(text) == 0

"""Tracebacks and failed tests, found in what programs really printed, in each place's paths."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from innerloop.model.traceback_parser import Failure, PathMapping, failed_tests, tracebacks

DOCKER = PathMapping("/workspaces/w/src/line", "src/line", ["/home/me/w", "/workspaces/w"])


def failures(text: str, seen: PathMapping = DOCKER) -> list[tuple[str, int, str]]:
    return [(one.file, one.line, one.message) for one in tracebacks(text, seen)]


def printed(folder: Path, *argv: str) -> str:
    done = subprocess.run([sys.executable, *argv], cwd=folder, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stdout + done.stderr


def line_in(tmp_path: Path, files: dict[str, str]) -> tuple[Path, PathMapping]:
    for name, text in files.items():
        path = tmp_path / "src" / "line" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    folder = tmp_path / "src" / "line"
    return folder, PathMapping(str(folder), "src/line", [str(tmp_path)])


def test_the_last_line_of_a_persons_code_is_named_not_that_of_a_library(tmp_path: Path) -> None:
    folder, seen = line_in(
        tmp_path, {"train.py": "import json\n\n\ndef main():\n    json.loads('{')\n\n\nmain()\n"}
    )
    ((file, line, message),) = failures(printed(folder, "train.py"), seen)
    assert (file, line) == ("src/line/train.py", 5)
    assert message.startswith("json.decoder.JSONDecodeError: Expecting property name")


def test_an_exception_that_was_caught_on_the_way_is_not_named(tmp_path: Path) -> None:
    text = "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('two') from e\n"
    folder, seen = line_in(tmp_path, {"train.py": text})
    assert failures(printed(folder, "train.py"), seen) == [
        ("src/line/train.py", 4, "ValueError: two")
    ]


def test_a_syntax_error_has_no_traceback_and_a_place(tmp_path: Path) -> None:
    folder, seen = line_in(tmp_path, {"train.py": "x = 1\ny = (\n"})
    ((file, line, message),) = failures(printed(folder, "train.py"), seen)
    assert (file, line) == ("src/line/train.py", 2)
    assert message.startswith("SyntaxError: ")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/workspaces/w/src/line/train.py", "src/line/train.py"),
        ("/workspaces/w/src/common/digits.py", "src/common/digits.py"),
        ("/home/me/w/src/other/x.py", "src/other/x.py"),
        ("tests/test_a.py", "src/line/tests/test_a.py"),
        ("../common/tests/test_b.py", "src/common/tests/test_b.py"),
        ("/usr/lib/python3.11/json/__init__.py", None),
        ("/workspaces/w2/src/line/train.py", None),
        ("../../../usr/lib/x.py", None),
        ("<string>", "src/line/<string>"),
        ("/workspaces/w/src/line/.venv/lib/site-packages/a.py", None),
    ],
)
def test_paths_of_a_container_are_those_of_the_workspace(path: str, found: str | None) -> None:
    assert DOCKER.to_workspace(path) == found


def test_paths_on_windows() -> None:
    seen = PathMapping("C:/w/.innerloop/scratch/line/1", "src/line", ["C:/w"])
    assert seen.to_workspace("C:\\w\\.innerloop\\scratch\\line\\1\\train.py") == "src/line/train.py"


def test_colours_and_ranks_are_no_part_of_the_text() -> None:
    text = (
        "[rank0]: Traceback (most recent call last):\r\n"
        '[rank0]:   File \x1b[35m"/workspaces/w/src/line/train.py"\x1b[0m, line \x1b[35m3\x1b[0m, in f\r\n'
        "[rank0]: \x1b[1;31mValueError\x1b[0m: bad\r\n"
    )
    assert failures(text) == [("src/line/train.py", 3, "ValueError: bad")]


def test_a_program_that_prints_no_traceback_has_none() -> None:
    assert failures("epoch 1: done\nError: no place\n") == []


SUITE = {
    "model.py": "def double(x):\n    return x.nothing\n",
    "tests/test_line.py": """import model
import pytest


@pytest.fixture
def broken():
    raise RuntimeError("no fixture")


def test_one():
    assert 1 + 1 == 3, "sums"


def test_two():
    model.double(2)


class TestMore:
    def test_three(self, broken):
        pass


def test_four():
    pass
""",
    "tests/test_syntax.py": "def test_x(:\n    pass\n",
    "tests/test_import.py": "import there_is_no_such_module\n",
}


@pytest.mark.parametrize(
    "options", [[], ["--tb=short"], ["--tb=native"], ["--color=yes", "-v"], ["-n2"]], ids=" ".join
)
def test_each_failed_test_has_its_place(tmp_path: Path, options: list[str]) -> None:
    folder, seen = line_in(tmp_path, SUITE)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    words = ["-m", "pytest", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    found = failed_tests(printed(folder, *words, *options), seen)
    positions = {(one.file, one.line) for one in found}
    assert positions == {
        ("src/line/tests/test_line.py", 11),
        ("src/line/model.py", 2),
        ("src/line/tests/test_line.py", 7),
        ("src/line/tests/test_syntax.py", 1),
        ("src/line/tests/test_import.py", 1),
    }
    messages = " | ".join(one.message for one in found)
    for said in (
        "test_one: ",
        "sums",
        "no attribute 'nothing'",
        "no fixture",
        "SyntaxError",
        "there_is_no",
    ):
        assert said in messages  # fmt: skip


def test_a_line_for_the_problems_panel() -> None:
    assert str(Failure("src/a.py", 3, "x: bad")) == "src/a.py:3:1: error: x: bad"

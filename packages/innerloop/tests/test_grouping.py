"""Tests that share something stay in one worker: xdist has to take the group from the test's name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import group_order

MARKS = "import pytest\n@pytest.mark.parametrize('one', range(6))\ndef test_it(one): pass\n"
HOOK = """import pytest
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.path.name))
"""


def test_a_file_is_one_workers(tmp_path: Path) -> None:
    """With a pytest that gives xdist no name to change, groups fall apart without a word."""
    (tmp_path / "conftest.py").write_text(HOOK)
    for name in ("test_one.py", "test_two.py"):
        (tmp_path / name).write_text(MARKS)
    words = ["-m", "pytest", "-v", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *words, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True
    )
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("[gw")]
    pairs = {
        (line[0], next(word for word in line if "::" in word).split("::")[0]) for line in lines
    }
    assert len(lines) == 12 and len(pairs) == 2, done.stdout


def test_groups_are_ordered_by_their_time_and_stay_together() -> None:
    groups = ["short", "long", "short", "new", "long", "new", "new"]
    ordered = group_order.order(groups, {"short": 0.1, "long": 90})
    assert [groups[index] for index in ordered] == [*["long"] * 2, *["new"] * 3, *["short"] * 2]
    assert ordered == [1, 4, 3, 5, 6, 0, 2]


def test_groups_of_one_time_stay_in_their_order() -> None:
    assert group_order.order(["b", "a", "b"], {"a": 1, "b": 1}) == [0, 2, 1]

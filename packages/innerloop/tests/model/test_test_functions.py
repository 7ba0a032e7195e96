"""The tests in a file, as pytest names them."""

from __future__ import annotations

import pytest

from innerloop.model import test_functions

TEXT = """import os

def helper(): ...
def test_one():
    def test_inner(): ...
async def test_two(): ...

class TestStep:
    @staticmethod
    def test_three(): ...
    def other(self): ...
    class TestDeep:
        def test_four(self): ...

class Step:
    def test_five(self): ...
"""


def test_of_text_finds_functions_and_methods_with_their_lines() -> None:
    assert [(test.name, test.line) for test in test_functions.of_text(TEXT)] == [
        ("test_one", 4),
        ("test_two", 6),
        ("TestStep::test_three", 10),
        ("TestStep::TestDeep::test_four", 13),
    ]


@pytest.mark.parametrize("text", ["", "def test_(:", "\0", "(" * 5000, "'\\l'\n"])
def test_of_text_that_is_no_python_is_empty(text: str) -> None:
    assert test_functions.of_text(text) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_a.py", True),
        ("a_test.py", True),
        ("tests.py", False),
        ("test_a.pyc", False),
        ("test_data.csv", False),
        ("conftest.py", False),
        ("contest.py", False),
    ],
)
def test_is_test_file_is_pytests_default(name: str, expected: bool) -> None:
    assert test_functions.is_test_file(name) is expected

"""The tests in a Python file, found without running it: for an editor's list of tests."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from ..util.quick_dataclasses import dataclass

# The files that pytest collects without settings of its own. Source: pytest's `python_files`.
FILES = ("test_*.py", "*_test.py")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class TestFunction:
    """`name` with its classes in front, as in pytest's IDs: "TestTrain::test_step"."""

    __test__ = False

    name: str
    line: int


def is_test_file(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in FILES)


def of_text(text: str) -> list[TestFunction]:
    """In their order; empty for a text that is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an escape in somebody's string
            module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [*_within(module.body, ())]


def _within(body: Sequence[ast.stmt], classes: tuple[str, ...]) -> Iterator[TestFunction]:
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _within(node.body, (*classes, node.name))
        elif isinstance(node, _FUNCTIONS) and node.name.startswith("test"):
            yield TestFunction("::".join((*classes, node.name)), node.lineno)

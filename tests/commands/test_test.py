"""`loop test`: the experiment's own tests and those of the common code it uses, and nothing of the
workspace around it."""

from __future__ import annotations

from pathlib import Path

import pytest
from innerloop.commands.test import common_tests, pytest_words
from innerloop.spec.dockerfile import parse
from innerloop.spec.experiment import Experiment, Link
from innerloop.spec.settings import Settings


def experiment(*targets: str, files: tuple[str, ...] = ("pytest.ini",)) -> Experiment:
    links = tuple(Link(f"src/shop/churn/common/{Path(t).name}", t) for t in targets)
    return Experiment("shop/churn", parse("FROM x\n", "Dockerfile"), Settings(), links, files)


def test_only_the_tests_of_what_is_linked(tmp_path: Path) -> None:
    for name in ("test_digits.py", "test_other.py"):
        path = tmp_path / "src" / "common" / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    one = experiment("src/common/digits.py", "src/common/untested.py")
    assert common_tests(one, tmp_path) == ["../../common/tests/test_digits.py"]
    assert common_tests(experiment(), tmp_path) == []


@pytest.mark.parametrize(
    ("files", "common", "rest", "named", "words"),
    [
        (("pytest.ini",), [], [], False, ["--rootdir", ".", "-c", "pytest.ini"]),
        ((), [], ["-x"], False, ["--rootdir", ".", "-x"]),
        ((), ["../c/test_a.py"], ["-x"], False, ["--rootdir", ".", ".", "../c/test_a.py", "-x"]),
        ((), ["../c/test_a.py"], ["tests/t.py"], True, ["--rootdir", ".", "tests/t.py"]),
    ],
)
def test_what_pytest_is_told(
    files: tuple[str, ...], common: list[str], rest: list[str], named: bool, words: list[str]
) -> None:
    assert list(pytest_words(experiment(files=files), common, rest, named=named)) == words

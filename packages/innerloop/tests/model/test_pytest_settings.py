"""Which file of a folder has pytest's settings, and what its arguments name."""

from __future__ import annotations

import pytest

from innerloop.model import pytest_settings
from innerloop.model.pytest_settings import PytestSettings

TOML = '[tool.pytest.ini_options]\ntestpaths = ["a", "b c"]\n'


@pytest.mark.parametrize(
    ("files", "settings"),
    [
        ({}, None),
        ({"pytest.ini": ""}, PytestSettings("pytest.ini")),
        ({"pytest.ini": "[pytest]\ntestpaths = a 'b c'\n"}, PytestSettings("pytest.ini", ("a", "b c"))),
        ({"pytest.ini": "no ini"}, PytestSettings("pytest.ini")),
        ({"pytest.ini": "[pytest]\naddopts = -p 50%\n"}, PytestSettings("pytest.ini")),
        ({".pytest.ini": "", "pyproject.toml": TOML}, PytestSettings(".pytest.ini")),
        ({"pyproject.toml": TOML}, PytestSettings("pyproject.toml", ("a", "b c"))),
        ({"pyproject.toml": "[tool.pytest]\n"}, PytestSettings("pyproject.toml")),
        ({"pyproject.toml": "[tool.black]\n"}, None),
        ({"pyproject.toml": "tool = 1\n"}, None),
        ({"pyproject.toml": "[tool.pytest\n"}, PytestSettings("pyproject.toml")),
        ({"pytest.toml": '[pytest]\ntestpaths = ["a"]\n', "pytest.ini": ""}, PytestSettings("pytest.toml", ("a",))),
        ({"pyproject.toml": "", "tox.ini": "[pytest]\n"}, PytestSettings("tox.ini")),
        ({"tox.ini": "[tox]\n", "setup.cfg": "[tool:pytest]\n"}, PytestSettings("setup.cfg")),
        ({"setup.cfg": "[metadata]\n"}, None),
        ({"pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = [1]\n"}, PytestSettings("pyproject.toml")),
    ],
)  # fmt: skip
def test_settings_of_a_folder(files: dict[str, str], settings: PytestSettings | None) -> None:
    assert pytest_settings.find(files, files.__getitem__) == settings


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["tests"], True),
        (["-q", "tests/test_a.py::test_x"], True),
        (["-k", "tests"], False),
        (["-m", "tests", "-p", "tests"], False),
        (["--maxfail", "tests", "-x"], False),
        (["-k", "a", "tests"], True),
        (["-ktests", "--tb=short"], False),
    ],
)
def test_arguments_that_name_a_path(words: list[str], named: bool) -> None:
    known = {"tests", "tests/test_a.py"}
    assert pytest_settings.names_a_path(words, known.__contains__) is named

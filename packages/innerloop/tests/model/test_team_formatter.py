"""The formatter of a team, by the files that name it."""

from __future__ import annotations

import pytest

from innerloop.model import team_formatter
from innerloop.model.team_formatter import DEFAULT, NONE

HOOK = "repos:\n- repo: https://example.org/x\n  rev: v1\n  hooks:\n  - id: {}\n"
PRE_COMMIT = ".pre-commit-config.yaml"


@pytest.mark.parametrize(
    ("texts", "kind", "where", "sorts"),
    [
        ({"ruff.toml": ""}, "ruff", "ruff.toml", False),
        ({".ruff.toml": "", "ruff.toml": ""}, "ruff", ".ruff.toml", False),
        ({"pyproject.toml": "[tool.ruff]\n"}, "ruff", "pyproject.toml", False),
        ({"pyproject.toml": "[tool.ruff.format]\n[tool.black]\n"}, "ruff", "pyproject.toml", False),
        ({"pyproject.toml": "[tool.ruff.lint]\n[tool.black]\n"}, "black", "pyproject.toml", False),
        ({"ruff.toml": "[lint]\n", "pyproject.toml": "[tool.black]\n"}, "black", "pyproject.toml", False),
        ({"ruff.toml": "[format]\n", "pyproject.toml": "[tool.black]\n"}, "ruff", "ruff.toml", False),
        ({"pyproject.toml": "[tool.black]\n[tool.isort]\n"}, "black", "pyproject.toml", True),
        ({"pyproject.toml": "[tool.black]\n", "setup.cfg": "[isort]\n"}, "black", "pyproject.toml", True),
        ({PRE_COMMIT: HOOK.format("ruff-format")}, "ruff", PRE_COMMIT, False),
        ({PRE_COMMIT: HOOK.format("black-jupyter")}, "black", PRE_COMMIT, False),
        ({PRE_COMMIT: HOOK.format("black"), "ruff.toml": "[format]\n"}, "black", PRE_COMMIT, False),
        ({PRE_COMMIT: HOOK.format("ruff-check"), "pyproject.toml": "[tool.black]\n"}, "black", "pyproject.toml", False),
        ({PRE_COMMIT: HOOK.format("yapf")}, "other", PRE_COMMIT, False),
        ({"setup.cfg": "[yapf]\nbased_on_style = pep8\n"}, "other", "setup.cfg", False),
        ({".style.yapf": "[style]\n"}, "other", ".style.yapf", False),
        ({"pyproject.toml": "[tool.autopep8]\n"}, "other", "pyproject.toml", False),
        ({"pyproject.toml": "not toml [", PRE_COMMIT: "a: [", "setup.cfg": "["}, "none", "", False),
        ({"pyproject.toml": 'tool = "x"\n', PRE_COMMIT: "repos: 1\n"}, "none", "", False),
        ({}, "none", "", False),
    ],
)  # fmt: skip
def test_formatter_of_an_adopted_repository_is_the_one_it_names(
    texts: dict[str, str], kind: str, where: str, sorts: bool
) -> None:
    found = team_formatter.of(texts, is_adopted=True)
    assert (found.kind, found.where, found.sorts) == (kind, where, sorts)


@pytest.mark.parametrize("texts", [{}, {"pyproject.toml": "[tool.black]\nline-length = 90\n"}])
def test_workspace_that_init_made_has_black_and_isort(texts: dict[str, str]) -> None:
    found = team_formatter.of(texts, is_adopted=False)
    assert (found.kind, found.sorts) == (DEFAULT.kind, True)
    assert team_formatter.of(texts, is_adopted=True) != DEFAULT or not texts
    assert NONE.kind == "none"

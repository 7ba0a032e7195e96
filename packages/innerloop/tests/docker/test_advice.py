"""What a message advises about a missing engine depends on where it is read.

In an experiment's container nobody should install or start an engine: it would not have the files.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import innerloop
from innerloop.docker import client, engine
from innerloop.model.experiment import MARK

PACKAGE = Path(innerloop.__file__).parent
# Texts that say it by themselves: each is not reached in an experiment's container, or asks first.
ALONE = {
    "docker/engine.py": "the function that all others call, and what it is called with",
    "docker/buildkit.py": "an engine answers there",
    "devcontainers/host_programs.py": "`up` refuses in a container",
    "devcontainers/devcontainer_cli.py": "`up` refuses in a container",
    "local/host_process.py": "asks where it is",
    "remote/host/doctor.py": "about a machine elsewhere",
    "remote/host/environments.py": "about a machine elsewhere",
}
ADVICE = re.compile(r"\b(?:[Ii]nstall|[Ss]tart) (?:Docker|Podman|the engine|an engine)\b")


def unasked(tree: ast.AST, *, asked: bool = False) -> Iterator[str]:
    """The texts that advise an engine and are no argument of `advice`."""
    for node in ast.iter_child_nodes(tree):
        is_call = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("advice")
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and ADVICE.search(text) and not asked:
            yield text
        yield from unasked(node, asked=asked or is_call)


def test_every_text_that_advises_an_engine_asks_where_it_is() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): texts
        for path in PACKAGE.rglob("*.py")
        if (texts := list(unasked(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert {name: texts for name, texts in found.items() if name not in ALONE} == {}
    assert unasked_text('hint = "Start Docker"') and not unasked_text('advice("Start Docker")')


def unasked_text(source: str) -> list[str]:
    return list(unasked(ast.parse(source)))


@pytest.mark.parametrize("message", ["", "permission denied", "Cannot connect"])
def test_engine_that_is_missing_in_a_container_is_on_the_host(
    monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv(MARK, "tiny")
    absent, silent = engine._not_installed(client.current()), engine._unavailable(message)
    assert {absent.hint, silent.hint} == {engine.ON_HOST}
    assert "tiny" in absent.why and "installed" not in absent.why
    monkeypatch.delenv(MARK)
    outside = engine._not_installed(client.current()), engine._unavailable(message)
    assert all(one.hint != engine.ON_HOST for one in outside)
    assert engine.advice("Start Docker") == "Start Docker"

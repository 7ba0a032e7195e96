"""The same commands with an engine that does not see the workspace: one error, and nothing made."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from tests.engines.commands import DOCKER, NAME, Bench, engine_fact


def refused(bench: Bench, *words: str) -> None:
    answer = bench.loop(*words)
    assert answer.code == 1, answer
    assert "engine-elsewhere" in answer.message and bench.stand.address in answer.err
    assert len(answer.err.strip().splitlines()) <= 2, answer.err
    nothing_made(bench)


def nothing_made(bench: Bench) -> None:
    assert bench.containers() == [] and bench.images() == []
    assert not (bench.root / "outputs").exists()


def doctor(bench: Bench) -> None:
    fact = engine_fact(bench)
    assert fact["state"] == "note" and bench.stand.address in fact["what"], fact


def nothing_there(bench: Bench, *words: str) -> None:
    """Commands about what is there say that they do not see it."""
    answer = bench.loop(*words)
    assert "Traceback" not in answer.err
    assert bench.stand.address in answer.err, answer
    nothing_made(bench)


_WORDS: Mapping[str, tuple[str, ...]] = {
    "build": ("build", NAME),
    "run": ("run", NAME, *DOCKER),
    "test": ("test", NAME, *DOCKER),
    "terminal": ("terminal", NAME, *DOCKER, "--", "true"),
    "jupyter": ("jupyter", NAME, *DOCKER),
    "debug": ("run", NAME, *DOCKER, "--debug"),
    "serve": ("serve", NAME, "--model", f"src/{NAME}"),
    "up": ("up", NAME),
    "exec": ("exec", NAME, "--", "true"),
    "down": ("down", NAME),
    "clean": ("clean", "--all", "--yes"),
}
REFUSED: Mapping[str, Callable[[Bench], None]] = {
    "doctor": doctor,
    **{
        command: functools.partial(lambda bench, words: refused(bench, *words), words=words)
        for command, words in _WORDS.items()
    },
}

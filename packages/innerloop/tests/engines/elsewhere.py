"""The same commands with an engine that does not see the workspace: one error, and nothing made.

What needs no file of the workspace works: it is sent to the engine, or asked of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from tests.engines.commands import COMMANDS, DOCKER, NAME, Bench, build, engine_fact
from tests.engines.stands import IMAGE


def refused(bench: Bench, *words: str) -> None:
    """One error that names the engine, before anything is built."""
    before = bench.containers(), bench.images()
    answer = bench.loop(*words)
    assert answer.code == 1, answer
    assert "engine-elsewhere" in answer.message and bench.stand.address in answer.err
    assert len(answer.err.strip().splitlines()) <= 2, answer.err
    assert (bench.containers(), bench.images()) == before
    assert not (bench.root / "outputs").exists()


def doctor(bench: Bench) -> None:
    """Another machine may have a workspace of the same path: its containers are not ours."""
    config = f"{bench.root}/.devcontainer/{NAME}/devcontainer.json"
    labels = (
        f"innerloop.workspace={bench.root}",
        f"innerloop.experiment={NAME}",
        f"devcontainer.local_folder={bench.root}",
        f"devcontainer.config_file={config}",
    )
    words = [word for label in labels for word in ("--label", label)]
    assert bench.stand.ask("create", *words, IMAGE, "true")
    fact = engine_fact(bench)
    assert fact["state"] == "note" and bench.stand.address in fact["what"], fact


def clean(bench: Bench) -> None:
    """Nothing of that engine is listed, so nothing of it is removed."""
    before = bench.containers(), bench.images()
    answer = bench.good("clean", "--all", "--yes")
    assert bench.stand.address in answer.err
    assert all(before) and (bench.containers(), bench.images()) == before


_WORDS: Mapping[str, tuple[str, ...]] = {
    "run": ("run", NAME, *DOCKER),
    "test": ("test", NAME, *DOCKER),
    "terminal": ("terminal", NAME, *DOCKER, "--", "true"),
    "jupyter": ("jupyter", NAME, *DOCKER),
    "debug": ("run", NAME, *DOCKER, "--debug"),
    "serve": ("serve", NAME, "--model", f"src/{NAME}"),
    "up": ("up", NAME),
    "exec": ("exec", NAME, "--", "true"),
    "down": ("down", NAME),
}
REFUSED: Mapping[str, Callable[[Bench], None]] = {
    command: functools.partial(lambda bench, words: refused(bench, *words), words=words)
    for command, words in _WORDS.items()
}
ELSEWHERE: Mapping[str, Callable[[Bench], None]] = {
    **COMMANDS,
    "doctor": doctor,
    "build": build,
    "clean": clean,
    **REFUSED,
}

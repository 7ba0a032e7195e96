"""Edits of a person between two versions that generate different files.

No word of the person is lost, a second sync changes nothing, and going back restores what was
generated.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

from innerloop.sync import engine, transaction
from innerloop.sync.render.generated_files import generate
from innerloop.util.json_values import canonical
from innerloop.util.jsonc import parse
from tests.support import Workspace
from tests.sync.two_versions import Files, Person, another_version

JOB = "command: python train.py --epochs ${{inputs.epochs}}\ninputs:\n  epochs: 8\n"
FIRST, SECOND = "0.2.0", "90.0"
BATCH = 50


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What this version generates for an experiment, with a few of the tasks."""
    workspace = Workspace(tmp_path_factory.mktemp("generated"))
    workspace.write("pyproject.toml", '[tool.innerloop]\norchestrators = ["github"]\n')
    workspace.add("first", "print(1)\n", job=JOB, toml='[schedule]\ncron = "0 3 * * 1"\n')
    specification, broken, _ = engine._specification(workspace.root, adds_extension=True)
    assert not broken
    files = dict(generate(specification))
    tasks = files[".vscode/tasks.json"]
    tasks["tasks"] = tasks["tasks"][::12]
    return files


class Tree:
    """A workspace of generated files alone, with what each version generates."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self._patch = root, monkeypatch
        (root / "src").mkdir(parents=True)
        (root / "pyproject.toml").write_text("")

    def sync(self, version: str, files: Files) -> engine.SyncOutcome:
        self._patch.setattr(engine, "generate", lambda specification: deepcopy(files))
        for module in (engine, transaction):
            self._patch.setattr(module, "__version__", version)
        outcome = engine.plan(self.root, accepts_newer=True)
        for change in outcome.changes:
            self.write(change.path, change.after)
        if outcome.state is not None:
            self.write(transaction.STATE, outcome.state)
        return outcome

    def write(self, path: str, text: str | None) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            target.unlink()
        else:
            target.write_bytes(text.encode())

    def texts(self) -> dict[str, str]:
        paths = (path for path in self.root.rglob("*") if path.is_file())
        names = {path.relative_to(self.root).as_posix(): path for path in paths}
        return {
            name: path.read_bytes().decode()
            for name, path in names.items()
            if name not in ("pyproject.toml", transaction.STATE)
        }


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Tree]:
    def make(seed: int) -> Tree:
        shutil.rmtree(tmp_path / "tree", ignore_errors=True)
        return Tree(tmp_path / "tree", monkeypatch)

    return make


def check_one(tree: Tree, generated: Files, seed: int) -> None:
    r = Random(seed)
    first = another_version(r, generated) if r.random() < 0.5 else generated
    second = another_version(r, generated)
    tree.sync(FIRST, first)
    original = tree.texts()
    person = Person(r)
    for path in r.sample(sorted(original), r.randrange(4)):
        text = original[path]
        for _ in range(r.randrange(1, 4)):
            text = person.edit(path, text, r.choice(person.kinds(path)))
        tree.write(path, text)
    edited = tree.texts()
    check_version(tree, SECOND, second, person.words)
    between = tree.texts()
    back = check_version(tree, FIRST, first, person.words)
    after = tree.texts()
    for path, text in original.items():
        if edited[path] == text:
            assert same_content(after[path], text, path), path
    for path in second:
        if path not in first and path not in person.words:
            assert path in between and path not in after
    assert all(any(path in line for path in person.words) for line in back.problems)


def check_version(
    tree: Tree, version: str, files: Files, words: Mapping[str, list[str]]
) -> engine.SyncOutcome:
    outcome = tree.sync(version, files)
    texts = tree.texts()
    for path, wanted in words.items():
        assert [word for word in wanted if texts.get(path, "").count(word) != 1] == [], path
    for path, value in files.items():
        if path not in words:
            assert same_content(texts[path], value, path), path
    again = tree.sync(version, files)
    assert (again.changes, again.state) == ((), None)
    assert sorted(map(_without_line, again.problems)) == sorted(
        map(_without_line, outcome.problems)
    )
    return outcome


def _without_line(problem: str) -> str:
    """A first sync names the line of the file as it was before."""
    return re.sub(r":\d+:\d+: ", ": ", problem, count=1)


def same_content(text: str, value: Any, path: str) -> bool:
    """Whether a file has the generated content; an object may have another order of keys."""
    if isinstance(value, str) and not path.endswith(".json"):
        return text == value
    wanted = parse(value).value if isinstance(value, str) else value
    return canonical(_ordered(parse(text).value)) == canonical(_ordered(wanted))


def _ordered(value: Any) -> Any:
    """Lists by content: a merge adds an entry next to its neighbours, not at a fixed place."""
    if isinstance(value, dict):
        return {key: _ordered(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_ordered(item) for item in value), key=canonical)
    return value


SEEDS = range(0, 150, BATCH)


@pytest.mark.parametrize("start", SEEDS)
def test_edits_between_two_versions_survive(trees: Any, generated: Files, start: int) -> None:
    for seed in range(start, start + BATCH):
        check_one(trees(seed), generated, seed)


@pytest.mark.nightly
@pytest.mark.parametrize("start", range(0, 20_000, 1000))
def test_edits_between_two_versions_survive_in_twenty_thousand_cases(
    trees: Any, generated: Files, start: int
) -> None:
    for seed in range(start, start + 1000):
        check_one(trees(seed), generated, seed)

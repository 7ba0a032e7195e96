"""The record of generated files and the journal of a sync, as a stranger may have written them.

Whatever they contain: nothing outside changes, nothing changes that sync does not generate, and the
end is an outcome or one error.
"""

from __future__ import annotations

import json
import random
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from innerloop.scaffold import remove as removing
from innerloop.scaffold import rename as renaming
from innerloop.sync import engine, transaction
from innerloop.sync.render.generated_files import generate
from innerloop.sync.render.generated_paths import may_generate
from innerloop.util import files
from innerloop.util.errors import UserError
from innerloop.workspace import loader
from tests.support import Workspace

JOB = "command: python train.py\n"
SCHEDULE = '[schedule]\ncron = "0 3 * * 1"\norchestrators = ["github", "azure-devops"]\n'
STATE, JOURNAL = transaction.STATE, transaction.JOURNAL
Snapshot = dict[str, tuple[int, int, bytes]]


@pytest.fixture
def opened(workspace: Workspace) -> Iterator[Workspace]:
    workspace.add("line", "print(1)\n", job=JOB, toml=SCHEDULE)
    workspace.write("README.md", "mine\n")
    workspace.write(".git/hooks/pre-commit.sample", "mine\n")
    workspace.write(".github/workflows/deploy.yml", "mine\n")
    workspace.write("../victim/note.txt", "hello victim\n")
    engine.sync(workspace.root)
    files.confine(workspace.root)
    yield workspace
    files.release(workspace.root)


def snapshot(folder: Path) -> Snapshot:
    """All that sync must leave alone: mode, time and content of each file, link and folder."""
    found: Snapshot = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if may_generate(name) or name.startswith((".innerloop", "scripts")):
            continue
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        # The time of a folder changes when a generated file in it does.
        time = status.st_mtime_ns if stat.S_ISREG(status.st_mode) else 0
        found[name] = (status.st_mode, time, content)
    return found


PATHS = [
    "../victim/note.txt", "README.md", "src/line/train.py", ".git/hooks/pre-commit.sample",
    ".github/workflows/deploy.yml", ".vscode/tasks.json", ".vscode/launch.json", "CON",
    ".devcontainer/line/devcontainer.json", ".devcontainer/gone/devcontainer.json", "a\0b", "",
    ".github/workflows/train-line.yml", ".github/workflows/train-gone.yml", "C:/x", "a\\b", "a\x1b[2J",
    ".devcontainer/../devcontainer.json", ".GIT/hooks/pre-commit.sample", "x" * 5000, "\ud800",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 10**400, float("nan"), float("inf"), "", "mine\n", "hello victim\n", "\ud800",
    [], {}, [[]], {"tasks": []}, {"tasks": {}}, {"tasks": [1, None, {"label": 1}]}, {"": None},
    {"configurations": [{"name": []}]}, {"a": {"b": {"c": []}}}, "a\0b", ["\x1b]0;x\x07"] * 3,
]  # fmt: skip


def row(pick: random.Random) -> Any:
    path, value = pick.choice(PATHS), pick.choice(VALUES)
    keys: list[Any] = [
        pick.choice(["tasks", "run line", "inputs", "", "\0", 1, None, {}]) for _ in range(2)
    ]
    return pick.choice(
        [[path, value], [path, *keys, value], {"ejected": path}, {"ejected": value}, [path], [], value,
         [value, path], {"ejected": path, "b": 1}, [path, "tasks", "x", value]]
    )  # fmt: skip


def text_of(seed: int) -> str:
    """The text of a record: rows that are each strange or not, in a list that is whole or not."""
    pick = random.Random(seed)
    rows = [row(pick) for _ in range(pick.randrange(1, 4))]
    lines = [json.dumps(one) + "," for one in rows]
    text = "\n".join(['[["What"],', *lines, '["end"]]'])
    return {
        0: text[: len(text) // 2],
        1: f"<<<<<<< ours\n{text}\n=======\n{text}\n>>>>>>> theirs\n",
        2: json.dumps(pick.choice(VALUES)),
        3: "[" * 100_000,
        4: '[["What"],\n[".vscode/tasks.json",' + "[" * 900 + "]" * 900 + '],\n["end"]]',
        5: f"\ufeff{text}",
        6: text.replace("\n", "\r\n"),
        7: text.replace("\n", " "),
    }.get(pick.randrange(40), text)


def survives(root: Path, call: Callable[[], object]) -> UserError | None:
    victim = snapshot(root.parent / "victim")
    before = snapshot(root)
    error = None
    try:
        call()
    except UserError as raised:
        error = raised
        assert raised.code and raised.message().isprintable(), raised
    assert snapshot(root) == before
    assert snapshot(root.parent / "victim") == victim
    return error


def test_250_records(opened: Workspace) -> None:
    """Some name a path that is refused, some are damaged, some are sound."""
    _records(opened, range(250))


@pytest.mark.nightly
def test_3000_records(opened: Workspace) -> None:
    _records(opened, range(250, 3250))


def _records(opened: Workspace, seeds: range) -> None:
    refused = 0
    for seed in seeds:
        (opened.root / STATE).write_text(text_of(seed), "utf-8", "surrogatepass")
        error = survives(opened.root, lambda: engine.sync(opened.root))
        refused += error is not None and error.code == "state-path-refused"
    assert len(seeds) / 4 < refused < len(seeds)


def test_100_journals(opened: Workspace) -> None:
    good = opened.read(STATE)
    for seed in range(100):
        pick = random.Random(seed)
        after: dict[str, Any] = {
            pick.choice([path for path in PATHS if path != "\ud800"]): pick.choice(
                [None, "", 1, [], "a" * 64]
            )
            for _ in range(2)
        }
        journal: Any = {"after": after, "state": pick.choice([good, None, text_of(seed), 1, []])}
        journal = pick.choice(
            [journal, journal, journal, {"after": [], "state": good}, {"after": after}, [], None, 1]
        )
        opened.write(STATE, good)
        opened.write(JOURNAL, json.dumps(journal))
        error = survives(opened.root, lambda: engine.sync(opened.root))
        if error is not None:
            assert error.where.startswith(f"{JOURNAL}:"), error
            shutil.rmtree(opened.root / transaction.STAGING)


@pytest.mark.parametrize(
    "path", ["../victim/note.txt", "{root}/../victim/note.txt", "README.md", "src/line/train.py"]
)
def test_one_line_in_the_record_changes_nothing_outside(opened: Workspace, path: str) -> None:
    """The line of a pull request that removes a file whose text it knows."""
    named = path.format(root=opened.root)
    text = (opened.root / named).read_text()
    lines = opened.read(STATE).splitlines()
    lines.insert(2, json.dumps([named, text]) + ",")
    opened.write(STATE, "\n".join(lines) + "\n")
    before = snapshot(opened.root)
    for words in (["sync"], ["sync", "--check"], ["new", "other"]):
        answer = opened.loop(*words)
        assert answer.code == 1 and "[state-path-refused]" in answer.message
        assert f"{STATE}:3: " in answer.err
    assert {path: before[path] for path in before} == {
        path: value for path, value in snapshot(opened.root).items() if path in before
    }
    assert (opened.root / named).read_text() == text


def test_one_journal_of_a_stranger_changes_nothing(opened: Workspace) -> None:
    digest = {"after": {"../victim/note.txt": None}, "state": opened.read(STATE)}
    opened.write(JOURNAL, json.dumps(digest))
    answer = opened.loop("sync")
    assert answer.code == 1 and f"{JOURNAL}:1: " in answer.message
    assert (opened.root / "../victim/note.txt").read_text() == "hello victim\n"


@pytest.mark.parametrize("target", ["README.md", "src/line/train.py", ".git/hooks/post-checkout"])
def test_a_record_and_a_link_change_no_other_file(opened: Workspace, target: str) -> None:
    """The record says that a workflow is as it was generated; the workflow is a link to a file."""
    workflow = opened.root / ".github/workflows/train-line.yml"
    workflow.unlink()
    workflow.symlink_to(f"../../{target}")
    at = opened.root / target
    text = at.read_text() if at.exists() else ""
    rows = [row for row in opened.read(STATE).splitlines() if "train-line.yml" not in row]
    rows.insert(1, json.dumps([".github/workflows/train-line.yml", text]) + ",")
    opened.write(STATE, "\n".join(rows) + "\n")
    before = snapshot(opened.root)
    answer = opened.loop("sync")
    assert answer.code == 1 and "[generated-through-link]" in answer.message
    assert snapshot(opened.root) == before and not (text == "" and at.exists())


@pytest.mark.parametrize("verb", ["rename", "remove"])
def test_a_rename_or_removal_ends_before_a_strange_record_counts(
    opened: Workspace, verb: str
) -> None:
    (opened.root / STATE).write_text('[["x"],\n["README.md","mine\\n"],\n["end"]]\n')

    def call() -> None:
        workspace = loader.open_workspace(opened.root)
        if verb == "rename":
            renaming.carry_out(workspace, "line", "other")
        else:
            removing.carry_out(opened.root, removing.plan(workspace, "line"))

    error = survives(opened.root, call)
    assert error is not None and error.code == "state-path-refused"


NAMES = ["line", "search/ranking", "é b", "UPPER-case", "a.b", "$(touch x)", "'; rm -rf", "#", "%s"]


def test_every_generated_path_is_one_that_may_be_generated(workspace: Workspace) -> None:
    workspace.write(
        "pyproject.toml", '[tool.innerloop]\norchestrators = ["github", "azure-devops", "argo"]\n'
    )
    for name in NAMES:
        workspace.add(name, "print(1)\n", job=JOB, toml=SCHEDULE)
    specification, broken, _ = engine._specification(workspace.root, adds_extension=True)
    assert len(specification.experiments) == len(NAMES), broken
    assert [path for path in generate(specification) if not may_generate(path)] == []
    for _ in range(2):
        outcome = engine.sync(workspace.root)
    assert outcome.changes == ()


@pytest.mark.parametrize("name", ["a\\b", "a:b", "a\nb", "con", "a\x1b[2J", "a ", "nul.x"])
def test_a_folder_that_other_systems_cannot_have_is_reported(
    workspace: Workspace, name: str
) -> None:
    workspace.add("line", "print(1)\n", job=JOB)
    workspace.add(name, "print(1)\n", job=JOB)
    answer = workspace.loop("sync")
    assert answer.code == 1 and "[experiment-name-invalid]" in answer.message
    assert "\x1b" not in answer.err and "Rename it" in answer.err
    assert engine.plan(workspace.root).changes == ()

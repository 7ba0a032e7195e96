"""An upgrade, and its undo, that end at any of their steps on the disk.

Each runs in a process of its own, which is killed, interrupted or refused by the disk there.
Afterwards every file is as before or as after, and the launcher and the pin fit each other.
"""

from __future__ import annotations

import errno
import functools
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from innerloop import __version__
from innerloop.scaffold import init, migrations, upgrade, upgrade_record
from innerloop.scaffold.migrations import Migration, WorkspaceSnapshot
from innerloop.scaffold.tool_edits import ToolVersion
from innerloop.sync import engine, transaction
from innerloop.util.undo_journal import Delete, Move, Step, Write
from tests.steps import FEWER, kill, stopped_at
from tests.support import Workspace, make_workspace

pytestmark = pytest.mark.skipif(os.name == "nt", reason="counts the steps in a forked process")
PIN = "scripts/loop-requirements.txt"
OLD_PIN = "innerloop==0.1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"
NEW_PIN = f"innerloop=={__version__} \\\n    --hash=sha256:{'1' * 64}\n"
MEMORY = Path("/dev/shm")


def _steps(snapshot: WorkspaceSnapshot) -> Iterator[Step]:
    text = snapshot.read("pyproject.toml") or ""
    yield Write("pyproject.toml", text.replace("# old word", "# new word"))
    yield Delete("scripts/innerloop")
    yield Move("orchestration/mine", "orchestration/ours")


@pytest.fixture(autouse=True)
def migration(monkeypatch: pytest.MonkeyPatch) -> None:
    known = (Migration(__version__, "words", _steps),)
    monkeypatch.setattr(migrations, "_all", lambda: known)
    monkeypatch.setattr(upgrade, "UNRECORDED", "0.1.0")


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where flushing to the disk takes no time, if there is such a place."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def older(scratch: Path) -> Workspace:
    """A workspace of 0.1.0 with an edited launcher, a wheel, and something new to generate."""
    made = make_workspace(scratch / "older é", share_scripts=False)
    made.add("one", "print(1)\n")
    engine.sync(made.root)
    state = made.root / transaction.STATE
    state.write_text(state.read_text().replace(f'"{__version__}"],', '"0.1.0"],'))
    made.add("two", "print(2)\n")
    made.write("pyproject.toml", "# old word\n" + made.read("pyproject.toml"))
    made.write("scripts/innerloop/a/tool.py", "old\n")
    made.write("orchestration/mine/file", "mine\n")
    made.write("scripts/test", "#!/bin/sh\n# mine\n")
    made.write("scripts/loop", "#!/bin/sh\n# of 0.1.0\n")
    made.write(PIN, OLD_PIN)
    (made.root / ".innerloop/wheels").mkdir()
    (made.root / ".innerloop/wheels/innerloop-0.1.0-py3-none-any.whl").write_bytes(b"\xff old")
    return made


@pytest.fixture
def new(scratch: Path) -> ToolVersion:
    wheel = scratch / f"innerloop-{__version__}-py3-none-any.whl"
    wheel.write_bytes(b"\xfe new")
    return ToolVersion(__version__, NEW_PIN, init.template(), (wheel,))


def carry_out(root: Path, new: ToolVersion) -> None:
    upgrade.carry_out(root, upgrade.plan(root, new))


def undo(root: Path) -> None:
    last = upgrade_record.read(root)
    assert last is not None
    upgrade_record.undo(root, last)


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock") and "__pycache__" not in path.parts
    }


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_access() -> None:
    raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def test_upgrade_writes_the_whole_plan_and_undo_takes_it_back(
    older: Workspace, new: ToolVersion
) -> None:
    before = tree(older.root)
    planned = upgrade.plan(older.root, new)
    assert tree(older.root) == before and not planned.changes_nothing
    assert planned.old == "0.1.0"
    upgrade.carry_out(older.root, planned)
    assert older.read("pyproject.toml").startswith("# new word")
    assert not (older.root / "scripts/innerloop").exists()
    assert older.read("orchestration/ours/file") == "mine\n"
    assert older.read("scripts/test.yours") == "#!/bin/sh\n# mine\n"
    assert older.read(PIN) == NEW_PIN
    assert [path.name for path in (older.root / ".innerloop/wheels").iterdir()] == [
        f"innerloop-{__version__}-py3-none-any.whl"
    ]
    assert '"two: train.py"' in older.read(".vscode/launch.json")
    assert os.access(older.root / "scripts/loop", os.X_OK)
    assert upgrade.plan(older.root, new).changes_nothing
    undo(older.root)
    assert tree(older.root) == before
    assert upgrade_record.read(older.root) is None


def test_plan_on_a_copy_is_what_is_written(older: Workspace, new: ToolVersion) -> None:
    """What sync does after the migration is planned before anything is written."""
    planned = upgrade.plan(older.root, new)
    done = upgrade.carry_out(older.root, planned)
    assert done.problems == planned.problems
    assert len(planned.generated.changes) > 2
    for change in planned.generated.changes:
        assert older.read(change.path) == change.after, change.path


EVERY = range(1, 999)
ENDS = (kill, interrupt, full_disk, no_access)
CAMPAIGN = [pytest.param(then, id=then.__name__) for then in ENDS]


def sample(then: Callable[[], None]) -> range:
    """Steps that are far apart, for each kind of end others: together they lie evenly."""
    return range(3 + 11 * ENDS.index(then), 999, 44)


@pytest.mark.parametrize("then", CAMPAIGN)
def test_upgrade_that_ends_at_a_step_happened_whole_or_not_at_all(
    older: Workspace, new: ToolVersion, scratch: Path, then: Callable[[], None]
) -> None:
    _try(older.root, scratch, then, lambda root: carry_out(root, new), sample(then))


@pytest.mark.nightly
@pytest.mark.parametrize("then", CAMPAIGN)
def test_upgrade_and_undo_that_end_at_any_step_happened_whole_or_not_at_all(
    older: Workspace, new: ToolVersion, scratch: Path, then: Callable[[], None]
) -> None:
    _try(older.root, scratch, then, lambda root: carry_out(root, new), EVERY)
    shutil.rmtree(scratch / "whole")
    carry_out(older.root, new)
    _try(older.root, scratch, then, undo, EVERY)


@pytest.mark.parametrize("then", CAMPAIGN)
def test_undo_that_ends_at_a_step_happened_whole_or_not_at_all(
    older: Workspace, new: ToolVersion, scratch: Path, then: Callable[[], None]
) -> None:
    carry_out(older.root, new)
    _try(older.root, scratch, then, undo, sample(then))


def _try(
    root: Path, scratch: Path, then: Callable[[], None], act: Callable[[Path], None], at: range
) -> None:
    before = tree(root)
    whole = scratch / "whole"
    shutil.copytree(root, whole, symlinks=True)
    act(whole)
    after = tree(whole)
    ends = set()
    for number in at:
        copy = scratch / f"at {number}"
        shutil.copytree(root, copy, symlinks=True)
        code = stopped_at(copy, number, then, functools.partial(act, copy))
        ends.add(code)
        pin = (copy / PIN).read_bytes()
        assert pin in (before[PIN], after[PIN]), number
        engine.recover(copy)  # the next command, of either version
        found = tree(copy)
        assert found in (before, after), (number, code, _difference(found, before, after))
        if code == 1:
            assert found == before, number
        assert not (copy / ".innerloop/changing").exists(), number
        shutil.rmtree(copy)
        if code == FEWER:
            break
    assert FEWER in ends and len(ends) > 1 and number > 50


def _difference(
    found: dict[str, bytes], before: dict[str, bytes], after: dict[str, bytes]
) -> dict[str, str]:
    return {
        path: "neither" if found.get(path) not in (before.get(path), after.get(path)) else "mixed"
        for path in {*found, *before, *after}
        if found.get(path) != before.get(path)
    }


def test_sync_of_a_plan_that_was_made_before_an_edit_keeps_the_edit(
    older: Workspace, new: ToolVersion
) -> None:
    planned = upgrade.plan(older.root, new)
    older.write("pyproject.toml", older.read("pyproject.toml") + "# saved meanwhile\n")
    launch = older.read(".vscode/launch.json").replace("{", "{\n    // saved meanwhile", 1)
    older.write(".vscode/launch.json", launch)
    upgrade.carry_out(older.root, planned)
    assert older.read("pyproject.toml").startswith("# new word")
    assert "# saved meanwhile" in older.read("pyproject.toml")
    assert "// saved meanwhile" in older.read(".vscode/launch.json")


def test_same_version_has_nothing_to_do(older: Workspace, new: ToolVersion) -> None:
    carry_out(older.root, new)
    assert upgrade.plan(older.root, replace(new, wheels=())).changes_nothing


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        (OLD_PIN, False),
        (OLD_PIN + "rich==1.0\n", False),  # another version of what the template has
        (OLD_PIN + "six==1.0 \\\n    --hash=sha256:aa\n", True),
        (f"<<<<<<< HEAD\n{OLD_PIN}=======\n{NEW_PIN}>>>>>>> b\n", False),
        (OLD_PIN.replace("\n", "\r\n"), False),
        (OLD_PIN + "--extra-index-url https://example.com\n", True),
        (OLD_PIN + "# mine\n", True),
    ],
)
def test_pin_is_kept_beside_only_if_a_person_wrote_in_it(
    older: Workspace, new: ToolVersion, text: str, is_kept: bool
) -> None:
    (older.root / PIN).write_bytes(text.encode())
    carry_out(older.root, new)
    kept = older.root / f"{PIN}.yours"
    assert kept.exists() == is_kept and older.read(PIN) == NEW_PIN
    assert not is_kept or kept.read_bytes().decode() == text


def test_own_lines_around_the_ignore_block_survive(older: Workspace, new: ToolVersion) -> None:
    """The block has the new lines, in either kind of line ends; what is around it is untouched."""
    before = new.template[".gitignore"].content.decode()
    marks = before.replace("/outputs/\n", "/outputs/\n/of-the-new-version/\n", 1)
    template = {
        **new.template,
        ".gitignore": replace(new.template[".gitignore"], content=marks.encode()),
    }
    for text in (f"{before}mine/\n", f"first/\n{before}!mine/\n".replace("\n", "\r\n")):
        (older.root / ".gitignore").write_bytes(text.encode())
        state = older.root / transaction.STATE
        state.write_text(state.read_text().replace('"0.1.0"],', f'"{__version__}"],'))
        carry_out(older.root, replace(new, template=template))
        found = (older.root / ".gitignore").read_bytes().decode()
        added = "/of-the-new-version/\r\n" if "\r" in text else "/of-the-new-version/\n"
        assert found.replace(added, "") == text and added in found


def test_second_upgrade_at_the_same_time_leaves_the_undo_of_the_first(
    older: Workspace, new: ToolVersion
) -> None:
    before = tree(older.root)
    planned = upgrade.plan(older.root, new)
    upgrade.carry_out(older.root, planned)
    after = tree(older.root)
    upgrade.carry_out(older.root, planned)  # it was planned before, and waited for the lock
    assert tree(older.root) == after
    undo(older.root)
    assert tree(older.root) == before

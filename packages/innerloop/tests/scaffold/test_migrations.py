"""Which migrations a workspace needs, and what each of them sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.scaffold import migrations
from innerloop.scaffold.migrations import Migration, WorkspaceSnapshot
from innerloop.util.undo_journal import Delete, Move, Step, Write


def _named(*versions: str) -> tuple[Migration, ...]:
    return tuple(Migration(version, "", lambda _: ()) for version in versions)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "0.3.0", ["0.2.0", "0.3.0"]),
        ("0.2.0", "0.3.0", ["0.3.0"]),
        ("0.2.0", "0.10.0", ["0.3.0", "0.10.0"]),
        ("0.2.0", "0.3", ["0.3.0"]),
        ("0.2.0", "0.3.0.dev1", ["0.3.0"]),
        ("0.3.0rc1", "0.3.0", ["0.3.0"]),
        ("0.3.0", "0.3.0.post1", []),
        ("0.3.0", "0.3.0+local.dev9", []),
        ("0.3.0", "0.2.0", []),
        ("0.10.0", "0.3.0", []),
        ("0.3.0", "0.3.0", []),
    ],
)
def test_between_two_versions_names_what_lies_between(
    old: str, new: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_all", lambda: _named("0.2.0", "0.3.0", "0.10.0"))
    assert [found.version for found in migrations.between(old, new)] == expected


def test_snapshot_after_steps_reads_as_the_disk_will(tmp_path: Path) -> None:
    for name in ("a/one", "a/b/two", "c/three", "top"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    steps: list[Step] = [Move("a", "d"), Delete("c"), Write("c/four", "4"), Write("top", "new")]
    after = WorkspaceSnapshot(tmp_path).after(steps)
    assert after.walk("") == ["c/four", "d/b/two", "d/one", "top"]
    assert [after.read(path) for path in after.walk("")] == ["4", "a/b/two", "a/one", "new"]
    assert after.read("a/one") is None and after.read("c/three") is None
    assert after.names("a") == [] and after.names("d") == ["b/", "one"]
    assert after.names("") == ["c/", "d/", "top"]
    assert (tmp_path / "a/one").read_text() == "a/one"  # nothing is written


def test_planned_migration_sees_what_the_one_before_leaves(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    first = Migration("1", "", lambda snapshot: [Write("f", f"{snapshot.read('f')}2"), Delete("g")])
    second = Migration("2", "", lambda snapshot: [Write("f", f"{snapshot.read('f')}3")])
    plan = migrations.planned(WorkspaceSnapshot(tmp_path), [first, second])
    assert [steps[0] for _, steps in plan] == [Write("f", "12"), Write("f", "123")]

"""How an upgrade replaces VS Code's extension, which is the tool's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop import __version__
from innerloop.scaffold import init, tool_edits, workspace_template
from innerloop.scaffold.tool_edits import ToolEdits, ToolVersion
from innerloop.scaffold.workspace_template import EXTENSION, PIN, File
from innerloop.sync import engine
from innerloop.sync.render.settings_json import JOB_SCHEMA
from innerloop.util.undo_journal import Delete, Step, WriteBytes

TOOL, GONE = f"{EXTENSION}tool.js", f"{EXTENSION}documents.js"
NEW = b"// the next version\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the tool's files as this version ships them, and no other version known."""
    monkeypatch.setenv("INNERLOOP_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "workspace"
    for name, file in init.template().items():
        if name.startswith((EXTENSION, "scripts/")):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
    return folder


def next_version(root: Path) -> ToolVersion:
    """One with another tool.js and without documents.js."""
    template = {name: file for name, file in init.template().items() if name != GONE}
    template[TOOL] = File(NEW)
    pin = (root / PIN).read_bytes().replace(b"\r\n", b"\n").decode()
    return ToolVersion("9.0", pin, template)


def upgraded(root: Path, old: str = __version__) -> ToolEdits:
    return tool_edits.edits(root, next_version(root), old)


def of_extension(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, (Delete, WriteBytes)) and step.path.startswith(EXTENSION):
            yield step


def test_upgrade_replaces_what_changed_and_removes_what_is_gone(root: Path) -> None:
    edits = upgraded(root)
    assert list(of_extension(edits.steps)) == [Delete(GONE), WriteBytes(TOOL, NEW)]
    assert edits.kept == {}


def test_upgrade_keeps_an_edited_file_beside_and_leaves_an_edited_one_that_is_gone(
    root: Path,
) -> None:
    for name in (TOOL, GONE):
        (root / name).write_bytes(b"mine\n")
    edits = upgraded(root)
    beside = f"{TOOL}.yours"
    assert list(of_extension(edits.steps)) == [WriteBytes(beside, b"mine\n"), WriteBytes(TOOL, NEW)]
    assert edits.kept == {TOOL: beside}


def test_upgrade_takes_line_ends_of_windows_for_no_edit(root: Path) -> None:
    (root / TOOL).write_bytes((root / TOOL).read_bytes().replace(b"\n", b"\r\n"))
    assert upgraded(root).kept == {}


def test_upgrade_does_not_bring_back_an_extension_that_a_person_deleted(root: Path) -> None:
    for name in workspace_template.extension_files(init.template()):
        (root / name).unlink()
    assert list(of_extension(upgraded(root).steps)) == []
    assert not tool_edits.writes_extension(root, next_version(root), __version__)


def test_upgrade_from_a_version_without_the_extension_adds_it(root: Path) -> None:
    for name in workspace_template.extension_files(init.template()):
        (root / name).unlink()
    written = {step.path for step in of_extension(upgraded(root, "0.1.0").steps)}
    assert written == {*workspace_template.extension_files(init.template())} - {GONE}
    assert tool_edits.writes_extension(root, next_version(root), "0.1.0")


def test_sync_names_the_extension_and_its_schema_only_where_they_are(root: Path) -> None:
    (root / "pyproject.toml").write_text("[tool.innerloop]\n")

    def named(*, adds_extension: bool = False) -> tuple[bool, bool]:
        outcome = engine.plan(root, adds_extension=adds_extension)
        texts = {change.path: change.after or "" for change in outcome.changes}
        schema = JOB_SCHEMA in texts[".vscode/settings.json"]
        return schema, "innerloop.innerloop" in texts[".vscode/extensions.json"]

    assert named() == (True, True)
    (root / JOB_SCHEMA).unlink()
    assert named() == (False, False)
    assert named(adds_extension=True) == (True, True)

"""Experiments that came from the template, and a template that is newer than they are.

`INNERLOOP_TEMPLATE=write` updates the record of what this version's template has.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from innerloop import __version__
from innerloop.scaffold import create, remove, rename, template_experiments
from innerloop.scaffold.template_experiments import BY_LINES, KNOWN, ExperimentsPlan, TemplateTexts
from innerloop.sync import engine, state_file, transaction
from innerloop.sync.merge_rules import EDITOR_FILES
from innerloop.util import files
from innerloop.workspace import loader
from tests.support import Workspace

NEW = "90.0"
DOCKERFILE, PYTEST, IGNORED = BY_LINES
REQUIREMENTS = "environment/requirements.in"
LOCK = "environment/requirements.txt"


@pytest.fixture
def made(workspace: Workspace) -> Iterator[Workspace]:
    """A workspace with an experiment of the template, in a domain."""
    files.confine(workspace.root)
    create.create_experiment(loader.open_workspace(workspace.root), "a/first", None)
    yield workspace
    files.release(workspace.root)


@pytest.fixture
def newer(made: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a newer version's template, with a change of each file."""
    template = tmp_path / "template"
    for path in (*BY_LINES, *template_experiments._requirement_files()):
        (template / path).parent.mkdir(parents=True, exist_ok=True)
        text = (create.TEMPLATE / path).read_text(encoding="utf-8")
        (template / path).write_text(f"# newer\n{text}", encoding="utf-8")
    monkeypatch.setattr(template_experiments, "TEMPLATE", template)
    monkeypatch.setattr(template_experiments, "__version__", NEW)
    yield template


def place(path: str, name: str = "a/first") -> str:
    return f"src/{name}/{path}"


def plan(workspace: Workspace) -> ExperimentsPlan:
    before = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}
    planned = template_experiments.plan_experiments(workspace.root)
    after = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}
    assert before == after
    return planned


def carry_out(workspace: Workspace) -> ExperimentsPlan:
    with engine.change(workspace.root, "the test", accepts_newer=True) as current:
        return template_experiments.carry_out(current)


def recorded(workspace: Workspace) -> dict[str, str]:
    return dict(transaction.parse_state(workspace.read(transaction.STATE)).made)


def forget(workspace: Workspace) -> None:
    """The record of an experiment that an earlier version made."""
    state = transaction.parse_state(workspace.read(transaction.STATE))
    workspace.write(transaction.STATE, state_file.dump(replace(state, made={}), EDITOR_FILES))


def test_known_texts_have_what_this_version_gives() -> None:
    recorded = json.loads(KNOWN.read_text(encoding="utf-8"))
    own = asdict(template_experiments.own_texts())
    if os.environ.get("INNERLOOP_TEMPLATE") == "write":
        recorded[__version__] = own
        KNOWN.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert recorded[__version__] == own
    assert set(own["texts"]) == set(BY_LINES) and len(own["digests"]) >= 4


def test_new_experiment_records_the_version_of_its_template(made: Workspace) -> None:
    own = {".devcontainer/a.first/devcontainer.json": __version__}
    assert recorded(made) == own
    assert engine.sync(made.root).changes == () and recorded(made) == own
    workspace = loader.open_workspace(made.root)
    create.create_experiment(workspace, "second", "a/first")
    assert recorded(made) == own | {".devcontainer/second/devcontainer.json": __version__}
    made.add("own", "print(1)\n")
    create.create_experiment(loader.open_workspace(made.root), "of_own", "own")
    assert set(recorded(made)) == {*own, ".devcontainer/second/devcontainer.json"}


def test_record_follows_a_rename_and_goes_with_a_removal(made: Workspace) -> None:
    rename.carry_out(loader.open_workspace(made.root), "a/first", "b/second")
    assert recorded(made) == {".devcontainer/b.second/devcontainer.json": __version__}
    removal = remove.plan(loader.open_workspace(made.root), "b/second")
    remove.carry_out(made.root, removal)
    assert recorded(made) == {}


def test_record_stays_while_an_experiment_is_broken(made: Workspace) -> None:
    before = recorded(made)
    text = made.read(place("azure-ml-job.yaml"))
    made.write(place("azure-ml-job.yaml"), "<<<<<<< HEAD\n")
    assert engine.sync(made.root).problems
    assert recorded(made) == before
    made.write(place("azure-ml-job.yaml"), text)
    assert engine.sync(made.root).problems == () and recorded(made) == before


def test_plan_of_the_same_version_changes_nothing(made: Workspace) -> None:
    assert plan(made) == ExperimentsPlan((), (), {})


def test_files_as_they_were_given_are_replaced_and_twice_is_once(
    made: Workspace, newer: Path
) -> None:
    code = {path: path.read_bytes() for path in (made.root / "src").rglob("*.py")}
    planned = plan(made)
    assert planned.notes == ()
    assert {change.path for change in planned.changes} == {
        place(path.relative_to(newer).as_posix()) for path in newer.rglob("*") if path.is_file()
    }
    assert carry_out(made) == planned
    for path in (*BY_LINES, REQUIREMENTS, LOCK):
        assert made.read(place(path)) == (newer / path).read_text(encoding="utf-8")
    assert recorded(made) == {".devcontainer/a.first/devcontainer.json": NEW}
    assert plan(made) == ExperimentsPlan((), (), {})
    assert code == {path: path.read_bytes() for path in (made.root / "src").rglob("*.py")}


def test_edits_elsewhere_are_merged_by_lines(made: Workspace, newer: Path) -> None:
    edited = {path: made.read(place(path)) + "# mine\n" for path in BY_LINES}
    for path, text in edited.items():
        made.write(place(path), text)
    (made.root / place(IGNORED)).write_bytes(edited[IGNORED].replace("\n", "\r\n").encode())
    assert carry_out(made).notes == ()
    for path, text in edited.items():
        assert made.read(place(path)) == f"# newer\n{text}"
    assert b"# newer\r\n" in (made.root / place(IGNORED)).read_bytes()


def test_edit_of_the_same_lines_stays_and_is_named(made: Workspace, newer: Path) -> None:
    mine = "# mine\n" + made.read(place(DOCKERFILE))
    made.write(place(DOCKERFILE), mine)
    planned = carry_out(made)
    (note,) = planned.notes
    assert note.startswith(f"{place(DOCKERFILE)}:1: ")
    assert made.read(place(DOCKERFILE)) == mine
    assert made.read(place(PYTEST)).startswith("# newer\n")
    # The base stays the one of the making, and a second time changes nothing.
    assert recorded(made) == {".devcontainer/a.first/devcontainer.json": __version__}
    assert plan(made) == replace(planned, changes=())


@pytest.mark.parametrize("edited", [REQUIREMENTS, LOCK, "environment/requirements-dev.in"])
def test_requirement_files_count_as_one(made: Workspace, newer: Path, edited: str) -> None:
    before = {path: made.read(place(path)) for path in template_experiments._requirement_files()}
    made.write(place(edited), made.read(place(edited)) + "# mine\n")
    (note,) = carry_out(made).notes
    assert note.startswith(f"{place('environment')}: ")
    for path, text in before.items():
        assert made.read(place(path)) == text + "# mine\n" * (path == edited)


def test_removed_files_stay_removed(made: Workspace, newer: Path) -> None:
    (made.root / place(PYTEST)).unlink()
    (made.root / place(IGNORED)).unlink()
    assert carry_out(made).notes == ()
    assert not (made.root / place(PYTEST)).exists() and not (made.root / place(IGNORED)).exists()


def test_without_a_record_only_files_as_a_known_version_gave_them_are_replaced(
    made: Workspace, newer: Path
) -> None:
    made.add("own", "print(1)\n")
    forget(made)
    mine = made.read(place(DOCKERFILE)) + "# mine\n"
    made.write(place(DOCKERFILE), mine)
    planned = carry_out(made)
    assert planned.notes == () and planned.made == {}
    assert made.read(place(DOCKERFILE)) == mine
    assert made.read(place(PYTEST)).startswith("# newer\n")
    assert made.read(place(LOCK)).startswith("# newer\n")
    assert not any(change.path.startswith("src/own/") for change in planned.changes)


def test_without_a_record_an_experiment_that_is_all_as_given_gets_one(
    made: Workspace, newer: Path
) -> None:
    forget(made)
    carry_out(made)
    assert recorded(made) == {".devcontainer/a.first/devcontainer.json": NEW}


def test_record_of_an_unknown_version_counts_as_none(
    made: Workspace, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {NEW: template_experiments.own_texts()}
    monkeypatch.setattr(template_experiments, "known_texts", lambda: known)
    before = made.read(place(DOCKERFILE))
    assert carry_out(made) == ExperimentsPlan((), (), {})
    assert made.read(place(DOCKERFILE)) == before


def test_file_that_is_new_in_the_template_is_written_only_with_a_record(
    made: Workspace, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = template_experiments.known_texts()
    old = known[__version__]
    texts = {path: text for path, text in old.texts.items() if path != PYTEST}
    known = {__version__: TemplateTexts(texts, old.digests), NEW: known[NEW]}
    monkeypatch.setattr(template_experiments, "known_texts", lambda: known)
    (made.root / place(PYTEST)).unlink()
    assert place(PYTEST) in {change.path for change in plan(made).changes}
    forget(made)
    assert place(PYTEST) not in {change.path for change in plan(made).changes}


@pytest.mark.parametrize("kind", ["link", "folder", "bytes"])
def test_what_is_no_plain_text_stays_and_is_named(made: Workspace, newer: Path, kind: str) -> None:
    path = made.root / place(PYTEST)
    path.unlink()
    if kind == "link":
        made.write("other.ini", "mine\n")
        path.symlink_to(os.path.relpath(made.root / "other.ini", path.parent))
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"\xff\xfe")
    planned = carry_out(made)
    assert len(planned.notes) == 1 and planned.notes[0].startswith(place(PYTEST))
    assert kind != "link" or (path.is_symlink() and made.read("other.ini") == "mine\n")
    assert made.read(place(DOCKERFILE)).startswith("# newer\n")

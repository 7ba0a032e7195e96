"""Removing an experiment so that it can be restored.

Its folder and its dev container move to a hidden folder in one step each, and the generated files
follow. It happens whole or not at all: the next command undoes a removal that was killed.
"""

from __future__ import annotations

import itertools
import os
import posixpath
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..model import naming, shared_code
from ..model.experiment_paths import DOCKERFILE, SOURCES, default_folder
from ..model.settings import declaration_edit
from ..model.settings.declarations import ROOT_SETTINGS, Declaration
from ..model.workspace import Workspace
from ..sync import engine, three_way_text, transaction
from ..sync.render import workflow_context
from ..sync.render.generated_files import Json
from ..sync.state_file import State
from ..sync.transaction import Change
from ..util import files
from ..util.jsonc import ParseError, parse
from ..util.quick_dataclasses import dataclass
from ..util.undo_journal import Delete, DropEmpty, Move, Step, Write
from ..workspace import loader
from . import create

REMOVED = ".innerloop/removed"
LAUNCH, TASKS = ".vscode/launch.json", ".vscode/tasks.json"


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal does; paths are relative to the root.

    `outputs` is the folder of its runs, None if there is none. `users` are links of other
    experiments into its folder, which break. `started_by` are its files of orchestrators. Of a
    declared experiment the `declarations` go, and `stays` are the files that it named.
    """

    name: str
    kept_in: str
    outputs: str | None
    users: tuple[str, ...]
    started_by: tuple[str, ...] = ()
    folder: str = ""
    declarations: tuple[Declaration, ...] = ()
    stays: tuple[str, ...] = ()

    @property
    def is_declared(self) -> bool:
        """Whether its files are the team's, so that the declaration alone goes."""
        return bool(self.declarations)

    @property
    def dev_container(self) -> str:
        return f".devcontainer/{naming.slug_of(self.name)}"


def plan(workspace: Workspace, name: str) -> Removal:
    root = Path(workspace.root)
    transaction.require_no_newer(root)
    slug = naming.slug_of(name)
    outputs = f"outputs/{slug}"
    folder = default_folder(name)
    declarations = loader.declarations_of(workspace, name)
    loader.own_link_of(workspace, name)  # the link goes, and what it leads to stays
    links = [] if declarations else loader.WorkspaceFiles(root).links(SOURCES)
    users = [link for link, text in links if _leads_into(link, text, folder)]
    paths = workspace.paths_of(name)
    named = (paths.folder, paths.job, paths.environment, paths.tests) if declarations else ()
    return Removal(
        name=name,
        kept_in=_free(root, f"{REMOVED}/{slug}-{time.strftime('%Y%m%d-%H%M%S')}"),
        outputs=outputs if (root / outputs).is_dir() else None,
        users=tuple(sorted(users)),
        started_by=_started_by(root, name),
        folder=folder,
        declarations=declarations,
        stays=tuple(dict.fromkeys(path for path in named if path)),
    )


def _free(root: Path, path: str) -> str:
    """The path, or the first one with a number that does not exist."""
    names = (path if number == 1 else f"{path}-{number}" for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(root / name))


def _started_by(root: Path, name: str) -> tuple[str, ...]:
    state = transaction.parse_state(transaction.state_text(root))
    known = {*state.generated, *state.unknown, *state.ejected}
    return tuple(
        file
        for file in workflow_context.files_of(name)
        if file in known and (root / file).is_file()
    )


def carry_out(
    root: Path, removal: Removal, *, check: Callable[[], object] = lambda: None
) -> engine.SyncOutcome:
    """`check` raises UserError if it must not be removed, as while it runs.

    It is called under the lock that every start takes, before anything changes.
    """
    with engine.change(root, f"the removal of {removal.name}") as change:
        check()
        if not removal.is_declared:
            create.require_folder(root, removal.name)
        change.carry_out([*_copies(root, removal), *_moves(root, removal)])
        engine.edit_within(change, lambda state: _release(root, removal, state))
        return engine.sync_within(change)


def _moves(root: Path, removal: Removal) -> Iterator[Step]:
    for declaration in removal.declarations:
        text = files.read_own(root / declaration.file) or ""
        edited = declaration_edit.without(declaration, text)
        yield Write(f"{removal.kept_in}/{declaration.file}", text)
        # An empty settings file has nothing to say; pyproject.toml is the team's.
        is_empty = not edited and declaration.file == ROOT_SETTINGS
        yield Delete(declaration.file) if is_empty else Write(declaration.file, edited)
    moved = [] if removal.is_declared else [(removal.folder, SOURCES)]
    for folder, name in (*moved, (removal.dev_container, "devcontainer")):
        if (root / folder).is_dir():
            yield Move(folder, f"{removal.kept_in}/{name}")
            yield DropEmpty(posixpath.dirname(folder), folder.partition("/")[0])


def _copies(root: Path, removal: Removal) -> Iterator[Step]:
    """Keeps the files that a person may have edited, as they are before the removal."""
    generated = transaction.parse_state(transaction.text_on_disk(root)).generated
    for file in (LAUNCH, TASKS):
        text = files.read_own(root / file)
        if text is not None:
            yield Write(f"{removal.kept_in}/{posixpath.basename(file)}", text)
    for file in removal.started_by:
        text = files.read_own(root / file)
        if text is not None and not three_way_text.is_unchanged(text, generated.get(file, "")):
            yield Write(f"{removal.kept_in}/{file}", text)


def _release(root: Path, removal: Removal, state: State) -> tuple[State, list[Change]]:
    """Remove the orchestrators' files, and release the experiment's generated entries.

    The experiment's entries in launch.json and tasks.json are recorded as generated, with what the
    person changed in them: so sync removes them too, without a conflict.
    """
    generated = dict(state.generated)
    for file in (LAUNCH, TASKS):
        text = files.read_own(root / file)
        if text is not None and isinstance(generated.get(file), dict):
            generated[file] = _with_entries_of(generated[file], _value(text), removal.name)
    changes = [
        Change(file, text, None)
        for file in removal.started_by
        if (text := files.read_own(root / file)) is not None
    ]
    own = ("devcontainer.json", DOCKERFILE)
    gone = {
        *workflow_context.files_of(removal.name),
        *(f"{removal.dev_container}/{file}" for file in own),
    }
    kept = {file: value for file, value in generated.items() if file not in gone}
    made = {file: version for file, version in state.made.items() if file not in gone}
    return State(kept, state.ejected - gone, state.unknown - gone, made=made), changes


def _with_entries_of(base: Json, yours: Json, name: str) -> Json:
    """The base with the experiment's own entries as they are in the file."""
    result = dict(base)
    for key, identity in (("configurations", "name"), ("tasks", "label")):
        if key in base:
            here = {entry[identity]: entry for entry in _entries(yours, key, identity)}
            result[key] = [
                here.get(entry[identity], entry) if _is_of(entry[identity], name) else entry
                for entry in _entries(base, key, identity)
            ]
    return result


def _is_of(title: str, name: str) -> bool:
    tasks = [naming.debug_task(name, serves=serves) for serves in (False, True)]
    return title.startswith(f"{name}: ") or title in tasks


def _entries(value: Json, key: str, identity: str) -> list[dict[str, Json]]:
    items = value.get(key) if isinstance(value, dict) else None
    items = items if isinstance(items, list) else []
    return [
        item for item in items if isinstance(item, dict) and isinstance(item.get(identity), str)
    ]


def _value(text: str) -> Json:
    try:
        return parse(text).value
    except ParseError:
        return None


def _leads_into(link: str, text: str, folder: str) -> bool:
    target = shared_code.leads(link, text)
    return not link.startswith(f"{folder}/") and (target + "/").startswith(f"{folder}/")

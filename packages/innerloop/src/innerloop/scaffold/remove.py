"""Taking an experiment away so that it can be brought back: its folder and its dev container move
to a hidden folder in one step each, and the rendered files follow."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..model import naming, shared_code
from ..model.workspace import Workspace
from ..sync import engine, three_way_text, transaction
from ..sync.merge_rules import EDITOR_FILES
from ..sync.render import workflow_context
from ..sync.render.generated_files import Json
from ..sync.state_file import Memory, dump
from ..util import files
from ..util.jsonc import ParseError, parse
from ..workspace import loader
from . import create

REMOVED = ".innerloop/removed"
LAUNCH, TASKS = ".vscode/launch.json", ".vscode/tasks.json"


@dataclass(frozen=True, slots=True)
class Removal:
    """What would happen; paths relative to the root. `users` are links of other experiments that
    lead into the folder, and would lead nowhere. `started_by`: the files of orchestrators."""

    name: str
    kept_in: str
    outputs: str | None
    users: tuple[str, ...]
    started_by: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return f"src/{self.name}"

    @property
    def dev_container(self) -> str:
        return f".devcontainer/{naming.slug_of(self.name)}"


def plan(workspace: Workspace, name: str) -> Removal:
    root = Path(workspace.root)
    slug = naming.slug_of(name)
    outputs = f"outputs/{slug}"
    users = [
        link
        for link, text in loader.WorkspaceFiles(root).links("src")
        if _leads_into(link, text, f"src/{name}")
    ]
    kept_in = f"{REMOVED}/{slug}-{time.strftime('%Y%m%d-%H%M%S')}"
    memory = transaction.remembered(transaction.memory_text(root))
    ours = {*memory.rendered, *memory.ejected}
    return Removal(
        name=name,
        kept_in=kept_in,
        outputs=outputs if (root / outputs).is_dir() else None,
        users=tuple(sorted(users)),
        started_by=tuple(
            file
            for file in workflow_context.files_of(name)
            if file in ours and (root / file).is_file()
        ),
    )


def carry_out(root: Path, removal: Removal) -> engine.Outcome:
    with files.locked(root / create.LOCK, waiting="innerloop: another rename or new is running"):
        kept = files.make_folder(root / removal.kept_in)
        files.rename(root / removal.folder, kept / "src")
        if (root / removal.dev_container).is_dir():
            files.rename(root / removal.dev_container, kept / "devcontainer")
        parent = (root / removal.folder).parent
        while parent != root / "src" and not any(os.scandir(parent)):
            files.remove_if_empty(parent)
            parent = parent.parent
        _give_up_entries(root, removal.name, removal.started_by, kept)
        return engine.sync(root)


def _give_up_entries(root: Path, name: str, started_by: Sequence[str], kept: Path) -> None:
    """What a person changed in the experiment's launch configurations and in what starts it goes
    with it, and is no clash: it counts as rendered from here on. The files as they were are kept.
    """
    memory = transaction.remembered(transaction.memory_text(root))
    rendered = dict(memory.rendered)
    for file in (LAUNCH, TASKS):
        text = files.read_text(root / file)
        if text is None:
            continue
        files.write_text(kept / Path(file).name, text)
        if isinstance(rendered.get(file), dict):
            rendered[file] = _as_found(rendered[file], _value(text), name)
    for file in started_by:
        text = files.read_text(root / file)
        if text is not None and not three_way_text.is_as_rendered(text, rendered.get(file, "")):
            files.write_text(kept / file, text)
        files.remove(root / file)
    gone = set(workflow_context.files_of(name))
    rendered = {file: value for file, value in rendered.items() if file not in gone}
    files.write_text(
        root / transaction.MEMORY,
        dump(Memory(rendered, memory.ejected - gone), EDITOR_FILES),
    )


def _as_found(remembered: Json, found: Json, name: str) -> Json:
    """The memory with the experiment's own entries as they are in the file."""
    result = dict(remembered)
    for key, identity in (("configurations", "name"), ("tasks", "label")):
        if key in remembered:
            there = {one[identity]: one for one in _entries(found, key, identity)}
            result[key] = [
                there.get(one[identity], one) if _is_of(one[identity], name) else one
                for one in _entries(remembered, key, identity)
            ]
    return result


def _is_of(title: str, name: str) -> bool:
    tasks = [naming.debug_task(name, serves=serves) for serves in (False, True)]
    return title.startswith(f"{name}: ") or title in tasks


def _entries(value: Json, key: str, identity: str) -> list[dict[str, Json]]:
    found = value.get(key) if isinstance(value, dict) else None
    items = found if isinstance(found, list) else []
    return [one for one in items if isinstance(one, dict) and isinstance(one.get(identity), str)]


def _value(text: str) -> Json:
    try:
        return parse(text).value
    except ParseError:
        return None


def _leads_into(link: str, text: str, folder: str) -> bool:
    leads = shared_code.leads(link, text)
    return not link.startswith(f"{folder}/") and (leads + "/").startswith(f"{folder}/")

"""Renaming an experiment.

This renames its folder, job, links, outputs, and its part of the generated files with what a person
wrote there.

It happens whole or not at all: the next command undoes a rename that was killed.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..argo_manifest import resource_names
from ..model import naming, shared_code
from ..model.experiment_paths import SOURCES, default_folder
from ..model.paths import is_within
from ..model.settings import declaration_edit
from ..model.settings.declarations import Declaration
from ..model.workspace import Workspace
from ..sync import engine, path_renames, transaction
from ..sync.render.generated_paths import dev_container_files
from ..sync.state_file import State
from ..util import files, regular_files
from ..util.jsonc import ParseError
from ..util.quick_dataclasses import dataclass
from ..util.undo_journal import DropEmpty, MakeLink, Move, Step, Write
from ..workspace import loader, text_links
from . import create, git_ignored

# Where a person may mention an experiment's folder. They are searched, not changed.
MENTIONS = ("README.md", "pyproject.toml", "docs", "notebooks", "orchestration", ".github", SOURCES)
MAX_MENTIONS = 20


@dataclass(frozen=True, slots=True)
class RenamePair:
    old: str
    new: str

    @property
    def slugs(self) -> tuple[str, str]:
        return naming.slug_of(self.old), naming.slug_of(self.new)


def carry_out(
    workspace: Workspace, old: str, new: str, *, check: Callable[[], object] = lambda: None
) -> engine.SyncOutcome:
    """Renames everything. Raises UserError for an invalid or taken name, with nothing changed.

    Notes of the outcome name generated files that git would not keep by their new paths. `check` raises UserError if it must not be renamed, as while it runs. It is called under the
    lock that every start takes, before anything changes.
    """
    outcome = _carried_out(workspace, old, new, check)
    generated = {*outcome.created, *dev_container_files(new)}
    ignored = git_ignored.of_new(Path(workspace.root), generated)
    return replace(outcome, notes=(*outcome.notes, *ignored))


def _carried_out(
    workspace: Workspace, old: str, new: str, check: Callable[[], object]
) -> engine.SyncOutcome:
    root = Path(workspace.root)
    create.check_target(workspace, new)
    with engine.change(root, f"the rename of {old} to {new}") as change:
        check()
        names = RenamePair(old, new)
        declarations = loader.declarations_of(workspace, old)
        link = loader.own_link_of(workspace, old)
        if not declarations:
            create.require_folder(root, old)
        create.check_target(workspace, new)
        if declarations or link:
            # Its files are where the team keeps them: they keep their names.
            target = workspace.paths_of(old).folder
            change.carry_out(_declared(root, declarations, new))
            change.carry_out(_relinked(names, target) if link else ())
            change.carry_out(_named_after(root, names))
            engine.edit_within(change, lambda state: _rename_generated(root, names, state))
            return engine.sync_within(change)
        texts = text_links.below(root)
        change.carry_out(_moves(root, names))
        text_links.forget()
        change.carry_out([*_texts_inside(root, names), *_links(root, names)])
        moved = dict(_moved_texts(names, texts))
        change.carry_out(Write(path, text) for path, text in moved.items())
        text_links.record(root, moved)
        engine.edit_within(change, lambda state: _rename_generated(root, names, state))
        return engine.sync_within(change)


def mentions(root: Path, old: str) -> list[str]:
    """The positions ("file:line") in a person's own files that still name the old folder."""
    positions: list[str] = []
    for path in _own_texts(root):
        text = regular_files.read_or_fail(path).decode("utf-8", "replace")
        if default_folder(old) not in text:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if naming.moved_paths(line, old, "\0") != line:
                positions.append(f"{path.relative_to(root).as_posix()}:{number}")
    return positions


def _moves(root: Path, names: RenamePair) -> Iterator[Step]:
    """Its folder, dev container and outputs, and the generated files that are named after it."""
    yield Move(default_folder(names.old), default_folder(names.new))
    yield from _named_after(root, names)
    yield DropEmpty(posixpath.dirname(default_folder(names.old)), SOURCES)


def _relinked(names: RenamePair, target: str) -> Iterator[Step]:
    """The link to the experiment's folder under its new name, which may be at another depth."""
    old, new = default_folder(names.old), default_folder(names.new)
    yield Move(old, new)
    yield MakeLink(new, shared_code.link_text(new, target))
    yield DropEmpty(posixpath.dirname(old), SOURCES)


def _declared(root: Path, declarations: Sequence[Declaration], new: str) -> Iterator[Step]:
    """The declarations under another name. Its files, which are the team's, keep theirs."""
    for declaration in declarations:
        text = files.read_own(root / declaration.file) or ""
        yield Write(declaration.file, declaration_edit.renamed(declaration, text, new))


def _named_after(root: Path, names: RenamePair) -> Iterator[Step]:
    old, new = names.slugs
    for folder in (".devcontainer", "outputs"):
        yield from _move(root, f"{folder}/{old}", f"{folder}/{new}")
    state = transaction.parse_state(transaction.text_on_disk(root))
    for file, value in state.generated.items():
        moves_with_folder = is_within(file, f".devcontainer/{old}")
        if isinstance(value, str) and not moves_with_folder:
            yield from _move(root, file, naming.moved_paths(file, names.old, names.new))


def _move(root: Path, old: str, new: str) -> Iterator[Step]:
    if old != new and os.path.lexists(root / old) and not os.path.lexists(root / new):
        yield Move(old, new)


def _texts_inside(root: Path, names: RenamePair) -> Iterator[Step]:
    for path in _texts_below(root / SOURCES / names.new):
        try:
            text = regular_files.read_or_fail(path).decode("utf-8")
        except UnicodeDecodeError:
            continue
        changed = naming.renamed(path.name, text, names.old, names.new)
        if changed != text:
            yield Write(path.relative_to(root).as_posix(), changed)


def _links(root: Path, names: RenamePair) -> Iterator[Step]:
    """Repair the links out of the folder, and other experiments' links into it.

    The folder may have another depth now.
    """
    disk = loader.WorkspaceFiles(root)
    old, new = default_folder(names.old), default_folder(names.new)
    texts = {link.path for link in text_links.below(root)}
    for link, text in disk.links(SOURCES):
        if link in texts:
            continue
        target = shared_code.leads(link, text)
        if target == old or target.startswith(f"{old}/"):
            yield MakeLink(link, shared_code.link_text(link, new + target[len(old) :]))
        elif link.startswith(f"{new}/") and not os.path.isabs(text):
            before = shared_code.leads(old + link[len(new) :], text)
            is_inner = before == old or before.startswith(f"{old}/")
            if not is_inner and target != before and disk.exists(before):
                yield MakeLink(link, shared_code.link_text(link, before))


def _moved_texts(
    names: RenamePair, texts: Sequence[text_links.TextLink]
) -> Iterator[tuple[str, str]]:
    """The links that are text files and have another path or text now. `texts` are those before."""
    old, new = default_folder(names.old), default_folder(names.new)
    for link in texts:
        target = shared_code.leads(link.path, link.text)
        if link.path.startswith(f"{old}/"):
            text = shared_code.text_at(link.path, link.text, old, new)
            yield new + link.path[len(old) :], text
        elif target == old or target.startswith(f"{old}/"):
            yield link.path, shared_code.link_text(link.path, new + target[len(old) :])


def _rename_generated(
    root: Path, names: RenamePair, state: State
) -> tuple[State, list[transaction.Change]]:
    """Change the name in the generated files and in the record of them alike.

    What a person wrote then differs from the base just as before.
    """
    change = partial(_value, names)
    generated, changes = {}, []
    for file, value in state.generated.items():
        path = naming.moved_paths(file, names.old, names.new)
        generated[path] = path_renames.in_value(value, change)
        if (text := files.read_own(root / path)) is not None:
            new = _text(text, path, change, whole=isinstance(value, str))
            changes.append(transaction.Change(path, text, new))
    ejected, unknown = (
        frozenset(naming.moved_paths(file, names.old, names.new) for file in paths)
        for paths in (state.ejected, state.unknown)
    )
    made = {
        naming.moved_paths(file, names.old, names.new): version
        for file, version in state.made.items()
    }
    return State(generated, ejected, unknown, made=made), changes


def _text(text: str, path: str, change: path_renames.Change, *, whole: bool) -> str:
    """A file that is not valid JSON stays as it is; sync reports it."""
    if whole:
        return change((), text)
    try:
        return path_renames.in_text(text, change, path)
    except ParseError:
        return text


def _value(names: RenamePair, keys: tuple[str, ...], text: str) -> str:
    if not keys:  # a text file
        old, new = (resource_names.label(slug, resource_names.LONGEST_CRON) for slug in names.slugs)
        return naming.renamed_whole(text, names.old, names.new, (old, new))
    return naming.renamed_value(keys, text, names.old, names.new)


def _own_texts(root: Path) -> Iterator[Path]:
    for name in MENTIONS:
        if (root / name).is_file():
            yield root / name
        elif (root / name).is_dir():
            yield from _texts_below(root / name)


def _texts_below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in create.LEFT_OUT)
        for name in sorted(names):
            path = Path(parent, name)
            if not create.is_text(name) or path.is_symlink() or not path.is_file():
                continue
            if path.stat().st_size < 2_000_000:
                yield path

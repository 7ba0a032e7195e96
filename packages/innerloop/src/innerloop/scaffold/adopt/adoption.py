"""Brings the tool to a repository that was there before it, without moving or rewriting a file.

All of it happens or none: the files are written as one change that can be undone. The plan is made
again under the lock, so that nothing is written over what a person saves meanwhile.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ...model.paths import is_within
from ...model.settings.adoption import FILE
from ...sync import engine, retraction, transaction
from ...sync.engine import SyncOutcome
from ...sync.transaction import STATE
from ...util import change_folder, console, files, process
from ...util.cache_folder import cache_folder
from ...util.errors import UserError
from ...util.quick_dataclasses import dataclass
from ...util.undo_journal import Step, Write, WriteBytes
from ...util.wheels import WHEELS
from .. import adopted_template, git_ignored, init, marked_block, tool_wheel
from ..tool_wheel import Pin
from ..workspace_template import EXTENSION, PIN, File
from . import findings, proposal, scan
from .findings import Findings
from .proposal import NO_WISHES, Proposal, Wishes
from .repository_tree import RepositoryTree

# Of the files beside code, whose names alone count, so many are looked at for a preview.
_MOST_NAMES = 500
_MOST_SHOWN = 5
# Files of theirs that get what is generated beside it, where it can be taken out again.
ADDS = frozenset({".vscode/tasks.json", ".vscode/launch.json"})
WHAT = "the adoption of this repository"
WAITING = "innerloop: another init of this folder is running; waiting for it"


@dataclass(frozen=True, slots=True)
class AdoptionRequest:
    """What is asked for.

    `wheel`: the tool's wheel, None to find it. `root`: the workspace of the launcher that runs.
    """

    folder: Path
    wishes: Wishes = NO_WISHES
    wheel: Path | None = None
    root: Path = Path()


@dataclass(frozen=True, slots=True)
class AdoptionPlan:
    """What is there, and what is done; paths are sorted.

    `writes` are new files; `edits` are files that get something: path -> what. `left_alone` are files
    that exist and are the team's, into which nothing is generated. `problems` are errors of
    what is there; `ignored` says which of the files git would not keep, and what keeps them.
    """

    findings: Findings
    proposal: Proposal
    writes: tuple[str, ...]
    edits: Mapping[str, str]
    left_alone: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def plan(wanted: AdoptionRequest) -> AdoptionPlan:
    """What `carry_out` does. Nothing is written but to a folder elsewhere.

    UserError where a killed run left its files, which would be taken for the team's.
    """
    folder = wanted.folder
    if change_folder.is_pending(folder):
        raise UserError(
            "an interrupted command is changing this folder, or was killed",
            code="init-interrupted",
            where=str(folder),
            hint="`innerloop init --here` without --dry-run undoes what it did",
        )
    _require_adoptable(folder)
    with files.temporary_folder("innerloop-adopt-") as scratch, files.confining(scratch):
        pin = tool_wheel.expected(wanted.wheel, wanted.root, scratch)
        tree, found, proposed = _looked_at(wanted)
        own, edits = _own_files(folder, pin, proposed)
        copy = files.make_folder(scratch / folder.name)
        _copy_what_decides(tree, found, proposed, copy)
        for path in sorted(ADDS - tree.files):  # those that git ignores
            if (text := _text_of(folder / path)) is not None:
                files.write_text(copy / path, text)
        outcome = engine.plan(copy, adds=ADDS)
    given = _Given(tree, found, proposed, own, edits, pin)
    return _planned(folder, given, outcome)


def carry_out(wanted: AdoptionRequest) -> AdoptionPlan:
    """Write it all, or nothing: an error, Ctrl-C and a kill leave the repository as it was."""
    folder = wanted.folder
    undo_killed(folder)
    _require_adoptable(folder)
    cache = files.make_folder(cache_folder() / "init")
    with (
        process.signals_as_interrupts(),
        files.temporary_folder("wheel-", str(cache)) as scratch,
        files.locked(cache / f"{init.digest(folder)}.lock", waiting=WAITING),
    ):
        pin = tool_wheel.find(wanted.wheel, wanted.root, scratch)
        with init.tidied(folder), engine.change(folder, WHAT) as change:
            _require_adoptable(folder)
            tree, found, proposed = _looked_at(wanted)
            own, edits = _own_files(folder, pin, proposed)
            change.carry_out(_steps(folder, own))
            outcome = engine.sync_within(change, adds=ADDS)
            _require_generated(outcome)
    given = _Given(tree, found, proposed, own, edits, pin)
    return _planned(folder, given, outcome)


def _text_of(path: Path) -> str | None:
    try:
        return files.read_own(path, plain=True)
    except UserError:
        return None


def _looked_at(wanted: AdoptionRequest) -> tuple[RepositoryTree, Findings, Proposal]:
    tree = scan.read(wanted.folder)
    found = findings.find(tree)
    proposed = proposal.propose(found, tree, wanted.wishes)
    return tree, found, proposed


def undo_killed(folder: Path) -> None:
    """Undo what a killed run left, and say so."""
    if folder.is_dir() and not folder.is_symlink() and change_folder.is_pending(folder):
        if message := engine.recover(folder):
            console.say(message)
        with files.confining(folder):
            init.tidy(folder)


def _require_adoptable(folder: Path) -> None:
    """UserError for what is no folder, is adopted already, or has other files in the tool's places."""
    if folder.is_symlink() or not folder.is_dir():
        raise UserError(
            "this is not a folder",
            code="path-missing",
            where=str(folder),
            hint="Name the folder of the repository",
        )
    if os.path.lexists(folder / STATE):
        raise UserError(
            "this repository has innerloop already",
            code="workspace-exists",
            where=str(folder),
            hint="`scripts/loop sync` brings its files in line, `scripts/loop upgrade` takes a "
            "newer version, `scripts/loop leave` takes it out",
        )
    tools = adopted_template.of_adopted(init.template())
    others = [path for path in tools if path not in marked_block.FILES]
    taken = [path for path in others if os.path.lexists(folder / path)]
    if taken:
        raise _taken(taken)


def _taken(paths: list[str]) -> UserError:
    return UserError(
        "a file of yours is where the tool needs one of its own, so nothing was written",
        code="path-exists",
        where=paths[0],
        hint="Rename it, or move it away",
    )


def _own_files(
    folder: Path, pin: Pin, proposed: Proposal
) -> tuple[dict[str, File], frozenset[str]]:
    """What is written beside the generated files, and the paths of those that exist.

    It is the tool's own files, the declarations, and the ignore files, which may exist.
    """
    if proposed.clashes:
        raise _taken(list(proposed.clashes))
    edits: set[str] = set()
    own = adopted_template.of_adopted(init.template())
    own[PIN] = replace(own[PIN], content=init.pin_text(own[PIN].content.decode(), pin).encode())
    for path in marked_block.FILES:
        text = files.read_own(folder / path)
        whole = marked_block.with_lines(text or "", adopted_template.lines_of(path))
        own[path] = File(whole.encode())
        edits |= set() if text is None else {path}
    own |= {path: File(text.encode()) for path, text in proposed.files.items()}
    if os.path.lexists(folder / FILE):
        text = files.read_own(folder / FILE, plain=True)
        if text is None or not proposed.files[FILE].startswith(text):
            raise _taken([FILE])  # git ignores it, it is no plain text, or it changed meanwhile
        edits.add(FILE)
    if pin.wheel is not None:
        own[f"{WHEELS}/{pin.wheel.name}"] = File(pin.wheel.read_bytes())
    return own, frozenset(edits)


def _steps(folder: Path, own: Mapping[str, File]) -> Iterator[Step]:
    """The pin and the launcher come last, so that no command runs before the rest is there."""
    for path in sorted(own, key=lambda path: (path in (PIN, "scripts/loop"), path)):
        if path in (*marked_block.FILES, FILE):
            yield Write(path, own[path].content.decode())
        else:
            yield WriteBytes(path, own[path].content, own[path].executable or None)


def _require_generated(outcome: SyncOutcome) -> None:
    """Problems of a job are the team's, and say so later; a conflict means that a file changed."""
    if outcome.conflicted:
        raise UserError(
            "a file changed while the repository was read, so nothing was written",
            code="path-changed",
            where=outcome.conflicted[0].path,
            hint="Run the command again",
        )


@dataclass(frozen=True, slots=True)
class _Given:
    """What a plan is made of: what is there, and what is written beside the generated files."""

    tree: RepositoryTree
    findings: Findings
    proposal: Proposal
    own: Mapping[str, File]
    edits: frozenset[str]
    pin: Pin


def _planned(folder: Path, given: _Given, outcome: SyncOutcome) -> AdoptionPlan:
    state = transaction.parse_state(outcome.state)
    generated = {change.path for change in outcome.changes if change.after is not None}
    edits = dict.fromkeys(given.edits, "adds the tool's block at its top")
    if FILE in edits:
        edits[FILE] = "adds the tables of the experiments at its end"
    for change in outcome.changes:
        if change.before is not None and change.after is not None:
            edits[change.path] = f"adds {_added(change.before, change.after)}"
    writes = sorted({*given.own, *generated, STATE} - edits.keys())
    notes = [*filter(None, [given.pin.note])]
    if given.tree.is_partial:
        notes.append(f"only the first {scan.MOST_FILES} files of the repository were read")
    ignored = git_ignored.messages(folder, writes, False, whole=(EXTENSION, f"{WHEELS}/"))
    return AdoptionPlan(
        findings=given.findings,
        proposal=given.proposal,
        writes=tuple(writes),
        edits=dict(sorted(edits.items())),
        left_alone=tuple(sorted(state.ejected)),
        problems=outcome.problems,
        notes=tuple(notes),
        ignored=tuple(ignored),
    )


def _added(before: str, after: str) -> str:
    """The names of the entries that a file got, the first few of many."""
    names = [name for name in retraction.names_in(after) if name not in retraction.names_in(before)]
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more


def _copy_what_decides(
    tree: RepositoryTree, found: Findings, proposed: Proposal, copy: Path
) -> None:
    """Write what generated files are made from: texts, and the names of what is beside code."""
    experiments = proposed.experiments
    folders = {one.folder or posixpath.dirname(one.job) or "." for one in experiments}
    folders |= {one.tests for one in experiments if one.tests} | {*found.sources}
    folders |= {".vscode", ".devcontainer"}
    decides = [path for path in tree.paths if path in tree.texts and not path.endswith(".py")]
    beside = (
        path for path in tree.paths if any(one == "." or is_within(path, one) for one in folders)
    )
    for path in dict.fromkeys((*decides, *islice(beside, _MOST_NAMES))):
        text = "" if path.endswith(".py") else tree.texts.get(path, "")
        files.write_text(copy / path, text)
    for path, text in proposed.files.items():
        files.write_text(copy / path, text)

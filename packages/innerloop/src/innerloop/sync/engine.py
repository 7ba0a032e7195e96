"""`loop sync`: plans the changes to the generated files as a value, then writes them.

Generated files belong to both sides: each path in them is decided from base (generated last, as
`.innerloop/state.json` records it), yours (on the disk) and theirs (generated now). A file that
exists and was never generated is the person's: it is left alone, and recorded as such.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from pathlib import Path
from typing import Literal

from .. import __version__
from ..model import naming
from ..model.editor_variables import has_variable
from ..model.experiment import Experiment
from ..model.experiment_paths import default_folder
from ..model.jobs.job import Job
from ..model.settings.schedules import Schedule
from ..model.workspace import Workspace
from ..util import change_folder, console, files, git_markers, undo_journal
from ..util.errors import UsageError, UserError, did_you_mean
from ..util.json_values import same
from ..util.jsonc import ParseError, parse
from ..util.position import Position
from ..util.printable import one_line
from ..util.quick_dataclasses import dataclass
from ..workspace import formatter_files, loader
from . import (
    contested_bases,
    git_conflicts,
    retired_entries,
    retraction,
    state_file,
    three_way,
    three_way_text,
    tool_files,
    transaction,
)
from .conflicts import Conflict
from .merge_rules import EDITOR_FILES
from .render import agents_md, generated_paths, launch_json, workflow_context, workspace_container
from .render.generated_files import Json, Specification, generate
from .state_file import State
from .transaction import Change

_TASKS, _LAUNCH = ".vscode/tasks.json", ".vscode/launch.json"
LOCK, WAITING = change_folder.LOCK, change_folder.WAITING


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a person resolves a conflict at a path of a file.

    "take" the generated value, or "keep" their own. "take" at the path "." also gives a file back
    that is recorded as theirs.
    """

    word: Literal["take", "keep", "give back"]
    file: str
    path: str


@dataclass(frozen=True, slots=True)
class ConflictedFile:
    """A file with conflicts: what was generated last, and what is generated now (None: no file)."""

    path: str
    base: Json | None
    theirs: Json | None


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """`problems` are messages that make the exit code 1; `notes` only inform.

    `state` is the text to record afterwards, None when the record is up to date. `conflicted`:
    the files that `problems` name for their conflicts.
    """

    changes: tuple[Change, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    state: str | None = field(default=None)
    conflicted: tuple[ConflictedFile, ...] = ()

    @property
    def created(self) -> tuple[str, ...]:
        """The paths of the files that did not exist."""
        return tuple(one.path for one in self.changes if one.before is None)

    def report(self) -> Iterator[str]:
        """A line for each change, problem and note."""
        yield from (f"{change.verb} {change.path}" for change in self.changes)
        yield from (*self.problems, *self.notes)


def sync(root: Path, resolution: Resolution | None = None, eject: str | None = None) -> SyncOutcome:
    """Plans and writes under a lock: a second sync at the same time waits for this one."""
    with _exclusive(root):
        while True:
            outcome = plan(root, resolution, eject)
            try:
                transaction.write(root, outcome.changes, outcome.state)
            except transaction.ConcurrentModification:
                continue  # a person saved one of the files in between
            if outcome.changes or outcome.state is not None:
                loader.WorkspaceFiles.uncacheable.add(transaction.STATE)
            return outcome


@contextmanager
def change(
    root: Path, what: str, *, accepts_newer: bool = False
) -> Iterator[undo_journal.WorkspaceChange]:
    """A change of the workspace that happens whole or not at all: see `undo_journal`.

    `what` says for people what is undone if it is interrupted. No sync and no other change runs
    meanwhile. `accepts_newer`: generated files of a newer version are no reason to refuse, since
    none of them is changed, or the change is the downgrade.
    """
    with _exclusive(root):
        transaction.require_record(root, accepts_newer=accepts_newer)
        with undo_journal.change(root, what) as current:
            yield current


def sync_within(
    current: undo_journal.StepTaker,
    *,
    accepts_newer: bool = False,
    adds: Set[str] = frozenset(),
    adds_extension: bool = False,
) -> SyncOutcome:
    """`sync` as a part of a change; `accepts_newer`: it is a downgrade. The others: see `plan`."""
    while True:
        outcome = plan(
            current.root, accepts_newer=accepts_newer, adds=adds, adds_extension=adds_extension
        )
        try:
            transaction.check_unchanged(current.root, outcome.changes)
        except transaction.ConcurrentModification:
            continue
        current.carry_out(transaction.steps(outcome.changes, outcome.state))
        return outcome


def edit_within(
    current: undo_journal.StepTaker, edit: Callable[[State], tuple[State, Iterable[Change]]]
) -> None:
    """Change generated files and the record of them as a part of a change.

    A record that cannot be read stays as it is.
    """
    text = transaction.text_on_disk(current.root)
    before = transaction.parse_state(text)
    after, changes = edit(before)
    after = replace(after, version=before.version)
    new = None if before.is_damaged else state_file.dump(after, EDITOR_FILES)
    real = [item for item in changes if item.before != item.after]
    current.carry_out(transaction.steps(real, None if new == text else new))


def settle_tool_files(root: Path) -> tool_files.Settlement | None:
    """Take the newer side of the pin and the launcher, where git left the pin in conflict."""
    if tool_files.settlement(root) is None:
        return None
    with change(root, "the choice of the newer pin", accepts_newer=True) as current:
        settlement = tool_files.settlement(root)
        if settlement is not None:
            current.carry_out(
                undo_journal.Write(item.path, item.after or "") for item in settlement.changes
            )
        return settlement


def recover(root: Path) -> str:
    """Undo or complete what a killed command left, and return a message about it or "".

    Waits for a command that is changing the workspace right now.
    """
    if not change_folder.is_pending(root):
        return ""
    with files.confining(root), files.locked(root / LOCK, waiting=WAITING):
        return _recover(root)


@contextmanager
def _exclusive(root: Path) -> Iterator[None]:
    with files.confining(root), files.locked(root / LOCK, waiting=WAITING):
        if message := _recover(root):
            console.say(message)
        yield


def _recover(root: Path) -> str:
    message = undo_journal.recover(root)
    transaction.recover(root)
    return message


def plan(
    root: Path,
    resolution: Resolution | None = None,
    eject: str | None = None,
    *,
    accepts_newer: bool = False,
    adds: Set[str] = frozenset(),
    adds_extension: bool = False,
) -> SyncOutcome:
    """Compares what is generated now with what is on the disk; nothing is written.

    `adds` are files that get what is generated although they are the person's, if nothing of theirs
    changes and it can be taken out again. `adds_extension`: the same change writes VS Code's
    extension. Raises UserError where a newer version of the tool wrote the record, unless
    `accepts_newer`.
    """
    with files.confining(root):
        if not accepts_newer:
            transaction.require_no_newer(root)
        return _plan(root, resolution, eject, adds, adds_extension)


def _plan(
    root: Path,
    resolution: Resolution | None,
    eject: str | None,
    adds: Set[str],
    adds_extension: bool,
) -> SyncOutcome:
    specification, broken, unscheduled = _specification(root, adds_extension)
    values = generate(specification)
    state = transaction.parse_state(transaction.state_text(root))
    bases = dict(state.generated)
    ejected = state.ejected
    names = [experiment.name for experiment in specification.experiments]
    if eject is not None:
        ejected |= {_known_file(eject, values, state)}
        bases.pop(eject, None)
    left_alone = _left_alone(broken, values) | _workflows_of({*broken, *unscheduled}, bases)
    skipped = set(left_alone)
    never = _never_generated(root, values, state, ejected | skipped)
    never -= {path for path in never & adds if _adds_alone(root, path, values[path])}
    ejected |= never
    if resolution is not None:
        _known_file(resolution.file, values, state)
        if resolution.file in ejected:
            ejected -= {_given_back(resolution)}
            resolution = replace(resolution, word="give back")
    asked = {resolution.file} if resolution is not None else set()
    skipped |= _without_container(root, state, ejected, values) - asked
    problems = [*broken.values(), *unscheduled.values()]
    notes = [_left_to_the_person(path) for path in sorted(never & ejected)]
    changes: list[Change] = []
    conflicted: list[ConflictedFile] = []
    unknown = {path for path in state.unknown if path in skipped}
    # Both branches' records stay for a file whose text does not say yet which of them is its base.
    contested = {path: rows for path, rows in state.contested.items() if path in skipped}
    unmerged = git_conflicts.unmerged_files(root)
    records = git_conflicts.records(root)
    problems += _left_in_conflict(root, sorted(left_alone - ejected - never), unmerged)
    for path in sorted({*values, *bases, *state.unknown} - ejected - skipped):
        try:
            yours = files.read_own(root / path, plain=True)
        except UserError as error:
            # Not text, or a folder: left as it is, like a file that cannot be parsed.
            error.where = path
            problems.append(error.report())
            unknown |= {path} - set(bases)
            continue
        wanted = values.get(path)
        sides = (
            None
            if yours is None
            else git_conflicts.merge_sides(root, path, yours, unmerged, wanted, records)
        )
        here = yours if sides is None else sides.text
        notes += () if sides is None else sides.notes
        base = contested_bases.base_of(state, path, here)
        if sides is not None and sides.base is not None:
            base = sides.base
        if base is not None:
            bases[path] = base
        is_open = path in state.contested and git_markers.first_line(here or "") > 0
        try:
            wanted, retired = _with_retired(root, path, here, bases.get(path), wanted, names)
            merged = _merged(here, bases.get(path), wanted, path, resolution)
        except ParseError as error:
            problems.append(error.report())
            unknown |= {path} - set(bases)
            if path in state.contested:
                contested[path] = state.contested[path]
            continue
        problems += [_conflict(path, conflict) for conflict in merged.conflicts]
        if merged.conflicts:
            conflicted.append(ConflictedFile(path, bases.get(path), wanted))
        notes += [f"{path}:{kept.line}: {kept.message}" for kept in merged.kept]
        if merged.text != yours:
            changes.append(Change(path, yours, merged.text))
            notes += [_retired(path, retired)] if retired else []
        if is_open and merged.text == here:
            contested[path] = state.contested[path]
            continue
        if merged.base is not None:
            bases[path] = merged.base
            continue
        bases.pop(path, None)
        if path in values:
            unknown.add(path)
    gone = {path for path in ejected - skipped - set(values) if not (root / path).exists()}
    made = {path: v for path, v in state.made.items() if path in values or path in left_alone}
    record = State(
        bases, ejected - gone, frozenset(unknown), version=__version__, made=made,
        contested=contested,
    )  # fmt: skip
    _note_consulted(root, {*values, *bases, *state.generated, *state.unknown, *state.ejected})
    text = state_file.dump(record, EDITOR_FILES)
    is_recorded = text == transaction.text_on_disk(root)
    return SyncOutcome(
        tuple(changes),
        tuple(problems),
        tuple(notes),
        None if is_recorded else text,
        tuple(conflicted),
    )


def _note_consulted(root: Path, paths: Set[str]) -> None:
    """Have the cached output of a sync depend on these files, and on what else a plan looks at."""
    read = loader.WorkspaceFiles
    read.consulted |= {*paths, _LAUNCH, transaction.STATE, transaction.PIN}
    read.consulted |= {workspace_container.OTHER_PLACE, *formatter_files.FILES}
    marks = git_conflicts.marks_of_merge(root)
    read.places |= {LOCK, *map(str, marks)}
    if any(mark.exists() for mark in marks):  # what git's index has is looked at, too
        read.uncacheable.add(".git")


def _left_in_conflict(root: Path, paths: Iterable[str], unmerged: Set[str]) -> list[str]:
    """A message for each file that stays as it is now, and that git left in conflict."""
    problems = []
    for path in paths:
        try:
            text = files.read_text(root / path)
        except UserError as error:
            error.where = path
            problems.append(error.report())
            continue
        line = 0 if text is None else git_markers.first_line(text)
        if line or path in unmerged:
            problems.append(
                UserError(
                    "git left this file in conflict, and it cannot be generated until the "
                    "experiment above is correct",
                    code="generated-unmerged",
                    where=Position(path, line),
                    hint="Correct the experiment and run `scripts/loop sync`",
                ).report()
            )
    return problems


def _never_generated(
    root: Path, values: Mapping[str, Json], state: State, decided: Set[str]
) -> set[str]:
    """The files that exist with other content, and that sync never generated: the person's."""
    paths: set[str] = set()
    for path, value in values.items():
        if path in decided or state.may_own(path):
            continue
        try:
            text = files.read_own(root / path, plain=True)
        except UserError as error:  # not text, a folder, or behind a link, which `plan` reports
            is_link = error.code in ("link-leads-out", "generated-through-link")
            # One text for several agents: a link in the place of the file is a person's choice.
            if not is_link or (path == agents_md.PATH and (root / path).is_symlink()):
                paths.add(path)
            continue
        if text is not None and not _says(text, value):
            paths.add(path)
    if (
        workspace_container.PATH in values
        and workspace_container.PATH not in decided
        and not state.may_own(workspace_container.PATH)
        and (root / workspace_container.OTHER_PLACE).is_file()
    ):
        paths.add(workspace_container.PATH)
    return paths


def _adds_alone(root: Path, path: str, value: Json) -> bool:
    try:
        text = files.read_own(root / path, plain=True)
    except UserError:
        return False
    return text is not None and retraction.adds_alone(text, value, path)


def _says(text: str, value: Json) -> bool:
    """Whether the text has the generated content, however it is laid out."""
    if isinstance(value, str):
        return three_way_text.is_unchanged(text, value)
    try:
        return same(parse(text).value, value)
    except ParseError:
        return False


def _left_to_the_person(path: str) -> str:
    if path == workspace_container.PATH:
        what = "the workspace has a dev container of yours, so none is generated"
    else:
        what = "this file is yours, so nothing is generated into it"
    return f"{path}: {what}. `scripts/loop sync --take '{path}:.'` adds what sync generates"


def _without_container(
    root: Path, state: State, ejected: Set[str], values: Mapping[str, Json]
) -> set[str]:
    """The files of a container that are not to be written: the workspace's own, or an experiment's.

    They are not written if another one of them is the person's: a devcontainer.json without its
    Dockerfile, or the other way round, is of no use. Files that sync has generated once are still
    generated.
    """
    left_out: set[str] = set()
    for path, parts in _containers(values):
        missing = {
            part for part in parts - {path} if state.may_own(part) and not (root / part).exists()
        }
        if parts & ejected or missing:
            left_out |= {part for part in parts - ejected if not state.may_own(part)}
    return left_out


def _containers(values: Mapping[str, Json]) -> Iterator[tuple[str, set[str]]]:
    """The devcontainer.json and all files of each container of several files."""
    yield workspace_container.PATH, set(workspace_container.FILES)
    for dockerfile in values:
        if generated_paths.is_dockerfile(dockerfile):
            path = f"{posixpath.dirname(dockerfile)}/devcontainer.json"
            yield path, {path, dockerfile}


def _merged(
    yours: str | None,
    base: Json | None,
    theirs: Json | None,
    path: str,
    resolution: Resolution | None,
) -> three_way.Merged:
    own = resolution if resolution is not None and resolution.file == path else None
    if yours is None and own is not None and own.word != "keep" and own.path == ".":
        base = None  # they removed it, and want it back: generated like a new file
    if yours is None:
        own = None
    if own is not None and own.word == "give back":
        plain = _merged(yours, base, theirs, path, None)
        if not plain.conflicts:
            return plain
        own = replace(own, word="take")
    if isinstance(theirs if theirs is not None else base, str):
        return _merged_text(yours, base, theirs, path, own)
    if own is None or yours is None:
        return three_way.merge(yours, base, theirs, EDITOR_FILES, path)
    resolve = three_way.take if own.word == "take" else three_way.keep
    return resolve(yours, base, theirs, EDITOR_FILES, own.path, path)


def _with_retired(
    root: Path,
    path: str,
    yours: str | None,
    base: Json | None,
    theirs: Json | None,
    experiments: Sequence[str],
) -> tuple[Json | None, list[str]]:
    """What is generated for tasks.json, with the older entries that stay; their names."""
    if path != _TASKS or yours is None or base is None or theirs is None:
        return theirs, []
    started: set[str] = set()
    with suppress(UserError, ParseError):
        launch = files.read_own(root / _LAUNCH, plain=True)
        started = retired_entries.started_tasks(parse(launch or "{}", _LAUNCH).value)
    here = parse(yours, path).value
    return retired_entries.with_kept(here, base, theirs, started, experiments)


def _retired(path: str, names: Sequence[str]) -> str:
    return (
        f"{path}: no longer generated, and kept because you edited or use them: {', '.join(names)}"
    )


def _merged_text(
    yours: str | None,
    base: str | None,
    theirs: str | None,
    path: str,
    resolution: Resolution | None,
) -> three_way.Merged:
    if resolution is None or yours is None:
        return three_way_text.merge(yours, base, theirs)
    resolve = three_way_text.take if resolution.word == "take" else three_way_text.keep
    return resolve(yours, base, theirs, path)


def _conflict(path: str, conflict: Conflict) -> str:
    place = f"'{path}:{conflict.path}'"
    return UserError(
        conflict.message,
        code="generated-conflict",
        where=f"{path}:{conflict.line}:{conflict.column}",
        hint=f"Resolve it with `scripts/loop sync --keep {place}` or `--take {place}`",
    ).report()


def _known_file(file: str, values: Mapping[str, Json], state: State) -> str:
    known = {*values, *state.generated, *state.unknown, *state.ejected}
    if file not in known:
        raise UsageError(
            f'"{file}" is not a generated file',
            code="unknown-generated-file",
            hint=did_you_mean(file, sorted(known)),
        )
    return file


def _given_back(resolution: Resolution) -> str:
    """The file that is recorded as the person's and is to be generated again."""
    if (resolution.word, resolution.path) != ("take", "."):
        raise UserError(
            "this file is yours, so it has no conflicts",
            code="no-conflict",
            where=resolution.file,
            hint=f"`scripts/loop sync --take '{resolution.file}:.'` has it generated again",
        )
    return resolution.file


def _left_alone(broken: Mapping[str, str], values: Mapping[str, Json]) -> set[str]:
    """The files that a broken experiment keeps as they are.

    They are its own, and those that hold a part of every experiment, which would lose its part.
    """
    if not broken:
        return set()
    own = {path for name in broken for path in generated_paths.dev_container_files(name)}
    return own | {path for path in values if path.startswith(".vscode/")}


def _workflows_of(names: Set[str], bases: Mapping[str, Json]) -> set[str]:
    """The orchestrators' files of experiments that cannot be generated now.

    The files that all experiments share are included.
    """
    files_of = [path for name in names for path in workflow_context.files_of(name)]
    return {path for path in (*files_of, *workflow_context.SHARED) if names and path in bases}


def _specification(
    root: Path, adds_extension: bool
) -> tuple[Specification, dict[str, str], dict[str, str]]:
    """The specification of all generated files, with error messages by name.

    The first mapping has those of experiments that cannot be generated, the second those of
    experiments whose schedule alone cannot.
    """
    workspace = loader.open_workspace(root)
    disk = loader.WorkspaceFiles(root)
    experiments: list[Experiment] = []
    jobs: dict[str, Job] = {}
    schedules: dict[str, Schedule] = {}
    broken: dict[str, str] = {}
    unscheduled: dict[str, str] = {}
    for name in workspace.experiments:
        try:
            naming.require_portable(name)
            _require_literal(name)
            experiment = loader.open_experiment(workspace, name)
            experiments.append(experiment)
            if experiment.has_job:
                job = loader.open_job(workspace, experiment)
                launch_json.configuration_of(experiment, job, disk.find_asset)
                jobs[name] = job
        except UserError as error:
            broken[name] = error.report()
            continue
        if experiment.settings.schedule is not None:
            try:
                schedules[name] = _schedule(workspace, experiment, jobs.get(name), disk)
            except UserError as error:
                unscheduled[name] = error.report()
    formats = (
        workspace.settings.adopted is None or formatter_files.formatter_of(root).kind != "none"
    )
    extension = adds_extension or tool_files.has_extension(root)
    specification = Specification(
        workspace,
        tuple(experiments),
        jobs,
        schedules,
        disk.read,
        formats,
        disk.find_asset,
        extension,
    )
    return specification, broken, unscheduled


def _require_literal(name: str) -> None:
    """UserError for a folder's name that an editor would not take as it is."""
    if has_variable(name) or not name.isprintable():
        raise UserError(
            "an editor would replace a part of this folder's name, so nothing is generated for it",
            code="experiment-name-invalid",
            where=default_folder(one_line(name)),
            hint="Rename the folder: lower-case letters, digits and _",
        )


def _schedule(
    workspace: Workspace,
    experiment: Experiment,
    job: Job | None,
    disk: loader.WorkspaceFiles,
) -> Schedule:
    """The experiment's schedule, checked.

    Raises UserError for a schedule that is wrong by itself, or that does not fit the job or a
    cluster.
    """
    from ..model.lint import argo_rules, schedule_rules
    from ..model.lint.finding import Severity

    checked = schedule_rules.check(experiment, job, workspace.settings.orchestrators.names)
    findings = [
        *checked.findings,
        *argo_rules.of_schedule(experiment, job, checked.schedule, disk.read, disk.find_asset),
    ]
    for finding in findings:
        if finding.severity is Severity.ERROR:
            raise finding.error()
    assert checked.schedule is not None
    return checked.schedule

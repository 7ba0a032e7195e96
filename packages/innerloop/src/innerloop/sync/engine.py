"""`loop sync` as a value: what would be written, then the writing.

Rendered files belong to both: each path in them is decided from three states, what was last
rendered (`.innerloop/state.json`), what is found, and what is wanted. See `merge.three_way`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..model.experiment import JOB_FILE, Experiment
from ..model.jobs.job import Job
from ..model.settings.schedules import Schedule
from ..model.workspace import Workspace
from ..util import files
from ..util.errors import UsageError, UserError, did_you_mean
from ..util.jsonc import ParseError
from ..workspace import loader
from . import git_conflicts, state_file, three_way, three_way_text, transaction
from .conflicts import Conflict
from .merge_rules import EDITOR_FILES
from .render import launch_json, workflow_context
from .render.generated_files import Json, Specification, wanted
from .state_file import Memory
from .transaction import Change

LOCK = ".innerloop/sync.lock"


@dataclass(frozen=True, slots=True)
class Resolution:
    """A person's word on a clash: "take" what is rendered or "keep" theirs, at a path of a file. All
    of a file that was ejected is given back by "take"."""

    word: str
    file: str
    path: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """`problems` are sentences that make the exit code 1; `notes` only inform. `memory` is the
    text to remember afterwards, None when it is already there."""

    changes: tuple[Change, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    memory: str | None = field(default=None)


def sync(root: Path, settle: Resolution | None = None, eject: str | None = None) -> Outcome:
    """Plans and writes, alone: a second sync at the same time waits for this one."""
    with files.locked(root / LOCK, waiting="innerloop: another sync is running; waiting for it"):
        transaction.recover(root)
        while True:
            outcome = plan(root, settle, eject)
            try:
                transaction.write(root, outcome.changes, outcome.memory)
            except transaction.ConcurrentModification:
                continue  # a person saved one of the files in between: their words count
            return outcome


def plan(root: Path, settle: Resolution | None = None, eject: str | None = None) -> Outcome:
    """Compares what is wanted with what is there; nothing is written."""
    subject, broken, unscheduled = _subject(root)
    values = wanted(subject)
    remembered = transaction.remembered(transaction.memory_text(root))
    rendered = dict(remembered.rendered)
    ejected = remembered.ejected
    if eject is not None:
        ejected |= {_known_file(eject, values, rendered, ejected)}
        rendered.pop(eject, None)
    if settle is not None:
        _known_file(settle.file, values, rendered, ejected)
        if settle.file in ejected:
            ejected -= {_given_back(settle)}
            settle = replace(settle, word="give back")
    problems = [*broken.values(), *unscheduled.values()]
    notes: list[str] = []
    changes: list[Change] = []
    waiting = git_conflicts.waiting_in(root)
    alone = _left_alone(broken, values) | _workflows_of({*broken, *unscheduled}, rendered)
    for path in sorted({*values, *rendered} - ejected - alone):
        try:
            found = files.read_text(root / path)
        except UserError as mistake:
            # No text, or a folder: left as it is, like one that cannot be parsed.
            problems.append(UserError(mistake.what, where=path, hint=mistake.hint).message())
            continue
        together = None if found is None else git_conflicts.settle(root, path, found, waiting)
        here = found if together is None else together.text
        notes += () if together is None else together.notes
        try:
            merged = _merged(here, rendered.get(path), values.get(path), path, settle)
        except ParseError as error:
            problems.append(error.message())
            continue
        problems += [_clash(path, clash) for clash in merged.clashes]
        notes += [f"{path}:{kept.line}: {kept.message}" for kept in merged.kept]
        if merged.text != found:
            changes.append(Change(path, found, merged.text))
        if merged.last is None:
            rendered.pop(path, None)
        else:
            rendered[path] = merged.last
    text = state_file.dump(Memory(rendered, ejected), EDITOR_FILES)
    known = text == transaction.text_on_disk(root)
    return Outcome(tuple(changes), tuple(problems), tuple(notes), None if known else text)


def _merged(
    found: str | None, last: Json | None, value: Json | None, path: str, settle: Resolution | None
) -> three_way.Merged:
    if found is None and settle is not None and settle.file == path and _takes_all(settle):
        last = None  # they removed it, and want it again: as a file that is new
    here = settle if settle is not None and settle.file == path and found is not None else None
    if here is not None and here.word == "give back":
        plain = _merged(found, last, value, path, None)
        if not plain.clashes:
            return plain
        here = replace(here, word="take")
    if isinstance(value if value is not None else last, str):
        return _merged_whole(found, last, value, path, here)
    if here is None or found is None:
        return three_way.merge(found, last, value, EDITOR_FILES, path)
    decide = three_way.take if here.word == "take" else three_way.keep
    return decide(found, last, value, EDITOR_FILES, here.path, path)


def _merged_whole(
    found: str | None, last: str | None, value: str | None, path: str, settle: Resolution | None
) -> three_way.Merged:
    if settle is None or found is None:
        return three_way_text.merge(found, last, value)
    return (three_way_text.take if settle.word == "take" else three_way_text.keep)(
        found, last, value, path
    )


def _takes_all(settle: Resolution) -> bool:
    return settle.word != "keep" and settle.path == "."


def _clash(path: str, clash: Conflict) -> str:
    position = f"'{path}:{clash.path}'"
    return (
        f"{path}:{clash.line}:{clash.column}: {clash.message}. Settle it with "
        f"`scripts/loop sync --keep {position}` or `--take {position}`"
    )


def _known_file(
    file: str, values: Mapping[str, Json], rendered: Mapping[str, Json], ejected: Set[str]
) -> str:
    known = {*values, *rendered, *ejected}
    if file not in known:
        raise UsageError(f'"{file}" is no rendered file', hint=did_you_mean(file, sorted(known)))
    return file


def _given_back(settle: Resolution) -> str:
    """The file that a person had taken over and wants rendered again."""
    if (settle.word, settle.path) != ("take", "."):
        raise UserError(
            "it was ejected and is yours, so nothing clashes in it",
            where=settle.file,
            hint=f"`scripts/loop sync --take '{settle.file}:.'` has it rendered again",
        )
    return settle.file


def _left_alone(broken: Mapping[str, str], values: Mapping[str, Json]) -> set[str]:
    """A broken experiment is not rendered: its own file stays, and so do the files with something
    of every experiment, which would lose its part."""
    if not broken:
        return set()
    own = {f".devcontainer/{name.replace('/', '.')}/devcontainer.json" for name in broken}
    return own | {path for path in values if path.startswith(".vscode/")}


def _workflows_of(names: Set[str], rendered: Mapping[str, Json]) -> set[str]:
    """What orchestrators have of experiments that cannot be rendered now, and what these share
    with others."""
    files_of = [path for name in names for path in workflow_context.files_of(name)]
    return {path for path in (*files_of, *workflow_context.SHARED) if names and path in rendered}


def _subject(root: Path) -> tuple[Specification, dict[str, str], dict[str, str]]:
    """With sentences for the experiments that cannot be rendered, and for those of which only the
    schedule cannot."""
    workspace = loader.open_workspace(root)
    read = loader.WorkspaceFiles(root).read
    experiments: list[Experiment] = []
    jobs: dict[str, Job] = {}
    schedules: dict[str, Schedule] = {}
    broken: dict[str, str] = {}
    unscheduled: dict[str, str] = {}
    for name in workspace.experiments:
        try:
            experiment = loader.open_experiment(workspace, name)
            experiments.append(experiment)
            if JOB_FILE in experiment.files:
                job = loader.open_job(workspace, experiment)
                launch_json.configuration_of(experiment, job)
                jobs[name] = job
        except UserError as mistake:
            broken[name] = mistake.message()
            continue
        if experiment.settings.schedule is not None:
            try:
                schedules[name] = _schedule(workspace, experiment, jobs.get(name), read)
            except UserError as mistake:
                unscheduled[name] = mistake.message()
    return Specification(workspace, tuple(experiments), jobs, schedules, read), broken, unscheduled


def _schedule(
    workspace: Workspace,
    experiment: Experiment,
    job: Job | None,
    read: Callable[[str], str | None],
) -> Schedule:
    """A `Mistake` where it is wrong in itself, or does not go with the job or with a cluster."""
    from ..model.lint import argo_rules, schedule_rules
    from ..model.lint.finding import Severity

    found = schedule_rules.check(experiment, job, workspace.settings.orchestrators.names)
    findings = [*found.findings, *argo_rules.of_schedule(experiment, job, found.schedule, read)]
    for finding in findings:
        if finding.severity is Severity.ERROR:
            raise finding.error()
    assert found.schedule is not None
    return found.schedule

"""`loop sync` as a value: what would be written, then the writing.

Rendered files belong to both: each path in them is decided from three states, what was last
rendered (`.innerloop/rendered.json`), what is found, and what is wanted. See `merge.three_way`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import files, loading, transaction, unmerged
from .errors import Mistake, WrongUse, nearest
from .merge import memory, three_way, whole
from .merge.jsonc import ParseError
from .merge.memory import Memory
from .merge.rules import EDITOR_FILES
from .render import Json, Subject, launch, orchestration, wanted
from .spec.experiment import JOB_FILE, Experiment
from .spec.job import Job
from .spec.schedule import Schedule
from .spec.workspace import Workspace
from .transaction import Change

LOCK = ".innerloop/sync.lock"


@dataclass(frozen=True, slots=True)
class Settle:
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


def sync(root: Path, settle: Settle | None = None, eject: str | None = None) -> Outcome:
    """Plans and writes, alone: a second sync at the same time waits for this one."""
    with files.locked(root / LOCK, waiting="innerloop: another sync is running; waiting for it"):
        transaction.recover(root)
        while True:
            outcome = plan(root, settle, eject)
            try:
                transaction.write(root, outcome.changes, outcome.memory)
            except transaction.Overtaken:
                continue  # a person saved one of the files in between: their words count
            return outcome


def plan(root: Path, settle: Settle | None = None, eject: str | None = None) -> Outcome:
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
    waiting = unmerged.waiting_in(root)
    alone = _left_alone(broken, values) | _workflows_of({*broken, *unscheduled}, rendered)
    for path in sorted({*values, *rendered} - ejected - alone):
        try:
            found = files.read_text(root / path)
        except Mistake as mistake:
            # No text, or a folder: left as it is, like one that cannot be parsed.
            problems.append(Mistake(mistake.what, where=path, mend=mistake.mend).sentence())
            continue
        together = None if found is None else unmerged.settle(root, path, found, waiting)
        here = found if together is None else together.text
        notes += () if together is None else together.notes
        try:
            merged = _merged(here, rendered.get(path), values.get(path), path, settle)
        except ParseError as error:
            problems.append(error.sentence())
            continue
        problems += [_clash(path, clash) for clash in merged.clashes]
        notes += [f"{path}:{kept.line}: {kept.sentence}" for kept in merged.kept]
        if merged.text != found:
            changes.append(Change(path, found, merged.text))
        if merged.last is None:
            rendered.pop(path, None)
        else:
            rendered[path] = merged.last
    text = memory.dump(Memory(rendered, ejected), EDITOR_FILES)
    known = text == transaction.text_on_disk(root)
    return Outcome(tuple(changes), tuple(problems), tuple(notes), None if known else text)


def _merged(
    found: str | None, last: Json | None, value: Json | None, path: str, settle: Settle | None
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
    found: str | None, last: str | None, value: str | None, path: str, settle: Settle | None
) -> three_way.Merged:
    if settle is None or found is None:
        return whole.merge(found, last, value)
    return (whole.take if settle.word == "take" else whole.keep)(found, last, value, path)


def _takes_all(settle: Settle) -> bool:
    return settle.word != "keep" and settle.path == "."


def _clash(path: str, clash: three_way.Clash) -> str:
    place = f"'{path}:{clash.path}'"
    return (
        f"{path}:{clash.line}:{clash.column}: {clash.sentence}. Settle it with "
        f"`scripts/loop sync --keep {place}` or `--take {place}`"
    )


def _known_file(
    file: str, values: Mapping[str, Json], rendered: Mapping[str, Json], ejected: Set[str]
) -> str:
    known = {*values, *rendered, *ejected}
    if file not in known:
        raise WrongUse(f'"{file}" is no rendered file', mend=nearest(file, sorted(known)))
    return file


def _given_back(settle: Settle) -> str:
    """The file that a person had taken over and wants rendered again."""
    if (settle.word, settle.path) != ("take", "."):
        raise Mistake(
            "it was ejected and is yours, so nothing clashes in it",
            where=settle.file,
            mend=f"`scripts/loop sync --take '{settle.file}:.'` has it rendered again",
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
    files_of = [path for name in names for path in orchestration.files_of(name)]
    return {path for path in (*files_of, *orchestration.SHARED) if names and path in rendered}


def _subject(root: Path) -> tuple[Subject, dict[str, str], dict[str, str]]:
    """With sentences for the experiments that cannot be rendered, and for those of which only the
    schedule cannot."""
    workspace = loading.open_workspace(root)
    read = loading.Disk(root).read
    experiments: list[Experiment] = []
    jobs: dict[str, Job] = {}
    schedules: dict[str, Schedule] = {}
    broken: dict[str, str] = {}
    unscheduled: dict[str, str] = {}
    for name in workspace.experiments:
        try:
            experiment = loading.open_experiment(workspace, name)
            experiments.append(experiment)
            if JOB_FILE in experiment.files:
                job = loading.open_job(workspace, experiment)
                launch.configuration_of(experiment, job)
                jobs[name] = job
        except Mistake as mistake:
            broken[name] = mistake.sentence()
            continue
        if experiment.settings.schedule is not None:
            try:
                schedules[name] = _schedule(workspace, experiment, jobs.get(name), read)
            except Mistake as mistake:
                unscheduled[name] = mistake.sentence()
    return Subject(workspace, tuple(experiments), jobs, schedules, read), broken, unscheduled


def _schedule(
    workspace: Workspace,
    experiment: Experiment,
    job: Job | None,
    read: Callable[[str], str | None],
) -> Schedule:
    """A `Mistake` where it is wrong in itself, or does not go with the job or with a cluster."""
    from .spec import check_argo, check_schedule

    found = check_schedule.check(experiment, job, workspace.settings.orchestrators.names)
    findings = [*found.findings, *check_argo.of_schedule(experiment, job, found.schedule, read)]
    for finding in findings:
        if finding.level == "wrong":
            raise Mistake(finding.what, where=finding.where, mend=finding.mend)
    assert found.schedule is not None
    return found.schedule

"""A sweep here: its trials drawn by the job's own rule and run one after another."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ..history import metrics
from ..model.jobs import sweep
from ..model.jobs.job import Job
from ..model.jobs.mlflow_env import TRACKING
from ..model.run import Run
from ..util import files
from . import execute
from .execute import Started
from .progress_table import DONE, FAILED, SKIPPED, STOPPED, Board, TableRow

RECORD = "trials.json"


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: its name ("trial-1", in a pipeline "STEP.trial-1"), its values as text, and its
    run."""

    name: str
    values: Mapping[str, str]
    run: Run


@dataclass(frozen=True, slots=True)
class Sweep:
    """Trials of one sweep job, in the order in which they run; `notes` say what differs from
    Azure ML; `timeout` is in seconds, of all together; `folder` relative to the workspace."""

    job: Job
    folder: str
    trials: tuple[Trial, ...]
    notes: tuple[str, ...] = ()
    timeout: int | None = None

    @property
    def metric(self) -> str:
        """What trials are compared by; "" when the job is silent."""
        return (sweep.objective(self.job) or ("", ""))[0]

    @property
    def goal(self) -> str:
        """ "maximize" or "minimize"."""
        return (sweep.objective(self.job) or ("", ""))[1]

    @property
    def columns(self) -> list[str]:
        """Those of a table of its trials that are its own."""
        return [*self.job.search_space, *(["metric"] if self.metric else [])]


def one_trial(job: Job) -> tuple[Job, Mapping[str, str]]:
    """The command job of the plain first trial, and its values."""
    values = sweep.first_trial(job)
    return job_of(job, values), values


def job_of(job: Job, values: Mapping[str, str]) -> Job:
    """One trial's command job. What it logs with MLflow lands in its outputs, so that the table
    can show it."""
    made = sweep.trial_job(job, values)
    variables = {**TRACKING, **made.environment_variables}
    return replace(made, environment_variables=variables)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The values of trials, as text, and what is to be said about them."""

    values: tuple[Mapping[str, str], ...]
    notes: tuple[str, ...] = ()


def draw(job: Job, count: int, seed: int | None) -> Drawn:
    """At most `count` trials by the job's own rule."""
    limit = sweep.max_total_trials(job)
    allowed = min(count, limit or count)
    drawn = sweep.trials(job, allowed, seed)
    notes = [sweep.sampling_note(job), sweep.ending_note(job)]
    if allowed < count:
        notes.append(f"limits.max_total_trials is {limit}: {allowed} of the {count} trials run")
    if len(drawn) < allowed:
        notes.append(f"the grid has {len(drawn)} combinations: each runs once")
    return Drawn(tuple(drawn), tuple(filter(None, notes)))


def plan(job: Job, first: Run, drawn: Drawn, step: str = "") -> Sweep:
    """`first` is a run of any of the trials: all others differ from it in their values alone.
    `step` is the pipeline's step that this sweep is."""
    width = len(str(len(drawn.values)))
    named = [(f"trial-{number:0{width}}", values) for number, values in enumerate(drawn.values, 1)]
    return Sweep(
        job=job,
        folder=first.outputs,
        trials=tuple(
            Trial(
                f"{step}.{name}" if step else name,
                values,
                part_of(first, name, job_of(job, values)),
            )
            for name, values in named
        ),
        notes=drawn.notes,
        timeout=sweep.total_timeout(job),
    )


def part_of(run: Run, name: str, job: Job) -> Run:
    return replace(
        run, job=job, id=f"{run.id}-{name}", within=f"{run.outputs}/{name}", attended=False
    )


class Prepare(Protocol):
    """`running.prepare` in one place."""

    def __call__(self, run: Run, *, dry: bool) -> Started: ...


def requests(made: Sweep, prepare: Prepare) -> list[dict[str, Any]]:
    """What `--dry-run --json` says of each trial."""
    return [
        {"trial": one.name, "values": dict(one.values), **prepare(one.run, dry=True).request.json()}
        for one in made.trials
    ]


def carry_out(made: Sweep, prepare: Prepare) -> int:
    """Runs every trial, whatever becomes of the others. 0 when all ended well, else 1."""
    columns = ["state", *made.columns, "exit", "seconds", "outputs"]
    board = Board("trial", columns, parts(made), headings={"metric": made.metric})
    for note in made.notes:
        board.say(f"innerloop: {note}")
    first = prepare(made.trials[0].run, dry=False)  # builds before the table is there
    board.say(execute.backend_line(first.request))
    for note in first.request.notes:
        board.say(f"innerloop: {note}")
    try:
        with board.shown():
            run_trials(made, board, prepare, first)
    finally:
        record(made, board)
        board.say(f"innerloop: outputs are in {made.folder}/ ({RECORD} has the table)")
    return _verdict(made, board)


def parts(made: Sweep) -> list[TableRow]:
    return [TableRow(one.name, dict(one.values)) for one in made.trials]


def run_trials(made: Sweep, board: Board, prepare: Prepare, first: Started) -> None:
    """One after another; `first` is the first one, prepared."""
    begun = time.monotonic()
    for index, trial in enumerate(made.trials):
        limit, left = _time_left(made, trial.run.job, time.monotonic() - begun)
        if left is not None and left <= 0:
            board.end(trial.name, SKIPPED, f"limits.timeout is {made.timeout} s")
            continue
        board.begin(trial.name)
        run = replace(trial.run, job=replace(trial.run.job, timeout=limit))
        try:
            started = replace(first, run=run) if index == 0 else prepare(run, dry=False)
            code = execute.carry_out(started)
        except BaseException as error:
            board.end(trial.name, STOPPED if isinstance(error, KeyboardInterrupt) else FAILED)
            raise
        _end(made, board, trial, code)


def _end(made: Sweep, board: Board, trial: Trial, code: int) -> None:
    folder = Path(trial.run.workspace.root, trial.run.outputs)
    found = metrics.find(folder, made.metric) if made.metric else None
    cells = {} if found is None else {"metric": f"{found:.6g}"}
    why = f"{made.metric} {cells['metric']}" if cells else ""
    board.end(
        trial.name,
        FAILED if code else DONE,
        f"exit code {code}" if code else why,
        exit=str(code),
        outputs=trial.run.outputs if folder.is_dir() else "",
        **cells,
    )


def _time_left(made: Sweep, job: Job, used: float) -> tuple[int | None, float | None]:
    """The seconds that the next trial may take, and what is left of the time of all."""
    left = None if made.timeout is None else made.timeout - used
    given = [one for one in (job.timeout, left) if one is not None]
    return (max(int(min(given)), 1) if given else None), left


def record(made: Sweep, board: Board) -> None:
    """Writes the table for programs to read: trials.json, beside the trials' folders."""
    rows = [
        {
            "trial": trial.name,
            "state": part.state,
            "values": dict(trial.values),
            "metric": float(part.cells["metric"]) if part.cells.get("metric") else None,
            "exit_code": int(part.cells["exit"]) if part.cells.get("exit") else None,
            "seconds": None if part.seconds is None else round(part.seconds, 3),
            "outputs": part.cells.get("outputs") or None,
        }
        for trial, part in ((trial, board.parts[trial.name]) for trial in made.trials)
    ]
    head = {"sweep": made.job.name, "metric": made.metric or None, "goal": made.goal or None}
    folder = files.make_folder(Path(made.trials[0].run.workspace.root, made.folder))
    files.write_text(folder / RECORD, json.dumps({**head, "trials": rows}, indent=2) + "\n")


def best(made: Sweep, board: Board) -> Trial | None:
    """The best of those that ended well; the first of them where no metric is known."""
    done = [trial for trial in made.trials if board.parts[trial.name].state == DONE]
    known = [trial for trial in done if "metric" in board.parts[trial.name].cells]
    sign = 1 if made.goal == "maximize" else -1

    def score(trial: Trial) -> float:
        return sign * float(board.parts[trial.name].cells["metric"])

    return max(known, key=score) if known else next(iter(done), None)


def _verdict(made: Sweep, board: Board) -> int:
    winner = best(made, board)
    value = board.parts[winner.name].cells.get("metric") if winner else None
    if winner and value:
        board.say(f"innerloop: the best is {winner.name}: {made.metric} {value} ({made.goal})")
    elif winner and made.metric:
        where = "to outputs/metrics.json, or with MLflow"
        board.say(f'innerloop: no trial wrote "{made.metric}" ({where})')
    failed = [f"{one.name} ({why})" for one, why in _failures(board)]
    if failed:
        board.say(f"innerloop: {len(failed)} of {len(board.parts)} failed: {', '.join(failed)}")
    return 1 if failed else 0


def _failures(board: Board) -> Iterator[tuple[TableRow, str]]:
    for part in board.parts.values():
        if part.state == FAILED:
            yield part, f"exit code {part.cells.get('exit', '?')}"
        elif part.state == SKIPPED:
            yield part, "no time was left"

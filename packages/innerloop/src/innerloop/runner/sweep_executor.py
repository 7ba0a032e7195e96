"""A sweep on this machine: its trials are drawn by the job's own rule, and run as far as there is room."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

from ..history import in_flight, metric_values, metrics, past_runs, recorder, written_metrics
from ..model.gpu import GpuSetting
from ..model.jobs import early_termination, sweep
from ..model.jobs.job import Job
from ..model.jobs.mlflow_env import TRACKING
from ..model.run import Run
from ..util import files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import execute, lanes, parallel_trials, written_files
from .early_stops import EarlyStops
from .execute import Started
from .lanes import Lanes
from .progress_table import DONE, FAILED, SKIPPED, STOPPED, STOPPED_EARLY, ProgressTable, Row
from .sampler import study
from .sweep_record import RECORD
from .trial_values import TrialValues

# The cells of a row for its metric: as it is shown, and with all its digits. No name of a search
# space has a blank.
METRIC, EXACT = "the metric", "the exact metric"
# The cell of a trial that diverged: a loss, or another metric than the objective's, with its value.
DIVERGED = "the divergence"


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: its name ("trial-1", in a pipeline "STEP.trial-1"), its values as text, its run.

    A trial whose values are chosen when it starts has none before, and a run with those of the middle.
    """

    name: str
    values: Mapping[str, str]
    run: Run


@dataclass(frozen=True, slots=True)
class Sweep:
    """The trials of a sweep job, in the order in which they start.

    `folder` is relative to the workspace's root. `notes` are the differences from Azure ML.
    `timeout` is the limit for all trials together in seconds; None for no limit. `study_seed` is that
    of the study which chooses the values of each trial when it starts; None if they are drawn.
    """

    job: Job
    folder: str
    trials: tuple[Trial, ...]
    notes: tuple[str, ...] = ()
    timeout: int | None = None
    study_seed: int | None = None

    @property
    def metric(self) -> str:
        """The metric by which trials are compared; "" when the job names none."""
        return (sweep.objective(self.job) or ("", ""))[0]

    @property
    def goal(self) -> str:
        """Either "maximize" or "minimize"; "" without a metric."""
        return (sweep.objective(self.job) or ("", ""))[1]

    @property
    def columns(self) -> list[str]:
        """The columns of a progress table that only this sweep has."""
        return [*self.job.search_space, *([METRIC] if self.metric else [])]


def one_trial(job: Job) -> tuple[Job, Mapping[str, str]]:
    """The command job of the first trial of the grid, and its values."""
    values = sweep.first_trial(job)
    return job_of(job, values), values


def job_of(job: Job, values: Mapping[str, str]) -> Job:
    """A trial's command job.

    What it logs with MLflow is written to its outputs, so that the table can show it.
    """
    trial = sweep.trial_job(job, values)
    variables = {**TRACKING, **trial.environment_variables}
    return replace(trial, environment_variables=variables)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The values of trials, as text, and notes about them.

    With a `study_seed` they stand for those that a study chooses while the trials run.
    """

    values: tuple[Mapping[str, str], ...]
    notes: tuple[str, ...] = ()
    study_seed: int | None = None


def draw(job: Job, count: int, seed: int | None, *, dry: bool = False) -> Drawn:
    """At most `count` trials by the job's own rule. The same seed draws the same trials.

    What samples them is installed if the job needs it, unless `dry`. UserError if that cannot be done.
    """
    limit = sweep.max_total_trials(job)
    allowed = min(count, limit or count)
    sampling, own_seed = sweep.sampling(job), sweep.seed_of(job, seed)
    notes = []
    drawn: Sequence[Mapping[str, str]]
    if sampling == "bayesian" or sampling == "sobol":
        if not dry:
            study.require_installed(job)
        drawn, note = _sampled(job, sampling, allowed, own_seed)
        notes.append(note if dry else "")
    else:
        drawn = sweep.trials(job, allowed, seed)
    early_termination.policy_of(job)  # before anything starts: its kind may not exist
    if allowed < count:
        notes.append(f"limits.max_total_trials is {limit}: {allowed} of the {count} trials run")
    if len(drawn) < allowed:
        notes.append(f"the grid has {len(drawn)} combinations: each runs once")
    study_seed = own_seed if sampling == "bayesian" else None
    return Drawn(tuple(drawn), tuple(filter(None, notes)), study_seed)


def _sampled(
    job: Job, sampling: Literal["bayesian", "sobol"], count: int, seed: int
) -> tuple[list[dict[str, str]], str]:
    """The values of trials, and what a preview says of them: they may only stand for others."""
    middle = [sweep.first_trial(job)] * count
    shown = "the values that are shown are first choices and the middle of ranges"
    if sampling == "bayesian":
        return middle, f"bayesian sampling chooses values by the results of earlier trials: {shown}"
    if not study.is_installed():
        return middle, f"rule: sobol draws with SciPy, which the first real run installs: {shown}"
    points = study.sobol_points(sweep.dimensions(job), seed, count)
    return [sweep.values_at(job, point.__getitem__) for point in points], ""


def plan(job: Job, first: Run, drawn: Drawn, step: str = "") -> Sweep:
    """`first` is a run of any of the trials: the others differ from it in their values only.

    `step` is the name of the pipeline's step that is this sweep.
    """
    width = len(str(len(drawn.values)))
    named = [(f"trial-{number:0{width}}", values) for number, values in enumerate(drawn.values, 1)]
    return Sweep(
        job=job,
        folder=first.outputs,
        trials=tuple(
            Trial(
                f"{step}.{name}" if step else name,
                values if drawn.study_seed is None else {},
                _trial_run(first, name, job_of(job, values)),
            )
            for name, values in named
        ),
        notes=drawn.notes,
        timeout=sweep.total_timeout(job),
        study_seed=drawn.study_seed,
    )


def _trial_run(run: Run, name: str, job: Job) -> Run:
    return replace(
        run, job=job, id=f"{run.id}-{name}", within=f"{run.outputs}/{name}", attended=False
    )


def _begun(planned: Sweep, table: ProgressTable, trial: Trial, values: TrialValues) -> Trial:
    """The trial that starts, with its values, which are also in its row of the table."""
    chosen = values.begun(trial.name)
    if chosen is None:
        return trial
    table.rows[trial.name].values = chosen
    return replace(trial, values=chosen, run=replace(trial.run, job=job_of(planned.job, chosen)))


class Prepare(Protocol):
    """`execute.prepare` with the backend already chosen."""

    def __call__(self, run: Run, *, dry: bool) -> Started: ...


def requests(planned: Sweep, prepare: Prepare) -> list[dict[str, Any]]:
    """The JSON object of each trial for `--dry-run --json`."""
    return [
        {
            "trial": trial.name,
            "values": dict(trial.values),
            **prepare(trial.run, dry=True).request.json(),
        }
        for trial in planned.trials
    ]


def carry_out(planned: Sweep, prepare: Prepare, parallel: int | None = None) -> int:
    """Run every trial, also after one has failed. 0 when all succeeded and one is the best, else 1.

    At most `parallel` of them run at once; None for what the job and this machine say.
    """
    columns = ["state", *planned.columns, "exit", "seconds", "outputs"]
    table = ProgressTable("trial", columns, rows(planned), headings={METRIC: planned.metric})
    for note in planned.notes:
        table.say(f"innerloop: {note}")
    first = prepare(planned.trials[0].run, dry=False)  # builds before the table is shown
    table.say(execute.backend_line(first.request))
    for note in first.request.notes:
        table.say(f"innerloop: {note}")
    within = lanes_of(planned, first, parallel)
    if within.count > 1 or parallel:
        table.say(f"innerloop: {within.count} at once ({within.parallelism.why})")
    run = planned.trials[0].run
    root, id = Path(run.workspace.root), planned.folder.rpartition("/")[2]
    with in_flight.marked(root, id, "sweep", run.experiment):
        record(planned, table)  # what cannot be written now is an error, before anything starts
        try:
            with table.shown():
                run_trials(planned, table, prepare, first, within)
        finally:
            record_if_possible(planned, table)
            table.say(f"innerloop: outputs are in {planned.folder}/ (the table is in {RECORD})")
            if written := written_files.line_of_parts(root, planned.folder):
                table.say(f"innerloop: {written}")
    return _verdict(planned, table)


def rows(planned: Sweep) -> list[Row]:
    return [Row(trial.name, values=trial.values) for trial in planned.trials]


def lanes_of(planned: Sweep, first: Started, asked: int | None) -> Lanes:
    """How many of the trials run at once; `first` is the first one, already prepared."""
    limit = sweep.max_concurrent_trials(planned.job)
    return lanes.of_parts([first], len(planned.trials), limit, asked)


def is_serial(job: Job, setting: GpuSetting, asked: int | None) -> bool:
    """Whether the trials run one by one, on the GPUs of this process; `asked` as in `lanes_of`."""
    limit = sweep.max_concurrent_trials(job)
    return bool(job.ports) or lanes.is_one_at_a_time(setting, limit, asked)


def run_trials(
    planned: Sweep, table: ProgressTable, prepare: Prepare, first: Started, within: Lanes
) -> None:
    """Run the trials. `first` is the first one, already prepared.

    With early termination each runs in a process of its own also where they run one after another:
    that process can be ended. What a trial writes on another machine is not here while it runs.
    """
    policy = early_termination.policy_of(planned.job)
    if policy is not None and first.request.compute:
        table.say(f"innerloop: {sweep.ending_note(planned.job)}")
        policy = None
    stops = EarlyStops.of(planned.job, policy)
    with TrialValues.of(planned.job, planned.study_seed) as values:
        if within.count > 1 or stops is not None:
            _run_at_once(planned, table, within, first, values, stops)
        else:
            _run_in_turn(planned, table, prepare, first, values)
    for note in (stops.note() if stops else "", values.note()):
        if note:
            table.say(f"innerloop: {note}")


def _run_in_turn(
    planned: Sweep, table: ProgressTable, prepare: Prepare, first: Started, values: TrialValues
) -> None:
    begun = time.monotonic()
    for index, trial in enumerate(planned.trials):
        limit, left = _time_left(planned, trial.run.job, time.monotonic() - begun)
        if left is not None and left <= 0:
            table.end(trial.name, SKIPPED, f"limits.timeout is {planned.timeout} s")
            continue
        trial = _begun(planned, table, trial, values)
        table.begin(trial.name)
        run = replace(trial.run, job=replace(trial.run.job, timeout=limit))
        is_ready = index == 0 and planned.study_seed is None
        try:
            started = replace(first, run=run) if is_ready else prepare(run, dry=False)
            code = execute.carry_out(started)
        except BaseException as error:
            table.end(trial.name, STOPPED if isinstance(error, KeyboardInterrupt) else FAILED)
            raise
        _end(planned, table, trial, code)
        values.ended(trial.name, _result_of(table.rows[trial.name]))
        record_if_possible(planned, table)


def _run_at_once(
    planned: Sweep,
    table: ProgressTable,
    within: Lanes,
    first: Started,
    values: TrialValues,
    stops: EarlyStops | None,
) -> None:
    """Run trials each in a process of its own, on the backend of the first, several at once."""
    begun = time.monotonic()
    if within.count == 1:  # what the settings say of GPUs is all this one's
        within = replace(within, devices=(), gpus_each=0)

    def end(trial: Trial, code: int) -> None:
        reason = stops.ended(trial.name) if stops else ""
        _end(planned, table, trial, code, reason if code else "")
        values.ended(trial.name, _result_of(table.rows[trial.name]))
        record_if_possible(planned, table)

    parallel_trials.TrialsAtOnce(
        planned,
        table,
        within,
        first.backend,
        limit=lambda run: _time_left(planned, run.job, time.monotonic() - begun),
        end=end,
        begin=lambda trial: _begun(planned, table, trial, values),
        stops=stops,
    ).run_all()


def _end(planned: Sweep, table: ProgressTable, trial: Trial, code: int, stopped: str = "") -> None:
    """`stopped`: why the sweep's policy ended the trial; "" if it ended by itself."""
    folder = Path(trial.run.workspace.root, trial.run.outputs)
    value = metrics.find(folder, planned.metric) if planned.metric else None
    shown = "" if value is None else metric_values.short(value, 6)
    cells = {} if value is None else {METRIC: shown, EXACT: repr(value)}
    reason = f"{planned.metric} {shown}" if cells else ""
    if not code and (bad := divergence_of(folder)):
        cells[DIVERGED] = bad
        reason = f"it diverged: {bad}"
    if stopped:
        recorder.mark_stopped_early(folder, stopped)
    table.end(
        trial.name,
        STOPPED_EARLY if stopped else FAILED if code else DONE,
        stopped or (f"exit code {code}" if code else reason),
        exit=str(code),
        outputs=trial.run.outputs if folder.is_dir() else "",
        **cells,
    )


def _time_left(planned: Sweep, job: Job, used: float) -> tuple[int | None, float | None]:
    """The seconds that the next trial may take, and those that are left for all; None: no limit."""
    left = None if planned.timeout is None else planned.timeout - used
    limits = [limit for limit in (job.timeout, left) if limit is not None]
    return (max(int(min(limits)), 1) if limits else None), left


def record_if_possible(planned: Sweep, table: ProgressTable) -> None:
    """A full disk ends no trial and hides no result."""
    try:
        record(planned, table)
    except UserError as error:
        table.say(f"innerloop: {RECORD} is not up to date: {error}")


def record(planned: Sweep, table: ProgressTable) -> None:
    """Write the table for programs to read: trials.json, beside the trials' folders."""
    trials = []
    for trial in planned.trials:
        row = table.rows[trial.name]
        value = metric_of(row)
        trials.append(
            {
                "trial": trial.name,
                "state": row.state,
                "values": dict(row.values),
                "metric": value if value is not None and math.isfinite(value) else None,
                "diverged": _has_diverged(row),
                "exit_code": int(row.cells["exit"]) if row.cells.get("exit") else None,
                "seconds": None if row.seconds is None else round(row.seconds, 3),
                "outputs": row.cells.get("outputs") or None,
            }
        )
    winner = best(planned, table) if planned.metric else None
    document = {
        "sweep": planned.job.name,
        "metric": planned.metric or None,
        "goal": planned.goal or None,
        "best": winner.name if winner and METRIC in table.rows[winner.name].cells else None,
        "trials": trials,
    }
    folder = files.make_folder(Path(planned.trials[0].run.workspace.root, planned.folder))
    files.write_text(folder / RECORD, json.dumps(document, indent=2, allow_nan=False) + "\n")


def metric_of(row: Row) -> float | None:
    """The value of the objective's metric that a trial ended with; None if it wrote none."""
    return float(row.cells[EXACT]) if EXACT in row.cells else None


def _result_of(row: Row) -> float | None:
    """What a trial has ended with, also one that was stopped early: NaN if it diverged.

    None for no metric, and for a trial that failed.
    """
    if row.state == FAILED:
        return None
    return math.nan if _has_diverged(row) else metric_of(row)


def divergence_of(folder: Path) -> str:
    """The metric by which the run in a folder diverged, with its value; "" if it did not."""
    return past_runs.divergence_in(written_metrics.read(folder).scores)


def _has_diverged(row: Row) -> bool:
    """Whether the objective's metric, a loss or the score that is shown first is not finite."""
    value = metric_of(row)
    return DIVERGED in row.cells or (value is not None and not math.isfinite(value))


def best(planned: Sweep, table: ProgressTable) -> Trial | None:
    """The best of the trials that succeeded; the first of them if no trial wrote the metric.

    A trial whose metric is not finite has diverged, as has one whose loss is not, whatever the metric
    is: it is never the best, not even if all have.
    """
    done = [trial for trial in planned.trials if table.rows[trial.name].state == DONE]
    values = {trial.name: metric_of(table.rows[trial.name]) for trial in done}
    scored = [trial for trial in done if values[trial.name] is not None]
    fit = [trial for trial in done if not _has_diverged(table.rows[trial.name])]
    finite = [trial for trial in fit if values[trial.name] is not None]
    sign = 1 if planned.goal == "maximize" else -1
    if not scored:
        return next(iter(fit), None)
    return max(finite, key=lambda trial: sign * (values[trial.name] or 0), default=None)


def diverged(planned: Sweep, table: ProgressTable) -> list[str]:
    """The names of the trials that succeeded and whose metric, or whose loss, is not finite."""
    rows = [table.rows[trial.name] for trial in planned.trials]
    return [row.name for row in rows if row.state == DONE and _has_diverged(row)]


def divergence(root: Path, job: Job, run: Run) -> str:
    """The metric of a sweep's only trial with its value, if that is not finite; else ""."""
    metric, _ = sweep.objective(job) or ("", "")
    value = metrics.find(root / run.outputs, metric) if metric else None
    if value is None or math.isfinite(value):
        return divergence_of(root / run.outputs)
    return f"{metric} {metric_values.short(value, 6)}"


def _verdict(planned: Sweep, table: ProgressTable) -> int:
    winner = best(planned, table)
    value = table.rows[winner.name].cells.get(METRIC) if winner else None
    cells = {name: table.rows[name].cells for name in diverged(planned, table)}
    not_finite = [f"{name} ({cell.get(DIVERGED) or cell[METRIC]})" for name, cell in cells.items()]
    if winner and value:
        table.say(
            f"innerloop: the best is {winner.name}: {planned.metric} {value} ({planned.goal})"
        )
    elif winner and planned.metric:
        where = "to outputs/metrics.json, or with MLflow"
        table.say(f'innerloop: no trial wrote "{planned.metric}" ({where})')
    if not_finite:
        none = "" if winner else ", so no trial is the best"
        table.say(
            f"innerloop: {len(not_finite)} of {len(table.rows)} diverged, a metric is not a finite "
            f"number{none}: {', '.join(not_finite)}"
        )
    early = [row.name for row in table.rows.values() if row.state == STOPPED_EARLY]
    if early:
        of = f"{len(early)} of {len(table.rows)}"
        table.say(f"innerloop: {of} stopped early by early_termination: {', '.join(early)}")
    failed = [f"{row.name} ({reason})" for row, reason in _failures(table)]
    if failed:
        table.say(f"innerloop: {len(failed)} of {len(table.rows)} failed: {', '.join(failed)}")
    return 1 if failed or (not_finite and not winner) else 0


def _failures(table: ProgressTable) -> Iterator[tuple[Row, str]]:
    for row in table.rows.values():
        if row.state == FAILED:
            yield row, f"exit code {row.cells.get('exit', '?')}"
        elif row.state == SKIPPED:
            yield row, "no time was left"

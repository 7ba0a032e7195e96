"""Execution of a planned pipeline.

Its steps run each in its own environment, those that wait for no other at once as far as there is
room, with a progress table, and with a record from which a later run can go on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..history import in_flight
from ..model.jobs.pipeline import Step, is_chain
from ..model.parallelism import Parallelism
from ..model.run import Request, Run
from ..util import console, files
from ..util.errors import UserError, combine
from ..util.quick_dataclasses import dataclass
from . import device_claims, execute, lanes, pipeline_record, sweep_executor, written_files
from .execute import Started
from .lanes import Lanes
from .parallel_steps import StepsAtOnce
from .pipeline_plan import PipelinePlan, fetched, missing, run_of, sweep_of
from .progress_table import DONE, FAILED, KEPT, SKIPPED, STOPPED, ProgressTable, Row, RowState
from .sweep_executor import Prepare


def carry_out(planned: PipelinePlan, prepare: Prepare, parallel: int | None = None) -> int:
    """Run the steps, at most `parallel` at once; None for what this machine has room for.

    Returns the exit code of the first that failed, else 0.
    """
    if errors := missing(planned, prepare):  # before anything is fetched or built
        raise combine(errors)
    planned = fetched(planned)
    ready = _prepared(planned, prepare)
    table = _table(planned, ready)
    lines = (execute.backend_line(step.started.request) for step in ready.values())
    for line in dict.fromkeys(lines):
        table.say(line)
    running = PipelineRun(planned, prepare, ready, table, parallel)
    within = running.lanes()
    if within.count > 1 or (parallel and len(ready) > 1):
        table.say(f"innerloop: {within.count} at once ({within.parallelism.why})")
    run = planned.run
    with in_flight.marked(planned.root, run.id, "pipeline", run.experiment):
        running.write()  # what cannot be written now is an error, before anything starts
        try:
            with table.shown():
                code = running.run_all(within)
        finally:
            running.write_if_possible()
            _say_outputs(planned, table)
    return code


def is_serial(planned: PipelinePlan, asked: int | None) -> bool:
    """Whether the steps run one by one, on the GPUs of this process; `asked` as in `carry_out`."""
    if is_chain(planned.steps) and not planned.drawn:
        return True
    return lanes.is_one_at_a_time(planned.run.experiment.settings.gpu, None, asked)


def with_gpus(
    planned: PipelinePlan, asked: int | None, say: Callable[[str], object]
) -> PipelinePlan:
    """The pipeline with GPUs of its own, where its steps run one by one."""
    if not is_serial(planned, asked):
        return planned
    experiment = device_claims.for_run(planned.run.experiment, say)
    return replace(planned, run=replace(planned.run, experiment=experiment))


@dataclass(frozen=True, slots=True)
class _ReadyStep:
    """A step that can be started: its request, and its trials if it is a sweep of several."""

    started: Started
    trials: sweep_executor.Sweep | None = None


def _prepared(planned: PipelinePlan, prepare: Prepare) -> dict[str, _ReadyStep]:
    """The request and the environment of every step, before the first one runs."""
    runs = {step.name: run_of(planned, step) for step in planned.steps}
    ready = {}
    for step in planned.steps:
        sweep = sweep_of(planned, step, runs[step.name])
        first = sweep.trials[0].run if sweep else runs[step.name]
        ready[step.name] = _ReadyStep(prepare(first, dry=False), sweep)
    for name, ready_step in ready.items():
        sweep_notes = ready_step.trials.notes if ready_step.trials else ()
        for note in (*ready_step.started.request.notes, *sweep_notes):
            console.say(f"step {name}: {note}")
    return ready


def _table(planned: PipelinePlan, ready: Mapping[str, _ReadyStep]) -> ProgressTable:
    rows: list[Row] = []
    columns: list[str] = []
    for step in planned.pipeline.steps:
        if step.name in planned.kept:
            rows.append(Row(step.name, state=KEPT))
        elif step.name in ready:
            rows.append(Row(step.name))
            if sweep := ready[step.name].trials:
                rows += sweep_executor.rows(sweep)
                columns += sweep.columns
    columns = ["state", *dict.fromkeys(columns), "exit", "seconds", "outputs"]
    return ProgressTable("step", columns, rows, headings={sweep_executor.METRIC: "metric"})


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """A pipeline while it runs.

    Its record is written whenever a step begins or ends, so a run that is killed leaves a record of
    what it has done.
    """

    planned: PipelinePlan
    prepare: Prepare
    ready: Mapping[str, _ReadyStep]
    table: ProgressTable
    parallel: int | None = None

    def lanes(self) -> Lanes:
        """How many steps run at once: one, if each waits for another."""
        if is_chain(self.planned.steps):
            return Lanes(Parallelism(1, "each step needs the one before it"))
        started = [step.started for step in self.ready.values()]
        return lanes.of_parts(started, len(started), None, self.parallel)

    def run_all(self, within: Lanes) -> int:
        if within.count > 1:
            return StepsAtOnce(self, within).run_all()
        first_code = 0
        for step in self.planned.steps:
            if (reason := self.reason_to_skip(step, first_code)) is not None:
                self.table.end(step.name, SKIPPED, reason)
                continue
            self.table.begin(step.name)
            self.write_if_possible()
            code = self.run_step(step)
            first_code = first_code or code
            self.write_if_possible()
        return first_code

    def reason_to_skip(self, step: Step, first_code: int) -> str | None:
        done = (DONE, KEPT)
        rows = self.table.rows
        not_done = next((name for name in step.needs if rows[name].state not in done), None)
        if not_done is not None:
            return f"it needs {not_done}"
        if first_code and not self.planned.pipeline.continue_on_step_failure:
            return "continue_on_step_failure is false"
        return None

    def run_step(self, step: Step) -> int:
        ready = self.ready[step.name]
        try:
            code, reason = (
                self.run_trials(step, ready.trials, ready.started)
                if ready.trials
                else self.run_once(step, ready.started)
            )
        except BaseException as error:
            self.table.end(step.name, STOPPED if isinstance(error, KeyboardInterrupt) else FAILED)
            raise
        return self.finish(step, code, reason)

    def finish(self, step: Step, code: int, reason: str) -> int:
        """Put the end of a step into the table. Returns its exit code, 1 if an output is missing."""
        absent = [] if code else _missing_outputs(self.planned, step)
        if absent:
            code, reason = 1, f"it ended well, but wrote no {' and no '.join(absent)}"
        outputs = self.planned.folder_of(step.name)
        folder = outputs if (self.planned.root / outputs).is_dir() else ""
        state = FAILED if code else DONE
        self.table.end(step.name, state, reason, exit=str(code), outputs=folder)
        return code

    def run_once(self, step: Step, started: Started) -> tuple[int, str]:
        """The exit code, and the reason for the table ("" for none)."""
        self.make_outputs(step)
        return self.judged(step, execute.carry_out(started))

    def make_outputs(self, step: Step) -> None:
        _make_outputs(self.planned, step)

    def judged(self, step: Step, code: int) -> tuple[int, str]:
        """The same for the exit code of the step's program."""
        if code:
            return code, f"exit code {code}"
        reason = _divergence(self.planned, step, self.ready[step.name].started.run)
        return (1, reason) if reason else (0, "")

    def run_trials(
        self, step: Step, sweep: sweep_executor.Sweep, first: Started
    ) -> tuple[int, str]:
        """Run all trials; the outputs of the best one become the step's."""
        try:
            within = sweep_executor.lanes_of(sweep, first, self.parallel)
            sweep_executor.run_trials(sweep, self.table, self.prepare, first, within)
        finally:
            sweep_executor.record_if_possible(sweep, self.table)
        winner = sweep_executor.best(sweep, self.table)
        if winner is None:
            if sweep_executor.diverged(sweep, self.table):
                return 1, f"every trial diverged: no {sweep.metric} is a finite number"
            return 1, "no trial succeeded"
        for name, output in step.job.outputs.items():
            target = self.planned.root / winner.run.outputs / name
            files.make_folder(target.parent if output.is_file else target)
            link = Path(self.planned.output(step.name, name))
            try:
                files.make_link(link, os.path.relpath(target, link.parent))
            except UserError:  # no links on this disk: the output itself moves
                files.rename(target, link)
        return 0, f"its outputs are those of {winner.name}"

    def write_if_possible(self) -> None:
        """A full disk ends no step, and hides no exit code: the last attempt counts."""
        try:
            self.write()
        except UserError as error:
            self.table.say(f"innerloop: {pipeline_record.RECORD} is not up to date: {error}")

    def write(self) -> None:
        planned, rows = self.planned, self.table.rows
        steps = {
            step.name: {
                "state": row.state,
                "exit_code": int(row.cells["exit"]) if row.cells.get("exit") else None,
                "seconds": None if row.seconds is None else round(row.seconds, 3),
                "outputs": planned.folder_of(step.name),
                "needs": list(step.needs),
            }
            for step in planned.pipeline.steps
            if (row := rows.get(step.name)) is not None
        }
        _write_record(planned, steps)


def _make_outputs(planned: PipelinePlan, step: Step) -> None:
    """Create the folders of the outputs before the step runs, as on Azure ML."""
    for name, output in step.job.outputs.items():
        path = Path(planned.output(step.name, name))
        files.make_folder(path.parent if output.is_file else path)


def _missing_outputs(planned: PipelinePlan, step: Step) -> list[str]:
    """The outputs that a later step takes and that do not exist."""
    taken = _taken_outputs(planned, step)
    return [
        f"{name} (${{{{outputs.{name}}}}})"
        for name in step.job.outputs
        if name in taken and not os.path.exists(planned.output(step.name, name))
    ]


def _divergence(planned: PipelinePlan, step: Step, run: Run) -> str:
    """Why a step that ended well hands nothing on: it diverged. "" if it did not.

    A step whose outputs no other step takes hands nothing on anyway.
    """
    if step.job.search_space:
        reason = sweep_executor.divergence(planned.root, step.job, run)
        return f"its trial diverged: {reason}" if reason else ""
    if not _taken_outputs(planned, step):
        return ""
    reason = sweep_executor.divergence_of(planned.root / run.outputs)
    return f"it diverged: {reason}, so it hands nothing on" if reason else ""


def _taken_outputs(planned: PipelinePlan, step: Step) -> set[str]:
    """The names of the outputs that a later step takes."""
    return {
        output
        for later in planned.pipeline.steps
        for source, output in later.takes.values()
        if source == step.name
    }


def _write_record(planned: PipelinePlan, steps: Mapping[str, Mapping[str, Any]]) -> None:
    outputs = {
        name: f"{planned.folder_of(step)}/{output}"
        for name, (step, output) in planned.pipeline.made_by.items()
        if steps.get(step, {}).get("state") in (DONE, KEPT)
    }
    folder = planned.root / planned.run.outputs
    pipeline_record.write(folder, planned.root, planned.pipeline.name, steps, outputs)


def _say_outputs(planned: PipelinePlan, table: ProgressTable) -> None:
    folder = planned.run.outputs
    table.say(
        f"innerloop: outputs are in {folder}/ ({pipeline_record.RECORD} lists those of each step)"
    )
    if written := written_files.line_of_parts(planned.root, folder):
        table.say(f"innerloop: {written}")
    for name, (step, output) in planned.pipeline.made_by.items():
        row = table.rows.get(step)
        if row is not None and row.state in (DONE, KEPT):
            table.say(f"innerloop: output {name} is {planned.folder_of(step)}/{output}")


def recorded(planned: PipelinePlan, started: Started) -> Started:
    """A step that runs alone, with its outcome added to the record of the other steps."""
    (step,) = planned.steps
    kept = {name: {"state": KEPT, "outputs": folder} for name, folder in planned.kept.items()}

    def entry(
        state: RowState, code: int | None = None, begun: float | None = None
    ) -> dict[str, Any]:
        seconds = None if begun is None else round(time.monotonic() - begun, 3)
        outputs = planned.folder_of(step.name)
        return {"state": state, "exit_code": code, "seconds": seconds, "outputs": outputs}

    def submit(run: Run, request: Request) -> int:
        begun = time.monotonic()
        _make_outputs(planned, step)
        _write_record(planned, {**kept, step.name: entry("running")})
        state, code = STOPPED, None
        try:
            code = started.submit(run, request)
            if not code and (reason := _divergence(planned, step, run)):
                console.say(f"{step.name} failed: {reason}")
                code = 1
            state = FAILED if code else DONE
            return code
        finally:
            try:
                _write_record(planned, {**kept, step.name: entry(state, code, begun)})
            except UserError as error:
                console.say(f"{pipeline_record.RECORD} is not up to date: {error}")

    return replace(started, submit=submit)

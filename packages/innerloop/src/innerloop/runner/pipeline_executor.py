"""A planned pipeline carried out: its steps one after another, each in its own environment, with a
table of all, and a record that a later run can go on from."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..model.jobs.pipeline import Step
from ..model.run import Run
from ..util import console, files
from ..util.errors import UserError, combine
from . import execute, pipeline_record, sweep_executor
from .execute import Started
from .pipeline_plan import PipelinePlan, fetched, missing, run_of, sweep_of
from .progress_table import DONE, FAILED, KEPT, SKIPPED, STOPPED, Board, TableRow
from .sweep_executor import Prepare


def carry_out(planned: PipelinePlan, prepare: Prepare) -> int:
    """Runs the steps; the exit code of the first that failed, else 0."""
    if lacking := missing(planned, prepare):  # said before anything is fetched or built
        raise combine(lacking)
    planned = fetched(planned)
    ready = _prepared(planned, prepare)
    board = _board(planned, ready)
    for line in dict.fromkeys(execute.backend_line(one.started.request) for one in ready.values()):
        board.say(line)
    going = PipelineRun(planned, prepare, ready, board)
    try:
        with board.shown():
            code = going.run_all()
    finally:
        going.write()
        _say_outputs(planned, board)
    return code


@dataclass(frozen=True, slots=True)
class _Ready:
    """A step that can be started: its request, and its trials where it has several."""

    started: Started
    trials: sweep_executor.Sweep | None = None


def _prepared(planned: PipelinePlan, prepare: Prepare) -> dict[str, _Ready]:
    """Every step's request and environment, before the first runs."""
    runs = {step.name: run_of(planned, step) for step in planned.steps}
    ready = {}
    for step in planned.steps:
        made = sweep_of(planned, step, runs[step.name])
        first = made.trials[0].run if made else runs[step.name]
        ready[step.name] = _Ready(prepare(first, dry=False), made)
    for name, one in ready.items():
        for note in (*one.started.request.notes, *(one.trials.notes if one.trials else ())):
            console.say(f"step {name}: {note}")
    return ready


def _board(planned: PipelinePlan, ready: Mapping[str, _Ready]) -> Board:
    rows, columns = [], []
    for step in planned.pipeline.steps:
        if step.name in planned.kept:
            rows.append(TableRow(step.name, state=KEPT))
        elif step.name in ready:
            rows.append(TableRow(step.name))
            if made := ready[step.name].trials:
                rows += sweep_executor.parts(made)
                columns += made.columns
    columns = ["state", *dict.fromkeys(columns), "exit", "seconds", "outputs"]
    return Board("step", columns, rows)


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """A pipeline that runs. Its record is written anew whenever a step begins or ends: one that is
    killed leaves what it has done to be found."""

    planned: PipelinePlan
    prepare: Prepare
    ready: Mapping[str, _Ready]
    board: Board

    def run_all(self) -> int:
        first_code = 0
        for step in self.planned.steps:
            if (why := self.reason_to_skip(step, first_code)) is not None:
                self.board.end(step.name, SKIPPED, why)
                continue
            self.board.begin(step.name)
            self.write()
            code = self.run_one(step)
            first_code = first_code or code
            self.write()
        return first_code

    def reason_to_skip(self, step: Step, first_code: int) -> str | None:
        done = (DONE, KEPT)
        waits_for = next((n for n in step.needs if self.board.parts[n].state not in done), None)
        if waits_for is not None:
            return f"it needs {waits_for}"
        if first_code and not self.planned.pipeline.continue_on_step_failure:
            return "continue_on_step_failure is false"
        return None

    def run_one(self, step: Step) -> int:
        ready = self.ready[step.name]
        try:
            code, why = self.trials(step, ready) if ready.trials else self.once(step, ready)
        except BaseException as error:
            self.board.end(step.name, STOPPED if isinstance(error, KeyboardInterrupt) else FAILED)
            raise
        absent = [] if code else _missing_outputs(self.planned, step)
        if absent:
            code, why = 1, f"it ended well, but wrote no {' and no '.join(absent)}"
        outputs = self.planned.folder_of(step.name)
        kept = outputs if (self.planned.root / outputs).is_dir() else ""
        self.board.end(step.name, FAILED if code else DONE, why, exit=str(code), outputs=kept)
        return code

    def once(self, step: Step, ready: _Ready) -> tuple[int, str]:
        """The exit code, and what is to be said of it."""
        _make_outputs(self.planned, step)
        code = execute.carry_out(ready.started)
        return code, f"exit code {code}" if code else ""

    def trials(self, step: Step, ready: _Ready) -> tuple[int, str]:
        """Runs all; the best one's outputs are the step's."""
        made = ready.trials
        assert made is not None
        try:
            sweep_executor.run_trials(made, self.board, self.prepare, ready.started)
        finally:
            sweep_executor.record(made, self.board)
        winner = sweep_executor.best(made, self.board)
        if winner is None:
            return 1, "no trial ended well"
        for name, one in step.job.outputs.items():
            target = self.planned.root / winner.run.outputs / name
            files.make_folder(target.parent if one.is_file else target)
            link = Path(self.planned.output(step.name, name))
            try:
                files.make_link(link, os.path.relpath(target, link.parent))
            except UserError:  # no links on this disk: the output itself moves
                files.rename(target, link)
        return 0, f"its outputs are those of {winner.name}"

    def write(self) -> None:
        planned, parts = self.planned, self.board.parts
        rows = {
            step.name: {
                "state": part.state,
                "exit_code": int(part.cells["exit"]) if part.cells.get("exit") else None,
                "seconds": None if part.seconds is None else round(part.seconds, 3),
                "outputs": planned.folder_of(step.name),
            }
            for step in planned.pipeline.steps
            if (part := parts.get(step.name)) is not None
        }
        _write(planned, rows)


def _make_outputs(planned: PipelinePlan, step: Step) -> None:
    """Folders to write into are there before the step runs, as on Azure ML."""
    for name, one in step.job.outputs.items():
        path = Path(planned.output(step.name, name))
        files.make_folder(path.parent if one.is_file else path)


def _missing_outputs(planned: PipelinePlan, step: Step) -> list[str]:
    """Files that a later step takes, and that are not there."""
    taken = {
        output for later in planned.pipeline.steps for s, output in later.takes.values() if s == step.name
    }  # fmt: skip
    return [
        f"{name} (${{{{outputs.{name}}}}})"
        for name in step.job.outputs
        if name in taken and not os.path.exists(planned.output(step.name, name))
    ]


def _write(planned: PipelinePlan, rows: Mapping[str, Mapping[str, Any]]) -> None:
    made = {
        name: f"{planned.folder_of(step)}/{output}"
        for name, (step, output) in planned.pipeline.made_by.items()
        if rows.get(step, {}).get("state") in (DONE, KEPT)
    }
    folder = planned.root / planned.run.outputs
    pipeline_record.write(folder, planned.root, planned.pipeline.name, rows, made)


def _say_outputs(planned: PipelinePlan, board: Board) -> None:
    folder = planned.run.outputs
    board.say(
        f"innerloop: outputs are in {folder}/ ({pipeline_record.RECORD} says which step wrote what)"
    )
    for name, (step, output) in planned.pipeline.made_by.items():
        part = board.parts.get(step)
        if part is not None and part.state in (DONE, KEPT):
            board.say(f"innerloop: output {name} is {planned.folder_of(step)}/{output}")


def recorded(planned: PipelinePlan, started: Started) -> Started:
    """The same for a step that runs alone: its outcome joins what is known of the other steps."""
    (step,) = planned.steps
    kept = {name: {"state": KEPT, "outputs": folder} for name, folder in planned.kept.items()}

    def row(state: str, code: int | None = None, begun: float | None = None) -> dict[str, Any]:
        seconds = None if begun is None else round(time.monotonic() - begun, 3)
        outputs = planned.folder_of(step.name)
        return {"state": state, "exit_code": code, "seconds": seconds, "outputs": outputs}

    def submit(run: Run, request: Any) -> int:
        begun = time.monotonic()
        _make_outputs(planned, step)
        _write(planned, {**kept, step.name: row("running")})
        state, code = STOPPED, None
        try:
            code = started.submit(run, request)
            state = FAILED if code else DONE
            return code
        finally:
            _write(planned, {**kept, step.name: row(state, code, begun)})

    return replace(started, submit=submit)

"""A pipeline here: its steps in the order in which they can run, each in its own environment, with
the outputs of earlier ones handed on as folders and files of this machine.

`pipeline.json` in the run's folder says where the outputs of each step are, so that a later run can
keep them and run one step alone, or the rest.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import files, loading, running, sweeping
from .board import DONE, FAILED, KEPT, SKIPPED, STOPPED, Board, Part
from .errors import Mistake, nearest
from .places import Run
from .running import Started
from .spec.experiment import Experiment
from .spec.job import Input, Job
from .spec.pipeline import Pipeline, Step, pipeline_of, swept
from .spec.workspace import Workspace
from .sweeping import Prepare

RECORD = "pipeline.json"


@dataclass(frozen=True, slots=True)
class Planned:
    """A pipeline's run: `run` stands for the pipeline as a whole (its id, its folder, where its
    data are); `kept` are the folders of steps that an earlier run did, relative to the
    workspace; `steps` are those that run now."""

    run: Run
    pipeline: Pipeline
    steps: tuple[Step, ...]
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return Path(self.run.workspace.root)

    def folder_of(self, step: str) -> str:
        """Where a step's `./outputs` are, relative to the workspace."""
        return self.kept.get(step) or f"{self.run.outputs}/{_plain(step)}"

    def output(self, step: str, name: str) -> str:
        """The absolute path of one output of a step."""
        return os.path.normpath(self.root / self.folder_of(step) / name)


def read(workspace: Workspace, job: Job) -> Pipeline:
    return pipeline_of(job, loading.Disk(Path(workspace.root)).read)


def swept_job(workspace: Workspace, job: Job) -> Job:
    """A sweep with the component that its trial may name in it."""
    return swept(job, loading.Disk(Path(workspace.root)).read)


def plan(
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    *,
    step: str | None = None,
    from_run: str | None = None,
    options: Sequence[str] = (),
    processes: int | None = None,
    dry: bool = False,
) -> Planned:
    """`step` runs alone, with what the last run (or `from_run`) has of the steps before it;
    `from_run` without a step keeps all that was done in it and runs the rest."""
    pipeline = read(workspace, job)
    kept = _kept(workspace, experiment, job, pipeline, step, from_run)
    chosen = [pipeline.step(step)] if step else [s for s in pipeline.steps if s.name not in kept]
    if not chosen:
        raise Mistake(
            f"every step is done in run {from_run}",
            where=f"outputs/{experiment.slug}/{from_run}",
            mend="Name a step with --step to run it again",
        )
    if step:
        _require(job, chosen[0], kept, from_run, dry)
    whole = running.plan(workspace, experiment, _data_of(job, chosen), options=options, dry=dry)
    whole = replace(whole, processes=processes, attended=False)
    return Planned(whole, pipeline, tuple(chosen), kept)


def without_form(planned: Planned) -> Mistake | None:
    """Why the steps cannot all run here: the sentence of the first, and the names of others."""
    stuck = [step for step in planned.steps if step.problem is not None]
    if not stuck or stuck[0].problem is None:
        return None
    first, others = stuck[0].problem, [step.name for step in stuck[1:]]
    more = f"; {', '.join(others)} cannot run here either" if others else ""
    return Mistake(first.what + more, where=first.where, mend=first.mend)


def run_of(planned: Planned, step: Step, dry: bool = False) -> Run:
    """One step as a run: what it takes from other steps and from the pipeline is data by then."""
    if step.problem is not None:
        raise step.problem
    _require_values(planned, step)
    job = sweeping.one_trial(step.job)[0] if step.job.kind == "sweep" else step.job
    whole, found = planned.run, dict(_handed_on(planned, step))
    own = {
        name: one
        for name, one in job.inputs.items()
        if name not in found and (one.kind == "literal" or one.has_value)
    }
    run = running.plan(
        whole.workspace,
        whole.experiment,
        replace(job, inputs=own),
        options=tuple(whole.options),
        processes=whole.processes,
        dry=dry,
    )
    inputs = {
        name: replace(one, path=found[name]) if name in found else one
        for name, one in job.inputs.items()
    }
    return replace(
        run,
        job=replace(job, inputs=inputs),
        id=f"{whole.id}-{_plain(step.name)}",
        data={**run.data, **found},
        writable=run.writable | {n for n, p in step.passes.items() if p in whole.writable},
        within=planned.folder_of(step.name),
        attended=False,
    )


def _require_values(planned: Planned, step: Step) -> None:
    """An input of the pipeline that the step's command needs, and that nobody gives a value."""
    for name, one in step.job.inputs.items():
        is_lacking = one.origin and not one.optional and one.kind == "literal" and one.value is None
        if is_lacking and f"inputs.{name}" in step.job.command:
            raise Mistake(
                f'the step "{step.name}" takes the input "{one.origin}", which has no value',
                where=planned.run.job.text.where("inputs", one.origin),
                mend=f"Give it one with --set inputs.{one.origin}=VALUE",
            )


def _handed_on(planned: Planned, step: Step) -> Iterator[tuple[str, str]]:
    for name, (earlier, output) in step.takes.items():
        yield name, planned.output(earlier, output)
    for name, given in step.passes.items():
        if given in planned.run.data and not step.job.inputs[name].passes_uri:
            yield name, planned.run.data[given]


def _data_of(job: Job, steps: Sequence[Step]) -> Job:
    """The pipeline's data that these steps use, as a job whose data can be found."""
    used = {given for step in steps if step.problem is None for given in step.passes.values()}
    inputs: dict[str, Input] = {
        name: one for name, one in job.inputs.items() if name in used and one.has_value
    }
    return replace(job, kind="command", inputs=inputs, outputs={})


def requests(planned: Planned, prepare: Prepare) -> tuple[list[dict[str, Any]], list[Mistake]]:
    """What `--dry-run --json` says of each step; a step that cannot run here says why, and is
    among the mistakes."""
    told, mistakes = [], []
    for step in planned.steps:
        row: dict[str, Any] = {"step": step.name, "needs": list(step.needs)}
        try:
            told.append(
                {**row, **prepare(run_of(planned, step, dry=True), dry=True).request.json()}
            )
        except Mistake as mistake:
            told.append({**row, "problem": mistake.sentence()})
            mistakes.append(mistake)
    return told, mistakes


def carry_out(planned: Planned, prepare: Prepare) -> int:
    """Runs the steps; the exit code of the first that failed, else 0."""
    ready = _prepared(planned, prepare)
    now = {step.name for step in planned.steps}
    parts = [
        Part(step.name, state=KEPT if step.name in planned.kept else "waiting")
        for step in planned.pipeline.steps
        if step.name in now or step.name in planned.kept
    ]
    board = Board("step", ["state", "exit", "seconds", "outputs"], parts)
    record = _Record(planned, board)
    files.make_folder(planned.root / planned.run.outputs)
    try:
        with board.shown():
            code = _run_all(planned, ready, board, record)
    finally:
        record.write()
        _say_outputs(planned, board)
    return code


def _prepared(planned: Planned, prepare: Prepare) -> dict[str, Started]:
    """Every step's request and environment, before the first runs. What one of them lacks is said
    before anything is built for another."""
    runs = {step.name: run_of(planned, step) for step in planned.steps}
    for run in runs.values():
        if not prepare(run, dry=True).request.argv:
            prepare(run, dry=False)  # says what is missing
    ready = {name: prepare(run, dry=False) for name, run in runs.items()}
    for name, started in ready.items():
        for note in started.request.notes:
            print(f"innerloop: step {name}: {note}", file=sys.stderr, flush=True)
    return ready


def _run_all(planned: Planned, ready: Mapping[str, Started], board: Board, record: _Record) -> int:
    first_code = 0
    for step in planned.steps:
        waits_for = next((n for n in step.needs if board.parts[n].state not in (DONE, KEPT)), None)
        if waits_for is not None:
            board.end(step.name, SKIPPED, f"it needs {waits_for}")
            continue
        if first_code and not planned.pipeline.continue_on_step_failure:
            board.end(step.name, SKIPPED, "continue_on_step_failure is false")
            continue
        board.begin(step.name)
        record.write()
        code = _run_one(planned, step, ready[step.name], board)
        first_code = first_code or code
        record.write()
    return first_code


def _run_one(planned: Planned, step: Step, started: Started, board: Board) -> int:
    make_outputs(planned, step)
    try:
        code = running.carry_out(started)
    except BaseException as error:
        board.end(step.name, STOPPED if isinstance(error, KeyboardInterrupt) else FAILED)
        raise
    why = f"exit code {code}" if code else ""
    missing = [] if code else missing_outputs(planned, step)
    if missing:
        code, why = 1, f"it ended well, but wrote no {' and no '.join(missing)}"
    kept = (planned.root / planned.folder_of(step.name)).is_dir()
    outputs = planned.folder_of(step.name) if kept else ""
    board.end(step.name, FAILED if code else DONE, why, exit=str(code), outputs=outputs)
    return code


def make_outputs(planned: Planned, step: Step) -> None:
    """Folders to write into are there before the step runs, as on Azure ML."""
    for name, one in step.job.outputs.items():
        path = Path(planned.output(step.name, name))
        files.make_folder(path.parent if one.is_file else path)


def missing_outputs(planned: Planned, step: Step) -> list[str]:
    """Files that a later step takes, and that are not there."""
    taken = {
        output for later in planned.pipeline.steps for s, output in later.takes.values() if s == step.name
    }  # fmt: skip
    return [
        f"{name} (${{{{outputs.{name}}}}})"
        for name in step.job.outputs
        if name in taken and not os.path.exists(planned.output(step.name, name))
    ]


class _Record:
    """`pipeline.json`, written anew whenever a step begins or ends: a run that is killed leaves
    what it has done to be found."""

    def __init__(self, planned: Planned, board: Board) -> None:
        self.planned = planned
        self.board = board

    def write(self) -> None:
        planned = self.planned
        rows = {
            part.name: {
                "state": part.state,
                "exit_code": int(part.cells["exit"]) if part.cells.get("exit") else None,
                "seconds": None if part.seconds is None else round(part.seconds, 3),
                "outputs": planned.folder_of(part.name),
            }
            for part in self.board.parts.values()
        }
        write_record(planned, rows)


def write_record(planned: Planned, rows: Mapping[str, Mapping[str, Any]]) -> None:
    made = {
        name: f"{planned.folder_of(step)}/{output}"
        for name, (step, output) in planned.pipeline.made_by.items()
        if rows.get(step, {}).get("state") in (DONE, KEPT)
    }
    record = {"pipeline": planned.pipeline.name, "steps": rows, "outputs": made}
    folder = files.make_folder(planned.root / planned.run.outputs)
    files.write_text(folder / RECORD, json.dumps(record, indent=2) + "\n")
    for name, path in made.items():
        _name_output(folder / _plain(name), planned.root / path)


def _name_output(link: Path, target: Path) -> None:
    """The pipeline's output under its own name in the run's folder: a relative link. Where a
    step has that name, or links cannot be made, `pipeline.json` alone says where it is."""
    if os.path.lexists(link) or not target.exists():
        return
    try:
        files.make_link(link, os.path.relpath(target, link.parent))
    except Mistake:
        return


def _say_outputs(planned: Planned, board: Board) -> None:
    folder = planned.run.outputs
    board.say(f"innerloop: outputs are in {folder}/ ({RECORD} says which step wrote what)")
    for name, (step, output) in planned.pipeline.made_by.items():
        part = board.parts.get(step)
        if part is not None and part.state in (DONE, KEPT):
            board.say(f"innerloop: output {name} is {planned.folder_of(step)}/{output}")


def recorded(planned: Planned, started: Started) -> Started:
    """The same for a step that runs alone: its outcome joins what is known of the other steps."""
    (step,) = planned.steps
    kept = {name: {"state": KEPT, "outputs": folder} for name, folder in planned.kept.items()}

    def row(state: str, code: int | None = None, begun: float | None = None) -> dict[str, Any]:
        seconds = None if begun is None else round(time.monotonic() - begun, 3)
        outputs = planned.folder_of(step.name)
        return {"state": state, "exit_code": code, "seconds": seconds, "outputs": outputs}

    def submit(run: Run, request: Any) -> int:
        begun = time.monotonic()
        make_outputs(planned, step)
        write_record(planned, {**kept, step.name: row("running")})
        state, code = STOPPED, None
        try:
            code = started.submit(run, request)
            state = FAILED if code else DONE
            return code
        finally:
            write_record(planned, {**kept, step.name: row(state, code, begun)})

    return replace(started, submit=submit)


def _kept(
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    pipeline: Pipeline,
    step: str | None,
    from_run: str | None,
) -> dict[str, str]:
    """Folders of steps that are done already, by step; none for a whole run from the start, and
    none of those that wait for a step that runs again."""
    if step is None and from_run is None:
        return {}
    home = Path(workspace.root, "outputs", experiment.slug)
    folder = _named_run(home, from_run) if from_run else _last_run(home, job)
    rows = _rows(folder) if folder else {}
    # What was made of the old outputs of a step that runs again is out of date.
    again = {step, *pipeline.after(step)} if step else set()
    names = [one.name for one in pipeline.steps if one.name not in again]
    return {
        name: str(rows[name]["outputs"])
        for name in names
        if rows.get(name, {}).get("state") in (DONE, KEPT)
        and Path(workspace.root, str(rows[name]["outputs"])).is_dir()
    }


def _named_run(home: Path, name: str) -> Path:
    name = os.path.basename(name.rstrip("/\\"))
    if (home / name / RECORD).is_file():
        return home / name
    known = [path.name for path in _runs(home)]
    raise Mistake(
        f"there is no run {name} of a pipeline",
        where=f"outputs/{home.name}",
        mend=nearest(name, known) or "Run the whole pipeline first, without --from-run",
    )


def _last_run(home: Path, job: Job) -> Path | None:
    """The newest run of this very file."""
    return next((path for path in _runs(home) if _document(path).get("pipeline") == job.name), None)


def _runs(home: Path) -> list[Path]:
    """Runs of pipelines, the newest first: their names begin with the second they began in."""
    found = sorted(
        home.glob(f"*/{RECORD}"),
        key=lambda path: (path.parent.name[:15], path.stat().st_mtime_ns),
        reverse=True,
    )
    return [path.parent for path in found]


def _document(folder: Path) -> dict[str, Any]:
    try:
        document = json.loads(files.read_text(folder / RECORD) or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _rows(folder: Path) -> dict[str, dict[str, Any]]:
    rows = _document(folder).get("steps")
    return {
        name: row
        for name, row in (rows.items() if isinstance(rows, dict) else ())
        if isinstance(row, dict)
    }


def _require(
    job: Job, step: Step, kept: Mapping[str, str], from_run: str | None, dry: bool
) -> None:
    missing = [name for name in step.needs if name not in kept]
    if missing and not dry:
        none = f"run {from_run} has none" if from_run else "no earlier run has them"
        raise Mistake(
            f'the step "{step.name}" takes outputs of {" and ".join(missing)}, and {none}',
            where=job.text.where("jobs", step.name.split(".")[0]),
            mend=f"Run the whole pipeline, or first --step {missing[0]}",
        )


def _plain(name: str) -> str:
    """A step's name as a folder's and a container's."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)

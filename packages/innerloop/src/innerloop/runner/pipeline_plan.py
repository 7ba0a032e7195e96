"""A pipeline's run before anything runs: which steps, where the outputs of earlier ones are, and
each step as a run of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..model.environment import NO_ENVIRONMENT, ResolvedEnvironment
from ..model.experiment import Experiment
from ..model.jobs.job import Input, Job
from ..model.jobs.pipeline import Pipeline, Step, pipeline_of, swept
from ..model.run import Run
from ..model.workspace import Workspace
from ..util import files
from ..util.errors import UsageError, UserError
from ..workspace import loader
from . import environment_resolver, execute, pipeline_record, sweep_executor
from .sweep_executor import Prepare


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """A pipeline's run: `run` stands for the pipeline as a whole (its id, its folder, where its
    data are); `kept` are the folders of steps that an earlier run did, relative to the
    workspace; `steps` are those that run now; `drawn` the values of each trial of a step that is
    a sweep, where more than its plain first one is wanted."""

    run: Run
    pipeline: Pipeline
    steps: tuple[Step, ...]
    kept: Mapping[str, str] = field(default_factory=dict)
    drawn: Mapping[str, sweep_executor.Drawn] = field(default_factory=dict)
    environments: Mapping[str, ResolvedEnvironment] = field(default_factory=dict)

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
    return pipeline_of(job, loader.WorkspaceFiles(Path(workspace.root)).read)


def swept_job(workspace: Workspace, job: Job) -> Job:
    """A sweep with the component that its trial may name in it."""
    return swept(job, loader.WorkspaceFiles(Path(workspace.root)).read)


def plan(
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    *,
    step: str | None = None,
    from_run: str | None = None,
    options: Sequence[str] = (),
    processes: int | None = None,
    trials: int | None = None,
    seed: int | None = None,
    dry: bool = False,
) -> PipelinePlan:
    """`step` runs alone, with what the last run (or `from_run`) has of the steps before it;
    `from_run` without a step keeps all that was done in it and runs the rest. Of a step that is a
    sweep one trial runs, or `trials`, of which the best hands its outputs on."""
    pipeline = read(workspace, job)
    kept: Mapping[str, str] = {}
    if step is not None or from_run is not None:
        # What was made of the old outputs of a step that runs again is out of date.
        again = {step, *pipeline.after(step)} if step else set()
        root = Path(workspace.root)
        kept = pipeline_record.kept(root, experiment.slug, job.name, from_run, again)
    chosen = [pipeline.step(step)] if step else [s for s in pipeline.steps if s.name not in kept]
    if not chosen:
        raise UserError(
            f"every step is done in run {from_run}",
            where=f"outputs/{experiment.slug}/{from_run}",
            hint="Name a step with --step to run it again",
        )
    if step:
        _require(job, chosen[0], kept, from_run, dry)
    sweeps = [one for one in chosen if one.job.kind == "sweep"] if trials else []
    if trials and not sweeps:
        raise UsageError("no step that would run is a sweep", hint="Leave --trials away")
    drawn = {one.name: sweep_executor.draw(one.job, trials or 1, seed) for one in sweeps}
    whole = execute.plan(
        workspace,
        experiment,
        _data_of(job, chosen),
        options=options,
        environment=NO_ENVIRONMENT,
        dry=True,
    )
    whole = replace(whole, processes=processes, attended=False)
    planned = PipelinePlan(whole, pipeline, tuple(chosen), kept, drawn)
    return replace(planned, environments=dict(_environments(planned)))


def _environments(planned: PipelinePlan) -> Iterator[tuple[str, ResolvedEnvironment]]:
    """The environment of each step that can run here; a step is planned several times."""
    whole = planned.run
    for step in planned.steps:
        if step.problem is None:
            try:
                job = _command_of(planned, step, {})
            except UserError:
                continue  # raised again when the step is planned
            yield step.name, environment_resolver.resolve(whole.workspace, whole.experiment, job)


def fetched(planned: PipelinePlan) -> PipelinePlan:
    """The same with the pipeline's own data on this machine; a `Mistake` for what is nowhere."""
    dry = planned.run
    real = execute.plan(
        dry.workspace,
        dry.experiment,
        dry.job,
        options=tuple(dry.options),
        environment=NO_ENVIRONMENT,
    )
    real = replace(real, id=dry.id, processes=dry.processes, attended=False)
    return replace(planned, run=real)


def missing(planned: PipelinePlan, prepare: Prepare) -> list[UserError]:
    """All that keeps the steps from really running here, each thing once."""
    found = list(planned.run.missing)
    for step in planned.steps:
        run = run_of(planned, step, dry=True)
        found += run.missing
        if prepare(run, dry=True).request.can_start:
            continue
        try:
            prepare(replace(run, missing=()), dry=False)
        except UserError as mistake:
            found.append(mistake)
    return list({mistake.message(): mistake for mistake in found}.values())


def no_local_equivalent(planned: PipelinePlan) -> UserError | None:
    """Why the steps cannot all run here: the sentence of the first, and the names of others."""
    stuck = [step for step in planned.steps if step.problem is not None]
    if not stuck or stuck[0].problem is None:
        return None
    first, others = stuck[0].problem, [step.name for step in stuck[1:]]
    more = f"; {', '.join(others)} cannot run here either" if others else ""
    return UserError(first.what + more, where=first.where, hint=first.hint)


def run_of(planned: PipelinePlan, step: Step, dry: bool = False) -> Run:
    """One step as a run: what it takes from other steps and from the pipeline is data by then."""
    if step.problem is not None:
        raise step.problem
    _require_values(planned, step)
    if not dry:
        _require_handed_on(planned, step)
    whole, found = planned.run, dict(_handed_on(planned, step))
    job = _command_of(planned, step, found)
    own = {
        name: one
        for name, one in job.inputs.items()
        if name not in found and (one.kind == "literal" or one.has_value)
    }
    run = execute.plan(
        whole.workspace,
        whole.experiment,
        replace(job, inputs=own),
        options=tuple(whole.options),
        processes=whole.processes,
        environment=planned.environments.get(step.name),
        dry=dry,
    )
    return replace(
        run,
        job=job,
        id=f"{whole.id}-{_plain(step.name)}",
        data={**run.data, **found},
        writable=run.writable | {n for n, p in step.passes.items() if p in whole.writable},
        within=planned.folder_of(step.name),
        attended=False,
    )


def _command_of(planned: PipelinePlan, step: Step, found: Mapping[str, str]) -> Job:
    """`found` are the paths of what it takes from elsewhere: inputs like the others from here on."""
    inputs = {
        name: replace(one, path=found[name]) if name in found else one
        for name, one in step.job.inputs.items()
    }
    job = replace(step.job, inputs=inputs)
    if job.kind != "sweep":
        return job
    if step.name in planned.drawn:
        return sweep_executor.job_of(job, planned.drawn[step.name].values[0])
    return sweep_executor.one_trial(job)[0]


def sweep_of(planned: PipelinePlan, step: Step, first: Run) -> sweep_executor.Sweep | None:
    """The trials of a step that is a sweep, where several are wanted; they find their inputs
    where the first one's run does."""
    if step.name not in planned.drawn:
        return None
    inputs = {name: first.job.inputs[name] for name in step.job.inputs}
    job = replace(step.job, inputs=inputs)
    return sweep_executor.plan(job, first, planned.drawn[step.name], step=step.name)


def _require_values(planned: PipelinePlan, step: Step) -> None:
    """An input of the pipeline that the step's command needs, and that nobody gives a value."""
    for name, one in step.job.inputs.items():
        is_lacking = one.origin and not one.optional and one.kind == "literal" and one.value is None
        if is_lacking and f"inputs.{name}" in step.job.command:
            raise UserError(
                f'the step "{step.name}" takes the input "{one.origin}", which has no value',
                where=planned.run.job.text.where("inputs", one.origin),
                hint=f"Give it one with --set inputs.{one.origin}=VALUE",
            )


def _require_handed_on(planned: PipelinePlan, step: Step) -> None:
    """What an earlier run kept is still there; a folder that stayed empty is no more, and is made."""
    for earlier, output in step.takes.values():
        path = planned.output(earlier, output)
        if earlier not in planned.kept or os.path.exists(path):
            continue
        giver = planned.pipeline.step(earlier)
        if not giver.job.outputs[output].is_file:
            files.make_folder(Path(path))
            continue
        raise UserError(
            f'the step "{step.name}" takes the output "{output}" of {earlier}, which is not there',
            where=os.path.relpath(path, planned.root).replace("\\", "/"),
            hint=f"Make it again with --step {earlier}",
        )


def _handed_on(planned: PipelinePlan, step: Step) -> Iterator[tuple[str, str]]:
    for name, (earlier, output) in step.takes.items():
        yield name, planned.output(earlier, output) + step.below.get(name, "")
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


def requests(
    planned: PipelinePlan, prepare: Prepare
) -> tuple[list[dict[str, Any]], list[UserError]]:
    """What `--dry-run --json` says of each step; a step that cannot run here says why, and is
    among the mistakes."""
    told, mistakes = [], []
    for step in planned.steps:
        row: dict[str, Any] = {"step": step.name, "needs": list(step.needs)}
        try:
            run = run_of(planned, step, dry=True)
            row.update(prepare(run, dry=True).request.json())
            if made := sweep_of(planned, step, run):
                row["trials"] = sweep_executor.requests(made, prepare)
        except UserError as mistake:
            row["problem"] = mistake.message()
            mistakes.append(mistake)
        told.append(row)
    return told, mistakes


def _require(
    job: Job, step: Step, kept: Mapping[str, str], from_run: str | None, dry: bool
) -> None:
    missing = [name for name in step.needs if name not in kept]
    if missing and not dry:
        none = f"run {from_run} has none" if from_run else "no earlier run has them"
        raise UserError(
            f'the step "{step.name}" takes outputs of {" and ".join(missing)}, and {none}',
            where=job.text.where("jobs", step.name.split(".")[0]),
            hint=f"Run the whole pipeline, or first --step {missing[0]}",
        )


def _plain(name: str) -> str:
    """A step's name as a folder's and a container's."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)

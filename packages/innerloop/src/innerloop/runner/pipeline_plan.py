"""The plan of a pipeline's run.

It says which steps run and where the outputs of earlier steps are, and has each step as a run of
its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
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
from ..util.quick_dataclasses import dataclass
from ..workspace import loader
from . import environment_resolver, execute, pipeline_record, sweep_executor
from .sweep_executor import Prepare


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """A pipeline's run.

    `run` is the pipeline as a whole: its id, its folder and its data. `kept` are the folders of
    steps that an earlier run has done, relative to the workspace's root. `steps` run now. `drawn`
    has the values of the trials of each step that is a sweep of several trials. `environments` has
    the resolved environment of each step. `runs` are the steps of a detached pipeline, which were
    planned when it was asked for; empty for any other. `elsewhere` is as in `execute.plan`.
    """

    run: Run
    pipeline: Pipeline
    steps: tuple[Step, ...]
    kept: Mapping[str, str] = field(default_factory=dict)
    drawn: Mapping[str, sweep_executor.Drawn] = field(default_factory=dict)
    environments: Mapping[str, ResolvedEnvironment] = field(default_factory=dict)
    runs: Mapping[str, Run] = field(default_factory=dict)
    elsewhere: Mapping[str, str] | None = None

    @property
    def root(self) -> Path:
        return Path(self.run.workspace.root)

    def folder_of(self, step: str) -> str:
        """The folder of a step's `./outputs`, relative to the workspace's root."""
        return self.kept.get(step) or f"{self.run.outputs}/{_plain(step)}"

    def output(self, step: str, name: str) -> str:
        """The absolute path of one output of a step."""
        return os.path.normpath(self.root / self.folder_of(step) / name)


def read(workspace: Workspace, job: Job) -> Pipeline:
    disk = loader.WorkspaceFiles(Path(workspace.root))
    return pipeline_of(job, disk.read, disk.find_asset)


def swept_job(workspace: Workspace, job: Job) -> Job:
    """A sweep job with the component that its trial names put in its place."""
    disk = loader.WorkspaceFiles(Path(workspace.root))
    return swept(job, disk.read, disk.find_asset)


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
    elsewhere: Mapping[str, str] | None = None,
    dry: bool = False,
) -> PipelinePlan:
    """Plan a run of all steps of a pipeline, or of some of them.

    With `step` only that step runs, on the outputs that the last run (or `from_run`) has of the
    steps before it. `from_run` without a step keeps all steps that are done in that run and runs
    the rest. A step that is a sweep runs one trial, or `trials`, of which the best provides the
    outputs.
    """
    pipeline = read(workspace, job)
    kept: Mapping[str, str] = {}
    if step is not None or from_run is not None:
        # Steps after one that runs again are outdated: they used its old outputs.
        outdated = {step, *pipeline.after(step)} if step else set()
        root = Path(workspace.root)
        kept = pipeline_record.kept(root, experiment.slug, job.name, from_run, outdated)
    chosen = [pipeline.step(step)] if step else [s for s in pipeline.steps if s.name not in kept]
    if not chosen:
        raise UserError(
            f"every step is done in run {from_run}",
            code="nothing-to-run",
            where=f"outputs/{experiment.slug}/{from_run}",
            hint="Name a step with --step to run it again",
        )
    if step:
        _require_needs(job, chosen[0], kept, from_run, dry)
    sweeps = [each for each in chosen if each.job.kind == "sweep"] if trials else []
    if trials and not sweeps:
        raise UsageError(
            "no step that would run is a sweep", code="option-not-applicable", hint="Omit --trials"
        )
    drawn = {
        each.name: sweep_executor.draw(each.job, trials or 1, seed, dry=dry) for each in sweeps
    }
    whole = execute.plan(
        workspace,
        experiment,
        _data_of(job, chosen),
        options=options,
        environment=NO_ENVIRONMENT,
        elsewhere=elsewhere,
        dry=True,
    )
    whole = replace(whole, processes=processes, attended=False)
    planned = PipelinePlan(whole, pipeline, tuple(chosen), kept, drawn, elsewhere=elsewhere)
    return replace(planned, environments=dict(_environments(planned)))


def _environments(planned: PipelinePlan) -> Iterator[tuple[str, ResolvedEnvironment]]:
    """The environment of each step that can run here; a step is planned several times."""
    whole = planned.run
    for step in planned.steps:
        if step.problem is None:
            try:
                job = _command_job(planned, step, {})
            except UserError:
                continue  # raised again when the step is planned
            full = planned.elsewhere is not None
            found = environment_resolver.resolve(whole.workspace, whole.experiment, job, full=full)
            yield step.name, found


def fetched(planned: PipelinePlan) -> PipelinePlan:
    """The plan with the pipeline's own data on this machine. UserError for data that are missing."""
    dry = planned.run
    real = execute.plan(
        dry.workspace,
        dry.experiment,
        dry.job,
        options=tuple(dry.options),
        environment=NO_ENVIRONMENT,
        elsewhere=planned.elsewhere,
    )
    real = replace(real, id=dry.id, processes=dry.processes, attended=False)
    return replace(planned, run=real)


def missing(planned: PipelinePlan, prepare: Prepare) -> list[UserError]:
    """Everything that keeps the steps from running here, each error once."""
    errors = list(planned.run.missing)
    for step in planned.steps:
        run = run_of(planned, step, dry=True)
        errors += run.missing
        if prepare(run, dry=True).request.can_start:
            continue
        try:
            prepare(replace(run, missing=()), dry=False)
        except UserError as error:
            errors.append(error)
    return list({error.message(): error for error in errors}.values())


def no_local_equivalent(planned: PipelinePlan) -> UserError | None:
    """Why the steps cannot all run here; None if all can.

    It is the error of the first such step, with the names of the others.
    """
    blocked = [step for step in planned.steps if step.problem is not None]
    if not blocked or blocked[0].problem is None:
        return None
    first, others = blocked[0].problem, [step.name for step in blocked[1:]]
    more = f"; {', '.join(others)} cannot run here either" if others else ""
    return UserError(first.what + more, code=first.code, where=first.where, hint=first.hint)


def run_of(planned: PipelinePlan, step: Step, dry: bool = False) -> Run:
    """One step as a run: what it takes from other steps and from the pipeline is its data."""
    if step.problem is not None:
        raise step.problem
    if step.name in planned.runs:
        return planned.runs[step.name]
    _require_values(planned, step)
    if not dry:
        _require_kept_outputs(planned, step)
    whole, paths = planned.run, dict(_input_paths(planned, step))
    job = _command_job(planned, step, paths)
    own = {
        name: input_
        for name, input_ in job.inputs.items()
        if name not in paths and (input_.kind == "literal" or input_.has_value)
    }
    run = execute.plan(
        whole.workspace,
        whole.experiment,
        replace(job, inputs=own),
        options=tuple(whole.options),
        processes=whole.processes,
        environment=planned.environments.get(step.name),
        notes=step.notes,
        elsewhere=planned.elsewhere,
        dry=dry,
    )
    return replace(
        run,
        job=job,
        id=f"{whole.id}-{_plain(step.name)}",
        data={**run.data, **paths},
        writable=run.writable | {n for n, p in step.passes.items() if p in whole.writable},
        within=planned.folder_of(step.name),
        attended=False,
    )


def _command_job(planned: PipelinePlan, step: Step, paths: Mapping[str, str]) -> Job:
    """The step's command job. `paths` are those of the inputs that it takes from elsewhere."""
    inputs = {
        name: replace(input_, path=paths[name]) if name in paths else input_
        for name, input_ in step.job.inputs.items()
    }
    job = replace(step.job, inputs=inputs)
    if job.kind != "sweep":
        return job
    if step.name in planned.drawn:
        return sweep_executor.job_of(job, planned.drawn[step.name].values[0])
    return sweep_executor.one_trial(job)[0]


def sweep_of(planned: PipelinePlan, step: Step, first: Run) -> sweep_executor.Sweep | None:
    """The trials of a step that is a sweep of several, else None.

    Their inputs are those of the first trial's run.
    """
    if step.name not in planned.drawn:
        return None
    inputs = {name: first.job.inputs[name] for name in step.job.inputs}
    job = replace(step.job, inputs=inputs)
    return sweep_executor.plan(job, first, planned.drawn[step.name], step=step.name)


def _require_values(planned: PipelinePlan, step: Step) -> None:
    """UserError for an input of the pipeline that the step's command needs and that has no value."""
    for name, input_ in step.job.inputs.items():
        is_missing = input_.origin and not input_.optional and input_.kind == "literal"
        if is_missing and input_.value is None and f"inputs.{name}" in step.job.command:
            raise UserError(
                f'the step "{step.name}" takes the input "{input_.origin}", which has no value',
                code="input-without-value",
                where=planned.run.job.text.where("inputs", input_.origin),
                hint=f"Give it one with --set inputs.{input_.origin}=VALUE",
            )


def _require_kept_outputs(planned: PipelinePlan, step: Step) -> None:
    """UserError for an output of an earlier run that is gone.

    An output folder that was empty was removed after that run: it is created again.
    """
    for earlier, output in step.takes.values():
        path = planned.output(earlier, output)
        if earlier not in planned.kept or os.path.exists(path):
            continue
        source = planned.pipeline.step(earlier)
        if not source.job.outputs[output].is_file:
            files.make_folder(Path(path))
            continue
        raise UserError(
            f'the step "{step.name}" takes the output "{output}" of {earlier}, which does not exist',
            code="output-missing",
            where=os.path.relpath(path, planned.root).replace("\\", "/"),
            hint=f"Make it again with --step {earlier}",
        )


def _input_paths(planned: PipelinePlan, step: Step) -> Iterator[tuple[str, str]]:
    """(input, absolute path) of what the step takes from other steps and from the pipeline."""
    for name, (earlier, output) in step.takes.items():
        yield name, planned.output(earlier, output) + step.below.get(name, "")
    for name, pipeline_input in step.passes.items():
        if pipeline_input in planned.run.data and not step.job.inputs[name].passes_uri:
            yield name, planned.run.data[pipeline_input]


def _data_of(job: Job, steps: Sequence[Step]) -> Job:
    """The pipeline's data that these steps use, as the inputs of a job."""
    used = {name for step in steps if step.problem is None for name in step.passes.values()}
    inputs: dict[str, Input] = {
        name: input_ for name, input_ in job.inputs.items() if name in used and input_.has_value
    }
    return replace(job, kind="command", inputs=inputs, outputs={})


def requests(
    planned: PipelinePlan, prepare: Prepare
) -> tuple[list[dict[str, Any]], list[UserError]]:
    """The JSON object of each step for `--dry-run --json`, and the errors.

    The errors are those of the steps that cannot run here, which have a `problem` instead of a
    request.
    """
    documents, errors = [], []
    for step in planned.steps:
        document: dict[str, Any] = {"step": step.name, "needs": list(step.needs)}
        try:
            run = run_of(planned, step, dry=True)
            document.update(prepare(run, dry=True).request.json())
            if sweep := sweep_of(planned, step, run):
                document["trials"] = sweep_executor.requests(sweep, prepare)
        except UserError as error:
            document["problem"] = error.message()
            errors.append(error)
        documents.append(document)
    return documents, errors


def _require_needs(
    job: Job, step: Step, kept: Mapping[str, str], from_run: str | None, dry: bool
) -> None:
    missing = [name for name in step.needs if name not in kept]
    if missing and not dry:
        absent = f"run {from_run} has none" if from_run else "no earlier run has them"
        raise UserError(
            f'the step "{step.name}" takes outputs of {" and ".join(missing)}, and {absent}',
            code="output-missing",
            where=job.text.where("jobs", step.name.split(".")[0]),
            hint=f"Run the whole pipeline, or first --step {missing[0]}",
        )


def _plain(name: str) -> str:
    """A step's name as the name of a folder and a container."""
    return re.sub(r"^\.|[^A-Za-z0-9_.-]", "_", name)

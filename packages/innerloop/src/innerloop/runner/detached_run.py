"""Detached runs: a run, a sweep or a pipeline that is asked for now and starts when it is its turn.

The code is copied first, then what it needs is built, so that both are as they are now; then a
process of its own takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..model.jobs.job import Job
from ..model.run import Run
from ..util.errors import combine
from . import detached_task, execute, pipeline_executor, pipeline_plan, sweep_executor
from .detached_task import DetachedTask
from .execute import Started
from .pipeline_plan import PipelinePlan
from .sweep_executor import Drawn, Prepare


def of_run(run: Run, backend: str, *, trusted: bool) -> DetachedTask:
    """Leave one run. UserError if it could not start now but for its turn."""
    with detached_task.ordered(Path(run.workspace.root), run, run.outputs) as order:
        run = order.copied(run)
        started = execute.prepare(run, backend, dry=False, trusted=trusted)
        execute.announce(started)
        task = DetachedTask(
            run.id, run.outputs, run, started.request.backend, started.request.gpu.use
        )
        order.start(task)
    return task


def of_sweep(
    first: Run, job: Job, drawn: Drawn, backend: str, *, parallel: int | None, trusted: bool
) -> DetachedTask:
    """Leave a sweep; `first` is the run of any of its trials."""
    with detached_task.ordered(Path(first.workspace.root), first, first.outputs) as order:
        sweep = sweep_executor.plan(job, order.copied(first), drawn)
        run = sweep.trials[0].run
        started = execute.prepare(run, backend, dry=False, trusted=trusted)
        execute.announce(started)
        task = DetachedTask(
            first.id,
            sweep.folder,
            run,
            started.request.backend,
            started.request.gpu.use,
            sweep=sweep,
            is_serial=sweep_executor.is_serial(job, run.experiment.settings.gpu, parallel),
            parallel=parallel,
        )
        order.start(task)
    return task


def of_pipeline(
    planned: PipelinePlan,
    prepare: Prepare,
    backend: str,
    *,
    parallel: int | None,
    step: str | None = None,
    arguments: Sequence[str] = (),
) -> DetachedTask:
    """Leave a pipeline, or one `step` of it with these arguments. `backend` may be "auto"."""
    if errors := pipeline_plan.missing(planned, prepare):
        raise combine(errors)
    planned = pipeline_plan.fetched(planned)
    whole = planned.run
    with detached_task.ordered(planned.root, whole, whole.outputs) as order:
        runs = {one.name: pipeline_plan.run_of(planned, one) for one in planned.steps}
        if step is not None:
            runs = {step: replace(runs[step], arguments=arguments, attended=True)}
        runs = {name: order.copied(run) for name, run in runs.items()}
        planned = replace(planned, runs=runs)
        ready: list[Started] = [prepare(run, dry=False) for run in runs.values()]
        execute.announce(ready[0])
        run = next(iter(runs.values()))
        task = DetachedTask(
            whole.id,
            run.outputs if step is not None else whole.outputs,
            run,
            backend,
            any(started.request.gpu.use for started in ready),
            pipeline=planned,
            is_step=step is not None,
            is_serial=step is not None or pipeline_executor.is_serial(planned, parallel),
            parallel=parallel,
        )
        order.start(task)
    return task

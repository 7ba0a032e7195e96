"""A detached run of this machine, as `loop run --detach` hands it to the process that carries it out.

The code is copied first, so what runs is what was there when it was asked for. That process (see
`supervisor`) waits until it is the run's turn. It is one for each run, and ends with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field, replace
from pathlib import Path

from ..history import git_state, in_flight
from ..history.in_flight import Mark
from ..model.experiment import Experiment
from ..model.gpu import GpuSetting
from ..model.run import Ordered, Run
from ..util import clock, console, process
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import device_claims, part_process
from .code_copies import CodeCopies
from .pipeline_plan import PipelinePlan
from .sweep_executor import Sweep

# What is in flight before the run itself is.
DETACHED = "detached run"


@dataclass(frozen=True, slots=True)
class DetachedTask:
    """What is to be carried out on `backend`.

    `run` is the run itself, or the first one of a `sweep` or a `pipeline`; with a pipeline and
    `is_step`, one step of it alone. `id` and `folder` are those of the whole. `uses_gpus`: as far as
    the backend said when it was asked. `parallel` is the command line's number.
    """

    id: str
    folder: str
    run: Run
    backend: str
    uses_gpus: bool
    sweep: Sweep | None = None
    pipeline: PipelinePlan | None = None
    is_step: bool = False
    is_serial: bool = True
    parallel: int | None = None

    @property
    def root(self) -> Path:
        return Path(self.run.workspace.root)

    @property
    def experiment(self) -> Experiment:
        return self.run.experiment

    @property
    def kind(self) -> str:
        """What has several parts: a "sweep", a "pipeline"; "" for one run."""
        if self.sweep is not None:
            return "sweep"
        return "pipeline" if self.pipeline is not None and not self.is_step else ""

    def with_each(self, change: Callable[[Run], Run]) -> DetachedTask:
        """The task with its run and all of its parts changed."""
        sweep, pipeline = self.sweep, self.pipeline
        if sweep is not None:
            trials = tuple(replace(trial, run=change(trial.run)) for trial in sweep.trials)
            sweep = replace(sweep, trials=trials)
        if pipeline is not None:
            runs = {name: change(run) for name, run in pipeline.runs.items()}
            pipeline = replace(pipeline, run=change(pipeline.run), runs=runs)
        return replace(self, run=change(self.run), sweep=sweep, pipeline=pipeline)

    def with_gpu(self, setting: GpuSetting) -> DetachedTask:
        return self.with_each(
            lambda run: replace(run, experiment=device_claims.with_gpu(run.experiment, setting))
        )


@dataclass(slots=True)
class Order:
    """A detached run while it is asked for: it has its place, and its code is copied."""

    mark: Mark
    copies: CodeCopies
    ordered: Ordered
    task: DetachedTask | None = field(default=None)

    def copied(self, run: Run) -> Run:
        return self.copies.of(run, self.ordered)

    def start(self, task: DetachedTask) -> None:
        """Hand the task over. UserError if the process that takes it ends at once."""
        ended = process.start_detached(
            part_process.argv("supervisor"), part_process.given(task), cwd=task.root
        )
        if ended is not None:
            raise UserError(
                f"the process that would carry out {task.id} has ended: {ended.err.strip()}",
                code="detached-not-started",
                where=task.folder,
                hint="Run it without --detach, which shows more",
            )
        self.mark.is_kept = True


@contextmanager
def ordered(root: Path, run: Run, folder: str) -> Iterator[Order]:
    """Within, the run is asked for; nothing of it stays unless it is started."""
    id = folder.split("/")[2]
    state = None
    try:
        state = git_state.read_or_fail(root)
    except UserError as error:
        console.say(f"the record does not have the state of the code: {error}")
    at = Ordered(
        clock.now(),
        None if state is None else state.json(),
        "" if state is None else state.patch,
    )
    with in_flight.marked(root, id, DETACHED, run.experiment, folder) as mark:
        yield Order(mark, CodeCopies(root, id), at)

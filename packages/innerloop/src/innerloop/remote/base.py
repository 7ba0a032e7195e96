"""Backends that run a job elsewhere: what each offers, and the table of them.

docs/adding-a-backend.md shows how to add one.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from .. import local
from ..local import BackendElsewhere
from ..model.run import Backend
from ..util import process
from ..util.errors import UsageError, UserError, did_you_mean
from ..util.quick_dataclasses import dataclass

if TYPE_CHECKING:
    from ..model.experiment import Experiment
    from ..model.jobs.job import Job
    from ..model.lint.finding import Finding
    from ..model.removable import Removable
    from ..model.run import Request, Run
    from ..model.settings.settings import UnparsedTable
    from ..model.workspace import Workspace
    from ..runner.debug import DebugSite
    from ..runner.pipeline_plan import PipelinePlan
    from ..runner.sweep_executor import Prepare, Sweep
    from .snapshot import SuspectedSecret
    from .submission_store import SubmittedJob

# Name -> the module with a `BACKEND`: a callable that takes the workspace's root, and where its jobs
# are (None: where the configuration says), and returns a `RemoteBackend`. Modules are imported when
# they are needed.
BACKENDS: dict[str, str] = {
    "azureml": "innerloop.remote.azureml.backend",
    "argo": "innerloop.remote.argo.backend",
    "ssh": "innerloop.remote.ssh.backend",
    "slurm": "innerloop.remote.slurm.backend",
}
# Those whose jobs go to a machine that the settings name: `--backend ssh:NAME`. `loop run` runs a job
# there to its end.
OF_MACHINES = ("ssh", "slurm")
# Those of them that this machine can be: `--backend slurm`.
OF_THIS_MACHINE = ("slurm",)
# Those that a table of the settings asks for, by its own table of that name.
OF_TABLES = ("slurm",)
# What the help of `--backend` says where it takes a machine.
A_MACHINE = "ssh:NAME, slurm or slurm:NAME"
# Where `loop submit` sends a job, and where a job is that was not submitted from here.
DEFAULT = "azureml"

# (state, name, what, hint); state is "ok", "note" (works, with less) or "bad" (does not work).
DoctorFact = tuple[Literal["ok", "note", "bad"], str, str, str]
Events = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class SubmissionOrder:
    """What `loop submit` is asked for.

    `file` is relative to the experiment's folder; `sets` are the overrides in their order; `name`
    is None where the backend chooses one; `is_dry`: nothing is sent.
    """

    workspace: Workspace
    experiment: Experiment
    file: str
    sets: tuple[str, ...] = ()
    name: str | None = None
    is_dry: bool = False


class Submission(Protocol):
    """A job as a backend would send it, before anything is sent."""

    @property
    def name(self) -> str: ...

    @property
    def readers(self) -> str:
        """Who can read what is sent: "everybody in the Azure ML workspace"."""

    @property
    def suspects(self) -> Sequence[tuple[str, SuspectedSecret]]:
        """Likely secrets among what would be sent, each with the folder it is sent with."""

    @property
    def notes(self) -> Sequence[str]:
        """What a dry run says on stderr, after the preview."""

    @property
    def file_of_name(self) -> str:
        """The job file, where it says the job's name; "" otherwise."""

    def json(self) -> dict[str, Any]:
        """What `--dry-run --json` prints."""

    def preview(self) -> Iterator[tuple[str, str]]:
        """Rows of a title and a text, shown before the job is sent."""

    def text(self) -> str:
        """What `--dry-run` prints without `--json`; ends with a line end."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A submitted job as the service describes it; "" for what it does not know.

    `started` and `ended` are ISO 8601 times in UTC. `children`: the steps of a pipeline or the
    trials of a sweep, each with "name", "step" and "status".
    """

    status: str
    name: str = ""
    type: str = ""
    experiment: str = ""
    url: str = ""
    compute: str = ""
    created: str = ""
    started: str = ""
    ended: str = ""
    error: str = ""
    children: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a download brought: the job's status, files and bytes."""

    status: JobStatus
    files: int
    size: int


class RemoteBackend(Backend, Protocol):
    """A backend whose jobs run elsewhere; a context manager, which closes what it opened.

    Every verb about a job takes the job's name and raises UserError where the service cannot be
    asked.
    """

    def __enter__(self) -> RemoteBackend: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def lint(self, experiment: Experiment, job: Job) -> list[Finding]:
        """What keeps the job from running there, and what it would do otherwise than meant."""

    def plan_submission(
        self, order: SubmissionOrder
    ) -> tuple[Submission | None, Sequence[Finding]]:
        """The submission, and the findings of `lint`; None where they stand in the way.

        Nothing is sent, and there is no sign-in.
        """

    def submit(
        self, submission: Submission, on_ready: Callable[[Submission], None]
    ) -> SubmittedJob:
        """Sends the job.

        `on_ready` gets the submission with all that the service says of it, before anything is
        uploaded: it shows the preview and may raise. The same submission again after an
        interruption keeps its name and creates no second job.
        """

    def status(self, job: str) -> JobStatus: ...

    def logs(
        self, job: str, on_event: Events, *, with_logs: bool, follow: bool
    ) -> tuple[JobStatus, int]:
        """Report events from the log's start, with `follow` to the job's end.

        The events are those of `worker.protocol`. Returns the status then, and how
        many bytes of logs there were.
        """

    def cancel(self, job: str) -> tuple[str, str]:
        """The job's status before and after; a job that has ended stays as it is."""

    def fetch(self, job: str, into: str, output: str = "") -> Fetched:
        """Put the job's outputs into a folder (relative to the workspace's root).

        If `output` is not "", only that output.
        """

    def metrics(self, job: str) -> Mapping[str, float]:
        """The last values of the job's metrics; {} where the service has none."""

    def doctor(self) -> Iterator[DoctorFact]:
        """Facts for `loop doctor`, each as soon as it is known."""


class MachineGroups(Protocol):
    """A machine elsewhere that takes all parts of a run at once. Each returns the exit code.

    With `detach` the parts are left there, and the name that they have together is printed.
    """

    def sweep(
        self, planned: Sweep, prepare: Prepare, parallel: int | None, *, detach: bool
    ) -> int: ...

    def pipeline(
        self, planned: PipelinePlan, prepare: Prepare, parallel: int | None, *, detach: bool
    ) -> int: ...

    def script_of_sweep(self, planned: Sweep, prepare: Prepare, parallel: int | None) -> str:
        """What starts all trials, for a dry run."""

    def script_of_pipeline(self, planned: PipelinePlan) -> str:
        """What starts all steps, for a dry run; "" if they are started one after another.

        The steps' requests that are made afterwards name the outputs of earlier steps.
        """


class MachineRun(BackendElsewhere, Protocol):
    """A machine elsewhere, as `loop run` uses it: it runs a job to its end and brings its outputs."""

    @property
    def groups(self) -> MachineGroups | None:
        """What runs the parts of a sweep or pipeline together; None: each is a job of its own."""

    def elsewhere(self, experiment: Experiment) -> Mapping[str, str]:
        """The inputs whose data are on the machine already, by their paths there."""

    def left_running(self, run: Run, request: Request) -> SubmittedJob:
        """Starts the run and leaves it running there."""

    def checkout(self, workspace: Workspace, experiment: Experiment) -> tuple[str, str]:
        """Send the experiment's code, for an editor there. The host and the folder's absolute path."""

    def debug_site(
        self, run: Run, request: Request, programs: Path, library: Path, *, dry: bool
    ) -> DebugSite:
        """Where the debugger is there: see `runner.debug.DebugMachine`."""


class MachineBackend(RemoteBackend, Protocol):
    @property
    def run(self) -> MachineRun: ...

    def connect(self) -> None:
        """Start to connect, without waiting for it. Raises nothing."""

    def removable(self) -> Sequence[Removable]: ...

    def remove(self, item: Removable) -> str:
        """Remove it. Returns "" or why that failed."""


def open_backend(name: str, root: Path, where: Mapping[str, str] | None = None) -> RemoteBackend:
    """`where` names the workspace or cluster that a job was sent to; None for the configured one.

    A backend of machines has the machine's name after a colon, unless `where` names it.
    """
    kind, colon, _ = name.partition(":")
    if kind not in BACKENDS or (colon and kind not in OF_MACHINES):
        raise UserError(
            f'there is no remote backend "{name}"',
            code="backend-unknown",
            hint=did_you_mean(name, list(BACKENDS)),
        )
    if kind in OF_MACHINES and where is None:
        where = {"remote": _machine_name(name)}
    module = importlib.import_module(BACKENDS[kind])
    return cast("RemoteBackend", module.BACKEND(root, where))


def _is_of_machines(name: str) -> bool:
    """Whether a value of `--backend` is a backend of machines, with or without a machine."""
    return name.partition(":")[0] in OF_MACHINES


def _machine_name(name: str) -> str:
    """The machine's name in `ssh:NAME`; "" for this one."""
    from ..model.settings import remotes  # here, since few commands need it

    kind, colon, machine = name.partition(":")
    if not colon and kind in OF_THIS_MACHINE:
        return ""
    if not remotes.is_name(machine):
        raise UsageError(
            f"--backend {name} does not name a machine of the backend {kind}",
            code="machine-missing",
            hint=f"Write {kind}:NAME, with a [remote.NAME] of the settings or a host of ~/.ssh/config",
        )
    return machine


def every(root: Path) -> Iterator[Backend]:
    """All backends, local ones first, in the order of the tables; those of machines that are set."""
    for name in local.BACKENDS:
        yield local.backend(name)
    for name in BACKENDS:
        if name not in OF_MACHINES:
            yield open_backend(name, root)
    for name in machine_names(root):
        yield open_backend(name, root)


def machine_names(root: Path) -> list[str]:
    """`ssh:NAME` for each machine in the workspace's settings, `slurm:NAME` for each cluster.

    Empty if the settings are wrong.
    """
    from ..workspace import loader

    try:
        return machines_of(loader.open_workspace(root).settings.remote)
    except UserError:
        return []


def machines_of(texts: Sequence[UnparsedTable]) -> list[str]:
    """The same of settings that are read. Raises `UserError` with a position."""
    from ..model.settings import remotes

    return [
        f"{kind}:{name}"
        for kind in OF_MACHINES
        for name, machine in remotes.read(texts).items()
        if (kind in OF_TABLES) == (machine.slurm is not None)
    ]


@contextmanager
def machine(name: str, root: Path) -> Iterator[MachineBackend]:
    """The backend of `ssh:NAME`, as what it has there is cleaned."""
    _machine_name(name)
    with open_backend(name, root) as backend:
        yield cast(MachineBackend, backend)


@contextmanager
def runnable(name: str, root: Path, *, dry: bool) -> Iterator[str | BackendElsewhere]:
    """What `loop run` runs a job with: a backend of this machine by name, or a machine elsewhere.

    The connection to that begins while the job is read, unless `dry`.
    """
    if not _is_of_machines(name):
        yield name
        return
    # SIGTERM must not leave behind what the connection has here.
    with process.signals_as_interrupts(), open_backend(name, root) as backend:
        machine = cast(MachineBackend, backend)
        if not dry:
            machine.connect()
        yield machine.run


class _Words(tuple[str, ...]):
    """Values of `--backend`, of which a backend of machines has any name after a colon."""

    def __contains__(self, word: object) -> bool:
        return super().__contains__(word) or _is_of_machines(str(word))


def _remote_words() -> _Words:
    return _Words(name for name in BACKENDS if name not in OF_MACHINES)


def add_run_argument(parser: argparse.ArgumentParser, *, machines: bool = False) -> None:
    """`--backend` of commands that run something on this machine, or on `machines` elsewhere, too."""
    words = (local.AUTO, *local.BACKENDS)
    parser.add_argument(
        "--backend",
        type=_runnable if not machines else _runnable_anywhere,
        choices=_Words(words) if machines else words,
        default=local.AUTO,
        help="where (default: auto)" + f"; {A_MACHINE} for a machine elsewhere" * machines,
    )


def add_submit_argument(parser: argparse.ArgumentParser) -> None:
    """`--backend` of `loop submit`."""
    parser.add_argument(
        "--backend",
        type=_named,
        choices=_remote_words(),
        default=DEFAULT,
        help=f"where (default: %(default)s); {A_MACHINE} for a machine",
    )


def add_backend_argument(parser: argparse.ArgumentParser, help: str) -> None:
    """`--backend` of commands that ask a remote backend."""
    parser.add_argument("--backend", type=_named, choices=_remote_words(), help=help)


def _named(word: str) -> str:
    if _is_of_machines(word):
        _machine_name(word)
    return word


def _runnable_anywhere(word: str) -> str:
    return _named(word) if _is_of_machines(word) else _runnable(word)


def _runnable(word: str) -> str:
    if _is_of_machines(word):
        raise UsageError(
            f"--backend {word} is for `loop run` and `loop submit`",
            code="backend-remote",
            hint=f"`loop run EXP --backend {word}` runs the job there",
        )
    if word in BACKENDS:
        raise UsageError(
            f"--backend {word} takes submitted jobs only",
            code="backend-remote",
            hint=f"`loop submit EXP --backend {word}` sends the job there",
        )
    return word

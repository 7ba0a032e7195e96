"""A run, the request that a backend makes of it, and what every backend offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Protocol

from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..util.redaction import NO_REDACTION, Redaction
from .container import ContainerSpec, Mount
from .environment import NO_ENVIRONMENT, ResolvedEnvironment
from .experiment import Experiment, Link
from .folder_contents import FolderContents
from .gpu import NO_GPU, Gpu
from .jobs.job import Job
from .paths import SCRATCH
from .workspace import Workspace


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a detached run is recorded with: the state when it was asked for, not when it starts.

    `at` is an ISO 8601 time in UTC, `git` the state of the repository for the record (None without
    one), `patch` what was not committed. `code` is the folder or file that the run's code is a copy
    of, an absolute path: containers show the copy in its place.
    """

    at: str
    git: Mapping[str, Any] | None = None
    patch: str = ""
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run, before a backend is chosen: the specification and what the user asked for.

    `environment` is what stands on this machine for the job's environment. `data` maps each data
    input to its absolute path on this machine. `code` is the absolute path of
    the code root, or None when the job has no code on this machine; `code_is_file` says that it is a
    single file; `links` are the symbolic links that lead out of it. `contents` is what was read of the
    folder of each data input, and of the code (under ""). `script` replaces the job's
    command by one Python file; `arguments` are appended to the command, which `shell` understands.
    `in_place` runs in the code's own folder, for programs whose `./outputs` are not kept (tests).

    `within` is the run's folder when it is part of a larger run (a pipeline's step, a sweep's trial),
    relative to the workspace's root. An `attended` run has the terminal and stdin; a part of a
    larger run has neither. `reads_stdin` passes stdin on to an attended run also where it is not a
    terminal.

    `ordered` is there for a detached run, whose `code` is a copy.

    `processes` overrides the number of processes of a distributed job, whose first process listens
    at `master_port`. `search_space` holds a trial's values. `ports` maps each port of a service of
    the job to a port of this machine. `missing` are the reasons why the run cannot start, `notes`
    are for the user.
    """

    workspace: Workspace
    experiment: Experiment
    job: Job
    id: str
    data: Mapping[str, str]
    environment: ResolvedEnvironment = NO_ENVIRONMENT
    writable: frozenset[str] = frozenset()
    script: str | None = None
    arguments: Sequence[str] = ()
    options: Sequence[str] = field(default=())
    in_place: bool = False
    code: str | None = None
    code_is_file: bool = False
    links: tuple[Link, ...] = ()
    contents: Mapping[str, FolderContents] = field(default_factory=dict)
    shell: str = "bash"
    processes: int | None = None
    master_port: int = 29500
    search_space: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, int] = field(default_factory=dict)
    missing: tuple[UserError, ...] = ()
    notes: tuple[str, ...] = ()
    within: str = ""
    attended: bool = True
    reads_stdin: bool = False
    ordered: Ordered | None = None

    @property
    def code_place(self) -> str | None:
        """Where the job has its code: the path that a container has in its place."""
        return self.code if self.ordered is None else self.ordered.code

    @property
    def outputs(self) -> str:
        """The folder that keeps `./outputs`, relative to the workspace's root."""
        return self.within or f"outputs/{self.experiment.slug}/{self.id}"

    @property
    def work(self) -> str:
        """The run's scratch folder while it runs, relative to the workspace's root."""
        return f"{SCRATCH}/{self.experiment.slug}/{self.id}"

    @property
    def has_code_folder(self) -> bool:
        return self.code is not None and not self.code_is_file


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A program to start.

    `env` are the variables that the backend adds. A remote backend starts it in an `image` with
    `mounts`.
    """

    argv: tuple[str, ...] = ()
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What a backend would start, and everything about it: a value, nothing has happened yet.

    `command` is the job's text after substitution. What is started is a `container` of this
    machine's engine, else a `process`; `can_start` is false where this machine has no image or
    environment for it. `needs_build`: the image or environment must be built first. `missing` are the
    backend's reasons why the run cannot start. `outputs` is relative to the workspace's root. `why`
    says which fact chose the backend, and which one decided about `gpu`. `grants` are clauses ("it reads ...") about what the backend
    gives to the job of this machine, beyond what the job file says. `processes` holds the own variables of each process of a
    distributed job; the request's `env` is that of the first one. `secrets` are variables for the
    engine's client that are never printed. `compute` is the machine elsewhere that runs it, "" for this
    one. `script` is what a cluster is given, "" for other backends. `redaction` masks what is known to be secret in all that
    is printed or recorded of it.
    """

    experiment: str
    backend: str
    command: str
    outputs: str
    why: str
    process: ProcessSpec = ProcessSpec()
    container: ContainerSpec | None = None
    can_start: bool = True
    needs_build: bool = False
    missing: tuple[UserError, ...] = ()
    notes: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    processes: tuple[Mapping[str, str], ...] = ()
    gpu: Gpu = NO_GPU
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    compute: str = ""
    script: str = ""
    redaction: Redaction = NO_REDACTION

    @property
    def argv(self) -> tuple[str, ...]:
        """The words that are started; empty when nothing can be started."""
        if not self.can_start:
            return ()
        return self.process.argv if self.container is None else self.container.argv

    @property
    def engine_container(self) -> ContainerSpec | None:
        """The container if this machine's engine keeps it, beside its client; None for any other."""
        is_kept = self.container is not None and self.container.starter is None
        is_kept = is_kept and not self.compute
        return self.container if is_kept else None

    @property
    def plain_argv(self) -> tuple[str, ...]:
        """The same without a view of the code, which only a run makes: words to copy and start."""
        if self.container is None:
            return self.argv
        mounts = tuple(mount.plain() for mount in self.container.mounts)
        return replace(self, container=replace(self.container, mounts=mounts)).argv

    @property
    def cwd(self) -> str:
        """The program's working directory, as the program sees it."""
        return self.process.cwd if self.container is None else self.container.cwd

    @property
    def env(self) -> Mapping[str, str]:
        """The variables that the program gets, as it sees them."""
        return self.process.env if self.container is None else self.container.env

    @property
    def image(self) -> str | None:
        return self.process.image if self.container is None else self.container.image or None

    @property
    def mounts(self) -> tuple[Mount, ...]:
        return self.process.mounts if self.container is None else self.container.mounts

    def with_env(self, values: Mapping[str, str]) -> Request:
        if self.container is not None:
            return replace(self, container=self.container.with_env(values))
        return replace(self, process=replace(self.process, env={**self.env, **values}))

    def with_command_prefix(self, words: Sequence[str]) -> Request:
        """The request with a program before its command, which that program starts."""
        if self.container is not None:
            return replace(self, container=self.container.with_command_prefix(words))
        return replace(self, process=replace(self.process, argv=(*words, *self.process.argv)))

    def with_notes(self, *notes: str) -> Request:
        return replace(self, notes=(*self.notes, *notes))

    def json(self) -> dict[str, Any]:
        """The request as a dry run shows it, without secrets."""
        document = {
            "experiment": self.experiment,
            "backend": self.backend,
            **({"compute": self.compute} if self.compute else {}),
            "why": self.why,
            "command": self.command,
            "argv": list(self.plain_argv),
            "cwd": self.cwd,
            "env": dict(self.env),
            "image": self.image,
            "mounts": [
                {"source": m.source, "target": m.target, "read_only": m.read_only}
                for m in self.mounts
            ],
            "gpu": self.gpu.json() if self.gpu.why else None,
            "outputs": self.outputs,
            "notes": list(self.notes),
            "processes": [dict(variables) for variables in self.processes],
            **({"script": self.script} if self.script else {}),
        }
        return {key: self.redaction.tree(value) for key, value in document.items()}


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a backend can be had on this machine.

    `why` is a clause without a full stop: what was found, or what is missing; `hint` says what to
    do about the latter. `is_rare`: that it cannot be had is the rule, and no reason for what is
    chosen instead.
    """

    is_available: bool
    why: str
    hint: str = ""
    is_rare: bool = False


class Backend(Protocol):
    """Where a job can run.

    `local.LocalBackend` and `remote.base.RemoteBackend` say how a request is carried out, which
    differs: a local run ends with an exit code, a submission with a job.
    """

    name: str

    def available(self, workspace: Workspace) -> Availability:
        """Whether it can be had here. Takes milliseconds and changes nothing."""
        ...

    def supports(self, workspace: Workspace, experiment: Experiment) -> bool:
        """Whether it can run this experiment's jobs at all, read from the workspace's files alone."""
        ...

    def plan(self, run: Run) -> Request:
        """What would happen. Nothing is built, installed, downloaded or sent."""
        ...

"""WHERE a run happens. Each place is a module with two functions:

request(run, ...) -> Request     everything decided, nothing done
submit(request) -> int           does it, and returns the program's own exit code
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..util.errors import UserError
from .container import Mount
from .experiment import Experiment, Link
from .jobs.job import Job
from .paths import SCRATCH
from .workspace import Workspace

BACKENDS = ("auto", "in-container", "docker", "venv")


@dataclass(frozen=True, slots=True)
class Run:
    """One run, before a place is chosen: the specification and what the person asked for.

    `data` maps each data input to its absolute path on this machine; `code` is the absolute path
    of the code root, None when the job brings none, and `code_is_file` says that it is one file;
    `links` lead out of it. `script` replaces the job's command by one Python file; `arguments` are
    added at the end of the command; `in_place` runs in the code's own folder, for programs whose
    `./outputs` are not to be kept (tests). `within` is the folder of the run that this one is a
    part of: a pipeline's step, a sweep's trial; its last part is the step's own. Such a part is
    not `attended`: it has neither terminal nor stdin.

    `processes` shrinks a distributed job, whose first process listens at `master_port`;
    `search_space` holds a trial's values. `ports` maps each port that a service of the job answers
    on to one of this machine. `missing` is what keeps it from really running, `notes` what a
    person should know.
    """

    workspace: Workspace
    experiment: Experiment
    job: Job
    id: str
    data: Mapping[str, str]
    writable: frozenset[str] = frozenset()
    script: str | None = None
    arguments: Sequence[str] = ()
    options: Sequence[str] = field(default=())
    in_place: bool = False
    code: str | None = None
    code_is_file: bool = False
    links: tuple[Link, ...] = ()
    processes: int | None = None
    master_port: int = 29500
    search_space: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, int] = field(default_factory=dict)
    missing: tuple[UserError, ...] = ()
    notes: tuple[str, ...] = ()
    within: str = ""
    attended: bool = True

    @property
    def outputs(self) -> str:
        """Where `./outputs` is kept, relative to the workspace's root."""
        return self.within or f"outputs/{self.experiment.slug}/{self.id}"

    @property
    def work(self) -> str:
        """A folder of its own for as long as it runs, relative to the workspace's root."""
        return f"{SCRATCH}/{self.experiment.slug}/{self.id}"

    @property
    def has_code_folder(self) -> bool:
        return self.code is not None and not self.code_is_file


@dataclass(frozen=True, slots=True)
class Request:
    """What would happen, exactly. `command` is the text after substitution, `argv` what is really
    started (nothing, where no environment stands for the job's), `cwd` the working directory and
    `env` the variables as the program sees them; of several processes the first one, and
    `processes` holds what is each one's own."""

    experiment: str
    backend: str
    command: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    outputs: str
    why: str
    image: str | None = None
    mounts: tuple[Mount, ...] = ()
    notes: tuple[str, ...] = ()
    processes: tuple[Mapping[str, str], ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def json(self) -> dict[str, Any]:
        return {
            "experiment": self.experiment,
            "backend": self.backend,
            "why": self.why,
            "command": self.command,
            "argv": list(self.argv),
            "cwd": self.cwd,
            "env": dict(self.env),
            "image": self.image,
            "mounts": [
                {"source": m.source, "target": m.target, "read_only": m.read_only}
                for m in self.mounts
            ],
            "outputs": self.outputs,
            "notes": list(self.notes),
            "processes": [dict(one) for one in self.processes],
        }


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a backend can be had on this machine. `why` is a clause without a full stop: what was
    found, or what is missing; `hint` says what to do about the latter."""

    is_available: bool
    why: str
    hint: str = ""


class Backend(Protocol):
    """Where a job can run. `local.LocalBackend` and `remote.base.RemoteBackend` say how a request is
    carried out, which differs: a local run ends with an exit code, a submission with a job."""

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

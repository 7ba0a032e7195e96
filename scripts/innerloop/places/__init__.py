"""WHERE a run happens. Each place is a module with two functions:

request(run, ...) -> Request     everything decided, nothing done
submit(request) -> int           does it, and returns the program's own exit code
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import Mistake
from ..spec.experiment import Experiment
from ..spec.host_paths import Bind, to_host
from ..spec.job import Job
from ..spec.workspace import Workspace
from ..tools.docker import Mount

PLACES = ("auto", "inside", "docker", "venv")


@dataclass(frozen=True, slots=True)
class Run:
    """One run, before a place is chosen: the specification and what the person asked for.

    `data` maps each data input to its absolute path on this machine; `script` replaces the job's
    command by one Python file; `arguments` are added at the end of the command; `in_place` runs in
    the code's own folder, for programs whose `./outputs` are not to be kept (tests). `within` is
    the folder of the run that this one is a part of: a pipeline's step, a sweep's trial; its last
    part is the step's own. Such a part is not `attended`: it has neither terminal nor stdin.
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
    within: str = ""
    attended: bool = True

    @property
    def outputs(self) -> str:
        """Where `./outputs` is kept, relative to the workspace's root."""
        return self.within or f"outputs/{self.experiment.slug}/{self.id}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the machine adds to a container. `env` and `mounts` are seen in it; `secrets` are
    variables for the docker client alone, which `options` name and nothing shows. `binds`: the
    mounts of the container that we are in ourselves."""

    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    binds: tuple[Bind, ...] = ()
    notes: tuple[str, ...] = ()

    def hosted(self, mount: Mount) -> Mount:
        """The mount as the engine has to be asked for it. A path that only our container has is
        a `Mistake`: the engine would make an empty folder of that name."""
        if not self.binds:
            return mount
        source = to_host(mount.source, self.binds)
        if source is None:
            raise Mistake(
                f"{mount.source} is in this container alone, so the engine cannot mount it",
                mend="Put it into the workspace's folder, or run it from a terminal on the host",
            )
        return Mount(source, mount.target, mount.read_only)


NOTHING = Surroundings()


@dataclass(frozen=True, slots=True)
class Request:
    """What would happen, exactly. `command` is the text after substitution, `argv` what is really
    started, `cwd` the working directory and `env` the variables as the program sees them."""

    experiment: str
    place: str
    command: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    outputs: str
    why: str
    image: str | None = None
    mounts: tuple[Mount, ...] = ()
    notes: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def json(self) -> dict[str, Any]:
        return {
            "experiment": self.experiment,
            "place": self.place,
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
        }

"""Backends that run a job on this machine, and the table of them.

docs/adding-a-backend.md shows how to add one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, cast

from ..model.run import Backend
from ..util.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.gpu import GpuSetting
    from ..model.run import Request, Run

AUTO = "auto"
# Name -> its module, whose functions are those of `LocalBackend`. `auto` takes the first one that is
# available. Modules are imported when they are needed.
BACKENDS: dict[str, str] = {
    "in-container": "innerloop.local.in_container",
    "docker": "innerloop.local.docker",
    "apptainer": "innerloop.local.apptainer",
    "venv": "innerloop.local.venv",
}


class LocalBackend(Backend, Protocol):
    """A backend on this machine."""

    def prepare(self, run: Run, request: Request) -> None:
        """Makes what the request needs: an image, an environment. Does nothing where it exists."""

    def submit(self, run: Run, request: Request) -> int:
        """Runs the program to its end and returns its exit code.

        On Ctrl-C everything is stopped before KeyboardInterrupt is raised.
        """


class BackendElsewhere(LocalBackend, Protocol):
    """A machine elsewhere. It can be pickled, and opens a connection of its own where it arrives."""

    def __enter__(self) -> BackendElsewhere: ...

    def __exit__(self, *error: object) -> None: ...

    def gpus_of_parts(self, run: Run, request: Request) -> tuple[GpuSetting, Sequence[str]] | None:
        """What parts that run at once there ask for, and the names of the GPUs that they share out.

        None where they run one after another. `run` was prepared.
        """


def backend(name: str) -> LocalBackend:
    if name not in BACKENDS:
        raise UserError(
            f'there is no local backend "{name}"',
            code="backend-unknown",
            hint=did_you_mean(name, list(BACKENDS)),
        )
    return cast(LocalBackend, importlib.import_module(BACKENDS[name]))

"""A part of a larger run (a sweep's trial) in a process of its own, so that several go on at once.

The part is a value that the larger run has planned: it comes through stdin, between two processes of
this tool. The end of stdin is the end of the larger run's process, however it ended: then the part
is stopped as by Ctrl-C.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..local import BackendElsewhere
from ..model.run import Run
from ..util import console, process
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import device_claims, execute
from .device_claims import ClaimableGpu

_LENGTH = struct.Struct(">Q")
# Not the folder of the program, nor what variables name: this tool's own modules.
_START = "import sys; sys.path.insert(0, sys.argv[1]); from innerloop.runner.{} import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Part:
    """`run` on `backend`, on `count` of the GPUs in `devices`; with none, as its settings have it."""

    run: Run
    backend: str | BackendElsewhere
    devices: tuple[ClaimableGpu, ...] = ()
    count: int = 0


def argv(module: str = "part_process") -> list[str]:
    """Starts a process that carries out what it gets through `given`, by `main` of the module."""
    sources = Path(__file__).resolve().parent.parent.parent
    return [sys.executable, "-I", "-c", _START.format(module), str(sources)]


def given(value: object) -> bytes:
    """A value of this tool's, for `received` in the process that this one starts."""
    content = pickle.dumps(value)
    return _LENGTH.pack(len(content)) + content


def received() -> Any:
    """The value from stdin, which is a pipe from the process that started this one."""
    (length,) = _LENGTH.unpack(_read(_LENGTH.size))
    return pickle.loads(_read(length))


def main() -> int:
    """Carry out the part from stdin, and return the program's exit code."""
    part: Part = received()
    with process.signals_as_interrupts():
        try:
            threading.Thread(target=_watch, daemon=True).start()
            return _carry_out(part)
        except UserError as error:
            console.say(error.report())
            return error.exit_code
        except KeyboardInterrupt as interrupt:
            return int(getattr(interrupt, "exit_code", 130))


def _read(size: int) -> bytes:
    """So many bytes of stdin, fewer at its end.

    Past Python's own stream: a thread that waits in that one when the process ends aborts it.
    """
    parts = []
    while size and (part := os.read(0, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _watch() -> None:
    if not _read(1):
        process.terminate_self()


def _carry_out(part: Part) -> int:
    run = part.run
    if part.count:
        claim = device_claims.claim(
            run.experiment.settings.gpu,
            part.devices,
            part.count,
            console.say,
            id=run.id,
            is_detached=run.ordered is not None,
        )
        # The claim is not released: the end of this process does it, however it ends.
        run = replace(run, experiment=device_claims.with_gpu(run.experiment, claim.setting))
    with nullcontext() if isinstance(part.backend, str) else part.backend:
        return execute.carry_out(execute.prepare(run, part.backend, dry=False))

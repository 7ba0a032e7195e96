"""Keeps a run's GPUs for its program when this tool's process is killed and the program goes on.

A lock ends with the process that has it. So a small process beside each program has the locks, too:
it ends with the run, and if this process ends without saying so, with the program or its container.
Nothing else does: a program that the run leaves in the background has no GPU for itself.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from ..util import device_locks, process, process_identity
from ..util.errors import UserError
from ..util.process import ChildProcess

# A shell waits: it is smaller than Python, which is needed only for a run whose process was killed.
_WAIT = 'read -r _ && exit 0; exec "$@"'
# Seconds between two looks at a program.
_PAUSE = 0.5
# Seconds that the process has to end by itself.
_PATIENCE = 1.0


@contextmanager
def beside(wait: Sequence[str] = ()) -> Iterator[None]:
    """Within, this process's locks are kept for each program that `process.run_foreground` starts.

    With `wait`, a command that ends with the run's container, for that instead. Windows ends a program
    with this process.
    """
    from . import part_process  # here, since it carries out runs

    keepers: list[ChildProcess] = []

    def has_started(pid: int) -> None:
        locks = device_locks.held()
        if locks and os.name != "nt":
            program = json.dumps(process_identity.of(pid).json())
            argv = ["sh", "-c", _WAIT, "sh", *part_process.argv("lock_keeper"), program, *wait]
            keepers.append(ChildProcess(argv, inherits=locks))

    with nullcontext() if wait else process.reported_starts(has_started):
        try:
            if wait:
                has_started(os.getpid())
            yield
        finally:
            for keeper in keepers:
                keeper.say("ended")
                keeper.finish(_PATIENCE)


def main() -> int:
    """Wait for the end of the program in the arguments, then for that of the command after it."""
    program = process_identity.parse(json.loads(sys.argv[2]))
    while program is not None and process_identity.life(program) == "alive":
        time.sleep(_PAUSE)
    if wait := sys.argv[3:]:
        try:
            process.run(wait)
        except UserError:
            return 1
    return 0

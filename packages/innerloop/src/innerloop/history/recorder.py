"""Records a run, so that it can be compared and repeated later.

In `outputs/<slug>/<run>/.run/`:

    run.json        the command, the backend, the environment, the code, and how it ended
    log.txt         its output
    changes.patch   what was not committed, as a patch on the commit in run.json; only if there was any
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..model.run import Request, Run
from ..util import files
from ..util.clock import now
from . import git_state, tee

FOLDER = ".run"
RECORD = f"{FOLDER}/run.json"
LOG = f"{FOLDER}/log.txt"
PATCH = f"{FOLDER}/changes.patch"


@dataclass(slots=True)
class Ending:
    """How a run ended; the caller of `recorded` sets it. None while it runs."""

    code: int | None = field(default=None)


@contextmanager
def recorded(run: Run, request: Request) -> Iterator[Ending]:
    """Record the run within.

    The record has its code and environment at the start, its output, and its exit code and time at
    the end, however it ends.
    """
    root = Path(run.workspace.root)
    folder = root / request.outputs
    files.make_folder(folder / FOLDER)
    record = describe(run, request)
    files.write_text(folder / RECORD, text_of(record))
    code = _Background(lambda: _record_code(root, folder, record))
    ending = Ending()
    began = time.monotonic()
    try:
        with tee.recorded(folder / LOG, request.redaction):
            yield ending
    except KeyboardInterrupt as interrupt:
        ending.code = getattr(interrupt, "exit_code", 130)
        raise
    finally:
        code.wait()
        record |= {
            "ended": now(),
            "seconds": round(time.monotonic() - began, 3),
            "exit_code": ending.code,
        }
        files.write_text(folder / RECORD, text_of(record))


def describe(run: Run, request: Request) -> dict[str, Any]:
    """The record as it is before the start, without secrets."""
    job = run.job
    record = {
        "run": run.id,
        "experiment": run.experiment.name,
        "backend": request.backend,
        "why": request.why,
        "command": request.command,
        "cwd": request.cwd,
        "image": request.image,
        "environment": run.environment.digest or None,
        "inputs": {
            name: input_.literal_text if input_.kind == "literal" else input_.path
            for name, input_ in job.inputs.items()
        },
        "arguments": list(run.arguments),
        "git": None,
        "host": os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", ""),
        "pid": os.getpid(),
        "started": now(),
        "ended": None,
        "seconds": None,
        "exit_code": None,
    }
    return {key: request.redaction.tree(value) for key, value in record.items()}


def text_of(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def _record_code(root: Path, folder: Path, record: dict[str, Any]) -> None:
    state = git_state.read(root)
    if state is None:
        return
    record["git"] = state.json()
    if state.patch:
        files.write_private(folder / PATCH, state.patch)


class _Background:
    """Work in a thread, so that the run's start does not wait for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def wait(self) -> None:
        self.thread.join(60)

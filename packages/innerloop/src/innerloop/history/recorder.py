"""What a run leaves beside its results, so that it can be compared and repeated later.

In `outputs/<slug>/<run>/.run/`:

    run.json        what ran, where, with which environment and code, how it ended
    log.txt         what it printed
    changes.patch   what was not committed, on top of the commit in run.json; only if there was
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
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
    """Filled in by whoever carries the run out."""

    code: int | None = field(default=None)


@contextmanager
def recorded(run: Run, request: Request) -> Iterator[Ending]:
    """Within, the run goes on record: its code and environment at the start, what it prints, and
    at the end its exit code and its time, however it ends."""
    root = Path(run.workspace.root)
    folder = root / request.outputs
    files.make_folder(folder / FOLDER)
    record = describe(run, request)
    files.write_text(folder / RECORD, text_of(record))
    code = _Later(lambda: _note_code(root, folder, record))
    ending = Ending()
    began = time.monotonic()
    try:
        with tee.recorded(folder / LOG):
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
    """The record as far as it is known before the start."""
    job = run.job
    return {
        "run": run.id,
        "experiment": run.experiment.name,
        "backend": request.backend,
        "why": request.why,
        "command": request.command,
        "cwd": request.cwd,
        "image": request.image,
        "environment": run.environment.digest or None,
        "inputs": {
            name: one.literal_text if one.kind == "literal" else one.path
            for name, one in job.inputs.items()
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


def text_of(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def _note_code(root: Path, folder: Path, record: dict[str, Any]) -> None:
    state = git_state.read(root)
    if state is None:
        return
    record["git"] = state.json()
    if state.patch:
        files.write_text(folder / PATCH, state.patch)


class _Later:
    """Work beside the run's start, which need not wait for it."""

    def __init__(self, work: Any) -> None:
        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def wait(self) -> None:
        self.thread.join(60)

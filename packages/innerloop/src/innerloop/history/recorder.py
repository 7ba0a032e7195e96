"""Records a run, so that it can be compared and repeated later.

In `outputs/<slug>/<run>/.run/`:

    run.json        the command, the backend, the environment, the code, the data, and how it ended
    log.txt         its output
    changes.patch   what was not committed, as a patch on the commit in run.json; only if there was any
    packages.txt    the packages that the environment pins
    system.jsonl    the load of the machine while it ran (see `system_metrics`)
    notes.json      what a person said of it (see `run_notes`)
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..util import console, files, json_records, process_identity
from ..util.clock import now
from ..util.errors import UserError
from ..util.printable import unicode_tree
from ..util.process_identity import ProcessIdentity
from ..util.quick_dataclasses import dataclass
from ..util.redaction import Redaction
from . import tee
from .system_recorder import Source, SystemRecorder

if TYPE_CHECKING:
    from ..model.run import Ordered, Request, Run

FOLDER = ".run"
RECORD = f"{FOLDER}/run.json"
LOG = f"{FOLDER}/log.txt"
PATCH = f"{FOLDER}/changes.patch"


# The shortest time from the request for a container to its program's first instruction, in seconds.
_LEAST_OF_A_CONTAINER = 0.05


class RunLost(Exception):
    """The end of a run is not known: its engine does not answer any more, as `error` says.

    Its record stays open, and a later command closes it.
    """

    def __init__(self, error: UserError) -> None:
        super().__init__(error.message())
        self.error = error


@dataclass(slots=True)
class Ending:
    """How a run ended; the caller of `recorded` sets it. None while it runs.

    `has_started` adds the program's process to the record, for a backend that starts one; `watch`
    begins to write down the load of what the run started.
    """

    has_started: Callable[[ProcessIdentity], object]
    watch: Callable[[Callable[[], Source | None]], object]
    code: int | None = field(default=None)


@contextmanager
def recorded(run: Run, request: Request) -> Iterator[Ending]:
    """Record the run within.

    The record has its code and environment from the start on, its output, and its exit code and
    time at the end, however it ends. UserError if there can be no record or log: nothing has
    started then. After the start no error of the record ends the run or changes its exit code.
    """
    root = Path(run.workspace.root)
    folder = root / request.outputs
    record = _Record(folder / RECORD, describe(run, request), request.redaction)
    try:
        files.make_folder(folder / FOLDER)
        files.write_text(folder / RECORD, text_of(record.values))
        log = tee.recorded(folder / LOG, request.redaction)
        log.__enter__()
    except BaseException:
        _leave_nothing(folder)
        raise
    # A container takes longer than this to start its program, which then does not wait for this Python.
    pause = _LEAST_OF_A_CONTAINER if request.engine_container is not None else 0.0
    code = _Background(lambda: _record_code(run, folder, record), pause)
    system = SystemRecorder(folder, request.gpu)
    ending = Ending(lambda program: record.add(program=program.json()), system.start)
    began = time.monotonic()
    is_lost = False
    try:
        with _entered(log):
            yield ending
    except KeyboardInterrupt as interrupt:
        ending.code = getattr(interrupt, "exit_code", 130)
        raise
    except RunLost:
        is_lost = True
        raise
    finally:
        system.stop()
        if error := code.wait():
            console.say(f"the record does not have the state of the code: {error}")
        if not is_lost:
            seconds = round(time.monotonic() - began, 3)
            record.values.pop("status", None)
            error = record.end(ended=now(), seconds=seconds, exit_code=ending.code)
            if error is not None:
                console.say(
                    f"the end of the run (exit code {ending.code}) is not recorded: {error}"
                )


@contextmanager
def _entered(context: AbstractContextManager[None]) -> Iterator[None]:
    """Leave a context that was entered already."""
    with ExitStack() as stack:
        stack.push(context)
        yield


def _leave_nothing(folder: Path) -> None:
    """The folder of a run that did not start."""
    for name in (RECORD, LOG):
        with suppress(UserError):
            files.remove(folder / name)
    for path in (folder / FOLDER, folder, folder.parent):
        files.remove_if_empty(path)


class _Record:
    """A record on the disk, which several threads add to."""

    def __init__(self, path: Path, values: dict[str, Any], redaction: Redaction) -> None:
        self.path = path
        self.values = values
        self.redaction = redaction
        self._lock = threading.Lock()

    def add(self, **values: Any) -> None:
        """Add values while the run goes on: a crash of the machine may lose them, a kill does not."""
        with self._lock:
            self.values |= values
            with suppress(UserError):
                files.write_stream(self.path, [text_of(self.values).encode("utf-8")])

    def end(self, **values: Any) -> UserError | None:
        """Add the last values. Returns the error if the record cannot be written."""
        with self._lock:
            self.values |= values
            text = text_of(self.values)
            try:
                files.write_text(self.path, text)
            except UserError as error:
                # On a full disk there is no room for a new file, but in the old one's last block.
                return None if files.overwrite(self.path, text) else error
        return None


def mark_stopped_early(folder: Path, reason: str) -> None:
    """Add to the record of a run that has ended why its sweep ended it early.

    A record that cannot be read or written stays as it is: then the run is one that was stopped.
    """
    with suppress(UserError, json_records.RecordError):
        record = json_records.read_file(folder / RECORD)
        if record is not None:
            values = {**record.value, "stopped_early": reason}
            files.write_text(folder / RECORD, text_of(values))


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
        "code": run.code,
        "image": request.image,
        "in_engine": request.engine_container is not None,
        "gpu": request.gpu.json() if request.gpu.why else None,
        "environment": run.environment.digest or None,
        "inputs": {
            name: input_.literal_text if input_.kind == "literal" else input_.path
            for name, input_ in job.inputs.items()
        },
        "arguments": list(run.arguments),
        "data": None,
        "git": None,
        "host": os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", ""),
        "pid": os.getpid(),
        "tool": process_identity.own().json(),
        "program": None,
        "started": now(),
        "ended": None,
        "seconds": None,
        "exit_code": None,
    }
    if run.ordered is not None:
        git = None if run.ordered.git is None else dict(run.ordered.git)
        record |= {"ordered": run.ordered.at, "git": git}
    if request.compute:
        # Without this process the run goes on there: its end is not this machine's to find.
        record |= {"compute": request.compute, "status": "Running"}
    return {key: request.redaction.tree(value) for key, value in record.items()}


def text_of(record: dict[str, Any]) -> str:
    return json.dumps(unicode_tree(record), indent=2, ensure_ascii=False) + "\n"


def _record_code(run: Run, folder: Path, record: _Record) -> None:
    from . import git_state, run_inputs  # here, in its thread: the program starts meanwhile

    root = Path(run.workspace.root)
    record.add(data=record.redaction.tree(run_inputs.data_of(run.data)))
    _record_packages(root, run, folder)
    if run.ordered is not None:
        record_ordered(folder, run.ordered)
        return
    state = git_state.read_or_fail(root)
    if state is None:
        return
    try:
        if state.patch:
            files.write_private(folder / PATCH, state.patch)
    finally:
        record.add(git=state.json())


def _record_packages(root: Path, run: Run, folder: Path) -> None:
    from . import run_inputs

    if packages := run_inputs.packages_of(root, run.environment):
        text = run_inputs.text_of(packages)
        with suppress(UserError):
            files.write_stream(folder / run_inputs.PACKAGES, [text.encode("utf-8")])


def record_ordered(folder: Path, ordered: Ordered) -> None:
    """The patch of what was not committed when a detached run was asked for."""
    if ordered.patch:
        files.write_private(folder / PATCH, ordered.patch)


@dataclass(slots=True)
class WaitingRecord:
    """The record of a detached run that waits, and of a sweep or pipeline of one to its end.

    `values` are those of `describe`. From its start on, `recorded` writes that of a single run.
    `began` is the start by the clock of `time.monotonic`, None before it.
    """

    path: Path
    values: dict[str, Any]
    redaction: Redaction
    began: float | None = field(default=None)

    def write(self, **changes: Any) -> None:
        self.values.update(changes)
        files.write_text(self.path, text_of(self.redaction.tree(self.values)))

    def begin(self) -> None:
        """It waits no more."""
        self.began = time.monotonic()
        self.values.pop("waiting", None)
        self.write(started=now())

    def end(self, code: int) -> None:
        seconds = 0.0 if self.began is None else round(time.monotonic() - self.began, 3)
        self.values.pop("waiting", None)
        self.write(ended=now(), seconds=seconds, exit_code=code)


def waiting(run: Run, request: Request, *, kind: str = "", folder: str = "") -> WaitingRecord:
    """A record of a run that waits; of a sweep or pipeline with a `kind` and its own `folder`."""
    values = describe(run, request) | {"waiting": now()}
    if kind:
        name = folder.rpartition("/")[2]
        values |= {"run": name, "kind": kind, "in_engine": False, "image": None, "gpu": None}
    path = Path(run.workspace.root, folder or request.outputs, RECORD)
    return WaitingRecord(path, values, request.redaction)


class _Background:
    """Work in a thread, so that the run's start does not wait for it.

    It begins after a `pause` in seconds, or when it is waited for.
    """

    def __init__(self, work: Callable[[], None], pause: float) -> None:
        self._work = work
        self._pause = pause
        self._is_waited_for = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._is_waited_for.wait(self._pause)
        try:
            self._work()
        except (UserError, OSError) as error:
            self._error = error

    def wait(self) -> Exception | None:
        """The error that ended the work, once it has ended."""
        self._is_waited_for.set()
        self._thread.join(60)
        return self._error

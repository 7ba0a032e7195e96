"""A run that is ready to start: carries its request out, records it, and says how it ended.

Apart from `execute`, which makes the request: a run whose plan is known needs no more than this.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..history import in_flight, recorder
from ..history.system_recorder import Source, source_of_process
from ..util import console, device_locks, files, process, process_identity
from ..util.process import OutOfTime
from ..util.quick_dataclasses import dataclass
from . import written_files

if TYPE_CHECKING:
    from ..local import BackendElsewhere
    from ..model.run import Request, Run


@dataclass(frozen=True, slots=True)
class Started:
    """A run with its request, and the function that carries the request out.

    `elsewhere` is the machine that does; None for this one.
    """

    run: Run
    request: Request
    submit: Callable[[Run, Request], int]
    elsewhere: BackendElsewhere | None = None

    @property
    def backend(self) -> str | BackendElsewhere:
        """What carries it out, for a process of its own."""
        return self.elsewhere or self.request.backend


def new_id() -> str:
    """A name for a run: names sort by time, and two runs in one second differ."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}"


def carry_out(started: Started) -> int:
    """Print the backend and why it was chosen, run, and print the folder of the outputs.

    For a part of a larger run, the progress table shows that instead.
    """
    run, request = started.run, started.request
    say = console.print_line if run.attended else _say_nothing
    announce(started, say)
    root = Path(run.workspace.root)
    if run.in_place:
        with in_flight.marked(root, run.id, "command", run.experiment) as mark:
            try:
                return started.submit(run, request)
            except recorder.RunLost as lost:
                mark.is_kept = True
                raise lost.error from lost
    with in_flight.marked(root, run.id, "run", run.experiment, request.outputs) as mark:
        try:
            code = _recorded(started, say)
        except recorder.RunLost as lost:
            mark.is_kept = True
            raise lost.error from lost
    log = root / request.outputs / recorder.LOG
    if code == 0 and "|" not in request.command:
        return code
    from . import exit_reason, failure_report  # here: most programs end as they should

    ended = exit_reason.Ended(run, request, code, failure_report.tail(log))
    if code == 0 and (hidden := exit_reason.of_success(ended)):
        say(f"innerloop: {hidden}")
    if code != 0:
        say(f"innerloop: the command ended with exit code {code}{exit_reason.text(ended)}")
        if run.attended:
            failure_report.show(run, request, log)
    return code


def announce(started: Started, say: Callable[[str], None] = console.print_line) -> None:
    """The backend, why it was chosen, and the request's notes."""
    say(backend_line(started.request))
    for note in started.request.notes:
        say(f"innerloop: {note}")


def _recorded(started: Started, say: Callable[[str], None]) -> int:
    run, request = started.run, started.request
    outputs = Path(run.workspace.root, request.outputs)
    folders: list[Path] = []
    # What changes here while it runs elsewhere is the person's.
    before = None if request.compute else written_files.before(run, time.time())
    try:
        with recorder.recorded(run, request) as ending:
            folders += _make_output_folders(run, outputs)
            container = request.engine_container
            if container is not None:
                ending.watch(lambda: _load_of(container.name))
                with _locks_kept(container.name):
                    code = ending.code = _submit(started)
            else:

                def has_started(pid: int) -> None:
                    ending.has_started(process_identity.of(pid))
                    ending.watch(lambda: source_of_process(pid))

                with process.reported_starts(has_started), _locks_kept():
                    code = ending.code = _submit(started)
    finally:
        for folder in folders:
            files.remove_if_empty(folder)
        with suppress(OSError):
            if any(entry.name != recorder.FOLDER for entry in outputs.iterdir()):
                say(f"innerloop: outputs are in {request.outputs}/")
            if written := written_files.line(run, before):
                say(f"innerloop: {written}")
    return code


def _load_of(container: str) -> Source | None:
    from ..docker import container_load  # here: a run of less than a second has no load

    return container_load.source(container)


def _locks_kept(container: str = "") -> AbstractContextManager[None]:
    """Within, this run's GPUs are kept for its program, or its container, if this process is killed."""
    if not device_locks.held():
        return nullcontext()
    from ..docker import docker_cli
    from . import lock_keeper  # here: most runs have no lock

    return lock_keeper.beside(docker_cli.wait(container) if container else ())


def backend_line(request: Request) -> str:
    name = f"{request.backend}:{request.compute}" if request.compute else request.backend
    return f"innerloop: backend {name} ({request.why})"


def _make_output_folders(run: Run, outputs: Path) -> list[Path]:
    """The folders of declared outputs that were created.

    As on Azure ML, all of them exist before the program starts.
    """
    folders = [outputs / name for name, output in run.job.outputs.items() if not output.is_file]
    return [files.make_folder(folder) for folder in folders if not folder.exists()]


def _submit(started: Started) -> int:
    try:
        return started.submit(started.run, started.request)
    except OutOfTime as timeout:
        limit = started.run.job.timeout
        console.say(f"stopped after {limit} s, the job's time limit")
        return timeout.exit_code


def _say_nothing(text: str) -> None:
    """For a part of a larger run, whose progress table shows its backend and its end."""

"""A run from its plan to its exit code: choose the backend, make the request, submit it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .. import local
from ..history import in_flight, recorder
from ..history.system_recorder import source_of_process
from ..local import BackendElsewhere, LocalBackend
from ..model import grants
from ..model.env_file import EnvFile
from ..model.run import Request, Run
from ..model.run_secrets import secrets_of
from ..util import consent, console, files, network, process, process_identity
from ..util.errors import UserError, combine
from ..util.process import OutOfTime
from ..util.quick_dataclasses import dataclass
from . import env_file, failure_report, written_files
from .plan import new_id, plan, plan_command

__all__ = ["Started", "backend_line", "carry_out", "new_id", "plan", "plan_command", "prepare"]


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


def prepare(
    run: Run, backend: str | BackendElsewhere, *, dry: bool, trusted: bool = False
) -> Started:
    """The run's request to the backend that was asked for, or to the first that is available.

    What the job gets beyond the workspace is said, and asked the first time, unless the person has
    `trusted` it.

    What it needs (an image, an environment) is built on the way, unless `dry`: then the request's
    notes name what is missing. Everything that is missing for a real run is one UserError.
    """
    if not dry and in_flight.read_all(Path(run.workspace.root)):
        from ..local import lost_runs  # here, since mostly nothing was left

        lost_runs.settle_all(Path(run.workspace.root))
    chosen, reason = _choose(backend, run)
    elsewhere = None if isinstance(backend, str) else backend
    file = env_file.read(Path(run.workspace.root))
    # The request first: an error in the command is reported before minutes of building.
    request = _given(chosen.plan(run), file)
    urls = network.of_machine(os.environ).urls
    redaction = secrets_of(run, request, {**os.environ, **file.variables}, urls)
    why = "; ".join(filter(None, [reason, request.why]))
    request = replace(request, why=why, redaction=redaction)
    missing = [*run.missing, *request.missing]
    granted = grants.of_run(
        run, in_container=request.container is not None, resolve=os.path.realpath
    )
    lines = [*map(str, granted), *request.grants]
    if dry:
        request = request.with_notes(*(f"beyond the workspace: {line}" for line in lines))
        if any(mount.view for mount in request.mounts):
            beside = f"{request.outputs}/{written_files.BESIDE}"
            request = request.with_notes(f"new files beside ./outputs go to {beside}/")
        notes = [f"a real run needs more: {error.message()}" for error in missing]
        return Started(run, request.with_notes(*notes), chosen.submit, elsewhere)
    if missing:
        raise combine(missing)
    root = Path(run.workspace.root)
    consent.require(root, f"the job {run.job.name}", lines, trusted=trusted)
    chosen.prepare(run, request)
    if request.needs_build or request.gpu.needs_trial:
        # What was built is known only now, an image's users for instance, and what a trial showed.
        built = _given(chosen.plan(run), file)
        if built.missing:
            raise combine(built.missing)
        why = "; ".join(filter(None, [reason, built.why]))
        request = replace(built, why=why, redaction=redaction)
    return Started(run, request, chosen.submit, elsewhere)


def _given(request: Request, file: EnvFile) -> Request:
    """The request with the variables of `.env`, which stays on this machine."""
    return request if request.compute else env_file.given(request, file)


def _choose(name: str | BackendElsewhere, run: Run) -> tuple[LocalBackend, str]:
    """The backend, and which fact chose it."""
    if not isinstance(name, str):
        return name, "asked for"
    if name != local.AUTO:
        return local.backend(name), "asked for"
    reason = ""
    for candidate in local.BACKENDS:
        backend = local.backend(candidate)
        found = backend.available(run.workspace)
        if found.is_available:
            return backend, "; ".join(filter(None, [reason, found.why]))
        reason = reason if found.is_rare else found.why
    raise UserError(f"no backend is available: {reason}", code="backend-unavailable")


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
    from . import exit_reason  # here, since a dry run has no end

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
            from ..docker import container_load, docker_cli  # here, since a dry run has no load
            from . import lock_keeper

            container = request.engine_container
            if container is not None:
                ending.watch(lambda: container_load.source(container.name))
                with lock_keeper.beside(docker_cli.wait(container.name)):
                    code = ending.code = _submit(started)
            else:

                def has_started(pid: int) -> None:
                    ending.has_started(process_identity.of(pid))
                    ending.watch(lambda: source_of_process(pid))

                with process.reported_starts(has_started), lock_keeper.beside():
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

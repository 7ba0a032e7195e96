"""Runs whose command was killed: found again, shown, stopped and closed with their true end.

A run is open while its record has no end. If neither the command that watches it nor its program is
alive, its container is looked for by its labels: it still runs, or the record gets its exit code, its
time and its whole log, and the container and the scratch folder are removed.

Whatever is in flight at this moment is also known from here: see `alive`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from ..devcontainers import discovery
from ..docker import client, containers, docker_cli, engine_location
from ..docker.containers import OwnContainer
from ..history import in_flight, past_runs, recorder
from ..history.in_flight import InFlight
from ..history.past_runs import PastRun
from ..model.experiment import Experiment
from ..model.paths import SCRATCH
from ..model.workspace import Workspace
from ..util import console, files, process, process_identity, redaction
from ..util.errors import UserError
from ..util.process import GRACE
from ..util.quick_dataclasses import dataclass
from ..workspace import loader
from . import code_view

LOCK = ".innerloop/closing.lock"
# A container may be created this long after its command was killed, in seconds.
_SETTLING = 60.0
# The exit code of a run that `cancel` ended, as for SIGTERM.
CANCELED = 143

Verdict = Literal["running", "unknown", "ended", "killed"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about an open run: its processes, its container, and its age in seconds."""

    life: process_identity.Life
    in_container: bool
    engine_answers: bool = True
    container: OwnContainer | None = None
    age: float = 0.0


def judge(evidence: Evidence) -> Verdict:
    """What has become of an open run. "killed": it has ended, and its exit code is not known."""
    if evidence.life != "dead":
        return "running" if evidence.life == "alive" else "unknown"
    if not evidence.in_container:
        return "killed"
    if not evidence.engine_answers:
        return "unknown"
    container = evidence.container
    if container is None or not container.has_started:
        return "killed" if evidence.age > _SETTLING else "unknown"
    return "running" if container.is_alive else "ended"


def settle(root: Path, runs: Sequence[PastRun]) -> list[PastRun]:
    """The runs as they are now; those that have ended without their command are closed.

    No engine is asked unless a run is open and none of its processes is alive. A run of a container
    that has ended counts as one of this machine.
    """
    gone = {value.folder for value in in_flight.read_all(root) if _is_of_ended_container(value)}

    runs = [replace(run, unknown=run.unknown and run.folder not in gone) for run in runs]
    if not any(map(_is_lost, runs)):
        return runs
    with files.locked(root / LOCK):
        # Another command may have closed some meanwhile, or their own command just has.
        runs = [
            run if not _is_lost(run) else run if run.folder in gone else _again(root, run)
            for run in runs
        ]
        lost = [run for run in runs if _is_lost(run)]
        found = _containers(root, lost)
        settled = {run.folder: _settled(root, run, found) for run in lost}
    return [settled.get(run.folder, run) for run in runs]


def settle_all(root: Path) -> None:
    """Close what killed commands have left and what has ended since. Costs nothing without that."""
    for value in in_flight.read_all(root):
        if value.is_watched and not _is_of_ended_container(value):
            continue
        if value.folder and (root / value.folder / recorder.RECORD).is_file():
            slug = value.folder.split("/")[1]
            (run,) = settle(root, [past_runs.read(root, slug, root / value.folder)])
            if not past_runs.is_open(run.record):
                in_flight.forget(root, value.id)
        elif value.life != "alive":
            _settle_unrecorded(root, value)


def _is_of_ended_container(value: InFlight) -> bool:
    """Whether it was started in a container, as a dev container's terminal, that runs no more."""
    host = value.tool.host.split(" ")[0]
    if value.life != "elsewhere" or not re.fullmatch("[0-9a-f]{12}", host):
        return False
    try:
        found = containers.find(host)
    except UserError:
        return False
    return found is None or not found.is_alive


def _settle_unrecorded(root: Path, value: InFlight) -> None:
    """A server, terminal, test or pipeline: it has no record, and nothing of it is kept."""
    found = _own_containers(root, value.id)
    if found is None:
        if value.what in ("pipeline", "sweep", "detached run"):
            in_flight.forget(root, value.id)
        return
    for container in found:
        if container.is_alive:
            return
        with suppress(UserError):
            containers.remove(container.id)
    if in_flight.is_run_folder(value.folder):  # of a run that was killed before it had a record
        work = posixpath.join(SCRATCH, *value.folder.split("/")[1:3])
        for folder in (f"{value.folder}/{recorder.FOLDER}", value.folder, work):
            files.remove_if_empty(root / folder)
            files.remove_if_empty((root / folder).parent)
    in_flight.forget(root, value.id)


def _is_lost(run: PastRun) -> bool:
    return past_runs.is_open(run.record) and not run.alive and not run.unknown


def _again(root: Path, run: PastRun) -> PastRun:
    return past_runs.read(root, run.slug, root / run.folder)


def _identity(root: Path) -> str:
    return loader.open_workspace(root).identity


def _own_containers(root: Path, run: str = "") -> list[OwnContainer] | None:
    """The workspace's containers, or those of one run. None if no engine that sees it answers.

    An engine on another machine may have the containers of another workspace with the same path.
    """
    if engine_location.unavailable_reason(str(root)):
        return None
    return containers.of_workspace(_identity(root), run)


def _containers(root: Path, lost: Sequence[PastRun]) -> Mapping[str, OwnContainer] | None:
    """The workspace's containers by their run; None if no engine answers."""
    if not any(map(_in_container, lost)):
        return {}
    found = _own_containers(root)
    return None if found is None else {container.run: container for container in found}


def _in_container(run: PastRun) -> bool:
    """Whether an engine kept it in a container. A record of an earlier version does not say."""
    if run.record.get("waiting"):
        return False
    return run.record.get("image") is not None and run.record.get("in_engine") is not False


def _settled(root: Path, run: PastRun, found: Mapping[str, OwnContainer] | None) -> PastRun:
    # The record is a file that anybody may have written: its own name decides, not its content.
    is_own = in_flight.is_run_folder(run.folder) and run.id.startswith(run.folder.split("/")[2])
    if not is_own:
        return run
    container = None if found is None else found.get(run.id)
    age = (datetime.now(timezone.utc) - _time(run.record.get("started"))).total_seconds()
    evidence = Evidence("dead", _in_container(run), found is not None, container, age)
    verdict = judge(evidence)
    if verdict in ("running", "unknown"):
        return replace(run, alive=verdict == "running", unknown=verdict == "unknown")
    try:
        _close(root, run, container)
    except UserError as error:
        console.say(f"{run.folder} is not closed yet: {error.message()}")
        return replace(run, unknown=True)
    return _again(root, run)


def _close(
    root: Path, run: PastRun, container: OwnContainer | None, code: int | None = None
) -> None:
    """Write a run's end to its record, with its whole log, and remove what is left of it."""
    folder = root / run.folder
    ended = _last_sign(folder)
    started = _time(run.record.get("started"))
    if container is not None and container.has_started:
        _fetch_log(container, folder / recorder.LOG)
        code = container.exit_code
        started, ended = _time(container.started), _time(container.finished)
    record = {
        **run.record,
        "ended": ended.isoformat(timespec="milliseconds"),
        "seconds": round(max((ended - started).total_seconds(), 0.0), 3),
        "exit_code": code,
        "closed_later": True,
    }
    tool = process_identity.parse(run.record.get("tool"))
    if code is None and tool is not None and process_identity.is_of_earlier_boot(tool):
        record["lost"] = "this machine was restarted"
    files.write_text(folder / recorder.RECORD, recorder.text_of(record))
    if container is not None:
        with suppress(UserError):
            containers.remove(container.id)
    _sweep(root, run)
    in_flight.forget(root, run.id)


def _fetch_log(container: OwnContainer, log: Path) -> None:
    """All output of the container instead of what was copied until the kill.

    The copy stays if the engine has kept none (another log driver). UserError on a full disk.
    Secrets of this process's environment are masked: the run's own is not known any more.
    """
    try:
        files.write_stream(log, _masked(process.output_chunks(docker_cli.logs(container.id))))
    except UserError as error:
        if error.code != "command-failed":
            raise


def _masked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    masked = redaction.of_process().stream()
    yield from map(masked.write, chunks)
    yield masked.finish()


def _sweep(root: Path, run: PastRun) -> None:
    """Remove the run's scratch folder; what the program wrote there beside ./outputs is kept."""
    work = posixpath.join(SCRATCH, run.slug, run.id)
    parents = [Path(root, *work.split("/")[:count]) for count in range(1, 5)]
    if any(path.is_symlink() for path in parents) or not parents[-1].is_dir():
        return
    files.remove_if_empty(parents[-1] / "outputs")
    try:
        code_view.close(code_view.View(parents[-1], _code_of(root, run)), root / run.folder, 0)
    except (UserError, OSError) as error:
        console.say(f"{work} is not removed: {error}")


def _code_of(root: Path, run: PastRun) -> str | None:
    """The code root by the record, with which the entries of the view are compared."""
    code = run.record.get("code")
    return str(root / code) if isinstance(code, str) and code and "\0" not in code else None


def _last_sign(folder: Path) -> datetime:
    """When the run last printed something."""
    for path in (folder / recorder.LOG, folder / recorder.RECORD):
        with suppress(OSError):
            return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    return datetime.now(timezone.utc)


def _time(text: object) -> datetime:
    """A time as our records and Docker have it; now for anything else."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", str(text))
    with suppress(ValueError, OverflowError):
        if match:
            zone = "+00:00" if match[3] == "Z" else match[3]
            micros = (match[2] or ".0")[1:7].ljust(6, "0")
            return datetime.fromisoformat(f"{match[1]}.{micros}{zone}").astimezone(timezone.utc)
    return datetime.now(timezone.utc)


def named(root: Path, word: str | None) -> PastRun | None:
    """The run on this machine that a person named, or the last one; None if there is none.

    UsageError if the word is the beginning of several.
    """
    runs = [run for run in past_runs.find(root) if "status" not in run.record]
    if word is None:
        return again(root, runs[-1]) if runs else None
    if not past_runs.matching(runs, word):
        return None
    return again(root, past_runs.choose(runs, word))


def again(root: Path, run: PastRun) -> PastRun:
    """The run as it is now."""
    (run,) = settle(root, [_again(root, run)])
    return run


def log_argv(root: Path, run: PastRun, *, follow: bool) -> list[str] | None:
    """Prints the output of a container whose command was killed: nobody copies it to the log.

    None for any other run.
    """
    if not run.alive or past_runs.life_of(run.record) != "dead":
        return None
    container = _container_of(root, run)
    if container is None:
        return None
    return docker_cli.follow_logs(container.id) if follow else docker_cli.logs(container.id)


def _container_of(root: Path, run: PastRun) -> OwnContainer | None:
    if not _in_container(run):
        return None
    found = _own_containers(root, run.id) or []
    return next((container for container in found if container.is_alive), None)


def cancel(root: Path, run: PastRun) -> PastRun:
    """Stop a run that is alive and close its record. UserError if it cannot be stopped from here.

    Its own command is asked first: it stops the program and writes the end.
    """
    tool = process_identity.parse(run.record.get("tool"))
    program = process_identity.parse(run.record.get("program"))
    if tool is not None and process_identity.life(tool) == "alive":
        # A sweep or pipeline stops its parts first.
        process_identity.ask_to_end(tool, GRACE * (4 if run.record.get("kind") else 1) + 10)
    if program is not None:
        process_identity.end(program, GRACE)
    if tool is not None and process_identity.life(tool) == "alive":
        process_identity.end(tool, 2.0)
    if (container := _container_of(root, run)) is not None:
        process.run(docker_cli.stop(container.id, int(GRACE)), timeout=GRACE + 30)
    with files.locked(root / LOCK):
        run = _again(root, run)
        if _is_lost(run) and not _in_container(run):
            _close(root, run, None, CANCELED)
    run = again(root, run)
    if run.alive or run.unknown:
        raise UserError(
            f"the run {run.id} cannot be stopped from here",
            code="run-not-stopped",
            where=run.folder,
            hint="It runs in another container or on another machine, or its engine does not answer",
        )
    return run


def cancel_unrecorded(root: Path, id: str | None) -> bool:
    """Stop a pipeline, sweep, test, terminal or server by its ID. False if there is none."""
    found = [value for value in in_flight.read_all(root) if id and value.id.startswith(id)]
    if len(found) != 1:
        return False
    (value,) = found
    process_identity.ask_to_end(value.tool, GRACE + 10)
    for identity in reversed(value.processes):
        process_identity.end(identity, GRACE)
    for container in _own_containers(root, value.id) or []:
        process.run(docker_cli.stop(container.id, int(GRACE)), timeout=GRACE + 30)
        with suppress(UserError):
            containers.remove(container.id)
    settle_all(root)
    return True


@dataclass(frozen=True, slots=True)
class Alive:
    """Something of an experiment that runs: what it is, and the command that stops it."""

    name: str
    stop: str


def alive(workspace: Workspace, experiment: Experiment) -> list[Alive]:
    """Everything of an experiment that runs or may run: no folder of its may move meanwhile."""
    settle_all(Path(workspace.root))
    marks = [m for m in in_flight.read_all(Path(workspace.root)) if m.experiment == experiment.name]
    found = _own_containers(Path(workspace.root)) or []
    own = [c for c in found if c.experiment == experiment.name and c.is_alive]
    named = {mark.id for mark in marks}
    return [
        *(_alive_mark(mark, [c.name for c in own if c.run == mark.id]) for mark in marks),
        *(_alive_container(container) for container in own if container.run not in named),
        *(
            Alive(f"the dev container {dev.name}", f"{client.program()} stop {dev.name}")
            for dev in _dev_containers(workspace, experiment)
        ),
    ]


def _alive_mark(mark: InFlight, names: Sequence[str]) -> Alive:
    if mark.life == "elsewhere":
        file = f"{in_flight.FOLDER}/{mark.id}.json"
        return Alive(f"the {mark.what} {mark.id} on {mark.tool.host.split()[0]}", f"rm {file}")
    stop = f"scripts/loop cancel {mark.id}"
    if mark.what == "server":
        stop = f"scripts/loop serve {mark.experiment} --stop"
    container = f" ({', '.join(names)})" if names else ""
    return Alive(f"the {mark.what} {mark.id}{container}", stop)


def _alive_container(container: OwnContainer) -> Alive:
    if container.is_server:
        stop = f"scripts/loop serve {container.experiment} --stop"
        return Alive(f"the server {container.name}", stop)
    return Alive(f"the container {container.name}", f"{client.program()} stop {container.name}")


def _dev_containers(workspace: Workspace, experiment: Experiment) -> list[discovery.Container]:
    if not client.is_installed():
        return []
    states = ("running", "paused", "restarting")
    return [dev for dev in discovery.find(workspace, experiment) if dev.state in states]


def require_idle(workspace: Workspace, experiment: Experiment) -> None:
    """UserError if anything of the experiment runs, with how to stop each."""
    if found := alive(workspace, experiment):
        raise UserError(
            f"of {experiment.name} this runs: {', '.join(one.name for one in found)}",
            code="run-alive",
            where=experiment.folder,
            hint="Stop it first: " + "; ".join(f"`{one.stop}`" for one in found),
        )


def unwatched(workspace: Workspace) -> list[str]:
    """The names of the workspace's containers that run although their command was killed."""
    lost = {m.id for m in in_flight.read_all(Path(workspace.root)) if not m.is_watched}
    if not lost:
        return []
    found = _own_containers(Path(workspace.root)) or []
    return [container.name for container in found if container.is_alive and container.run in lost]

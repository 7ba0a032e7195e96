"""After a run that failed, where in a person's code: a line for each place, as VS Code's Problems
panel reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..history import tee
from ..model.paths import SCRATCH, code_root
from ..model.run import Request, Run
from ..model.traceback_parser import Failure, PathMapping, failed_tests, tracebacks
from ..util import console, files

Reader = Callable[[str, PathMapping], list[Failure]]
# How much of a log's end is read, in bytes: a failure stands there, and a log may be huge.
END = 1 << 20


def show(run: Run, request: Request, log: Path, read: Reader = tracebacks) -> None:
    """Says where it failed, from the log of what it printed."""
    for failure in read(_end(log), seen(run, request)):
        console.say(str(failure))


def tested(run: Run, request: Request, start: Callable[[], int]) -> int:
    """Runs the tests, and says afterwards where they failed."""
    folder = files.make_folder(Path(run.workspace.root, SCRATCH))
    log = folder / f"{run.id}.log"
    try:
        with tee.recorded(log):
            code = start()
        if code != 0:
            show(run, request, log, failed_tests)
            if _end(log).rstrip().endswith("No module named pytest"):
                console.say(_no_pytest(run))
    finally:
        files.remove(log)
        files.remove_if_empty(folder)
    return code


def _no_pytest(run: Run) -> str:
    folder = f"{run.experiment.folder}/environment"
    return (
        f"{folder}: pytest is not in this environment. Add it to requirements-dev.in, compile that "
        "to requirements-dev.txt, and have the Dockerfile's stage for people install it"
    )


def _end(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - END))
        return file.read().decode("utf-8", "replace")


def seen(run: Run, request: Request) -> PathMapping:
    folder = code_root(run.job.name, run.job.code) or run.experiment.folder
    there = request.cwd.replace("\\", "/")
    roots = [run.workspace.root.replace("\\", "/")]
    if there.endswith(f"/{folder}"):
        roots.append(there.removesuffix(f"/{folder}"))
    return PathMapping(cwd=there, folder=folder, roots=roots)

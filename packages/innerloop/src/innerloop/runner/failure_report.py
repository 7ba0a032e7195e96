"""The positions in the user's code where a run failed.

They are printed after the run, one line each, in the format that VS Code's Problems panel reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..history import tee
from ..model.paths import SCRATCH, code_root
from ..model.run import Request, Run
from ..util import console, files
from ..workspace import text_links

# Imported where a run has failed: every run imports this module.
if TYPE_CHECKING:
    from ..model.traceback_parser import Failure, PathMapping

    Reader = Callable[[str, PathMapping], list[Failure]]
# How much of a log's end is read, in bytes: a failure is at the end, and a log may be huge.
TAIL = 1 << 20


def show(run: Run, request: Request, log: Path, read: Reader | None = None) -> None:
    """Print the positions of the failure, from the log of the run's output."""
    from ..model.traceback_parser import tracebacks

    root = Path(run.workspace.root)
    for failure in (read or tracebacks)(tail(log), path_mapping(run, request)):
        console.say(str(replace(failure, file=text_links.resolve(root, failure.file))))


def tested(run: Run, request: Request, start: Callable[[], int]) -> int:
    """Run the tests with `start`, and print the positions of those that failed.

    Returns the exit code.
    """
    folder = files.make_folder(Path(run.workspace.root, SCRATCH))
    log = folder / f"{run.id}.log"
    try:
        with tee.recorded(log):
            code = start()
        if code != 0:
            from ..model.traceback_parser import failed_tests

            show(run, request, log, failed_tests)
            if tail(log).rstrip().endswith("No module named pytest"):
                console.say(_no_pytest(run))
    finally:
        files.remove(log)
        files.remove_if_empty(folder)
    return code


def _no_pytest(run: Run) -> str:
    paths = run.experiment.paths
    if paths.source == "image":
        declaration = run.workspace.declared.get(run.experiment.name)
        where = declaration.position("environment") if declaration else run.job.name
        return (
            f"{where}: pytest is not installed in the image {paths.environment}; declare a "
            "Dockerfile that starts from the image and installs it"
        )
    if paths.source != "dockerfile" or paths.is_shared:
        where = paths.environment or run.job.name
        return f"{where}: pytest is not installed in this environment; add it there"
    folder = paths.context
    name, stage = ("test", "tests") if run.environment.test else ("dev", "people")
    return (
        f"{folder}: pytest is not installed in this environment. `scripts/loop add "
        f"{run.experiment.name} --{name} pytest` adds it to requirements-{name}.in and compiles the "
        f"lock; the Dockerfile's stage for {stage} installs requirements-{name}.txt"
    )


def tail(log: Path) -> str:
    """The end of a log; "" without a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def path_mapping(run: Run, request: Request) -> PathMapping:
    """How the paths that the program printed map to the workspace's files."""
    from ..model.traceback_parser import PathMapping

    folder = code_root(run.job.name, run.job.code) or run.experiment.folder
    paths = run.experiment.paths
    others = tuple(path for path in (paths.folder, paths.tests) if path)
    cwd = request.cwd.replace("\\", "/")
    roots = [run.workspace.root.replace("\\", "/")]
    if cwd.endswith(f"/{folder}"):
        roots.append(cwd.removesuffix(f"/{folder}"))
    return PathMapping(cwd=cwd, folder=folder, roots=roots, others=others)

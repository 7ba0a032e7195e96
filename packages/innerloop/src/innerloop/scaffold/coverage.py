"""The reports of `loop test`: coverage as a table and an HTML page, results as JUnit XML."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..model.experiment import Experiment
from ..model.shared_code import COMMON
from ..util import files

# pytest's exit code for unknown options.
PYTEST_USAGE_ERROR = 4
JUNIT, SETTINGS, PAGE = "junit.xml", "coverage.ini", "index.html"


@dataclass(frozen=True, slots=True)
class CoverageRequest:
    experiment: Experiment
    coverage: bool = False
    junit: bool = False

    @property
    def folder(self) -> str:
        """Where the reports go, relative to the workspace's root; the same for every backend."""
        return f"outputs/{self.experiment.slug}/coverage"

    @property
    def pytest_options(self) -> tuple[str, ...]:
        """The options of pytest, whose working directory is the experiment's folder."""
        here = posixpath.relpath(self.folder, self.experiment.folder)
        junit = (f"--junit-xml={here}/{JUNIT}",) if self.junit else ()
        if not self.coverage:
            return junit
        reports = ("--cov-report=term-missing:skip-covered", "--cov-report=html")
        return ("--cov", f"--cov-config={here}/{SETTINGS}", *reports, *junit)


def prepare(root: Path, request: CoverageRequest) -> None:
    """Makes the folder, which must exist before a container mounts it, and coverage's settings."""
    if request.pytest_options:
        files.make_folder(root / request.folder)
        files.remove_links(root / request.folder)  # pytest and coverage would follow them
        files.remove(root / request.folder / JUNIT)
    if request.coverage:
        files.remove(root / request.folder / PAGE)
        files.write_text(root / request.folder / SETTINGS, settings(request))


def settings(request: CoverageRequest) -> str:
    """The text of coverage's settings.

    It resolves links, so shared code is named by its path in src/common, and only what this
    experiment links to. Source: coverage.py's configuration reference.
    """
    experiment = request.experiment
    here = posixpath.relpath(request.folder, experiment.folder)
    shared = sorted(
        posixpath.relpath(link.target, experiment.folder)
        for link in experiment.links
        if link.target.startswith(f"{COMMON}/")
    )
    source = [".", *([posixpath.relpath(COMMON, experiment.folder)] if shared else [])]
    included = ["./*", *(path if path.endswith(".py") else f"{path}/*" for path in shared)]
    return "\n".join(
        [
            "[run]",
            f"data_file = {here}/.coverage",
            "branch = true",
            _list("source", source),
            "[report]",
            _list("include", included),
            _list("omit", ["*/tests/*", "./outputs/*"]),
            "[html]",
            f"directory = {here}",
            f"title = {experiment.name}: coverage",
            "",
        ]
    )


def _list(key: str, values: Sequence[str]) -> str:
    return "\n    ".join([f"{key} =", *values])


def collect(root: Path, request: CoverageRequest, junit: Path | None) -> Iterator[str]:
    """Moves the JUnit file to `junit`; yields a message for each report that pytest wrote."""
    folder = root / request.folder
    if junit is not None and (folder / JUNIT).is_file():
        files.make_folder(junit.parent)
        files.copy(folder / JUNIT, junit)
        files.remove(folder / JUNIT)
        yield f"the results are in {junit}"
    if request.coverage and (folder / PAGE).is_file():
        yield f"coverage, line by line: {request.folder}/{PAGE}"
    if request.pytest_options and not request.coverage:
        files.remove_if_empty(folder)


def missing_plugin(experiment: Experiment) -> str:
    return (
        f"--coverage needs pytest-cov: add it to {experiment.folder}/environment/"
        "requirements-dev.in and compile that to requirements-dev.txt"
    )

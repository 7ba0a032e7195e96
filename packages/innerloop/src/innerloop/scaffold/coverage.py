"""What `loop test` leaves on request: coverage as a table and a page, results as JUnit XML."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..model.experiment import Experiment
from ..model.shared_code import COMMON
from ..util import files

# pytest's exit code for options that it does not know.
WRONG_USE = 4
JUNIT, SETTINGS, PAGE = "junit.xml", "coverage.ini", "index.html"


@dataclass(frozen=True, slots=True)
class Wanted:
    experiment: Experiment
    coverage: bool = False
    junit: bool = False

    @property
    def folder(self) -> str:
        """Relative to the workspace's root; the same in every place."""
        return f"outputs/{self.experiment.slug}/coverage"

    @property
    def words(self) -> tuple[str, ...]:
        """For pytest, whose working directory is the experiment's folder."""
        here = posixpath.relpath(self.folder, self.experiment.folder)
        junit = (f"--junit-xml={here}/{JUNIT}",) if self.junit else ()
        if not self.coverage:
            return junit
        reports = ("--cov-report=term-missing:skip-covered", "--cov-report=html")
        return ("--cov", f"--cov-config={here}/{SETTINGS}", *reports, *junit)


def prepare(root: Path, wanted: Wanted) -> None:
    """The folder, which has to be there before a container mounts it, and coverage's settings."""
    if wanted.words:
        files.make_folder(root / wanted.folder)
        files.remove(root / wanted.folder / JUNIT)
    if wanted.coverage:
        files.remove(root / wanted.folder / PAGE)
        files.write_text(root / wanted.folder / SETTINGS, settings(wanted))


def settings(wanted: Wanted) -> str:
    """Coverage follows a link to the file itself, so the common code is named where it stands: of
    all that is there only what this experiment links to. Source: coverage.py's configuration
    reference."""
    experiment = wanted.experiment
    here = posixpath.relpath(wanted.folder, experiment.folder)
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
            _several("source", source),
            "[report]",
            _several("include", included),
            _several("omit", ["*/tests/*", "./outputs/*"]),
            "[html]",
            f"directory = {here}",
            f"title = {experiment.name}: coverage",
            "",
        ]
    )


def _several(key: str, values: Sequence[str]) -> str:
    return "\n    ".join([f"{key} =", *values])


def collect(root: Path, wanted: Wanted, junit: Path | None) -> Iterator[str]:
    """Puts the JUnit file where the person wants it; says where things are. Nothing is said of what
    pytest did not come to write."""
    folder = root / wanted.folder
    if junit is not None and (folder / JUNIT).is_file():
        files.make_folder(junit.parent)
        files.copy(folder / JUNIT, junit)
        files.remove(folder / JUNIT)
        yield f"the results are in {junit}"
    if wanted.coverage and (folder / PAGE).is_file():
        yield f"coverage, line by line: {wanted.folder}/{PAGE}"
    if wanted.words and not wanted.coverage:
        files.remove_if_empty(folder)


def no_plugin(experiment: Experiment) -> str:
    return (
        f"--coverage needs pytest-cov: add it to {experiment.folder}/environment/"
        "requirements-dev.in and compile that to requirements-dev.txt"
    )

"""The reports of `loop test`: coverage as a table and an HTML page, results as JUnit XML."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..model import test_results
from ..model.experiment import Experiment
from ..model.shared_code import COMMON
from ..util import files
from ..util.quick_dataclasses import dataclass

# pytest's exit code for unknown options.
PYTEST_USAGE_ERROR = 4
SETTINGS, PAGE = "coverage.ini", "index.html"


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
    def is_any(self) -> bool:
        return self.coverage or self.junit

    def pytest_options(self, number: int = 0) -> tuple[str, ...]:
        """The options of pytest, whose working directory is the experiment's folder.

        Each pytest after the first one, number 0, adds to its reports.
        """
        here = posixpath.relpath(self.folder, self.experiment.folder)
        file = junit_file(number)
        junit = (f"--junit-xml={here}/{file}",) if self.junit else ()
        if not self.coverage:
            return junit
        reports = ("--cov-report=term-missing:skip-covered", "--cov-report=html")
        append = ("--cov-append",) if number else ()
        return ("--cov", f"--cov-config={here}/{SETTINGS}", *append, *reports, *junit)


def prepare(root: Path, request: CoverageRequest) -> None:
    """Makes the folder, which must exist before a container mounts it, and coverage's settings."""
    if request.is_any:
        files.make_folder(root / request.folder)
        files.remove_links(root / request.folder)  # pytest and coverage would follow them
        for path in _junit_files(root / request.folder):
            files.remove(path)
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
    """Moves the JUnit file to `junit`; yields a message for each report that pytest wrote.

    A file whose name ends with `.json` gets the results as JSON.
    """
    folder = root / request.folder
    if junit is not None and (written := _junit_files(folder)):
        files.make_folder(junit.parent)
        if len(written) > 1:
            files.write_text(written[0], _joined(written))
        if junit.suffix == ".json":
            results = test_results.of_junit(files.read_text(written[0]) or "")
            rows = [result.as_json() for result in results]
            files.write_text(junit, json.dumps(rows, indent=1) + "\n")
        else:
            files.copy(written[0], junit)
        for path in written:
            files.remove(path)
        yield f"the results are in {junit}"
    if request.coverage and (folder / PAGE).is_file():
        yield f"coverage, line by line: {request.folder}/{PAGE}"
    if request.is_any and not request.coverage:
        files.remove_if_empty(folder)


def junit_file(number: int) -> str:
    return f"junit-{number}.xml"


def _junit_files(folder: Path) -> list[Path]:
    """The files of results, that of the first pytest first."""
    found = folder.glob(junit_file(0).replace("0", "*"))
    return sorted(found, key=lambda path: (len(path.name), path.name))


def _joined(paths: Sequence[Path]) -> str:
    """The results of several pytests: the suites of the others after those of the first one."""
    text, *others = (files.read_text(path) or "" for path in paths)
    for other in others:
        suites = re.search(r"<testsuites\b[^>]*>(.*)</testsuites>", other, re.DOTALL)
        head, end, tail = text.rpartition("</testsuites>")
        text = f"{head}{suites[1]}{end}{tail}" if suites and end else text
    return text


def missing_plugin(experiment: Experiment) -> str:
    return f"--coverage needs pytest-cov: `scripts/loop add {experiment.name} --test pytest-cov`"

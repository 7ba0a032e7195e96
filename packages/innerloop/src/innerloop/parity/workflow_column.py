"""The facts of what an orchestrator starts, read from its workflow file on disk.

The file calls `loop submit`, whose options decide what runs.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from ..model.experiment import Experiment
from ..model.jobs.job import Job
from ..model.run import Run
from ..model.settings.dispatch_inputs import sets_of
from ..model.settings.orchestrators import AZURE_DEVOPS, GITHUB
from ..model.settings.schedules import Schedule
from ..model.workspace import Workspace
from ..sync.render import azure_devops, github
from ..sync.render.generated_files import Specification
from ..sync.render.workflow_context import PATHS
from ..util import files, yaml_text
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..workspace import loader
from . import own_changes
from .facts import ParityColumn, ParityFact, join_facts

# The runs of a job with their titles, and the facts of one on Azure ML.
Runs = Callable[[Job], Iterator[tuple[str, Run]]]
Facts = Callable[[Run], ParityColumn]


@dataclass(frozen=True, slots=True)
class ScheduledStart:
    """The runs that an orchestrator starts at the next scheduled time.

    `expected` are those of the job with the schedule's overrides. `absent` says why there are none;
    "" if there are. `python` is a line of the file that runs a program by itself, "" without one.
    `changes` are what else a person changed in the file.
    """

    backend: str
    runs: Mapping[str, Run] = field(default_factory=dict)
    expected: Mapping[str, Run] = field(default_factory=dict)
    why: str = ""
    absent: str = ""
    python: str = ""
    changes: tuple[str, ...] = ()

    def column(self, title: str, facts: Facts) -> ParityColumn:
        """The column for the run of that title. The schedule explains what it overrides."""
        run, expected = self.runs.get(title), self.expected.get(title)
        if run is None or expected is None:
            return ParityColumn(self.backend, absent=self.absent or "it does not start this job")
        expected_facts = facts(expected).facts
        found = {
            row: ParityFact(
                one.value, self.why if one.value == expected_facts[row].value else "", one.shown
            )
            for row, one in facts(run).facts.items()
        }
        if self.python:
            found["command"] = ParityFact(self.python)
        if self.changes:
            found["changes"] = ParityFact(join_facts(self.changes))
        return ParityColumn(self.backend, found)


def scheduled_starts(
    workspace: Workspace, experiment: Experiment, runs: Runs
) -> Iterator[ScheduledStart]:
    """One for each orchestrator of the experiment's schedule that calls `loop submit`."""
    if experiment.settings.schedule is None:
        return
    schedule = loader.open_schedule(workspace, experiment)
    job = loader.open_job(workspace, experiment, sets=schedule.sets)
    changes = ", ".join(schedule.set)
    why = f"[schedule.set] in innerloop.toml changes {changes}" if changes else ""
    for backend in schedule.orchestrators:
        if backend not in (GITHUB, AZURE_DEVOPS):
            continue
        try:
            document = _document(workspace, experiment, PATHS[backend])
            started, python, options = _job_of_workflow(
                workspace, experiment, schedule, document, PATHS[backend]
            )
            specification = Specification(workspace, (experiment,), {experiment.name: job})
            render = {GITHUB: github.render, AZURE_DEVOPS: azure_devops.render}[backend]
            text = render(specification, experiment, job, schedule)
            differing = own_changes.of_workflow(document, yaml_text.parse(text, backend).value)
            yield ScheduledStart(
                backend,
                dict(runs(started or job)),
                dict(runs(job)),
                why,
                python=python,
                changes=(*differing, *options),
            )
        except UserError as error:
            yield ScheduledStart(backend, absent=error.message())


def _document(workspace: Workspace, experiment: Experiment, pattern: str) -> Any:
    """The orchestrator's file on disk."""
    path = pattern.format(slug=experiment.slug)
    text = files.read_text(Path(workspace.root, path))
    if text is None:
        raise UserError(
            "the generated file does not exist",
            code="generated-file-missing",
            where=path,
            hint="Run `scripts/loop sync`",
        )
    return yaml_text.parse(text, path).value


def _job_of_workflow(
    workspace: Workspace, experiment: Experiment, schedule: Schedule, document: Any, pattern: str
) -> tuple[Job | None, str, tuple[str, ...]]:
    """(job, line, options) of the file's `loop submit`.

    The job that it sends, the line that runs a program by itself, and the options that send it
    elsewhere.
    """
    words = _submit_words(document)
    python = own_changes.python_of_scripts(document)
    if words is None and python:
        return None, python, ()
    if words is None:
        path = pattern.format(slug=experiment.slug)
        raise UserError("no step calls `loop submit`", code="generated-file-changed", where=path)
    options = _options(words)
    chosen = loader.choose_experiment(
        workspace, options.experiment, Path(workspace.root), asks=False
    )
    sets = [*(schedule.sets if options.scheduled else ()), *options.set]
    job = loader.open_job(workspace, chosen, options.file, tuple(sets))
    if options.inputs and "$" not in options.inputs:
        sets += sets_of(options.inputs, job, schedule.allowed)
        job = loader.open_job(workspace, chosen, options.file, tuple(sets))
    elsewhere = options.backend not in (None, "azureml")
    return job, python, (f"--backend {options.backend}",) if elsewhere else ()


def _submit_words(value: Any) -> list[str] | None:
    """The words after `loop submit` in the first script that calls it; None if none does."""
    if isinstance(value, str):
        match = re.search(r"\bloop submit +([^\n]*)", value.replace("\\\n", " "))
        try:
            return shlex.split(match[1], comments=True) if match else None
        except ValueError:
            return None
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((words for item in items if (words := _submit_words(item)) is not None), None)


def _options(words: list[str]) -> argparse.Namespace:
    """The options that change what runs.

    Inputs of a manual start (--inputs) are empty at a scheduled start.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("experiment", nargs="?")
    parser.add_argument("--file", default=None)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--scheduled", action="store_true")
    for name in ("--inputs", "--summary", "--name", "--backend"):
        parser.add_argument(name)
    return parser.parse_known_args(words)[0]

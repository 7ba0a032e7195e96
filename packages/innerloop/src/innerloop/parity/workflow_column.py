"""What the workflows of orchestrators would start, read from their files as they are found: each
calls `loop submit`, and what that makes of the job is what runs."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..model.experiment import JOB_FILE, Experiment
from ..model.jobs.job import Job
from ..model.run import Run
from ..model.settings.orchestrators import AZURE_DEVOPS, GITHUB
from ..model.settings.schedules import Schedule
from ..model.workspace import Workspace
from ..sync.render.workflow_context import PATHS
from ..util import files, yaml_text
from ..util.errors import UserError
from ..workspace import loader
from .facts import ParityColumn, ParityFact

# The runs of a job by their titles, and the facts of one on Azure ML.
Runs = Callable[[Job], Iterator[tuple[str, Run]]]
Facts = Callable[[Run], ParityColumn]


@dataclass(frozen=True, slots=True)
class ScheduledStart:
    """The runs that an orchestrator starts at its next scheduled time; `expected` are those of the
    job with the schedule's own overrides. `absent` says why there are none."""

    backend: str
    runs: Mapping[str, Run] = field(default_factory=dict)
    expected: Mapping[str, Run] = field(default_factory=dict)
    why: str = ""
    absent: str = ""

    def column(self, title: str, facts: Facts) -> ParityColumn:
        """For the run of that title. What the schedule says it changes is explained by it."""
        run, expected = self.runs.get(title), self.expected.get(title)
        if run is None or expected is None:
            return ParityColumn(self.backend, absent=self.absent or "it does not start this one")
        wanted = facts(expected).facts
        return ParityColumn(
            self.backend,
            {
                row: ParityFact(
                    one.value, self.why if one.value == wanted[row].value else "", one.shown
                )
                for row, one in facts(run).facts.items()
            },
        )


def scheduled_starts(
    workspace: Workspace, experiment: Experiment, runs: Runs
) -> Iterator[ScheduledStart]:
    """For each orchestrator of the experiment's schedule that calls `loop submit`."""
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
            started = _job_of_workflow(workspace, experiment, schedule, PATHS[backend])
            yield ScheduledStart(backend, dict(runs(started)), dict(runs(job)), why)
        except UserError as mistake:
            yield ScheduledStart(backend, absent=mistake.message())


def _job_of_workflow(
    workspace: Workspace, experiment: Experiment, schedule: Schedule, pattern: str
) -> Job:
    """The job that the file's `loop submit` sends."""
    path = pattern.format(slug=experiment.slug)
    text = files.read_text(Path(workspace.root, path))
    if text is None:
        raise UserError("it is not there", where=path, hint="Run `scripts/loop sync`")
    words = _submit_words(yaml_text.parse(text, path).value)
    if words is None:
        raise UserError("no step of it calls `loop submit`", where=path)
    given = _options(words)
    named = loader.choose_experiment(workspace, given.experiment, Path(workspace.root))
    sets = (*(schedule.sets if given.scheduled else ()), *given.set)
    return loader.open_job(workspace, named, given.file, sets)


def _submit_words(value: Any) -> list[str] | None:
    """The words behind `loop submit` in the first script that has them."""
    if isinstance(value, str):
        found = re.search(r"\bloop submit +([^\n]*)", value.replace("\\\n", " "))
        try:
            return shlex.split(found[1], comments=True) if found else None
        except ValueError:
            return None
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((words for one in below if (words := _submit_words(one)) is not None), None)


def _options(words: list[str]) -> argparse.Namespace:
    """Those that change what is run. What was filled in by hand (--inputs) is nothing at a
    scheduled start."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("experiment", nargs="?")
    parser.add_argument("--file", default=JOB_FILE)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--scheduled", action="store_true")
    for name in ("--inputs", "--summary", "--name"):
        parser.add_argument(name)
    return parser.parse_known_args(words)[0]

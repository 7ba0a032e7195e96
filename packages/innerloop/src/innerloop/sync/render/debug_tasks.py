"""What F5 needs of tasks.json: hidden tasks that a launch configuration starts before itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...model import deployment
from ...model.experiment import Experiment
from ...model.jobs.job import Job
from ...model.naming import debug_task
from .generated_files import Json, Specification
from .vscode_tasks import Task

FOLDER = "${workspaceFolder}"
RUNS, SERVES = "Runs the job's command", "Serves the last run's model"

# The line with which `loop run --debug` and `loop serve --debug` say that they listen.
READY = "^innerloop: ready for the debugger"


@dataclass(frozen=True, slots=True)
class Part:
    """What of an experiment is debugged as one: its job, a step of a pipeline, its server.

    `title` names the configuration beside the experiment, `words` are for `loop run`, or for
    `loop serve`.
    """

    experiment: Experiment
    title: str
    words: tuple[str, ...] = ()
    serves: bool = False

    @property
    def task(self) -> str:
        return " ".join([debug_task(self.experiment.name, serves=self.serves), *self.words[1:]])

    def command(self, port: int) -> tuple[str, ...]:
        if self.serves:
            return ("serve", self.experiment.name, "--debug", "--debug-port", str(port))
        return ("run", self.experiment.name, *self.words, "--debug", "--port", str(port))


def parts(experiment: Experiment, job: Job | None) -> list[Part]:
    return [*(_of_job(experiment, job) if job is not None else ()), *_of_server(experiment)]


def _of_server(experiment: Experiment) -> list[Part]:
    serves = deployment.FOLDER in experiment.files
    return [Part(experiment, "a request to its server", serves=True)] if serves else []


def _of_job(experiment: Experiment, job: Job) -> list[Part]:
    if job.kind == "pipeline":
        steps = job.document.get("jobs") or {}
        return [
            Part(experiment, f"step {step} in its container", ("--step", str(step)))
            for step in steps
        ]
    return [Part(experiment, f"{'trial' if job.kind == 'sweep' else 'job'} in its container")]


def tasks(subject: Specification, ports: dict[str, int]) -> list[Task]:
    """One for each part: runs it under the debugger and stays until it is over."""
    return [
        Task(
            part.task,
            part.command(ports[part.experiment.name]),
            f"{SERVES if part.serves else RUNS} and waits for the debugger",
            "debug-alt",
            ready=READY,
            hidden=True,
            finds=True,
        )
        for experiment in subject.experiments
        for part in parts(experiment, subject.jobs.get(experiment.name))
    ]


def folder_tasks(subject: Specification) -> list[Json]:
    """Makes the folders of a job's outputs, which are there on Azure ML before its program starts,
    with nothing but what every system has."""
    return [
        _folders(folders_task(experiment), folders)
        for experiment, job in with_job(subject)
        if (folders := output_folders(experiment, job))
    ]


def folders_task(experiment: Experiment) -> str:
    return f"folders for the outputs of {experiment.name}"


def output_folders(experiment: Experiment, job: Job) -> list[str]:
    return [output_path(experiment, name) for name, one in job.outputs.items() if not one.is_file]


def output_path(experiment: Experiment, name: str) -> str:
    return f"{FOLDER}/{experiment.folder}/outputs/{name}"


def with_job(subject: Specification) -> Iterator[tuple[Experiment, Job]]:
    for experiment in subject.experiments:
        if (job := subject.jobs.get(experiment.name)) is not None:
            yield experiment, job


def _folders(label: str, folders: list[str]) -> Json:
    quoted = ", ".join("'" + folder.replace("'", "''") + "'" for folder in folders)
    make = f"New-Item -ItemType Directory -Force -Path {quoted} | Out-Null"
    return {
        "label": label,
        "type": "process",
        "command": "mkdir",
        "args": ["-p", *folders],
        "windows": {"command": "powershell", "args": ["-NoProfile", "-Command", make]},
        "problemMatcher": [],
        "presentation": {"reveal": "silent", "close": True, "showReuseMessage": False},
        "hide": True,
    }

"""What F5 needs of tasks.json: hidden tasks that a launch configuration starts before itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..spec.experiment import Experiment
from ..spec.job import Job
from . import Json, Subject
from .palette import Task

FOLDER = "${workspaceFolder}"

# The line with which `loop run --debug` says that it listens.
READY = "^innerloop: ready for the debugger"


@dataclass(frozen=True, slots=True)
class Part:
    """What of a job is debugged as one: all of it, or one step of a pipeline.

    `title` names the configuration beside the experiment, `words` are for `loop run`.
    """

    experiment: Experiment
    title: str
    words: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        return " ".join(["debug", self.experiment.name, *self.words[1:]])


def parts(experiment: Experiment, job: Job) -> list[Part]:
    if job.kind == "pipeline":
        steps = job.document.get("jobs") or {}
        return [
            Part(experiment, f"step {step} in its container", ("--step", str(step)))
            for step in steps
        ]
    return [Part(experiment, f"{'trial' if job.kind == 'sweep' else 'job'} in its container")]


def tasks(subject: Subject, ports: dict[str, int]) -> list[Task]:
    """One for each part: runs it under the debugger and stays until it is over."""
    return [
        Task(
            part.task,
            (
                "run",
                part.experiment.name,
                *part.words,
                "--debug",
                "--port",
                str(ports[part.experiment.name]),
            ),
            "Runs the job's command and waits for the debugger",
            "debug-alt",
            ready=READY,
            hidden=True,
            finds=True,
        )
        for experiment, job in with_job(subject)
        for part in parts(experiment, job)
    ]


def folder_tasks(subject: Subject) -> list[Json]:
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


def with_job(subject: Subject) -> Iterator[tuple[Experiment, Job]]:
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

"""The hidden tasks of tasks.json that a launch configuration starts before itself."""

from __future__ import annotations

from collections.abc import Iterator

from ...model import debug_port, deployment
from ...model.editor_variables import has_variable
from ...model.experiment import Experiment
from ...model.jobs.job import Job
from ...model.lint.machine_rules import is_output_name
from ...model.naming import debug_task
from ...util.quick_dataclasses import dataclass
from .generated_files import Json, Specification
from .vscode_tasks import OPEN_FILE, VscodeTask

FOLDER = "${workspaceFolder}"
RUNS, SERVES = "Runs the job's command", "Serves the last run's model"

# What `loop run --debug` and `loop serve --debug` print once they listen.
READY = "^innerloop: ready for the debugger"
# What they print when the editor restarts it, which is then not ready.
RESTARTS = "^innerloop: the debugger restarts it"


@dataclass(frozen=True, slots=True)
class DebugTarget:
    """A part of an experiment that is debugged by itself.

    It is its job, a step of a pipeline, or its server.

    The launch configuration is called by the experiment and `title`; `words` are options of
    `loop run`.
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


@dataclass(frozen=True, slots=True)
class OpenFileTarget:
    """What the open file stands for: its experiment's job, or the tests in it."""

    title: str
    verb: str
    detail: str

    @property
    def task(self) -> str:
        return f"debug {self.title}"

    def command(self, port: int) -> tuple[str, ...]:
        return (self.verb, OPEN_FILE, "--debug", "--port", str(port))


OPEN_FILE_TARGETS = (
    OpenFileTarget("this experiment", "run", RUNS),
    OpenFileTarget("the tests in this file", "test", "Runs the tests of the open file"),
)


def debug_targets(experiment: Experiment, job: Job | None) -> list[DebugTarget]:
    return [*(_of_job(experiment, job) if job is not None else ()), *_of_server(experiment)]


def _of_server(experiment: Experiment) -> list[DebugTarget]:
    is_served = deployment.FOLDER in experiment.files
    return [DebugTarget(experiment, "a request to its server", serves=True)] if is_served else []


def _of_job(experiment: Experiment, job: Job) -> list[DebugTarget]:
    if job.kind == "pipeline":
        steps = job.document.get("jobs") or {}
        return [
            DebugTarget(experiment, f"step {step} in its container", ("--step", str(step)))
            for step in (steps if isinstance(steps, dict) else ())
            if not has_variable(str(step))
        ]
    return [
        DebugTarget(experiment, f"{'trial' if job.kind == 'sweep' else 'job'} in its container")
    ]


def tasks(specification: Specification, ports: dict[str, int]) -> list[VscodeTask]:
    """One for each target: runs it under the debugger, and ends with it."""
    port = debug_port.of_open_file(specification.workspace)
    return [
        *(
            _task(target.task, target.command(port), target.detail)
            for target in OPEN_FILE_TARGETS
            if specification.experiments
        ),
        *(
            _task(
                target.task,
                target.command(ports[target.experiment.name]),
                SERVES if target.serves else RUNS,
            )
            for experiment in specification.experiments
            for target in debug_targets(experiment, specification.jobs.get(experiment.name))
        ),
    ]


def _task(label: str, words: tuple[str, ...], detail: str) -> VscodeTask:
    return VscodeTask(
        label,
        words,
        f"{detail} and waits for the debugger",
        ready=READY,
        restarts=RESTARTS,
        hidden=True,
        finds=True,
    )


def folder_tasks(specification: Specification) -> list[Json]:
    """Tasks that make the folders of a job's outputs.

    On Azure ML they exist before its program starts. The tasks use a program that every system has.
    """
    return [
        _folders(folders_task(experiment), folders)
        for experiment, job in with_job(specification)
        if (folders := output_folders(experiment, job))
    ]


def folders_task(experiment: Experiment) -> str:
    return f"folders for the outputs of {experiment.name}"


def output_folders(experiment: Experiment, job: Job) -> list[str]:
    return [
        output_path(experiment, name)
        for name in usable_outputs(job)
        if not job.outputs[name].is_file
    ]


def usable_outputs(job: Job) -> list[str]:
    """The outputs whose names are one part of a path, and that no editor changes."""
    return [name for name in job.outputs if is_output_name(name) and not has_variable(name)]


def output_path(experiment: Experiment, name: str) -> str:
    return f"{FOLDER}/{experiment.folder}/outputs/{name}"


def with_job(specification: Specification) -> Iterator[tuple[Experiment, Job]]:
    for experiment in specification.experiments:
        if (job := specification.jobs.get(experiment.name)) is not None:
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
        "presentation": {"reveal": "silent", "close": True},
        "hide": True,
    }

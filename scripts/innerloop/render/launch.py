"""`.vscode/launch.json`: F5 runs the job's own command line under the debugger.

A job that is one plain `python file.py ...` becomes a launch configuration that needs nothing but
the Python debugger extension; its arguments come from the job file and are written nowhere else.
"""

from __future__ import annotations

import posixpath
import re
import shlex

from ..spec.command import substitute
from ..spec.experiment import Experiment
from ..spec.job import Job
from ..spec.paths import code_root, local_path
from . import Json, Subject

FOLDER = "${workspaceFolder}"

# Characters that make a command more than one program with arguments.
_SHELL = re.compile(r"[|&;<>()$`\n*?~#]")


def render(subject: Subject) -> Json:
    configurations = [
        configuration
        for experiment in subject.experiments
        if (job := subject.jobs.get(experiment.name)) is not None
        and (configuration := configuration_of(experiment, job)) is not None
    ]
    return {"version": "0.2.0", "configurations": [*configurations, _open_file()]}


def configuration_of(experiment: Experiment, job: Job) -> Json | None:
    """The launch configuration of a job; None when its command is more than one plain program. A
    `Mistake` when the command refers to what the job does not declare."""
    if job.kind != "command":
        return None
    words = plain_python(_command(experiment, job))
    code = code_root(job.name, job.code)
    if words is None or code is None:
        return None
    cwd = f"{FOLDER}/{code}"
    target = (
        {"module": words[1]} if words[0] == "-m" else {"program": posixpath.join(cwd, words[0])}
    )
    arguments = words[2:] if words[0] == "-m" else words[1:]
    title = words[1] if words[0] == "-m" else words[0]
    return {
        "name": f"{experiment.name}: {title}",
        "type": "debugpy",
        "request": "launch",
        **target,
        "args": arguments,
        "cwd": cwd,
        "env": {"PYTHONUNBUFFERED": "1", **job.environment_variables},
        "console": "integratedTerminal",
        "justMyCode": True,
        "subProcess": True,
    }


def _open_file() -> Json:
    return {
        "name": "the open file",
        "type": "debugpy",
        "request": "launch",
        "program": "${file}",
        "cwd": "${fileDirname}",
        "console": "integratedTerminal",
        "justMyCode": False,
    }


def _command(experiment: Experiment, job: Job) -> str:
    inputs: dict[str, str | None] = {
        name: one.literal_text if one.kind == "literal" else _data(experiment, job, name)
        for name, one in job.inputs.items()
    }
    outputs = {name: f"{FOLDER}/{experiment.folder}/outputs/{name}" for name in job.outputs}
    # VS Code fills ${workspaceFolder} in; it must not be taken for the shell's.
    return substitute(job.command, inputs, outputs).replace(FOLDER, "\0")


def _data(experiment: Experiment, job: Job, name: str) -> str:
    setting = experiment.settings.data.get(name)
    path = local_path(job.name, job.inputs[name].path or "", setting.path if setting else "")
    return path if path is not None and posixpath.isabs(path) else f"{FOLDER}/{path}"


def plain_python(command: str) -> list[str] | None:
    """["train.py", "--epochs", "8"] of `python train.py --epochs 8` (or ["-m", module, ...]);
    None when the command is anything else."""
    text = _joined(command)
    if _SHELL.search(text):
        return None
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    if len(words) < 2 or not re.fullmatch(r"python3?(\.\d+)?", words[0]):
        return None
    rest = [word.replace("\0", FOLDER) for word in words[1:]]
    if rest[0] == "-u":
        rest = rest[1:]
    is_module = len(rest) > 1 and rest[0] == "-m"
    return rest if is_module or rest[:1] and rest[0].endswith(".py") else None


def _joined(command: str) -> str:
    """One line, where each line but the last ends in a backslash; else as it is."""
    return re.sub(r"\\\r?\n\s*", " ", command).strip()

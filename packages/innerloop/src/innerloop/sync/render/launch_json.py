"""`.vscode/launch.json`: F5 runs the job's own command under the debugger.

A job that is one plain `python file.py ...` becomes a launch configuration that needs nothing but
the Python debugger extension. And every job has one that runs the command as it is, in its clean
container or wherever `loop run` takes it, and attaches to each Python process of it. Arguments come
from the job file and are written nowhere else.

Source: the schema of launch.json that the Python debugger extension declares.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from ...model import debug_port
from ...model.data_locations import locate
from ...model.experiment import Experiment
from ...model.jobs.command import job_environment, substitute
from ...model.jobs.job import Job
from ...model.paths import code_root
from .debug_tasks import FOLDER, Part, folders_task, output_folders, output_path, parts
from .generated_files import Json, Specification

# VS Code fills ${workspaceFolder} in; while a command is read, this stands for it, so that it is
# not taken for the shell's.
_MARK = "\0"

# Characters that make a command more than one program with arguments.
_SHELL = "|&;<>()$`\n*?~#{"


def render(subject: Specification) -> Json:
    ports = ports_of(subject)
    configurations: list[Json] = []
    for experiment in subject.experiments:
        job = subject.jobs.get(experiment.name)
        here = None if job is None else configuration_of(experiment, job)
        attached = [
            attach_to(part, ports[experiment.name], order)
            for order, part in enumerate(parts(experiment, job), start=2)
        ]
        configurations += [*([here] if here is not None else []), *attached]
    return {"version": "0.2.0", "configurations": [*configurations, _open_file()]}


def ports_of(subject: Specification) -> dict[str, int]:
    names = subject.workspace.experiments
    return {one.name: debug_port.of(names, one) for one in subject.experiments}


def configuration_of(experiment: Experiment, job: Job) -> Json | None:
    """The launch configuration of a job; None when its command is more than one plain program. A
    `Mistake` when the command refers to what the job does not declare."""
    if job.kind != "command":
        return None
    values = {name: _value(experiment, job, name) for name in job.inputs}
    outputs = {name: output_path(experiment, name).replace(FOLDER, _MARK) for name in job.outputs}
    paths = [name for name, one in job.inputs.items() if one.kind == "data"]
    words = plain_python(substitute(job.command, values, outputs, paths=paths))
    code = code_root(job.name, job.code)
    if words is None or code is None or job.distribution is not None:
        return None
    is_file = posixpath.basename(code) == words.target
    cwd = _in_workspace(posixpath.dirname(code) if is_file else code, FOLDER)
    folders = output_folders(experiment, job)
    return {
        "name": f"{experiment.name}: {words.target}",
        "type": "debugpy",
        "request": "launch",
        **(
            {"module": words.target}
            if words.is_module
            else {"program": _in_workspace(words.target, cwd)}
        ),
        "args": list(words.arguments),
        **({"pythonArgs": list(words.options)} if words.options else {}),
        "cwd": cwd,
        "env": _environment(experiment, job, values, outputs),
        "console": "integratedTerminal",
        "justMyCode": True,
        "subProcess": True,
        **({"preLaunchTask": folders_task(experiment)} if folders else {}),
        "presentation": {"group": experiment.name, "order": 1},
    }


def attach_to(part: Part, port: int, order: int) -> Json:
    """Starts `loop run --debug` (or `loop serve --debug`) in the background, and attaches to it once
    it listens. The workspace is mapped to its place in a container; where the code is elsewhere,
    the run knows."""
    return {
        "name": f"{part.experiment.name}: {part.title}",
        "type": "debugpy",
        "request": "attach",
        "connect": {"host": "127.0.0.1", "port": port},
        "pathMappings": [
            {"localRoot": FOLDER, "remoteRoot": "/workspaces/${workspaceFolderBasename}"}
        ],
        "justMyCode": True,
        "subProcess": True,
        # What the command prints is in the task's terminal.
        "redirectOutput": False,
        "preLaunchTask": part.task,
        "presentation": {"group": part.experiment.name, "order": order},
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
        # No group: VS Code shows it last, and F5 in a fresh clone takes the first.
    }


def _environment(
    experiment: Experiment, job: Job, values: Mapping[str, str | None], outputs: Mapping[str, str]
) -> dict[str, str]:
    """What `loop run` gives the program too; a value of the job's own counts."""
    given = {name: value for name, value in values.items() if value is not None}
    env = job_environment(job, given, outputs, f"{experiment.slug}-f5")
    return {
        "PYTHONUNBUFFERED": "1",
        **{name: value.replace(_MARK, FOLDER) for name, value in env.items()},
    }


def _value(experiment: Experiment, job: Job, name: str) -> str | None:
    one = job.inputs[name]
    setting = experiment.settings.data.get(name)
    given = setting.path if setting is not None else ""
    if not one.has_value and not given:
        return None
    if one.kind == "literal":
        return one.literal_text
    location = locate(job.name, one.path or "", one.type)
    if one.passes_uri and not given and not location.is_here:
        return one.path
    path = posixpath.normpath(given.replace("\\", "/")) if given else location.path
    return _in_workspace(path, _MARK)


def _in_workspace(path: str, folder: str) -> str:
    return path if posixpath.isabs(path) or path[1:2] == ":" else f"{folder}/{path}"


@dataclass(frozen=True, slots=True)
class PlainPython:
    """`python -O train.py --epochs 8`: options of Python, the file or module, its arguments."""

    target: str
    arguments: tuple[str, ...]
    options: tuple[str, ...] = ()
    is_module: bool = False


def plain_python(command: str) -> PlainPython | None:
    """The command as one start of Python; None when it is anything else."""
    text = re.sub(r"\\\r?\n\s*", " ", command).strip()
    if _needs_a_shell(text):
        return None
    try:
        words = [word.replace(_MARK, FOLDER) for word in shlex.split(text)]
    except ValueError:
        return None
    if not words or not re.fullmatch(r"python3?(\.\d+)?", words[0]):
        return None
    return _start_of_python(words[1:])


def _start_of_python(words: list[str]) -> PlainPython | None:
    options: list[str] = []
    while words and words[0].startswith("-"):
        word, words = words[0], words[1:]
        if word == "-m":
            return PlainPython(words[0], tuple(words[1:]), tuple(options), True) if words else None
        if word in ("-X", "-W") and words:
            options += [word, words[0]]
            words = words[1:]
        elif re.fullmatch(r"-[XW]\S+|-[BEIOSsbdqv]+", word):
            options.append(word)
        elif word != "-u":  # set by PYTHONUNBUFFERED
            return None
    if not words or not words[0].endswith(".py"):
        return None
    return PlainPython(words[0], tuple(words[1:]), tuple(options))


def _needs_a_shell(text: str) -> bool:
    """Whether anything outside of quotes means more to a shell than itself."""
    quote, skip = "", False
    for character in text:
        if skip:
            skip = False
        elif character == "\\" and quote != "'":
            skip = True
        elif character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        elif (not quote and character in _SHELL) or (quote == '"' and character in "$`"):
            return True
    return False

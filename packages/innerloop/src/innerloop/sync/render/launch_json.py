"""`.vscode/launch.json`: F5 runs the job's own command under the debugger.

A job that is one plain `python file.py ...` becomes a launch configuration that needs only the
Python debugger extension. Every job also has one that runs the command as it is, in its clean
container or on whichever backend `loop run` chooses, and attaches to each of its Python processes.
Arguments come from the job file alone.

Source: the schema of launch.json that the Python debugger extension declares.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping

from ...model import debug_port
from ...model.asset_files import AssetKind, Find, nothing
from ...model.data_locations import locate
from ...model.editor_variables import has_variable
from ...model.experiment import Experiment
from ...model.jobs.command import job_environment, substitute
from ...model.jobs.job import Job
from ...model.paths import code_root
from ...util.errors import UserError
from ...util.quick_dataclasses import dataclass
from .debug_tasks import (
    FOLDER,
    OPEN_FILE_TARGETS,
    DebugTarget,
    debug_targets,
    folders_task,
    output_folders,
    output_path,
    usable_outputs,
)
from .devcontainer_json import EXTENSION
from .generated_files import Json, Specification

# Stands for ${workspaceFolder}, which VS Code expands, while a command is parsed: so that it is not
# taken for a variable of the shell.
_MARK = "\0"

# Where Python finds the start-up module that says what to do where a package is missing. A folder that
# is not there is as if it were not named, and VS Code appends the PYTHONPATH that a window has.
START = f"{FOLDER}/{EXTENSION}/start"

# Characters with which a command is more than one program with arguments.
_SHELL = "|&;<>()$`\n*?~#{"


def render(specification: Specification) -> Json:
    ports = ports_of(specification)
    configurations: list[Json] = []
    for experiment in specification.experiments:
        job = specification.jobs.get(experiment.name)
        plain = None if job is None else configuration_of(experiment, job, specification.find)
        attached = [
            attach_to(target, ports[experiment.name], order)
            for order, target in enumerate(debug_targets(experiment, job), start=2)
        ]
        configurations += [*([plain] if plain is not None else []), *attached]
    first = _of_open_file(specification) if specification.experiments else []
    return {"version": "0.2.0", "configurations": [*first, *configurations, _open_file()]}


def ports_of(specification: Specification) -> dict[str, int]:
    names = specification.workspace.experiments
    return {one.name: debug_port.of(names, one) for one in specification.experiments}


def configuration_of(experiment: Experiment, job: Job, find: Find = nothing) -> Json | None:
    """The launch configuration of a job; None when its command is more than one plain program.

    Also None if a file of the workspace, which `find` finds, says where data of Azure ML are: that
    place depends on what is on a machine, and F5 starts the job by `loop run`.

    Raises UserError when the command refers to something that the job does not declare.
    """
    if job.kind != "command":
        return None
    values = {name: _value(experiment, job, name) for name in job.inputs}
    outputs = {name: output_path(experiment, name).replace(FOLDER, _MARK) for name in job.outputs}
    paths = [name for name, input_ in job.inputs.items() if input_.kind == "data"]
    command = substitute(job.command, values, outputs, paths=paths)
    words = plain_python(command)
    code = code_root(job.name, job.code)
    if words is None or code is None or job.distribution is not None:
        return None
    if any(_is_in_a_file(experiment, job, name, find) for name in paths):
        return None
    if _is_replaced(command, code, values, outputs, job):
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


def _is_in_a_file(experiment: Experiment, job: Job, name: str, find: Find) -> bool:
    """Whether a file of the workspace stands for an input's data."""
    setting, input_ = experiment.settings.data.get(name), job.inputs[name]
    if (setting is not None and setting.path) or not input_.path:
        return False
    kind: AssetKind = "model" if input_.type.endswith("_model") else "data"
    try:
        asset = find(kind, input_.path, job.name, job.where("inputs", name))
    except UserError:  # the run says so
        return True
    return asset is not None


def _is_replaced(
    command: str,
    code: str,
    values: Mapping[str, str | None],
    outputs: Mapping[str, str],
    job: Job,
) -> bool:
    """Whether VS Code would replace a part of what the job says, or an output has no path.

    Then F5 starts the job by `loop run`, which reads the job file itself.
    """
    present = {name: value for name, value in values.items() if value is not None}
    env = job_environment(job, present, outputs, "")
    is_written = has_variable(command, code, *env, *env.values())
    return is_written or len(usable_outputs(job)) < len(job.outputs)


def _of_open_file(specification: Specification) -> list[Json]:
    """What F5 starts first: VS Code sorts configurations by group, and each group by order."""
    port = debug_port.of_open_file(specification.workspace)
    return [
        _attached(target.title, target.task, port, _FIRST_GROUP, order)
        for order, target in enumerate(OPEN_FILE_TARGETS, start=1)
    ]


# Before the name of every experiment, each of which is a group.
_FIRST_GROUP = "0"


def attach_to(target: DebugTarget, port: int, order: int) -> Json:
    """A configuration that attaches to `loop run --debug` (or `loop serve --debug`)."""
    name = target.experiment.name
    return _attached(f"{name}: {target.title}", target.task, port, name, order)


def _attached(name: str, task: str, port: int, group: str, order: int) -> Json:
    """A configuration that starts a task in the background, and attaches once it listens.

    The path mapping is that of a container; on other backends the run corrects it.
    """
    return {
        "name": name,
        "type": "debugpy",
        "request": "attach",
        "connect": {"host": "127.0.0.1", "port": port},
        "pathMappings": [
            {"localRoot": FOLDER, "remoteRoot": "/workspaces/${workspaceFolderBasename}"}
        ],
        "justMyCode": True,
        "subProcess": True,
        # The command's output is in the task's terminal.
        "redirectOutput": False,
        "preLaunchTask": task,
        "presentation": {"group": group, "order": order},
    }


def _open_file() -> Json:
    return {
        "name": "the open file",
        "type": "debugpy",
        "request": "launch",
        "program": "${file}",
        "cwd": "${fileDirname}",
        "env": {"PYTHONPATH": START},
        "console": "integratedTerminal",
        "justMyCode": False,
        # Without a group VS Code shows it last; F5 in a fresh clone starts the first.
    }


def _environment(
    experiment: Experiment, job: Job, values: Mapping[str, str | None], outputs: Mapping[str, str]
) -> dict[str, str]:
    """The variables that `loop run` sets too, and the start-up module; a value in the job wins."""
    present = {name: value for name, value in values.items() if value is not None}
    env = job_environment(job, present, outputs, f"{experiment.slug}-f5")
    return {
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": START,
        **{name: value.replace(_MARK, FOLDER) for name, value in env.items()},
    }


def _value(experiment: Experiment, job: Job, name: str) -> str | None:
    input_ = job.inputs[name]
    setting = experiment.settings.data.get(name)
    local = setting.path if setting is not None else ""
    if not input_.has_value and not local:
        return None
    if input_.kind == "literal":
        return input_.literal_text
    location = locate(job.name, input_.path or "", input_.type)
    if input_.passes_uri and not local and not location.is_here:
        return input_.path
    path = posixpath.normpath(local.replace("\\", "/")) if local else location.path
    return _in_workspace(path, _MARK)


def _in_workspace(path: str, folder: str) -> str:
    if posixpath.isabs(path) or path[1:2] == ":":
        return path
    inner = posixpath.normpath(path)
    return folder if inner == "." else f"{folder}/{inner}"


@dataclass(frozen=True, slots=True)
class PlainPython:
    """`python -O train.py --epochs 8` as options of Python, the file or module, and its arguments."""

    target: str
    arguments: tuple[str, ...]
    options: tuple[str, ...] = ()
    is_module: bool = False


def plain_python(command: str) -> PlainPython | None:
    """The command as one call of Python; None for any other command."""
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
    """Whether an unquoted character has a special meaning to a shell."""
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

"""`.vscode/tasks.json`: the palette. Each task is one `scripts/loop` command.

Tasks are of type "process": no shell expands anything on the way. Windows cannot start a shell
script, so it gets `loop.cmd`.

Source: https://code.visualstudio.com/docs/debugtest/tasks and VS Code's schema of tasks.json 2.0.0.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import debug_tasks
from .generated_files import Json, Specification
from .launch_json import ports_of
from .vscode_tasks import QUESTIONS, TASKS, VscodeTask

LOOP = "${workspaceFolder}/scripts/loop"

# A line of `loop check`, file:line:column: error: what; or an error message with a position, which
# has the tool's name before it. Neither matches as the other, nor a program's "12:30: done".
PATTERN: Json = {
    "regexp": r"^(?:innerloop: (?=[^:]+:\d)|(?=\S[^:]*\.\w+:\d+:\d+: (?:error|warning|info): ))"
    r"(.+?):(\d+)(?::(\d+))?: (?:(error|warning|info): )?(.*)$",
    "file": 1,
    "line": 2,
    "column": 3,
    "severity": 4,
    "message": 5,
}


# Any file of any experiment. A list of their names would conflict where two branches each add one.
OPEN_FILE = "src/*/**"


def render(specification: Specification) -> Json:
    names = [experiment.name for experiment in specification.experiments]
    return {
        "version": "2.0.0",
        "tasks": [
            *(
                _task(task, names)
                for task in (*TASKS, *debug_tasks.tasks(specification, ports_of(specification)))
            ),
            *debug_tasks.folder_tasks(specification),
        ],
        "inputs": _inputs(names),
    }


def _task(task: VscodeTask, names: Sequence[str]) -> Json:
    value: dict[str, Json] = {
        "label": task.label,
        "detail": task.detail,
        "icon": {"id": task.icon, **_color(task)},
        "type": "process",
        "command": LOOP,
        "windows": {"command": LOOP + ".cmd"},
        "args": list(task.words),
        "problemMatcher": _matcher(task),
        "presentation": _presentation(task),
    }
    if task.group:
        value["group"] = _group(task, names)
    if task.ready:
        value["isBackground"] = True
    if task.hidden:
        value["hide"] = True
    if task.on_open:
        value["runOptions"] = {"runOn": "folderOpen"}
    elif task.several:
        value["runOptions"] = {"instanceLimit": 8}
    return value


def _matcher(task: VscodeTask) -> Json:
    if task.ready:
        return _background(task)
    return findings(task.words[0]) if task.finds else []


def findings(command: str) -> Json:
    """The findings of a command replace those of the same command before, and no others."""
    return {
        "owner": f"innerloop {command}",
        "source": f"loop {command}",
        "fileLocation": "relative",  # to ${workspaceFolder}
        "pattern": PATTERN,
    }


def _color(task: VscodeTask) -> dict[str, str]:
    return {"color": f"terminal.ansi{task.color}"} if task.color else {}


def _presentation(task: VscodeTask) -> Json:
    value: dict[str, Json] = {"clear": True, "showReuseMessage": False}
    if task.on_open:
        # "silent": shown only when its exit code is not 0.
        value["reveal"] = "silent"
    if task.typed:
        value["focus"] = True
    if task.ready or task.several or task.on_open:
        value["panel"] = "dedicated"
    return value


def _group(task: VscodeTask, names: Sequence[str]) -> Json:
    if not task.default:
        return task.group
    if task.default == "all":
        return {"kind": task.group, "isDefault": True}
    return {"kind": task.group, "isDefault": OPEN_FILE} if names else task.group


def _background(task: VscodeTask) -> Json:
    """Active from its start until the ready line.

    VS Code starts what depends on it even if the task ended before, unless the matcher found an
    error: so a task that `finds` stops F5 with its error message.
    """
    return {
        "owner": "innerloop",
        "pattern": {"regexp": "^__never__$", "message": 0},
        **(findings(task.words[0]) if task.finds else {}),
        "background": {
            "activeOnStart": True,
            "beginsPattern": "^__never__$",
            "endsPattern": task.ready,
        },
    }


def _inputs(names: list[str]) -> list[Json]:
    backends = [
        # VS Code shows "label: value".
        {"label": "The first of these that is available", "value": "auto"},
        {"label": "The experiment's dev container, when you are in it", "value": "in-container"},
        {"label": "A clean container", "value": "docker"},
        {"label": "A cached environment", "value": "venv"},
    ]
    return [
        _list("experiment", "Which experiment?", names or ["(none yet: run the task new)"]),
        _list("backend", "Where?", backends, default="auto"),
        *(_question(name, text, default) for name, text, default in QUESTIONS),
    ]


def _list(name: str, text: str, options: Sequence[Json], **more: str) -> Json:
    return {
        "id": name,
        "type": "pickString",
        "description": text,
        "options": list(options),
        **more,
    }


def _question(name: str, text: str, default: str) -> Json:
    value = {"id": name, "type": "promptString", "description": text}
    return {**value, "default": default} if default else value

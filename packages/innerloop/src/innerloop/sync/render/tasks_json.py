"""`.vscode/tasks.json`: the palette. Each task is one `scripts/loop` command.

Tasks are of type "process": nothing is expanded by a shell on the way. Windows needs a program
that it can start, so there `loop.cmd` stands in for the shell script.

Source: https://code.visualstudio.com/docs/debugtest/tasks and VS Code's schema of tasks.json 2.0.0.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import debug_tasks
from .generated_files import Json, Specification
from .launch_json import ports_of
from .vscode_tasks import QUESTIONS, TASKS, Task

LOOP = "${workspaceFolder}/scripts/loop"

# A line of `loop check`, file:line:column: error: what; or one of our own sentences with its place,
# which has our name before it. Neither is taken for the other, nor a program's "12:30: done".
PATTERN: Json = {
    "regexp": r"^(?:innerloop: (?=[^:]+:\d)|(?=\S[^:]*\.\w+:\d+:\d+: (?:error|warning|info): ))"
    r"(.+?):(\d+)(?::(\d+))?: (?:(error|warning|info): )?(.*)$",
    "file": 1,
    "line": 2,
    "column": 3,
    "severity": 4,
    "message": 5,
}


# Any file of any experiment. Their names are not in it: two branches that each add one would meet
# in this line.
OPEN_FILE = "src/*/**"


def render(subject: Specification) -> Json:
    names = [experiment.name for experiment in subject.experiments]
    return {
        "version": "2.0.0",
        "tasks": [
            *(
                _task(task, names)
                for task in (*TASKS, *debug_tasks.tasks(subject, ports_of(subject)))
            ),
            *debug_tasks.folder_tasks(subject),
        ],
        "inputs": _inputs(names),
    }


def _task(task: Task, names: Sequence[str]) -> Json:
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


def _matcher(task: Task) -> Json:
    if task.ready:
        return _background(task)
    return findings(task.words[0]) if task.finds else []


def findings(command: str) -> Json:
    """What a command finds replaces what the same command found before, and nothing else."""
    return {
        "owner": f"innerloop {command}",
        "source": f"loop {command}",
        "fileLocation": "relative",  # to ${workspaceFolder}
        "pattern": PATTERN,
    }


def _color(task: Task) -> dict[str, str]:
    return {"color": f"terminal.ansi{task.color}"} if task.color else {}


def _presentation(task: Task) -> Json:
    value: dict[str, Json] = {"clear": True, "showReuseMessage": False}
    if task.on_open:
        # "silent": shown when it has something to say, that is, when its exit code is not 0.
        value["reveal"] = "silent"
    if task.typed:
        value["focus"] = True
    if task.ready or task.several or task.on_open:
        value["panel"] = "dedicated"
    return value


def _group(task: Task, names: Sequence[str]) -> Json:
    if not task.default:
        return task.group
    if task.default == "all":
        return {"kind": task.group, "isDefault": True}
    return {"kind": task.group, "isDefault": OPEN_FILE} if names else task.group


def _background(task: Task) -> Json:
    """Up from its start until the ready line. What follows it begins even when the task has ended
    before, unless an error was found: so one that `finds` ends F5 with its own sentence."""
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
        {"label": "The first of these that can be had", "value": "auto"},
        {"label": "The experiment's container, when in it", "value": "in-container"},
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

"""`.vscode/tasks.json`: the palette. Each task is one `scripts/loop` command.

Tasks are of type "process": no shell expands anything on the way. Windows cannot start a shell
script, so it gets `loop.cmd`.

Source: https://code.visualstudio.com/docs/debugtest/tasks and VS Code's schema of tasks.json 2.0.0.
"""

from __future__ import annotations

from . import debug_tasks, fitting_tasks
from .generated_files import Json, Specification
from .launch_json import ports_of
from .vscode_tasks import EDITOR_COMMANDS, QUESTIONS, TASKS, VscodeTask

LOOP = "${workspaceFolder}/scripts/loop"

# A line of `loop check`, file:line:column-end: error: what; or an error message with a position, which
# has the tool's name before it. Neither matches as the other, nor a program's "12:30: done".
PATTERN: Json = {
    "regexp": r"^(?:innerloop: (?=[^:]+:\d)|(?=\S[^:]*\.\w+:\d+:\d+(?:-\d+)?: (?:error|warning|info): ))"
    r"(.+?):(\d+)(?::(\d+)(?:-(\d+))?)?: (?:(error|warning|info): )?(.*)$",
    "file": 1,
    "line": 2,
    "column": 3,
    "endColumn": 4,
    "severity": 5,
    "message": 6,
}


# What all tasks of the file have that say nothing else.
PRESENTATION = {"clear": True, "showReuseMessage": False, "panel": "dedicated"}


def render(specification: Specification) -> Json:
    """What several tasks have is written once, for the whole file.

    In an adopted repository each task has it, since the file may get tasks that are the team's, and
    none of ours is the default of its group.
    """
    is_adopted = specification.workspace.settings.adopted is not None
    shown = fitting_tasks.of(specification) if is_adopted else TASKS
    tasks = [
        *map(_task, shown),
        *map(_task, debug_tasks.tasks(specification, ports_of(specification))),
        *debug_tasks.folder_tasks(specification),
    ]
    common = {"problemMatcher": findings(), "presentation": PRESENTATION}
    return {
        "version": "2.0.0",
        **({} if is_adopted else common),
        "tasks": [_among_others(task, common) for task in tasks] if is_adopted else tasks,
        "inputs": [
            *(_question(name, text, default) for name, text, default in QUESTIONS),
            *({"id": name, "type": "command", "command": id_} for name, id_ in EDITOR_COMMANDS),
        ],
    }


def _among_others(task: Json, common: Json) -> Json:
    group = task.get("group")
    own = {"group": group["kind"]} if group else {}
    return {**task, **{key: task.get(key, value) for key, value in common.items()}, **own}


def _task(task: VscodeTask) -> Json:
    value: dict[str, Json] = {"label": task.label}
    if not task.hidden or task.on_open:
        value["detail"] = task.detail
    if task.icon:
        value["icon"] = {"id": task.icon, **_color(task)}
    value |= {
        "type": "process",
        "command": LOOP,
        "windows": {"command": LOOP + ".cmd"},
        "args": list(task.words),
    }
    if task.ready:
        value["problemMatcher"] = _background(task)
    elif task.finds and task.group == "test":
        # A failing test stays in the Problems panel until the tests run again.
        value["problemMatcher"] = findings("innerloop test")
    elif not task.finds:
        value["problemMatcher"] = []
    if task.on_open:
        # Shown if its exit code is not 0, and closed otherwise.
        value["presentation"] = {"reveal": "silent", "close": True}
    elif task.starts:
        # As a variable, since the command stays as it is if nothing is returned.
        value["options"] = {"env": {"INNERLOOP_STARTED": f"${{input:{task.starts}}}"}}
        value["presentation"] = {"reveal": "never", "close": True}
    elif task.typed:
        value["presentation"] = {"focus": True}
    if task.group:
        value["group"] = {"kind": task.group, "isDefault": True}
    if task.ready:
        value["isBackground"] = True
    if task.hidden:
        value["hide"] = True
    if task.on_open:
        value["runOptions"] = {"runOn": "folderOpen"}
    elif task.several:
        value["runOptions"] = {"instanceLimit": 8}
    return value


def findings(owner: str = "innerloop") -> dict[str, Json]:
    """The findings of a task replace those of the one before with the same owner.

    Files are relative to ${workspaceFolder}, which is VS Code's default.
    """
    return {"owner": owner, "source": "loop", "pattern": PATTERN}


def _color(task: VscodeTask) -> dict[str, str]:
    return {"color": f"terminal.ansi{task.color}"} if task.color else {}


def _background(task: VscodeTask) -> Json:
    """Active from its start until the ready line, and again from a restart on.

    VS Code starts what depends on it even if the task ended before. The error of a task that `finds`
    is then in the Problems panel.
    """
    never = "^__never__$"
    found: dict[str, Json] = {"pattern": {"regexp": never, "message": 0}}
    if task.finds:
        # Groups 1 to 3 are VS Code's own file, line and column. Each experiment adds such a task.
        given = ("file", "line", "column")
        pattern = {key: value for key, value in PATTERN.items() if key not in given}
        found = {"owner": "innerloop", "pattern": pattern}
    return {
        **found,
        "background": {
            "activeOnStart": True,
            "beginsPattern": task.restarts or never,
            "endsPattern": task.ready,
        },
    }


def _question(name: str, text: str, default: str) -> Json:
    value = {"id": name, "type": "promptString", "description": text}
    return {**value, "default": default} if default else value

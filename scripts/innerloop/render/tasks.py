"""`.vscode/tasks.json`: the palette. Each task is one `scripts/loop` command.

Tasks are of type "process": nothing is expanded by a shell on the way. Windows needs a program
that it can start, so there `loop.cmd` stands in for the shell script.
"""

from __future__ import annotations

from . import Json, Subject

LOOP = "${workspaceFolder}/scripts/loop"
EXPERIMENT = "${input:experiment}"

# Lines of `loop check`: file:line:column: error: what is wrong
FINDINGS: Json = {
    "owner": "innerloop",
    "source": "loop check",
    "fileLocation": "relative",  # to ${workspaceFolder}
    "pattern": {
        "regexp": "^(.+?):(\\d+):(\\d+): (error|warning|info): (.*)$",
        "file": 1,
        "line": 2,
        "column": 3,
        "severity": 4,
        "message": 5,
    },
}


def render(subject: Subject) -> Json:
    return {
        "version": "2.0.0",
        "tasks": [
            _task(
                "run",
                ["run", EXPERIMENT],
                "Runs the job's command in the experiment's environment",
                "play",
                group={"kind": "build", "isDefault": True},
            ),
            _task(
                "run with options",
                ["run", EXPERIMENT, "--set", "${input:set}"],
                "The same, with one value of the job changed",
                "settings",
            ),
            _task(
                "build",
                ["build", EXPERIMENT],
                "Builds the image; skipped when nothing under environment/ changed",
                "package",
                group="build",
            ),
            _task(
                "test",
                ["test", EXPERIMENT],
                "Runs the experiment's pytest suite in its environment",
                "beaker",
                group={"kind": "test", "isDefault": True},
            ),
            _task("sync", ["sync"], "Brings .devcontainer and .vscode in line with src", "sync"),
            _task(
                "check",
                ["check"],
                "Says all that is wrong with the job files, in the Problems panel",
                "checklist",
                matcher=FINDINGS,
            ),
            _task(
                "list", ["list"], "Shows the experiments, and where each can run", "list-unordered"
            ),
            _task(
                "doctor",
                ["doctor"],
                "Says what is missing on this machine, and how to mend it",
                "pulse",
            ),
            _task(
                "new",
                ["new", "${input:name}"],
                "Makes a new experiment and renders its files",
                "add",
            ),
            _task("help", ["help"], "Shows every command with an example", "question"),
        ],
        "inputs": _inputs(subject),
    }


def _task(
    label: str,
    words: list[str],
    detail: str,
    icon: str,
    group: Json | None = None,
    matcher: Json | None = None,
) -> dict[str, Json]:
    task: dict[str, Json] = {
        "label": label,
        "detail": detail,
        "icon": {"id": icon},
        "type": "process",
        "command": LOOP,
        "windows": {"command": LOOP + ".cmd"},
        "args": words,
        "problemMatcher": [] if matcher is None else matcher,
        "presentation": {"clear": True, "showReuseMessage": False},
    }
    if group is not None:
        task["group"] = group
    return task


def _inputs(subject: Subject) -> list[Json]:
    names = [experiment.name for experiment in subject.experiments]
    return [
        {
            "id": "experiment",
            "type": "pickString",
            "description": "Which experiment?",
            "options": names or ["(none yet: run the task new)"],
        },
        {
            "id": "set",
            "type": "promptString",
            "description": "Which value of the job, e.g. inputs.epochs=2",
            "default": "inputs.epochs=2",
        },
        {
            "id": "name",
            "type": "promptString",
            "description": "Name of the new experiment (letters, digits, _)",
        },
    ]

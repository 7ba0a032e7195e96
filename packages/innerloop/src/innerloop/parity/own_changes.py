"""What a person wrote in generated files and in the job's stage alone. Pure.

The rows of a table compare single facts. Keys that change what a program meets, and that none of the
rows has, are found by holding the file against what would be generated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from ..model.dockerfiles.dockerfile import Dockerfile, Stage
from ..util.late_patterns import late_pattern

# Keys of devcontainer.json that do not change what a program meets, and those that have a row.
_WITHOUT_EFFECT = {
    "name", "$schema", "customizations", "forwardPorts", "portsAttributes", "otherPortsAttributes",
    "appPort", "shutdownAction", "waitFor", "build", "containerEnv", "remoteEnv", "remoteUser",
    "containerUser", "image", "service",
}  # fmt: skip
# Keys of a launch configuration that change how a person debugs, and those that have a row.
_OF_DEBUGGING = {
    "name", "presentation", "console", "consoleName", "consoleTitle", "internalConsoleOptions",
    "justMyCode", "stopOnEntry", "showReturnValue", "logToFile", "redirectOutput", "rules",
    "serverReadyAction", "debugServer", "breakOnSystemExit", "steppingResumesAllThreads",
    "postDebugTask", "django", "jinja", "pyramid", "flask", "subProcess", "purpose", "suppressMultipleSessionWarning",
    "program", "module", "args", "cwd", "env", "envFile", "python", "pythonPath", "pythonArgs",
}  # fmt: skip
# Variables of a development stage for tools and shells.
_OF_TOOLS = late_pattern(r"HOME|SHELL|USER|EDITOR|LANG|LC_\w+|TERM|DEBIAN_FRONTEND|(?:PIP|UV)_\w+")
# Keys of a workflow that decide what is started, when, and with which values.
_STARTS = (
    "on", "True", "schedules", "trigger", "pr", "parameters", "variables", "if", "condition", "strategy",
    "matrix", "container", "working-directory", "workingDirectory", "env", "with", "checkout", "ref",
    "inputs", "defaults", "shell", "environment",
)  # fmt: skip
_TITLES = {
    "name", "description", "displayName", "timeout-minutes", "timeoutInMinutes", "persist-credentials",
    "uses",
}  # fmt: skip
_BUILD_KEYS = ("args", "context", "options", "cacheFrom")
# Instructions that a program notices.
_NOTICED = ("RUN", "ENV", "COPY", "ADD", "USER", "WORKDIR", "VOLUME")


def variables(file: Mapping[str, Any], generated: Mapping[str, Any]) -> dict[str, str]:
    """The variables that the file has beside the generated ones, or with other values.

    A variable that was removed has the value "(removed)".
    """
    changed: dict[str, str] = {}
    for key in ("containerEnv", "remoteEnv", "env"):
        wanted, found = _mapping(generated.get(key)), _mapping(file.get(key))
        for name in {**wanted, **found}:
            if found.get(name) != wanted.get(name):
                changed[name] = str(found[name]) if name in found else "(removed)"
    env_file = file.get("envFile")
    if env_file != generated.get("envFile"):
        changed["envFile"] = str(env_file)
    return changed


def environment(file: Mapping[str, Any], generated: Mapping[str, Any]) -> list[str]:
    """Parts of a devcontainer.json that make its container another one than the generated."""
    changed = [
        f"{key} {_short(part)}"
        for key in {**generated, **file}
        if key not in _WITHOUT_EFFECT
        for part in _added(_compared(key, file), _compared(key, generated))
    ]
    found, wanted = _mapping(file.get("build")), _mapping(generated.get("build"))
    for key in _BUILD_KEYS if found.get("dockerfile") == wanted.get("dockerfile") else ():
        changed += [
            f"build.{key} {_short(part)}" for part in _added(found.get(key), wanted.get(key))
        ]
    return changed


def of_launch(file: Mapping[str, Any], generated: Mapping[str, Any]) -> list[str]:
    """What else differs in a launch configuration: another debugger, task or platform."""
    return [
        f"{key} {_short(file.get(key, '(removed)'))}"
        for key in {**generated, **file}
        if key not in _OF_DEBUGGING and file.get(key) != generated.get(key)
    ]


def of_dev_stage(dockerfile: Dockerfile, dev: Stage) -> list[str]:
    """Variables that the development stage has and the job's image has not, or otherwise."""
    job = dockerfile.last.environment
    paths = str(job.get("PATH") or "").split(":")
    changed = []
    for name, value in dev.environment.items():
        if name == "PATH":
            added = [
                part
                for part in value.split(":")
                if part
                and "$" not in part
                and part not in paths
                and not part.endswith("/.local/bin")
            ]
            changed += [f"PATH={part}:..." for part in added]
        elif job.get(name) != value and not _OF_TOOLS.fullmatch(name):
            changed.append(f"{name}={_short(value)}")
    return changed


def of_workflow(file: Any, generated: Any) -> list[str]:
    """What an orchestrator's file has otherwise than the generated one, as far as it decides a start.

    The steps that check out the code and that submit the job are compared, whatever is around them.
    """
    found, wanted = dict(_decisive(file, ())), dict(_decisive(generated, ()))
    for marker in ("checkout", "loop submit"):
        if _step_with(file, marker) is None:
            continue  # what is there in its place is the command's difference
        found |= _decisive(_step_with(file, marker), (marker,))
        wanted |= _decisive(_step_with(generated, marker), (marker,))
    return [
        f"{'.'.join(path)} {_short(found.get(path, '(removed)'))}"
        for path in {**wanted, **found}
        if found.get(path) != wanted.get(path) and (path in wanted or _is_decisive(path))
    ]


def _is_decisive(path: tuple[str, ...]) -> bool:
    """Whether something that the generated file has not is more than, say, a proxy's variable."""
    return "env" not in path or path[-1].startswith(("AZURE", "INPUTS", "INNERLOOP"))


def _decisive(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The paths of decisive keys, with their values; lists of steps are left out."""
    if isinstance(value, dict):
        for key, below in value.items():
            if str(key) not in ("steps", *_TITLES):
                yield from _decisive(below, (*path, str(key)))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            name = below.get("name") if isinstance(below, dict) else None
            yield from _decisive(below, (*path, str(name or index)))
    elif any(key in _STARTS for key in path) and not {"script", "inlineScript", "run"} & set(path):
        yield path, str(value)


def _step_with(value: Any, text: str) -> Any:
    """The first step of a workflow that contains a text; None without one."""
    if isinstance(value, dict) and isinstance(value.get("steps"), list):
        for step in value["steps"]:
            if text in json.dumps(step, default=str):
                return step
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((step for item in items if (step := _step_with(item, text)) is not None), None)


def _compared(key: str, file: Mapping[str, Any]) -> Any:
    """The value of a key, without the shared memory, which has a row of its own."""
    value = file.get(key)
    if key != "runArgs" or not isinstance(value, list):
        return value
    words = [str(word) for word in value]
    return [
        word
        for before, word in pairwise(["", *words])
        if before != "--shm-size" and not word.startswith("--shm-size")
    ]


def of_job_stage(dockerfile: Dockerfile, dev: Stage) -> list[str]:
    """Instructions that the job's image has and the development stage has not."""
    shared = {stage.line for stage in _ancestry(dockerfile, dev)}
    return [
        f"{instruction.keyword} {_short(instruction.rest)} (line {instruction.line})"
        for stage in _ancestry(dockerfile, dockerfile.last)
        if stage.line not in shared
        for instruction in stage.instructions
        if instruction.keyword in _NOTICED
    ]


def _ancestry(dockerfile: Dockerfile, stage: Stage) -> Iterator[Stage]:
    """The stage, the stage that it is from, and so on."""
    seen: set[int] = set()
    current: Stage | None = stage
    while current is not None and current.line not in seen:
        seen.add(current.line)
        yield current
        current = dockerfile.stage(current.base)


def python_of_scripts(value: Any) -> str:
    """The first line of a workflow's scripts that runs a program with Python itself; "" if none.

    Not counted: installing packages, and the tool's own scripts.
    """
    if isinstance(value, str):
        for line in value.splitlines():
            if _PYTHON.search(line) and "scripts/loop" not in line:
                return " ".join(line.split())
        return ""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((line for item in items if (line := python_of_scripts(item))), "")


_PYTHON = late_pattern(
    r"(?:^|[\s;&|/])(?:python[\d.]*\s+(?:-[uOBI]+\s+)*(?:-m\s+(?!pip|venv|ensurepip|uv\b)[\w.]+|[\w./-]+\.py)"
    r"|(?:uv|poetry|pdm|pipenv)\s+run\s+\S|torchrun\s+\S|accelerate\s+launch\s|deepspeed\s+\S|mpirun\s+\S"
    r"|papermill\s+\S|Rscript\s+\S|az\s+ml\s+job\s+create\b|(?:docker|podman)\s+run\s)"
)


def _added(found: Any, wanted: Any) -> list[Any]:
    """What differs between two values: of mappings and lists the single entries."""
    if found == wanted:
        return []
    if isinstance(found, dict) and (wanted is None or isinstance(wanted, dict)):
        wanted = _mapping(wanted)
        changed = {key: found.get(key, "(removed)") for key in {**wanted, **found}}
        return [{key: value} for key, value in changed.items() if wanted.get(key) != value]
    if isinstance(found, list) and isinstance(wanted, list):
        return [part for part in found if part not in wanted] or [found]
    return ["(removed)" if found is None else found]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}..."

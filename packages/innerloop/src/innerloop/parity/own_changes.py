"""What a person wrote in generated files and in the job's stage alone. Pure.

The rows of a table compare single facts. Keys that change what a program meets, and that none of the
rows has, are found by holding the file against what would be generated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from ..model.dockerfiles.dockerfile import Dockerfile, Stage

# Keys of devcontainer.json that make the environment another one.
_ENVIRONMENT_KEYS = (
    "features", "onCreateCommand", "updateContentCommand", "postCreateCommand", "postStartCommand",
    "mounts", "init", "privileged", "capAdd", "securityOpt", "overrideCommand", "workspaceMount",
    "initializeCommand", "runArgs",
)  # fmt: skip
_BUILD_KEYS = ("args", "context", "options", "cacheFrom")
# Instructions that a program notices.
_NOTICED = ("RUN", "ENV", "COPY", "ADD")


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
        for key in _ENVIRONMENT_KEYS
        for part in _added(_compared(key, file), _compared(key, generated))
    ]
    found, wanted = _mapping(file.get("build")), _mapping(generated.get("build"))
    for key in _BUILD_KEYS if found.get("dockerfile") == wanted.get("dockerfile") else ():
        changed += [
            f"build.{key} {_short(part)}" for part in _added(found.get(key), wanted.get(key))
        ]
    return changed


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


_PYTHON = re.compile(
    r"(?:^|[\s;&|/])python[\d.]*\s+(?:-[uOBI]+\s+)*(?:-m\s+(?!pip|venv|ensurepip|uv\b)[\w.]+|[\w./-]+\.py)"
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

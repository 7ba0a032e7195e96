"""Tasks of tasks.json that start an experiment in another way than its job file says. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import field
from itertools import pairwise
from typing import Any

from ..model.experiment import Experiment
from ..util.quick_dataclasses import dataclass
from . import own_changes

_PLATFORMS = ("linux", "osx", "windows")


@dataclass(frozen=True, slots=True)
class TaskStart:
    """`sets` are its overrides and `env` its variables; `command` is a program of its own, or ""."""

    label: str
    sets: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    command: str = ""


def tasks_of(value: Mapping[str, Any], experiment: Experiment) -> Iterator[TaskStart]:
    """Those with overrides or variables for `loop run` or `submit`, and those without `loop`."""
    listed = value.get("tasks")
    for task in listed if isinstance(listed, list) else ():
        if not isinstance(task, dict):
            continue
        label = str(task.get("label") or "without a label")
        starts = [_start(label, task, experiment)]
        for platform in _PLATFORMS:
            if isinstance(task.get(platform), dict):
                merged = {**task, **task[platform]}
                starts.append(_start(f"{label} ({platform})", merged, experiment))
        seen: list[TaskStart] = []
        for start in starts:
            is_new = start and not any(_is_same(start, other) for other in seen)
            if start is not None and is_new:
                seen.append(start)
                yield start


def _is_same(start: TaskStart, other: TaskStart) -> bool:
    return (start.sets, start.env, start.command) == (other.sets, other.env, other.command)


def _start(label: str, task: Mapping[str, Any], experiment: Experiment) -> TaskStart | None:
    words = _words(task)
    is_loop = any(re.search(r"(?:^|[/\\\\])loop(?:\.cmd)?$", word) for word in words)
    if not is_loop:
        command = " ".join(words)
        folder = experiment.folder
        is_inside = folder != "." and (f"{folder}/" in command or _cwd(task).endswith(folder))
        is_ours = is_inside or experiment.paths.job in words
        is_program = own_changes.python_of_scripts(command)
        return TaskStart(label, command=command) if is_ours and is_program else None
    named = {experiment.name, experiment.folder, f"{experiment.folder}/"}
    is_of_any = any(word.startswith("${") for word in words)
    if not {"run", "submit"} & set(words) or not (is_of_any or named & set(words)):
        return None
    options = task.get("options")
    written = options.get("env") if isinstance(options, dict) else None
    env = {str(k): str(v) for k, v in written.items()} if isinstance(written, dict) else {}
    sets = tuple(_sets(words))
    return TaskStart(label, sets, env) if sets or env else None


def _sets(words: list[str]) -> Iterator[str]:
    """The overrides, without those that a person is asked for."""
    for word, following in pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        value = value if equals else following
        if "${" in value or not value:
            continue
        if name == "--set":
            yield value
        elif name == "--inputs":
            try:
                given = json.loads(value)
            except ValueError:
                continue
            for key, one in given.items() if isinstance(given, dict) else ():
                yield f"inputs.{key}={json.dumps(one)}"


def _words(task: Mapping[str, Any]) -> list[str]:
    """The words of a task's command; those of a command within a word are split, too."""
    try:
        words = shlex.split(str(_value(task.get("command")) or ""))
    except ValueError:
        words = []
    arguments = task.get("args")
    words += [str(_value(word)) for word in (arguments if isinstance(arguments, list) else ())]
    split: list[str] = []
    for word in words:
        try:
            is_line = re.search(r"\bloop(?:\.cmd)?\s+(?:run|submit)\b", word)
            split += shlex.split(word) if is_line else [word]
        except ValueError:
            split.append(word)
    return split


def _value(word: Any) -> Any:
    return word.get("value") if isinstance(word, dict) else word


def _cwd(task: Mapping[str, Any]) -> str:
    options = task.get("options")
    return str(options.get("cwd") or "").rstrip("/") if isinstance(options, dict) else ""

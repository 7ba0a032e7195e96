"""Asks for a job's inputs in the terminal before a run: `loop run EXP --ask`.

The inputs are read from the job file at that moment, so they are never outdated, and one VS Code task
serves every experiment.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

from ..model.jobs.job import Input, Job
from ..model.jobs.overrides import override
from ..util import console
from ..util.errors import UsageError, UserError


def ask(job: Job, read: Callable[[str], str] = input) -> Job:
    """The job with the user's changes. An empty line ends the questions; Ctrl-D stops like Ctrl-C."""
    if not sys.stdin.isatty():
        raise UsageError(
            "--ask needs a terminal",
            code="no-terminal",
            hint="Write --set inputs.x=v instead",
        )
    changed = job
    print("\n".join(table(changed, job)))
    while line := _line(read):
        try:
            changed = override(changed, settings_of(line))
            print("\n".join(table(changed, job)))
        except UserError as error:
            console.error(error)
    return changed


def settings_of(line: str) -> list[str]:
    """`epochs=2 tags.owner=me` as --set takes it; a name without a dot is an input's."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(
            f"a quote is not closed: {line}", code="override-invalid", hint="Close it"
        ) from error
    for word in words:
        if "=" not in word:
            raise UsageError(
                f'"{word}" is not of the form NAME=VALUE',
                code="override-invalid",
                hint="Write epochs=2",
            )
    return [word if "." in word.split("=")[0] else f"inputs.{word}" for word in words]


def table(job: Job, original: Job) -> list[str]:
    """A line for each input with its value, and its value in the file if that is another one."""
    if not job.inputs:
        return [f"{job.name} has no inputs. Press Enter to run it, or change another key: a.b=v"]
    width = max(map(len, job.inputs))
    lines = [f"The inputs of {job.name}:"]
    for name, input_ in job.inputs.items():
        value, before = _text(input_), original.inputs.get(name)
        was = "" if before is None or _text(before) == value else f"   (was {_text(before)})"
        lines.append(f"  {name:<{width}}  {value}{was}")
    literals = (name for name, input_ in job.inputs.items() if input_.kind == "literal")
    example = next(literals, min(job.inputs))
    return [
        *lines,
        f"Change some ({example}=..., separated by spaces), or press Enter to run it",
    ]


def _text(input_: Input) -> str:
    return input_.literal_text if input_.kind == "literal" else input_.path or ""


def _line(read: Callable[[str], str]) -> str:
    try:
        return read("> ").strip()
    except EOFError:
        print()
        raise KeyboardInterrupt from None

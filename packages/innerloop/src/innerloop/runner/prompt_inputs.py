"""A job's inputs shown in the terminal, to change before a run: `loop run EXP --ask`.

They are read from the job file at that moment, so no list of them goes stale, and one task serves
every experiment.
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
    """The job with what the person changed. An empty line runs it, Ctrl-D stops like Ctrl-C."""
    if not sys.stdin.isatty():
        raise UsageError("--ask needs a terminal to ask in", hint="Write --set inputs.x=v instead")
    changed = job
    print("\n".join(table(changed, job)))
    while line := _line(read):
        try:
            changed = override(changed, settings_of(line))
            print("\n".join(table(changed, job)))
        except UserError as mistake:
            console.error(mistake)
    return changed


def settings_of(line: str) -> list[str]:
    """`epochs=2 tags.owner=me` as `--set` takes it; a name without a dot is an input's."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"a quote is not closed: {line}", hint="Close it") from error
    for word in words:
        if "=" not in word:
            raise UsageError(f'"{word}" is not of the form NAME=VALUE', hint="Write epochs=2")
    return [word if "." in word.split("=")[0] else f"inputs.{word}" for word in words]


def table(job: Job, original: Job) -> list[str]:
    """A line for each input, its value, and the one it had in the file when it is another."""
    if not job.inputs:
        return [f"{job.name} has no inputs. Press Enter to run it, or change another key: a.b=v"]
    width = max(map(len, job.inputs))
    lines = [f"The inputs of {job.name}:"]
    for name, one in job.inputs.items():
        before = original.inputs.get(name)
        was = "" if before is None or _text(before) == _text(one) else f"   (was {_text(before)})"
        lines.append(f"  {name:<{width}}  {_text(one)}{was}")
    example = next((n for n, one in job.inputs.items() if one.kind == "literal"), min(job.inputs))
    return [
        *lines,
        f"Change some ({example}=... and a blank between two), or press Enter to run it",
    ]


def _text(one: Input) -> str:
    return one.literal_text if one.kind == "literal" else one.path or ""


def _line(read: Callable[[str], str]) -> str:
    try:
        return read("> ").strip()
    except EOFError:
        print()
        raise KeyboardInterrupt from None

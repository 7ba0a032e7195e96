"""What every place shares: the job's names bound to one place's paths. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import Mistake
from ..spec.command import job_environment, substitute
from . import Run


@dataclass(frozen=True, slots=True)
class Bound:
    """The command's text and the job's environment, with this place's paths in them."""

    command: str
    env: Mapping[str, str]


def bind(
    run: Run, data_path: Callable[[str, str], str], output_path: Callable[[str], str]
) -> Bound:
    """`data_path(input, host path)` is the path of a data input as the program sees it there;
    `output_path(output)` that of a declared output."""
    values = {
        name: one.literal_text if one.kind == "literal" else data_path(name, run.data[name])
        for name, one in run.job.inputs.items()
        if one.kind == "literal" or name in run.data
    }
    outputs = {name: output_path(name) for name in run.job.outputs}
    given: dict[str, str | None] = dict.fromkeys(run.job.inputs)
    given.update(values)
    env = job_environment(run.job, values, outputs, run.id)
    return Bound(command=_command(run, given, outputs), env={"PYTHONUNBUFFERED": "1", **env})


def _command(run: Run, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> str:
    if run.script is not None:
        text = f"python {shlex.quote(run.script)}"
    else:
        text = _substituted(run, inputs, outputs)
    if run.arguments:
        text = f"{text.rstrip()} {shlex.join(run.arguments)}"
    return text


def _substituted(run: Run, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> str:
    try:
        return substitute(run.job.command, inputs, outputs, paths=run.data)
    except Mistake as mistake:
        where = mistake.where or run.job.text.where("command")
        raise Mistake(mistake.what, where=where, mend=mistake.mend) from mistake

"""What every place shares: the job's names bound to one place's paths. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..model.jobs import processes
from ..model.jobs.command import command_of, distribution_environments, job_environment
from ..model.run import Run


@dataclass(frozen=True, slots=True)
class Bound:
    """The command's text, the argv that runs it, and the job's environment as its first process
    sees it, with this place's paths in them; `processes` holds the variables of each process of a
    distributed job."""

    command: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    processes: tuple[Mapping[str, str], ...] = ()


def bind(
    run: Run, data_path: Callable[[str, str], str], output_path: Callable[[str], str]
) -> Bound:
    """`data_path(input, host path)` is the path of a data input as the program sees it there;
    `output_path(output)` that of a declared output."""
    values = dict(_values(run, data_path))
    outputs = {name: output_path(name) for name in run.job.outputs}
    given: dict[str, str | None] = {**dict.fromkeys(run.job.inputs), **values}
    each = distribution_environments(
        None if run.script is not None else run.job.distribution,
        run.processes,
        port=run.master_port,
    )
    command = _command(run, given, outputs)
    own = job_environment(run.job, values, outputs, run.id, run.search_space)
    return Bound(
        command=command,
        argv=processes.argv(command, run.job.distribution, each),
        env={"PYTHONUNBUFFERED": "1", **each[0], **own},
        processes=tuple(each) if len(each) > 1 else (),
    )


def _values(run: Run, data_path: Callable[[str, str], str]) -> list[tuple[str, str]]:
    values = []
    for name, one in run.job.inputs.items():
        if name in run.data:
            values.append((name, data_path(name, run.data[name])))
        elif one.has_value:
            # Data without a path here are handed over by their address (mode: direct).
            values.append((name, one.literal_text if one.kind == "literal" else str(one.path)))
    return values


def _command(run: Run, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> str:
    if run.script is not None:
        text = f"python {shlex.quote(run.script)}"
    else:
        text = command_of(run.job, inputs, outputs, run.search_space, run.data)
    if run.arguments:
        # A last line that ends in a backslash would swallow the blank.
        text = re.sub(r"[\s\\]+$", "", text) + " " + shlex.join(run.arguments)
    return text

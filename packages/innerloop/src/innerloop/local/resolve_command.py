"""The job's command and variables with one backend's paths in them. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

from ..model.jobs import processes
from ..model.jobs.command import command_of, distribution_environments, job_environment
from ..model.run import Run
from ..util.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResolvedCommand:
    """The command's text, the argv that runs it, and the variables of its first process.

    `is_single`: the argv is the shell with the text, nothing around it. `processes` holds the own
    variables of each process of a distributed job; empty for a single process.
    """

    command: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    is_single: bool = True
    processes: tuple[Mapping[str, str], ...] = ()


def resolve(
    run: Run, data_path: Callable[[str, str], str], output_path: Callable[[str], str]
) -> ResolvedCommand:
    """Resolve the run's command and its variables with paths as the program sees them.

    `data_path(input, host path)` returns the path of a data input as the program sees it,
    `output_path(output)` that of a declared output.
    """
    values = dict(_values(run, data_path))
    outputs = {name: output_path(name) for name in run.job.outputs}
    inputs: dict[str, str | None] = {**dict.fromkeys(run.job.inputs), **values}
    environments = distribution_environments(
        None if run.script is not None else run.job.distribution,
        run.processes,
        port=run.master_port,
    )
    command = _command(run, inputs, outputs)
    variables = job_environment(run.job, values, outputs, run.id, run.search_space)
    return ResolvedCommand(
        command=command,
        argv=processes.argv(command, run.job.distribution, environments, run.shell),
        env={"PYTHONUNBUFFERED": "1", **environments[0], **variables},
        is_single=processes.is_single(run.job.distribution, environments),
        processes=tuple(environments) if len(environments) > 1 else (),
    )


def _values(run: Run, data_path: Callable[[str, str], str]) -> list[tuple[str, str]]:
    values = []
    for name, input_ in run.job.inputs.items():
        if name in run.data:
            values.append((name, data_path(name, run.data[name])))
        elif input_.has_value:
            # Data without a local path are passed by their URI (mode: direct).
            text = input_.literal_text if input_.kind == "literal" else str(input_.path)
            values.append((name, text))
    return values


def _command(run: Run, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> str:
    if run.script is not None:
        text = f"python {shlex.quote(run.script)}"
    else:
        text = command_of(run.job, inputs, outputs, run.search_space, run.data)
    if run.arguments:
        # A backslash at the end of the last line would escape the space before the arguments.
        text = re.sub(r"[\s\\]+$", "", text) + " " + shlex.join(run.arguments)
    return text

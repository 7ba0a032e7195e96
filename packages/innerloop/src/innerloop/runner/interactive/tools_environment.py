"""The environment that people work in.

It is the image's stage with development tools (or the cached environment), with the whole
workspace, as in the experiment's dev container.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...model.experiment import MARK, Experiment, Link
from ...model.run import Run
from ...model.workspace import Workspace
from ...util.errors import UserError
from ...workspace import loader
from .. import execute
from ..execute import Started

# The working directory is the experiment's folder on every backend.
TOP = 'top=$(cd "{up}" && pwd)'


def start(
    workspace: Workspace,
    experiment: Experiment,
    backend: str,
    command: str,
    arguments: Sequence[str] = (),
    *,
    variables: Mapping[str, str] | None = None,
    attended: bool = True,
    dry: bool = False,
) -> Started:
    """A command for `sh`, which every image has, in the experiment's folder.

    What it needs is built on the way, unless `dry`. `variables` are set on every backend. A command
    that is not `attended` has no terminal, so Ctrl-C reaches it as a signal; one that is reads a
    script piped into it.
    """
    run = execute.plan_command(
        workspace,
        experiment,
        command,
        arguments,
        variables=variables,
        shm_size=_shared_memory(workspace, experiment),
    )
    run = replace(run, attended=attended, reads_stdin=attended, shell="sh")
    return execute.prepare(_with_workspace(run), backend, dry=dry)


def top_of(experiment: Experiment) -> str:
    """A command for the shell that sets `top` to the workspace's root."""
    return TOP.format(up=experiment.paths.up)


def _with_workspace(run: Run) -> Run:
    """The run with the whole workspace mounted.

    It also has the variable by which the tool knows whose container it is in.
    """
    variables = {**run.job.environment_variables, MARK: run.experiment.name}
    job = replace(run.job, environment_variables=variables)
    return replace(run, job=job, links=(Link(path=".", target="."),))


def _shared_memory(workspace: Workspace, experiment: Experiment) -> str:
    """The job's shm_size, or 2g if the job file cannot be read."""
    try:
        return loader.open_job(workspace, experiment).shm_size
    except UserError:
        return "2g"

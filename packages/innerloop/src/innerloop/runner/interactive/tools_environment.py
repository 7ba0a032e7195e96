"""The environment that people work in: the image's stage with tools (or the cached environment),
with the whole workspace around it, as in the experiment's dev container."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...model.experiment import MARK, Experiment, Link
from ...model.run import Run
from ...model.workspace import Workspace
from ...util.errors import UserError
from ...workspace import loader
from .. import execute
from ..execute import Started

# Seen from the experiment's folder, whichever place has it.
TOP = 'top=$(cd "{up}" && pwd)'


def start(
    workspace: Workspace,
    experiment: Experiment,
    backend: str,
    command: str,
    arguments: Sequence[str] = (),
    *,
    variables: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
    attended: bool = True,
    dry: bool = False,
) -> Started:
    """A text for the shell, to be run in the experiment's folder; what it needs is made on the
    way. `options` are for `docker run`; `variables` are set in every place. Not `attended`: it has
    no terminal, so that Ctrl-C comes as a signal. With `dry` nothing is made."""
    run = execute.plan_command(
        workspace,
        experiment,
        command,
        arguments,
        variables=variables,
        shm_size=_shared_memory(workspace, experiment),
    )
    run = replace(run, attended=attended, options=(*_stdin(attended), *options))
    return _by_sh(execute.prepare(_with_all(run), backend, dry=dry, dev=True))


def top_of(experiment: Experiment) -> str:
    """A line of shell that sets `top` to the workspace's root."""
    return TOP.format(up="/".join([".."] * len(experiment.folder.split("/"))))


def _with_all(run: Run) -> Run:
    """The whole workspace is there, and the tool in it knows whose container this is."""
    own = {**run.job.environment_variables, MARK: run.experiment.name}
    job = replace(run.job, environment_variables=own)
    return replace(run, job=job, links=(Link(path=".", target="."),))


def _shared_memory(workspace: Workspace, experiment: Experiment) -> str:
    """The job's; a job file that cannot be read keeps nobody from working."""
    try:
        return loader.open_job(workspace, experiment).shm_size
    except UserError:
        return "2g"


def _stdin(attended: bool) -> list[str]:
    """A script that is piped in is read, as a shell reads it."""
    return ["--interactive"] if attended and not sys.stdin.isatty() else []


def _by_sh(started: Started) -> Started:
    """These texts are plain `sh`, which every image has."""
    argv = started.request.argv
    at = len(argv) - 3
    if argv[at : at + 2] == ("bash", "-c"):
        argv = (*argv[:at], "sh", "-c", argv[-1])
    return replace(started, request=replace(started.request, argv=argv))

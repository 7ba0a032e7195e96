"""What Azure ML makes of a job, as a request. Pure.

The paths of data and outputs are known only when the job runs there. They stand as the variables that
hold them in the job: $AZURE_ML_INPUT_<input> and $AZURE_ML_OUTPUT_<output>.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...model.jobs.command import job_environment, substitute
from ...model.jobs.job import Environment, Job
from ...model.jobs.sweep import with_trial
from ...model.paths import code_here, code_root
from ...model.run import ProcessSpec, Request, Run


def plan(run: Run) -> Request:
    job = _trial(run.job)
    command = command_of(run.job)
    literals = {
        name: input_.literal_text
        for name, input_ in job.inputs.items()
        if input_.has_value and input_.kind == "literal"
    }
    return Request(
        experiment=run.experiment.name,
        backend="azureml",
        command=command,
        process=ProcessSpec(
            argv=("bash", "-c", command),
            cwd=code_here(job.name, job.code) or "",
            env=job_environment(job, literals, {}, run.id),
            image=describe_environment(job.environment, job),
        ),
        outputs=run.outputs,
        why="",
    )


def command_of(job: Job) -> str:
    """The command after substitution; "" for a job without one.

    Values of a sweep's search space stay placeholders.
    """
    space = _search_space(job)
    job = _trial(job)
    inputs: dict[str, str | None] = {
        name: (
            (input_.literal_text if input_.kind == "literal" else f"$AZURE_ML_INPUT_{name}")
            if input_.has_value
            else None
        )
        for name, input_ in job.inputs.items()
    }
    outputs = {name: f"$AZURE_ML_OUTPUT_{name}" for name in job.outputs}
    return substitute(job.command, inputs, outputs, space, None) if job.command else ""


def _search_space(job: Job) -> Mapping[str, str]:
    return {name: "${{search_space." + name + "}}" for name in job.search_space}


def _trial(job: Job) -> Job:
    return with_trial(job, _search_space(job)) if job.kind == "sweep" else job


def describe_environment(environment: Environment, job: Job) -> str:
    if environment.kind == "build":
        folder = code_root(job.name, environment.path) or ""
        return f"built on Azure ML from {folder}/{environment.dockerfile}"
    if environment.kind == "conda":
        return f"{environment.image} with the conda packages of the job file"
    return environment.image or environment.reference or "none"

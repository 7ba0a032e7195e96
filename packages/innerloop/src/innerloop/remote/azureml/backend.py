"""An Azure ML workspace: the job is sent there by Azure's own client.

Only `worker` and what it imports know that client (azure-ai-ml); they run in an environment of
their own, in a process of their own, and `line` talks to it. So nothing else in the tool waits for
its import, and what goes wrong there ends here as one sentence.
"""

from __future__ import annotations

from ...model.jobs.command import job_environment, substitute
from ...model.jobs.job import Environment, Job
from ...model.jobs.sweep import with_trial
from ...model.paths import code_here, code_root
from ...model.run import ProcessSpec, Request, Run


def request(run: Run, *, workspace: str = "", why: str = "asked for") -> Request:
    """What Azure ML makes of the job. The paths of data and outputs are known only there: they
    stand as the variables that hold them in the job, $AZURE_ML_INPUT_<input> and
    $AZURE_ML_OUTPUT_<output>."""
    job = _with_trial(run.job)
    command = command_of(run.job)
    inputs = _inputs(job)
    literals = {name: text for name, text in inputs.items() if job.inputs[name].kind == "literal"}
    return Request(
        experiment=run.experiment.name,
        backend="azureml",
        command=command,
        process=ProcessSpec(
            argv=("bash", "-c", command),
            cwd=code_here(job.name, job.code) or "",
            env=job_environment(job, literals, {}, run.id),
            image=environment_words(job.environment, job),
        ),
        outputs=run.outputs,
        why=why,
        notes=(f"workspace {workspace}",) if workspace else (),
    )


def command_of(job: Job) -> str:
    """The job's command as Azure ML makes it; "" for a job without one."""
    space = _search_space(job)
    job = _with_trial(job)
    outputs = {name: f"$AZURE_ML_OUTPUT_{name}" for name in job.outputs}
    inputs: dict[str, str | None] = {**dict.fromkeys(job.inputs), **_inputs(job)}
    return substitute(job.command, inputs, outputs, space, None) if job.command else ""


def _search_space(job: Job) -> dict[str, str]:
    return {name: "${{search_space." + name + "}}" for name in job.search_space}


def _with_trial(job: Job) -> Job:
    return with_trial(job, _search_space(job)) if job.kind == "sweep" else job


def _inputs(job: Job) -> dict[str, str]:
    return {
        name: one.literal_text if one.kind == "literal" else f"$AZURE_ML_INPUT_{name}"
        for name, one in job.inputs.items()
        if one.has_value
    }


def environment_words(environment: Environment, job: Job) -> str:
    """An environment as a person names it."""
    if environment.kind == "build":
        folder = code_root(job.name, environment.path) or ""
        return f"built on Azure ML from {folder}/{environment.dockerfile}"
    if environment.kind == "conda":
        return f"{environment.image} with the conda packages of the job file"
    return environment.image or environment.reference or "none"

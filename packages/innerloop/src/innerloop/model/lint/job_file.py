"""All problems of a job file that can be known before the job is sent anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...util import yaml_text
from ...util.errors import UserError
from ..jobs.job import Job, read_job
from .content_rules import check_contents
from .exit_code_rules import check_exit_code
from .file_rules import check_data, check_files
from .finding import INFO, WARNING, Files, Finding, find_in, finding_of, mapping_of, refused
from .ignore_rules import check_ignored
from .reference_rules import check_references, check_variables
from .value_rules import check_values, placeholders
from .yaml_rules import check_yaml

# The rules of sweeps and pipelines are imported where a job is one: every run imports this module.
if TYPE_CHECKING:
    from ..jobs.pipeline import Step

__all__ = ["Files", "Finding", "check", "check_text", "read_and_check"]

# Errors about what Azure ML can run and this machine cannot.
_AZURE_ONLY = (
    "no-local-equivalent",
    "component-registered",
    "asset-ambiguous",
    "asset-version-missing",
)


def check_text(text: str, name: str, files: Files) -> list[Finding]:
    """All findings of a job file, sorted by position. Never raises `UserError`."""
    return read_and_check(text, name, files)[1]


def read_and_check(text: str, name: str, files: Files) -> tuple[Job | None, list[Finding]]:
    """The job and its findings from one reading of the text; no job if the text cannot be parsed."""
    try:
        parsed = yaml_text.parse(text, name)
    except UserError as error:
        return None, [finding_of(error)]
    findings = [
        Finding(
            position,
            f'the key "{key}" occurs twice',
            "Remove one: only the last counts",
            "key-duplicate",
            INFO,
        )
        for position, key in parsed.duplicates()
    ]
    if (refusal := yaml_text.refused_elsewhere(text, name)) is not None:
        findings.append(finding_of(refusal, WARNING))
    job, errors = read_job(parsed)
    findings += [_unusable(error) for error in errors]
    if job is not None:
        findings += [*check_yaml(job), *_all(job, files)]
    return job, _sorted(findings)


def check(job: Job, files: Files) -> list[Finding]:
    """All findings of a parsed job, with its `--set` overrides applied; sorted by position."""
    return _sorted(_all(job, files))


def _all(job: Job, files: Files) -> Iterator[Finding]:
    yield from placeholders(job)
    yield from check_values(job)
    if job.kind == "pipeline":
        yield from _pipeline(job, files)
        return
    if isinstance(job.document.get("trial"), str):
        message = "the trial of a standalone sweep cannot be a component; a pipeline step's can"
        hint = "Write command:, code: and environment: below trial:, or make it a pipeline's step"
        yield refused(job, ("trial",), message, hint, "trial-component")
        yield from _search_space(job)
        from ..jobs.pipeline import swept

        try:
            job = swept(job, files.read, find_in(files))
        except UserError as error:
            yield _unusable(error)
            return
        yield from check_files(job, files)
        yield from check_contents(job, files)
        yield from check_references(job)
        yield from check_exit_code(job)
        yield from check_ignored(job, files)
        return
    yield from check_files(job, files)
    yield from check_contents(job, files)
    if job.command:
        yield from check_references(job)
        yield from check_exit_code(job)
        yield from check_ignored(job, files)
    if job.kind == "sweep":
        yield from _search_space(job)


def _search_space(job: Job) -> Iterator[Finding]:
    from ..jobs import sweep
    from .sweep_rules import check_sweep

    for name, distribution in job.search_space.items():
        try:
            sweep.first_trial(replace(job, search_space={name: distribution}))
        except UserError as error:
            yield finding_of(error)
    yield from check_sweep(job)
    try:
        sweep.sampling_note(job)
    except UserError as error:
        yield finding_of(error)


def _pipeline(job: Job, files: Files) -> Iterator[Finding]:
    from ..jobs.pipeline import default_compute, pipeline_of
    from .step_rules import check_steps

    try:
        pipeline = pipeline_of(job, files.read, find_in(files))
    except UserError as error:
        yield finding_of(error)
        return
    default = default_compute(job)
    at: tuple[str, ...] = ("settings", "default_compute")
    written = mapping_of(job.document.get("settings")).get("default_compute")
    if isinstance(written, str) and re.fullmatch(r"(?!serverless$)[\w-]+", written):
        message = f"settings.default_compute is {written}, without azureml: before it"
        hint = f"Write default_compute: azureml:{written}"
        yield refused(job, at, message, hint, "compute-reference-invalid")
    if (default or "").removeprefix("azureml:") == "local":
        message, hint = "a pipeline does not run on compute: local", "Write compute: azureml:NAME"
        at = ("compute",) if job.compute else at
        yield refused(job, at, message, hint, "compute-reference-invalid")
    yield from check_variables(job)
    yield from check_steps(job, pipeline)
    for step in pipeline.steps:
        yield from _step(step, files)
        if not default and step.job.compute is None and step.problem is None:
            yield Finding(
                job.text.where("jobs", step.name.split(".")[0]),
                f'the step "{step.name}" has no compute, and the pipeline has no default compute',
                "Write compute: azureml:NAME there, or at the top for all",
                "compute-missing",
                WARNING,
            )
    source = job.text.source
    for name in job.inputs:
        if f"inputs.{name}" not in source:
            message = f'the input "{name}" is unused: no step takes ${{{{parent.inputs.{name}}}}}'
            hint = "Refer to it, or remove it"
            yield Finding(job.where("inputs", name), message, hint, "input-unused", INFO)
    for name in job.outputs:
        if name not in pipeline.made_by and f"outputs.{name}" not in source:
            message = f'no step writes the output "{name}"'
            hint = f"Write NAME: ${{{{parent.outputs.{name}}}}} under a step's outputs"
            yield Finding(job.where("outputs", name), message, hint, "output-unused", INFO)


def _step(step: Step, files: Files) -> Iterator[Finding]:
    if step.problem is not None:
        yield _unusable(step.problem)
        yield from check_data(step.job, files)
        return
    yield from check_values(step.job, step=True)
    yield from check_files(step.job, files)
    yield from check_contents(step.job, files)
    yield from check_references(step.job)
    yield from check_exit_code(step.job)
    yield from check_ignored(step.job, files)


def _unusable(error: UserError) -> Finding:
    """A part of the job that cannot be used here; Azure ML may still run it."""
    return finding_of(error, INFO) if error.code in _AZURE_ONLY else finding_of(error)


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    """By position, each once.

    A placeholder's line has no other findings: they would be about the placeholder too.
    """
    unique = list(dict.fromkeys(findings))
    placeholder_lines = {
        (finding.position.file, finding.position.line)
        for finding in unique
        if finding.code == "placeholder-left" and finding.severity is WARNING
    }
    kept = [
        finding
        for finding in unique
        if finding.code == "placeholder-left"
        or (finding.position.file, finding.position.line) not in placeholder_lines
    ]
    return sorted(kept, key=lambda one: (one.position, one.severity.rank, one.message))

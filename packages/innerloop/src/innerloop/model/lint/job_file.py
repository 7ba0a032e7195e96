"""Everything that is wrong with a job file and can be known before it is sent anywhere.

All findings at once, each with its place; see `Finding` for what the levels mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...util import yaml_text
from ...util.errors import UserError
from ..jobs import sweep
from ..jobs.job import Job, read_job
from ..jobs.pipeline import Step, default_compute, pipeline_of, swept
from .file_rules import check_files
from .finding import LEVELS, Files, Finding, finding_of, refused
from .reference_rules import check_references
from .step_rules import check_steps
from .value_rules import check_values, placeholders

__all__ = ["LEVELS", "Files", "Finding", "check", "check_text", "read_and_check"]


def check_text(text: str, name: str, files: Files) -> list[Finding]:
    """All findings of a job file, sorted by position; empty for a correct one. Never raises UserError."""
    return read_and_check(text, name, files)[1]


def read_and_check(text: str, name: str, files: Files) -> tuple[Job | None, list[Finding]]:
    """The job and its findings from one reading of the text; None when nothing can be read of it."""
    try:
        parsed = yaml_text.parse(text, name)
    except UserError as mistake:
        return None, [finding_of(mistake, "yaml")]
    found = [
        Finding(where, f'the key "{key}" stands twice', "Remove one: only the last counts",
                "duplicate-key", "hint")
        for where, key in parsed.duplicates()
    ]  # fmt: skip
    job, problems = read_job(parsed)
    found += [_unreadable(mistake) for mistake in problems]
    if job is not None:
        found += _all(job, files)
    return job, _tidy(found)


def check(job: Job, files: Files) -> list[Finding]:
    """All findings of a job that could be read, with what `--set` made of it; sorted by place."""
    return _tidy(_all(job, files))


def _all(job: Job, files: Files) -> Iterator[Finding]:
    yield from placeholders(job)
    yield from check_values(job)
    if job.kind == "pipeline":
        yield from _pipeline(job, files)
        return
    if isinstance(job.document.get("trial"), str):
        what = "a sweep of its own takes no component as its trial: a pipeline's step does"
        hint = "Write command:, code: and environment: below trial:, or make it a pipeline's step"
        yield refused(job, ("trial",), what, hint, "trial-component")
        yield from _search_space(job)
        try:
            job = swept(job, files.read)
        except UserError as mistake:
            yield _unreadable(mistake)
            return
        yield from check_files(job, files)
        yield from check_references(job)
        return
    yield from check_files(job, files)
    if job.command:
        yield from check_references(job)
    if job.kind == "sweep":
        yield from _search_space(job)


def _search_space(job: Job) -> Iterator[Finding]:
    for name, given in job.search_space.items():
        try:
            sweep.first_trial(replace(job, search_space={name: given}))
        except UserError as mistake:
            yield finding_of(mistake, "bad-search-space")
    try:
        sweep.sampling_note(job)
    except UserError as mistake:
        yield finding_of(mistake, "bad-search-space")


def _pipeline(job: Job, files: Files) -> Iterator[Finding]:
    try:
        made = pipeline_of(job, files.read)
    except UserError as mistake:
        yield finding_of(mistake, "bad-pipeline")
        return
    default = default_compute(job)
    yield from check_steps(job, made)
    for step in made.steps:
        yield from _step(step, files)
        if not default and step.job.compute is None and step.problem is None:
            where = job.text.where("jobs", step.name.split(".")[0])
            what = f'the step "{step.name}" has no compute, and the pipeline none for all steps'
            hint = "Write compute: azureml:NAME there, or at the top for all"
            yield Finding(where, what, hint, "no-compute", "azure")
    used = job.text.source
    for name in job.inputs:
        if f"inputs.{name}" not in used:
            what = f'the input "{name}" is never used: no step takes ${{{{parent.inputs.{name}}}}}'
            where = job.where("inputs", name)
            yield Finding(where, what, "Refer to it, or remove it", "unused-input", "hint")
    for name in job.outputs:
        if name not in made.made_by and f"outputs.{name}" not in used:
            what = f'the output "{name}" is made by no step'
            hint = f"Write NAME: ${{{{parent.outputs.{name}}}}} under a step's outputs"
            yield Finding(job.where("outputs", name), what, hint, "unused-output", "hint")


def _step(step: Step, files: Files) -> Iterator[Finding]:
    if step.problem is not None:
        yield _unreadable(step.problem)
        return
    yield from check_values(step.job, step=True)
    yield from check_files(step.job, files)
    yield from check_references(step.job)


def _unreadable(mistake: UserError) -> Finding:
    """What cannot run here may be right for Azure ML."""
    if "has no local form" in mistake.what or "is a registered" in mistake.what:
        return finding_of(mistake, "no-local-form", "hint")
    return finding_of(mistake, "unreadable")


def _tidy(found: Iterator[Finding] | Sequence[Finding]) -> list[Finding]:
    """By place, each once; what else is said of a placeholder's line is left out."""
    once = list(dict.fromkeys(found))
    unfilled = {
        one.position[:2] for one in once if one.code == "placeholder" and one.level == "azure"
    }
    kept = [one for one in once if one.code == "placeholder" or one.position[:2] not in unfilled]
    return sorted(kept, key=lambda one: (one.position, LEVELS.index(one.level), one.what))

"""Sweeps that Azure ML's client sends, and the service refuses or ends at once.

Source: Azure Machine Learning, "Hyperparameter tuning a model (v2)": distributions, sampling algorithms,
early termination and limits; CLI (v2) sweep job YAML schema.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ..jobs.job import Job
from .finding import WARNING, Finding, mapping_of, refused

_OF_BAYESIAN = ("choice", "uniform", "quniform")
_MOST_TRIALS = 1000


def check_sweep(job: Job) -> Iterator[Finding]:
    for name, distribution in job.search_space.items():
        yield from _range(job, name, mapping_of(distribution))
        yield from _form(job, name, distribution)
    metric = mapping_of(job.document.get("objective")).get("primary_metric")
    if metric is not None and not isinstance(metric, str):
        message, hint = f"primary_metric is not a string: {metric!r}", f'Write "{metric}"'
        yield refused(job, ("objective", "primary_metric"), message, hint, "not-a-string")
    seed = mapping_of(job.document.get("sampling_algorithm")).get("seed")
    if seed is not None and _number(seed) is None:
        message, hint = f"the seed is not a number: {seed!r}", "Write an integer"
        yield refused(job, ("sampling_algorithm", "seed"), message, hint, "not-a-number")
    yield from _sampling(job)
    yield from _early_termination(job)
    yield from _limits(job)


def _range(job: Job, name: str, written: Mapping[str, Any]) -> Iterator[Finding]:
    """Ranges without values."""
    problems = []
    low, high = _number(written.get("min_value")), _number(written.get("max_value"))
    if low is not None and high is not None and low > high:
        problems.append(
            ("max_value", f"ends at {high:g}, before it begins at {low:g}", "min_value")
        )
    for key in ("sigma", "q"):
        value = _number(written.get(key))
        if value is not None and value <= 0:
            problems.append((key, f"has {key}: {value:g}", "a number above 0"))
    upper = _number(written.get("upper"))
    if upper is not None and (upper < 1 or upper != int(upper)):
        problems.append(("upper", f"has upper: {upper:g}", "an integer, 1 or more"))
    for key, what, instead in problems:
        hint = f"Write {key}: {instead}" if key != "max_value" else f"Exchange {key} and {instead}"
        at = job.where("search_space", name, key)
        yield Finding(at, f'the range of "{name}" {what}', hint, "search-space-invalid", WARNING)


def _form(job: Job, name: str, distribution: Any) -> Iterator[Finding]:
    """Values in place of a distribution, and choices that are no value."""
    at = ("search_space", name)
    if not isinstance(distribution, dict):
        message = f'"{name}" of the search space is not a distribution'
        hint = "Write type: choice, and values: with a list"
        yield refused(job, at, message, hint, "search-space-invalid")
        return
    values = distribution.get("values")
    for value in values if isinstance(values, list) else ():
        if value is None or isinstance(value, list):
            message, hint = f'"{name}" has the choice {value!r}', "Write strings and numbers"
            yield refused(job, (*at, "values"), message, hint, "literal-unsupported")


def _sampling(job: Job) -> Iterator[Finding]:
    """Distributions that the sampling algorithm does not take."""
    written = job.document.get("sampling_algorithm")
    algorithm = str(mapping_of(written).get("type") or written or "").lower()
    taken = {"bayesian": _OF_BAYESIAN, "grid": ("choice",)}.get(algorithm)
    if taken is None:
        return
    for name, distribution in job.search_space.items():
        kind = str(mapping_of(distribution).get("type") or "").lower()
        if kind and kind not in taken:
            message = f'{algorithm} sampling takes no {kind}, which "{name}" is'
            hint = f"Write {' or '.join(taken)}, or sampling_algorithm: random"
            at = job.where("search_space", name, "type")
            yield Finding(at, message, hint, "search-space-invalid", WARNING)
    if algorithm == "bayesian" and job.document.get("early_termination"):
        message = "bayesian sampling takes no early_termination"
        hint = "Remove it, or write sampling_algorithm: random"
        yield Finding(job.where("early_termination"), message, hint, "sampling-unknown", WARNING)


def _early_termination(job: Job) -> Iterator[Finding]:
    policy = mapping_of(job.document.get("early_termination"))
    kind = str(policy.get("type") or "").lower()
    slack = [key for key in ("slack_factor", "slack_amount") if _number(policy.get(key))]
    if kind == "bandit" and len(slack) == 2:
        at = job.where("early_termination", "slack_amount")
        message = "the bandit policy has both a slack_factor and a slack_amount"
        yield Finding(at, message, "Remove one of them", "value-not-allowed", WARNING)
    percentage = _number(policy.get("truncation_percentage"))
    if kind == "truncation_selection" and not 1 <= (percentage or 0) <= 99:
        at = job.where("early_termination", "truncation_percentage")
        shown = "missing" if percentage is None else f"{percentage:g}"
        message, hint = f"truncation_percentage is {shown}", "Write a number from 1 to 99"
        yield Finding(at, message, hint, "number-out-of-range", WARNING)


def _limits(job: Job) -> Iterator[Finding]:
    limits = mapping_of(job.document.get("limits"))
    for key in ("max_total_trials", "max_concurrent_trials"):
        value = _number(limits.get(key))
        if value is not None and not 1 <= value <= _MOST_TRIALS:
            message, hint = f"limits.{key} is {value:g}", f"Write 1 to {_MOST_TRIALS}"
            yield Finding(job.where("limits", key), message, hint, "number-out-of-range", WARNING)
    whole, each = _number(limits.get("timeout")), _number(limits.get("trial_timeout"))
    if whole and each and each > whole:
        message = f"a trial may take {each:g} s, and all trials together {whole:g} s"
        hint = "Write a shorter trial_timeout, or a longer timeout"
        at = job.where("limits", "trial_timeout")
        yield Finding(at, message, hint, "number-out-of-range", WARNING)


def _number(value: Any) -> float | None:
    """The number, also of a text as YAML reads 1e-4; None for everything else."""
    try:
        number = math.nan if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None

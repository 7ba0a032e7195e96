"""Trials of a sweep job: the values for `${{search_space.N}}`.

Source: CLI (v2) sweep job YAML schema. `loguniform` and `lognormal` take exponents of e, or of the
sampling algorithm's `logbase`.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

from ...util.errors import UserError, close_words, did_you_mean
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass
from .job import Input, Job

Algorithm = Literal["random", "grid", "bayesian"]
Sampling = Literal["random", "grid", "sobol", "bayesian"]
Goal = Literal["maximize", "minimize"]
# Given the name of a dimension, a number in [0, 1): the position of its value in its range.
Draw = Callable[[str], float]
_RANGES = [
    f"{q}{log}{kind}" for q in ("", "q") for log in ("", "log") for kind in ("uniform", "normal")
]
_REFERENCE = late_pattern(r"\$\{\{\s*search_space\.(?P<name>[^\s{}]+?)\s*\}\}")


def first_trial(job: Job) -> dict[str, str]:
    """A trial with the first value of each choice and the middle of each range."""
    return {
        name: _text(_choose(job, name, distribution, lambda _: 0.0, lambda _: 0.5))
        for name, distribution in job.search_space.items()
    }


def trials(job: Job, count: int | None, seed: int | None = None) -> list[dict[str, str]]:
    """`count` trials by the job's sampling algorithm (None: `limits.max_total_trials`, else 1).

    The same seed gives the same trials. `grid` goes through the combinations of its choices in
    order (None: all of them). `bayesian` and `rule: sobol` are drawn at random: see `sampling_note`.
    """
    if sampling(job) == "grid":
        return list(itertools.islice(_grid(job), count))
    draw = random.Random(seed_of(job, seed)).random
    return [
        values_at(job, lambda _: draw())
        for _ in range((max_total_trials(job) or 1) if count is None else count)
    ]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing to decide of a search space: which of `size` values, or (0) the position in a range.

    `name` is that of the parameter ("lr"), for a distribution within a choice with its place
    ("model[1].depth").
    """

    name: str
    size: int = 0


def dimensions(job: Job) -> list[Dimension]:
    """All dimensions of the search space, also those that only some choices have."""
    return [
        dimension
        for name, distribution in job.search_space.items()
        for dimension in _dimensions(job, name, distribution, name)
    ]


def _dimensions(job: Job, name: str, distribution: Any, at: str) -> Iterator[Dimension]:
    if not isinstance(distribution, dict):
        return
    if _kind(distribution) != "choice":
        yield Dimension(at)
        return
    values = _values(job, name, distribution)
    yield Dimension(at, len(values))
    for index, value in enumerate(values):
        for key, inner in value.items() if isinstance(value, dict) else ():
            if isinstance(inner, dict) and "type" in inner:
                yield from _dimensions(job, name, inner, f"{at}[{index}].{key}")


def values_at(job: Job, position: Draw) -> dict[str, str]:
    """The values of a trial, as text, at the position that each dimension is given."""
    return {
        name: _text(_choose(job, name, distribution, position, position))
        for name, distribution in job.search_space.items()
    }


def sampling(job: Job) -> Sampling:
    """How the job's values are chosen. UserError for what does not exist."""
    algorithm, rule, _ = _algorithm(job)
    return "sobol" if algorithm == "random" and rule == "sobol" else algorithm


def seed_of(job: Job, seed: int | None) -> int:
    """The seed of the command line, else the job's own, else 0."""
    return _algorithm(job)[2] if seed is None else seed


def sampling_note(job: Job) -> str:
    """How `trials` are drawn if that differs from Azure ML, else ""."""
    match sampling(job):
        case "bayesian":
            return (
                "bayesian sampling needs earlier trials' results: here values are drawn at random"
            )
        case "sobol":
            return "rule: sobol is not used here: values are drawn uniformly at random"
    return ""


def ending_note(job: Job) -> str:
    """That early termination is not used here; "" if the job has none."""
    if not job.document.get("early_termination"):
        return ""
    return "early_termination is not used here: each trial runs to its end"


def trial_job(job: Job, values: Mapping[str, str]) -> Job:
    """The command job of one trial.

    Its values are in the command, in the variables AZUREML_SWEEP_<name>, and in the inputs that a
    trial's component declares by the same names.

    Source of the variables: azure-ai-ml's SweepJob, "inputs, outputs, and parameters are
    accessible as environment variables using the prefix AZUREML_SWEEP_".
    """
    job = with_trial(job, values)
    with_value = [name for name, input_ in job.inputs.items() if input_.has_value]
    variables = {
        **{f"AZUREML_SWEEP_{name}": f"${{{{inputs.{name}}}}}" for name in with_value},
        **{f"AZUREML_SWEEP_{name}": f"${{{{outputs.{name}}}}}" for name in job.outputs},
        **{f"AZUREML_SWEEP_{name}": value for name, value in values.items()},
    }
    own = {name: _insert(text, values) for name, text in job.environment_variables.items()}
    return replace(
        job,
        kind="command",
        command=_insert(job.command, values),
        environment_variables={**variables, **own},
    )


def _insert(text: str, values: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda match: values.get(match["name"], match[0]), text)


def with_trial(job: Job, values: Mapping[str, str]) -> Job:
    """The job with one trial's values also in the inputs of the trial's component.

    These are the inputs that the component declares by the same names.
    """
    literals = {
        name: Input(name, "literal", value=value)
        for name, value in values.items()
        if name not in job.inputs or job.inputs[name].kind == "literal"
    }
    return replace(job, inputs={**job.inputs, **literals})


def max_total_trials(job: Job) -> int | None:
    """The most trials that Azure ML runs; None if the job sets no limit."""
    return _limit(job, "max_total_trials")


def max_concurrent_trials(job: Job) -> int | None:
    """The most trials that Azure ML runs at once; None if the job sets no limit."""
    return _limit(job, "max_concurrent_trials")


def total_timeout(job: Job) -> int | None:
    """Seconds for all trials together; None for no limit. `job.timeout` is for one trial."""
    return _limit(job, "timeout")


def objective(job: Job) -> tuple[str, Goal] | None:
    """The metric that trials are compared by, and the goal; None if the job has no metric."""
    written = job.document.get("objective")
    metric = written.get("primary_metric") if isinstance(written, dict) else None
    if not isinstance(written, dict) or not isinstance(metric, str) or not metric:
        return None
    goal = str(written.get("goal", "maximize")).lower()
    return metric, "minimize" if goal.startswith("min") else "maximize"


def _algorithm(job: Job) -> tuple[Algorithm, str, int]:
    """The sampling algorithm, its rule ("random" or "sobol") and the job's own seed."""
    algorithm = job.document.get("sampling_algorithm", "random")
    seed, rule = 0, "random"
    if isinstance(algorithm, dict):
        seed, rule = algorithm.get("seed") or 0, str(algorithm.get("rule") or "random").lower()
        algorithm = algorithm.get("type", "random")
    known: tuple[Algorithm, ...] = get_args(Algorithm)
    kind = next((one for one in known if one == str(algorithm).lower()), None)
    if kind is None:
        raise UserError(
            f"sampling_algorithm is {algorithm}",
            code="sampling-unknown",
            where=job.where("sampling_algorithm"),
            hint="Write random, grid or bayesian",
        )
    if rule not in ("random", "sobol"):
        raise UserError(
            f"the rule of random sampling is {rule}",
            code="sampling-unknown",
            where=job.where("sampling_algorithm", "rule"),
            hint="Write random or sobol",
        )
    return kind, rule, seed if isinstance(seed, int) else 0


def _limit(job: Job, key: str) -> int | None:
    limits = job.document.get("limits")
    limit = limits.get(key) if isinstance(limits, dict) else None
    return limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else None


def _grid(job: Job) -> Iterator[dict[str, str]]:
    axes = []
    for name, distribution in job.search_space.items():
        if isinstance(distribution, dict) and distribution.get("type") != "choice":
            raise UserError(
                f'grid sampling takes choices only, and "{name}" is {distribution.get("type")}',
                code="search-space-invalid",
                where=job.where("search_space", name),
                hint="Write type: choice with values, or sampling_algorithm: random",
            )
        axes.append(
            _values(job, name, distribution) if isinstance(distribution, dict) else [distribution]
        )
    for combination in itertools.product(*axes):
        yield {
            name: _text(value) for name, value in zip(job.search_space, combination, strict=True)
        }


def _kind(distribution: Mapping[str, Any]) -> str:
    return str(distribution.get("type", "")).lower()


def _choose(
    job: Job, name: str, distribution: Any, pick: Draw, position: Draw, at: str = ""
) -> Any:
    """One value of one parameter: `pick` selects the choice, `position` the value in a range.

    `at` is the name of the dimension; "" for the parameter's own.
    """
    if not isinstance(distribution, dict):
        return distribution  # a plain value of --set
    kind, at = _kind(distribution), at or name
    if kind == "choice":
        values = _values(job, name, distribution)
        index = min(int(pick(at) * len(values)), len(values) - 1)
        picked = values[index]
        if not isinstance(picked, dict):
            return picked
        return {  # a choice may contain distributions
            key: (
                _choose(job, name, value, pick, position, f"{at}[{index}].{key}")
                if isinstance(value, dict) and "type" in value
                else value
            )
            for key, value in picked.items()
        }
    if kind == "randint":
        upper = int(_number(job, name, distribution, "upper"))
        return min(int(position(at) * upper), max(upper - 1, 0))
    plain = kind.removeprefix("q").removeprefix("log")
    if plain not in ("uniform", "normal"):
        known = ["choice", "randint", *_RANGES]
        raise UserError(
            f'"{name}" has the unknown distribution {kind or "(none)"}',
            code="search-space-invalid",
            where=job.where("search_space", name),
            hint=did_you_mean(kind, known),
            meant=(
                job.text.where_value(*job.at, "search_space", name, "type"),
                close_words(kind, known),
            ),
        )
    keys = ("min_value", "max_value") if plain == "uniform" else ("mu", "sigma")
    first, second = (_number(job, name, distribution, key) for key in keys)
    value = (_uniform if plain == "uniform" else _normal)(first, second, position(at))
    if "log" in kind:
        value = _power(job, name, value)
    if not kind.startswith("q"):
        return float(f"{value:.6g}")
    step = _number(job, name, distribution, "q")
    rounded = round(value / step) * step if step else value
    return int(rounded) if float(step).is_integer() else float(f"{rounded:.10g}")


def _values(job: Job, name: str, distribution: Mapping[str, Any]) -> list[Any]:
    values = distribution.get("values")
    if isinstance(values, list) and values:
        return values
    raise UserError(
        f'the choice "{name}" has no values',
        code="search-space-invalid",
        where=job.where("search_space", name),
        hint="Write values: [a, b]",
    )


def _number(job: Job, name: str, distribution: Mapping[str, Any], key: str) -> float:
    value = distribution.get(key)
    try:
        if value is not None and not isinstance(value, bool):
            number = float(value)  # YAML reads 1e-4 as a string, and azure-ai-ml as a number
            if math.isfinite(number):
                return number
    except (TypeError, ValueError):
        pass
    raise UserError(
        f'the range of "{name}" has no finite number {key}',
        code="search-space-invalid",
        where=job.where("search_space", name, key),
        hint=f"Write {key}: and a number",
    )


def _power(job: Job, name: str, exponent: float) -> float:
    """The value of an exponent on a log scale: of e, or of the job's own `logbase`."""
    algorithm = job.document.get("sampling_algorithm")
    base = algorithm.get("logbase") if isinstance(algorithm, dict) else None
    try:
        power = float(math.exp(exponent) if base in (None, "e") else float(base) ** exponent)
    except (OverflowError, TypeError, ValueError, ZeroDivisionError):
        power = math.nan
    if math.isfinite(power):
        return power
    raise UserError(
        f'"{name}" reaches {base or "e"} to the power of {exponent:g}, which is not a finite number',
        code="search-space-invalid",
        where=job.where("search_space", name),
        hint=f"Its bounds are exponents of {base or 'e'}: write -6.9 for e to that power, 0.001",
    )


def _uniform(low: float, high: float, position: float) -> float:
    return low + (high - low) * position


def _normal(mu: float, sigma: float, position: float) -> float:
    """The quantile of the normal distribution at `position`."""
    if sigma <= 0:
        return mu
    import statistics  # slow to import, and few jobs have such a range

    return statistics.NormalDist(mu, sigma).inv_cdf(min(max(position, 1e-12), 1 - 1e-12))


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)

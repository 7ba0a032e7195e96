"""Trials of a sweep job: the values that stand for `${{search_space.N}}`.

Source: CLI (v2) sweep job YAML schema. `loguniform` and `lognormal` take exponents of e, or of the
sampling algorithm's `logbase`.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...util.errors import UserError, did_you_mean
from . import sobol
from .job import Input, Job

# A number in (0, 1), the place of a value in its range.
Draw = Callable[[], float]
_REFERENCE = re.compile(r"\$\{\{\s*search_space\.(?P<name>[^\s{}]+?)\s*\}\}")


def first_trial(job: Job) -> dict[str, str]:
    """One plain trial: the first value of a choice, the middle of a range."""
    return {
        name: _text(_choose(job, name, given, lambda: 0.0, lambda: 0.5))
        for name, given in job.search_space.items()
    }


def trials(job: Job, count: int | None, seed: int | None = None) -> list[dict[str, str]]:
    """`count` trials by the job's sampling algorithm; the same seed gives the same ones. `grid`
    goes through all combinations of its choices in order (None: all of them). Without a count,
    as many as `limits.max_total_trials` says. For bayesian, see `sampling_note`."""
    algorithm, rule, own_seed = _algorithm(job)
    if algorithm == "grid":
        return list(itertools.islice(_grid(job), count))
    seed = own_seed if seed is None else seed
    chance = random.Random(seed)
    drawn = []
    for index in range((max_total_trials(job) or 1) if count is None else count):
        draw = _sobol(index, seed) if rule == "sobol" else chance.random
        drawn.append(
            {
                name: _text(_choose(job, name, given, draw, draw))
                for name, given in job.search_space.items()
            }
        )
    return drawn


def _sobol(index: int, seed: int) -> Draw:
    """The coordinates of one point after the other; by chance where the sequence has no more."""
    dimensions = iter(range(sobol.DIMENSIONS))
    rest = random.Random(f"{seed}/{index}")

    def draw() -> float:
        dimension = next(dimensions, None)
        return rest.random() if dimension is None else sobol.coordinate(index, dimension, seed)

    return draw


def sampling_note(job: Job) -> str:
    """How trials are drawn here where that differs from Azure ML; "" where it does not."""
    if _algorithm(job)[0] != "bayesian":
        return ""
    return "bayesian sampling needs the results of earlier trials: here values are drawn at random"


def ending_note(job: Job) -> str:
    """That no trial is ended for lagging behind others; "" where the job does not ask for it."""
    if not job.document.get("early_termination"):
        return ""
    return "early_termination compares trials that run side by side: here each runs to its end"


def trial_job(job: Job, values: Mapping[str, str]) -> Job:
    """The command job that one trial is: its values stand in the command, in the variables
    AZUREML_SWEEP_<name>, and as the inputs that a trial's component declares under their names.

    Source of the variables: azure-ai-ml's SweepJob, "inputs, outputs, and parameters are
    accessible as environment variables using the prefix AZUREML_SWEEP_".
    """
    job = with_trial(job, values)
    given = [name for name, one in job.inputs.items() if one.has_value]
    variables = {
        **{f"AZUREML_SWEEP_{name}": f"${{{{inputs.{name}}}}}" for name in given},
        **{f"AZUREML_SWEEP_{name}": f"${{{{outputs.{name}}}}}" for name in job.outputs},
        **{f"AZUREML_SWEEP_{name}": value for name, value in values.items()},
    }
    own = {name: _filled(text, values) for name, text in job.environment_variables.items()}
    return replace(
        job,
        kind="command",
        command=_filled(job.command, values),
        environment_variables={**variables, **own},
    )


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda found: values.get(found["name"], found[0]), text)


def with_trial(job: Job, values: Mapping[str, str]) -> Job:
    """The job with one trial's values as the inputs that a trial's component declares under the
    same names, too."""
    literals = {
        name: Input(name, "literal", value=value)
        for name, value in values.items()
        if name not in job.inputs or job.inputs[name].kind == "literal"
    }
    return replace(job, inputs={**job.inputs, **literals})


def max_total_trials(job: Job) -> int | None:
    """How many trials Azure ML would run at most; None when the job is silent."""
    return _whole(job, "max_total_trials")


def total_timeout(job: Job) -> int | None:
    """Seconds that all trials together may take; `job.timeout` is that of one trial."""
    return _whole(job, "timeout")


def objective(job: Job) -> tuple[str, str] | None:
    """The metric that trials are compared by, and "maximize" or "minimize"."""
    given = job.document.get("objective")
    metric = given.get("primary_metric") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(metric, str) or not metric:
        return None
    goal = str(given.get("goal", "maximize")).lower()
    return metric, "minimize" if goal.startswith("min") else "maximize"


def _algorithm(job: Job) -> tuple[str, str, int]:
    """What is drawn by: the algorithm, its rule ("random" or "sobol") and the job's own seed."""
    given = job.document.get("sampling_algorithm", "random")
    seed, rule = 0, "random"
    if isinstance(given, dict):
        seed, rule = given.get("seed") or 0, str(given.get("rule") or "random").lower()
        given = given.get("type", "random")
    kind = str(given).lower()
    if kind not in ("random", "grid", "bayesian"):
        raise UserError(
            f"sampling_algorithm is {given}",
            where=job.where("sampling_algorithm"),
            hint="Write random, grid or bayesian",
        )
    if rule not in ("random", "sobol"):
        raise UserError(
            f"the rule of random sampling is {rule}",
            where=job.where("sampling_algorithm", "rule"),
            hint="Write random or sobol",
        )
    return kind, rule, seed if isinstance(seed, int) else 0


def _whole(job: Job, key: str) -> int | None:
    limits = job.document.get("limits")
    given = limits.get(key) if isinstance(limits, dict) else None
    return given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else None


def _grid(job: Job) -> Iterator[dict[str, str]]:
    axes = []
    for name, given in job.search_space.items():
        if isinstance(given, dict) and given.get("type") != "choice":
            raise UserError(
                f'grid sampling takes choices only, and "{name}" is {given.get("type")}',
                where=job.where("search_space", name),
                hint="Write type: choice with values, or sampling_algorithm: random",
            )
        axes.append(_values(job, name, given) if isinstance(given, dict) else [given])
    for combination in itertools.product(*axes):
        yield {name: _text(one) for name, one in zip(job.search_space, combination, strict=True)}


def _choose(job: Job, name: str, given: Any, pick: Draw, position: Draw) -> Any:
    """One value of one parameter: `pick` says which of a choice, `place` where in a range."""
    if not isinstance(given, dict):
        return given  # set by hand
    kind = str(given.get("type", "")).lower()
    if kind == "choice":
        values = _values(job, name, given)
        picked = values[min(int(pick() * len(values)), len(values) - 1)]
        if not isinstance(picked, dict):
            return picked
        return {  # a choice may hold search spaces of its own
            key: (
                _choose(job, name, one, pick, position)
                if isinstance(one, dict) and "type" in one
                else one
            )
            for key, one in picked.items()
        }
    if kind == "randint":
        upper = int(_number(job, name, given, "upper"))
        return min(int(position() * upper), max(upper - 1, 0))
    plain = kind.removeprefix("q").removeprefix("log")
    if plain not in ("uniform", "normal"):
        known = ["choice", "randint", *_ranges()]
        raise UserError(
            f'"{name}" has the distribution {kind or "(none)"}, which is none',
            where=job.where("search_space", name),
            hint=did_you_mean(kind, known),
        )
    keys = ("min_value", "max_value") if plain == "uniform" else ("mu", "sigma")
    first, second = (_number(job, name, given, key) for key in keys)
    value = (_between if plain == "uniform" else _around)(first, second, position())
    if "log" in kind:
        value = _power(job, name, value)
    if not kind.startswith("q"):
        return float(f"{value:.6g}")
    step = _number(job, name, given, "q")
    rounded = round(value / step) * step if step else value
    return int(rounded) if float(step).is_integer() else float(f"{rounded:.10g}")


def _ranges() -> list[str]:
    return [f"{q}{log}{kind}" for q in ("", "q") for log in ("", "log") for kind in _PLAIN]


_PLAIN = ("uniform", "normal")


def _values(job: Job, name: str, given: Mapping[str, Any]) -> list[Any]:
    values = given.get("values")
    if isinstance(values, list) and values:
        return values
    raise UserError(
        f'the choice "{name}" has no values',
        where=job.where("search_space", name),
        hint="Write values: [a, b]",
    )


def _number(job: Job, name: str, given: Mapping[str, Any], key: str) -> float:
    value = given.get(key)
    try:
        if value is not None and not isinstance(value, bool):
            number = float(value)  # YAML reads 1e-4 as text, and azure-ai-ml as a number
            if math.isfinite(number):
                return number
    except (TypeError, ValueError):
        pass
    raise UserError(
        f'the range of "{name}" has no number {key}',
        where=job.where("search_space", name, key),
        hint=f"Write {key}: and a number",
    )


def _power(job: Job, name: str, exponent: float) -> float:
    """The bounds of a range on a log scale are exponents: of e, or of the job's own `logbase`."""
    algorithm = job.document.get("sampling_algorithm")
    base = algorithm.get("logbase") if isinstance(algorithm, dict) else None
    try:
        power = float(math.exp(exponent) if base in (None, "e") else float(base) ** exponent)
    except (OverflowError, TypeError, ValueError, ZeroDivisionError):
        power = math.nan
    if math.isfinite(power):
        return power
    raise UserError(
        f'"{name}" reaches {base or "e"} to the power of {exponent:g}, which is no number',
        where=job.where("search_space", name),
        hint=f"Its bounds are exponents of {base or 'e'}: write -6.9 for e to that power, 0.001",
    )


def _between(low: float, high: float, position: float) -> float:
    return low + (high - low) * position


def _around(mu: float, sigma: float, position: float) -> float:
    """The value below which a share `place` of the normal distribution lies."""
    if sigma <= 0:
        return mu
    import statistics  # here, since every check of a job file comes by, and few have such a range

    return statistics.NormalDist(mu, sigma).inv_cdf(min(max(position, 1e-12), 1 - 1e-12))


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)

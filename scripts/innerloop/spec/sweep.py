"""Trials of a sweep job: the values that stand for `${{search_space.N}}`.

Source: CLI (v2) sweep job YAML schema. `loguniform` and `lognormal` take exponents of e.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import Mistake, nearest
from .job import Input, Job

Draw = Callable[[float, float], float]


def first_trial(job: Job) -> dict[str, str]:
    """One plain trial: the first value of a choice, the middle of a range."""
    return {
        name: _text(_choose(job, name, given, lambda values: values[0], _middle, _mean))
        for name, given in job.search_space.items()
    }


def trials(job: Job, count: int | None, seed: int | None = None) -> list[dict[str, str]]:
    """`count` trials by the job's sampling algorithm; the same seed gives the same ones. `grid`
    goes through all combinations of its choices in order (None: all of them). Without a count,
    or for bayesian, see `sampling_note`."""
    algorithm, own_seed = _algorithm(job)
    if algorithm == "grid":
        return list(itertools.islice(_grid(job), count))
    chance = random.Random(own_seed if seed is None else seed)
    count = _limit(job) if count is None else count
    return [
        {
            name: _text(
                _choose(job, name, given, chance.choice, chance.uniform, chance.normalvariate)
            )
            for name, given in job.search_space.items()
        }
        for _ in range(count)
    ]


def sampling_note(job: Job) -> str:
    """How trials are drawn here where that differs from Azure ML; "" where it does not."""
    if _algorithm(job)[0] != "bayesian":
        return ""
    return "bayesian sampling needs the results of earlier trials: here values are drawn at random"


def with_trial(job: Job, values: Mapping[str, str]) -> Job:
    """The job with one trial's values as the inputs that a trial's component declares under the
    same names, too."""
    literals = {
        name: Input(name, "literal", value=value)
        for name, value in values.items()
        if name not in job.inputs or job.inputs[name].kind == "literal"
    }
    return replace(job, inputs={**job.inputs, **literals})


def _algorithm(job: Job) -> tuple[str, int]:
    given = job.document.get("sampling_algorithm", "random")
    seed = 0
    if isinstance(given, dict):
        seed, given = given.get("seed") or 0, given.get("type", "random")
    kind = str(given).lower()
    if kind not in ("random", "grid", "bayesian"):
        raise Mistake(
            f"sampling_algorithm is {given}",
            where=job.where("sampling_algorithm"),
            mend="Write random, grid or bayesian",
        )
    return kind, seed if isinstance(seed, int) else 0


def _limit(job: Job) -> int:
    limits = job.document.get("limits")
    total = limits.get("max_total_trials") if isinstance(limits, dict) else None
    return total if isinstance(total, int) and total > 0 else 1


def _grid(job: Job) -> Iterator[dict[str, str]]:
    axes = []
    for name, given in job.search_space.items():
        if isinstance(given, dict) and given.get("type") != "choice":
            raise Mistake(
                f'grid sampling takes choices only, and "{name}" is {given.get("type")}',
                where=job.where("search_space", name),
                mend="Write type: choice with values, or sampling_algorithm: random",
            )
        axes.append(_values(job, name, given) if isinstance(given, dict) else [given])
    for combination in itertools.product(*axes):
        yield {name: _text(one) for name, one in zip(job.search_space, combination, strict=True)}


def _choose(
    job: Job, name: str, given: Any, pick: Callable[[Any], Any], between: Draw, around: Draw
) -> Any:
    """One value of one parameter: `pick` from a list, `between` two numbers, or `around` a mean."""
    if not isinstance(given, dict):
        return given  # set by hand
    kind = str(given.get("type", "")).lower()
    if kind == "choice":
        picked = pick(_values(job, name, given))
        if not isinstance(picked, dict):
            return picked
        return {  # a choice may hold search spaces of its own
            key: (
                _choose(job, name, one, pick, between, around)
                if isinstance(one, dict) and "type" in one
                else one
            )
            for key, one in picked.items()
        }
    if kind == "randint":
        upper = int(_number(job, name, given, "upper"))
        return min(int(between(0, upper)), max(upper - 1, 0))
    plain = kind.removeprefix("q").removeprefix("log")
    if plain not in ("uniform", "normal"):
        known = ["choice", "randint", *_ranges()]
        raise Mistake(
            f'"{name}" has the distribution {kind or "(none)"}, which is none',
            where=job.where("search_space", name),
            mend=nearest(kind, known),
        )
    keys = ("min_value", "max_value") if plain == "uniform" else ("mu", "sigma")
    first, second = (_number(job, name, given, key) for key in keys)
    value = (between if plain == "uniform" else around)(first, second)
    value = math.exp(value) if "log" in kind else value
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
    raise Mistake(
        f'the choice "{name}" has no values',
        where=job.where("search_space", name),
        mend="Write values: [a, b]",
    )


def _number(job: Job, name: str, given: Mapping[str, Any], key: str) -> float:
    value = given.get(key)
    try:
        if value is not None and not isinstance(value, bool):
            return float(value)  # YAML reads 1e-4 as text, and azure-ai-ml as a number
    except (TypeError, ValueError):
        pass
    raise Mistake(
        f'the range of "{name}" has no number {key}',
        where=job.where("search_space", name, key),
        mend=f"Write {key}: and a number",
    )


def _middle(low: float, high: float) -> float:
    return (low + high) / 2


def _mean(mu: float, sigma: float) -> float:
    return mu


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)

"""Chooses positions in a search space, in the environment of locks/sweep.txt.

Each line of stdin is a request, an object with a `verb`; each gets one line of JSON on stdout:

    points   {seed, dimensions: a number, count}               {points: [[position, ...], ...]}
    study    {seed, goal, sizes: [0 or the number of choices]}   {}
    ask      {}                                                {number, point: [position, ...]}
    tell     {number, state: done, diverged or failed, value}  {}

A position is in [0, 1): of a choice, the middle of its part of that range. Source: Optuna's ask-and-tell
interface and `TPESampler`; SciPy's `scipy.stats.qmc.Sobol`.
"""

from __future__ import annotations

import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

Request = Mapping[str, Any]
Answer = dict[str, Any]

# So many trials are drawn at random before the first that is chosen by their results.
STARTUP_TRIALS = 5
# The generators take no other seeds.
_SEEDS = 2**32


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    # Experimental options, and numbers of points that are no power of 2.
    warnings.simplefilter("ignore")
    study: _Study | None = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: Answer = {}
        match request["verb"]:
            case "points":
                answer = _sobol(request)
            case "study":
                study = _Study(request)
            case "ask" if study is not None:
                answer = study.ask()
            case "tell" if study is not None:
                study.tell(request)
            case verb:
                raise ValueError(f"unexpected request: {verb}")
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _sobol(request: Request) -> Answer:
    """The first points of one scrambled sequence: with more of them, the first stay the same."""
    if not request["dimensions"]:
        return {"points": [[]] * request["count"]}
    from scipy.stats import qmc

    sequence = qmc.Sobol(request["dimensions"], scramble=True, rng=request["seed"] % _SEEDS)
    return {"points": sequence.random(request["count"]).tolist()}


class _Study:
    """A study of Optuna over positions, so that every distribution of a job has its own scale.

    A log scale is uniform in its exponent, and a normal distribution in its quantile.
    """

    def __init__(self, request: Request) -> None:
        import optuna
        from optuna.distributions import CategoricalDistribution, FloatDistribution
        from optuna.trial import TrialState

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(
            seed=request["seed"] % _SEEDS,
            n_startup_trials=STARTUP_TRIALS,
            multivariate=True,
            # Trials that still run count as bad ones, so that no other starts at their place.
            constant_liar=True,
        )
        self._sizes: list[int] = request["sizes"]
        self._space = {
            str(index): (
                CategoricalDistribution(list(range(size))) if size else FloatDistribution(0.0, 1.0)
            )
            for index, size in enumerate(self._sizes)
        }
        self._worst = -math.inf if request["goal"] == "maximize" else math.inf
        self._failed: Any = TrialState.FAIL
        self._tell: Callable[..., object]
        study = optuna.create_study(sampler=sampler, direction=request["goal"])
        self._ask, self._tell = study.ask, study.tell

    def ask(self) -> Answer:
        trial = self._ask(self._space)
        chosen = (float(trial.params[name]) for name in self._space)
        point = [
            (value + 0.5) / size if size else min(value, math.nextafter(1.0, 0.0))
            for value, size in zip(chosen, self._sizes, strict=True)
        ]
        return {"number": trial.number, "point": point}

    def tell(self, request: Request) -> None:
        match request["state"]:
            case "done":
                self._tell(request["number"], request["value"])
            case "diverged":
                self._tell(request["number"], self._worst)
            case _:
                self._tell(request["number"], state=self._failed)

"""Positions in a search space, as Optuna and SciPy choose them in a process of their own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ...model.jobs import sweep
from ...model.jobs.job import Job
from ...model.jobs.sweep import Dimension, Goal
from ...util import locked_environments, process, venvs
from ...util.errors import UserError
from ...util.quick_dataclasses import dataclass

GROUP = "sweep"
_MODULE = "innerloop.runner.sampler.worker.main"
# The import of SciPy on a slow disk takes most of it, in seconds.
_PATIENCE = 300.0

# A position in [0, 1) for each dimension, by its name.
Point = Mapping[str, float]


def is_installed() -> bool:
    return venvs.is_ready(locked_environments.environment_of(GROUP))


def require_installed(job: Job) -> None:
    """Make the environment if it is missing. UserError if that cannot be done."""
    try:
        locked_environments.ensure(GROUP)
    except UserError as error:
        raise UserError(
            f"sampling by {sweep.sampling(job)} needs Optuna and SciPy, and {error.what}",
            code="sampler-unavailable",
            where=job.where("sampling_algorithm"),
            hint=". ".join(
                filter(
                    None,
                    [error.hint.rstrip("."), "Sampling by random or grid needs no environment"],
                )
            ),
        ) from error


def sobol_points(dimensions: Sequence[Dimension], seed: int, count: int) -> list[Point]:
    """The first points of Sobol's sequence, scrambled by the seed.

    The same seed gives the same points, and more of them begin with the same ones.
    """
    with _Worker() as worker:
        request = {"verb": "points", "seed": seed, "dimensions": len(dimensions), "count": count}
        points = worker.ask(request)["points"]
    names = [dimension.name for dimension in dimensions]
    return [dict(zip(names, point, strict=True)) for point in points]


@dataclass(frozen=True, slots=True)
class Asked:
    """A point that a study has chosen, and its number, by which its result is told."""

    number: int
    point: Point


class Study:
    """Chooses points by the results of the earlier ones. Use it as `with Study(...) as study:`.

    The same seed and the same results in the same order give the same points.
    """

    def __init__(self, dimensions: Sequence[Dimension], seed: int, goal: Goal) -> None:
        self._dimensions = dimensions
        self._opening = {
            "verb": "study",
            "seed": seed,
            "goal": goal,
            "sizes": [dimension.size for dimension in dimensions],
        }
        self._worker = _Worker()

    def __enter__(self) -> Study:
        self._worker.__enter__()
        try:
            self._worker.ask(self._opening)
        except BaseException:
            self._worker.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._worker.close()

    def ask(self) -> Asked:
        answer = self._worker.ask({"verb": "ask"})
        names = (dimension.name for dimension in self._dimensions)
        return Asked(answer["number"], dict(zip(names, answer["point"], strict=True)))

    def tell(self, asked: Asked, value: float | None) -> None:
        """The result at a point. None: there is none, and a value that is not finite is the worst."""
        is_finite = value is not None and math.isfinite(value)
        state = "done" if is_finite else "failed" if value is None else "diverged"
        self._worker.ask(
            {
                "verb": "tell",
                "number": asked.number,
                "state": state,
                "value": value if is_finite else None,
            }
        )


class _Worker:
    """The process, which answers one line for each line."""

    def __init__(self) -> None:
        self._child: process.ChildProcess | None = None

    def __enter__(self) -> _Worker:
        argv = locked_environments.worker_argv(GROUP, _MODULE)
        self._child = process.ChildProcess(argv, cwd=Path(locked_environments.PACKAGE))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._child is not None:
            self._child.__exit__()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer. UserError if it has ended, or does not answer."""
        assert self._child is not None
        self._child.say(json.dumps(request))
        try:
            line = self._child.hear(_PATIENCE)
        except TimeoutError:
            what = f"no answer within {_PATIENCE:.0f} s"
        else:
            if line is not None:
                answer: dict[str, Any] = json.loads(line)
                return answer
            lines = self._child.errors.strip().splitlines()
            what = f"it ended: {lines[-1].strip()}" if lines else "it ended without a message"
        raise UserError(
            f"what chooses the values of trials failed: {what}",
            code="sampler-failed",
            hint=f"Remove {locked_environments.environment_of(GROUP)}: the next run makes it again",
        )

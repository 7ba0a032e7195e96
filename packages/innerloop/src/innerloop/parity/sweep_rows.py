"""How each backend chooses the values of a sweep's trials, and ends bad ones early. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ..model.jobs import early_termination, sweep
from ..model.jobs.job import Job
from .facts import EARLY_TERMINATION, SAMPLING, ParityColumn, ParityFact

_OPTUNA = "Optuna's sampler chooses, since Azure ML's own runs in its service"


def with_sweep(
    job: Job,
    columns: Sequence[ParityColumn],
    *,
    reference: str,
    local: Collection[str],
    drawn_before: Collection[str],
) -> tuple[ParityColumn, ...]:
    """The columns of a sweep's backends with its rows; no other column gets them.

    `local` are the backends of this machine, `drawn_before` those that know all values of a sweep
    before it starts.
    """
    sampling = sweep.sampling(job)
    policy = early_termination.policy_of(job)
    kind = policy.kind if policy else "none"
    here = (
        ParityFact("bayesian (Optuna)", _OPTUNA) if sampling == "bayesian" else ParityFact(sampling)
    )
    at_random = "random" if sampling in ("bayesian", "sobol") else sampling
    facts = {
        reference: (ParityFact(sampling), ParityFact(kind)),
        **dict.fromkeys(local, (here, ParityFact(kind))),
        **dict.fromkeys(
            drawn_before,
            (
                ParityFact(at_random, sweep.sampling_note(job)),
                ParityFact("none", sweep.ending_note(job)),
            ),
        ),
    }
    return tuple(
        (
            replace(
                column,
                facts={
                    **column.facts,
                    SAMPLING: facts[column.backend][0],
                    EARLY_TERMINATION: facts[column.backend][1],
                },
            )
            if column.backend in facts and not column.absent
            else column
        )
        for column in columns
    )

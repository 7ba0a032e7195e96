"""How many parts of a sweep or a pipeline run at once on this machine. Pure."""

from __future__ import annotations

from ..util.quick_dataclasses import dataclass

# What a part without a GPU is given room for: a program with threads of its own, and its data.
CORES_EACH = 4
MEMORY_EACH = 4 << 30


@dataclass(frozen=True, slots=True)
class Machine:
    """`gpus`: how many may be used, None where nobody knows; `memory` in bytes, 0 for unknown."""

    gpus: int | None = 0
    cores: int = 1
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Parallelism:
    """`count` parts at once, and the fact that decided it, as a clause."""

    count: int
    why: str


def of_parts(
    parts: int, *, asked: int | None, limit: int | None, gpus_each: int, machine: Machine
) -> Parallelism:
    """How many of the `parts` run at once.

    `asked` is the command line's number, `limit` the job's own ("max_concurrent_trials"), each None
    without one. `gpus_each`: how many GPUs each part gets; 0 if none has any.

    No more run than there are GPUs for, whatever is asked: each part has its own. Without GPUs the
    cores and the memory bound what the job says, and not what the person asks for.
    """
    most, why = _room(gpus_each, machine, is_asked=asked is not None)
    wanted = asked if asked is not None else limit
    reason = "--parallel asks for it" if asked is not None else "limits.max_concurrent_trials"
    if wanted is not None and (most is None or wanted <= most):
        most, why = wanted, reason
    count = max(1, min(parts, most if most is not None else parts))
    return Parallelism(count, why)


def _room(gpus_each: int, machine: Machine, *, is_asked: bool) -> tuple[int | None, str]:
    """The most that this machine has room for, None for any number, and why."""
    if gpus_each and machine.gpus is None:
        return 1, "the GPUs of this machine cannot be counted"
    if gpus_each:
        each = "one GPU each" if gpus_each == 1 else f"{gpus_each} GPUs each"
        plural = "" if machine.gpus == 1 else "s"
        return (machine.gpus or 0) // gpus_each, f"{each}, of {machine.gpus} GPU{plural}"
    if is_asked:
        return None, ""
    by_memory = machine.memory // MEMORY_EACH if machine.memory else machine.cores
    if by_memory < machine.cores // CORES_EACH:
        return by_memory, f"{machine.memory / (1 << 30):.0f} GiB of memory are free"
    return machine.cores // CORES_EACH, f"this machine has {machine.cores} cores"

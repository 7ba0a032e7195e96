"""`[remote.NAME.slurm]`: what a machine's jobs ask Slurm for. Pure.

Values go into a batch script, so each is one line of what sbatch takes there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from ...util.errors import did_you_mean
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass

# What a job runs in: an image by Apptainer or by Pyxis, or an environment made from the lock.
SlurmEnvironment = Literal["apptainer", "pyxis", "venv"]
SLURM_ENVIRONMENTS: tuple[SlurmEnvironment, ...] = get_args(SlurmEnvironment)
OF_APPTAINER, OF_PYXIS, OF_LOCK = SLURM_ENVIRONMENTS

# The distributions whose processes are started there.
DISTRIBUTIONS = ("pytorch", "mpi")

# One word of sbatch's command line, such as a partition, a list of them, or a constraint.
_WORD = late_pattern(r"[A-Za-z0-9_\[(][\w.,:@+=&|!*/()\[\]-]{0,199}", re.ASCII)
_MEMORY = late_pattern(r"[1-9]\d{0,8}[KMGT]?", re.ASCII)
# Letters that no line has.
CONTROL = late_pattern(r"[\x00-\x1f\x7f]")
_OPTION = late_pattern(r"--[a-z][a-z-]*(=.+)?", re.ASCII)
# The times that sbatch takes. Source: sbatch(1), --time.
_TIME = late_pattern(
    r"(?:(?P<days>\d{1,4})-)?(?P<first>\d{1,6})(?::(?P<second>\d{1,2}))?(?::(?P<third>\d{1,2}))?",
    re.ASCII,
)
# What the script sets itself, from the job.
_OF_THE_JOB = frozenset(
    [
        "--job-name",
        "--output",
        "--error",
        "--chdir",
        "--open-mode",
        "--nodes",
        "--ntasks",
        "--ntasks-per-node",
        "--gres",
        "--gpus",
        "--gpus-per-node",
        "--gpus-per-task",
        "--array",
        "--dependency",
        "--time",
        "--wait",
        "--wrap",
        "--test-only",
        "--parsable",
        "--export",
        "--requeue",
        "--no-requeue",
    ]
)


@dataclass(frozen=True, slots=True)
class SlurmSetting:
    """What is asked of Slurm; "" and None for the cluster's own value.

    partition, account, qos, constraint, gpu_type: words of sbatch. memory: of a node ("32G").
    time, max_time: seconds; the first is the limit of jobs without `limits.timeout`, the second the most
    that the partition gives. gpus_per_node: how many GPUs a node has. setup: lines of bash before the
    program. sbatch, srun: further options. requeue: whether Slurm may start the job again.
    """

    environment: SlurmEnvironment = OF_LOCK
    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    gpu_type: str = ""
    memory: str = ""
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    time: int | None = None
    max_time: int | None = None
    requeue: bool | None = None
    setup: tuple[str, ...] = ()
    sbatch: tuple[str, ...] = ()
    srun: tuple[str, ...] = ()


NO_SLURM_SETTING = SlurmSetting()


def seconds_of(text: str) -> int | None:
    """The seconds of a time as Slurm writes it ("30", "1:30:00", "2-12:00:00"); None for another text.

    A single number, and the first of two, are minutes; after days they are hours.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    first, second, third = (match[name] for name in ("first", "second", "third"))
    if match["days"] is not None:
        hours, minutes, seconds = int(first), int(second or 0), int(third or 0)
    elif third is not None:
        hours, minutes, seconds = int(first), int(second), int(third)
    else:
        hours, minutes, seconds = 0, int(first), int(second or 0)
    return int(match["days"] or 0) * 86400 + hours * 3600 + minutes * 60 + seconds


def time_text(seconds: float) -> str:
    """Seconds as `--time` takes them, rounded up to Slurm's minutes: "0:02:00", "1-00:00:00"."""
    minutes = max(-(-int(seconds) // 60), 1)
    days, minutes = divmod(minutes, 1440)
    clock = f"{minutes // 60}:{minutes % 60:02}:00"
    return f"{days}-{clock}" if days else clock


class InvalidRemoteValue(Exception):
    """A value that a key cannot have: `what` completes "remote.NAME.KEY".

    `keys` lead from the key to the value within it.
    """

    def __init__(self, what: str, hint: str, *keys: str) -> None:
        super().__init__(what)
        self.what, self.hint, self.keys = what, hint, keys


def value_of(key: str, value: Any) -> Any:
    """The value of a key. InvalidRemoteValue; KeyError for a key that is unknown."""
    return _KEYS[key](value)


def _word(value: Any) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise InvalidRemoteValue(
            f" = {value!r} is not one word of sbatch", 'Write it as sbatch takes it: "gpu"'
        )
    return value


def _memory(value: Any) -> str:
    if not isinstance(value, str) or not _MEMORY.fullmatch(value):
        raise InvalidRemoteValue(f" = {value!r} is not an amount of memory", 'Write memory = "32G"')
    return value


def _environment(value: Any) -> SlurmEnvironment:
    if value not in SLURM_ENVIRONMENTS:
        raise InvalidRemoteValue(
            f" = {value!r} is unknown", did_you_mean(str(value), list(SLURM_ENVIRONMENTS))
        )
    environment: SlurmEnvironment = value
    return environment


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 100_000:
        raise InvalidRemoteValue(f" = {value!r} is not a number", "Write a number from 1 on")
    return value


def _time(value: Any) -> int:
    seconds = seconds_of(value) if isinstance(value, str) else None
    if not seconds:
        hint = 'Write it as sbatch takes it: "30" (minutes), "12:00:00" or "2-00:00:00" (days)'
        raise InvalidRemoteValue(f" = {value!r} is not a time", hint)
    return seconds


def _requeue(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidRemoteValue(f" = {value!r} is neither true nor false", "Write true or false")
    return value


def _lines(value: Any) -> tuple[str, ...]:
    hint = 'Write a list of lines: ["module load cuda/12.4"]'
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise InvalidRemoteValue(f" = {value!r} is not a list of lines", hint)
    for line in value:
        if CONTROL.search(line) or line.lstrip().startswith("#SBATCH"):
            raise InvalidRemoteValue(f": {line!r} is not one line of bash", hint)
    return tuple(value)


def _options(value: Any) -> tuple[str, ...]:
    hint = 'Write a list of options: ["--exclusive", "--mail-type=END"]'
    if not isinstance(value, list):
        raise InvalidRemoteValue(f" = {value!r} is not a list of options", hint)
    for option in value:
        text = option if isinstance(option, str) else ""
        if not _OPTION.fullmatch(text) or CONTROL.search(text):
            raise InvalidRemoteValue(f": {option!r} is not an option", hint)
    return tuple(value)


def _sbatch(value: Any) -> tuple[str, ...]:
    options = _options(value)
    for option in options:
        if (name := option.partition("=")[0]) in _OF_THE_JOB:
            raise InvalidRemoteValue(
                f": {name} follows from the job",
                "Change the job file, or another key of this table",
            )
    return options


_KEYS: Mapping[str, Callable[[Any], Any]] = {
    "environment": _environment,
    "partition": _word,
    "account": _word,
    "qos": _word,
    "constraint": _word,
    "gpu_type": _word,
    "memory": _memory,
    "cpus_per_task": _count,
    "gpus_per_node": _count,
    "time": _time,
    "max_time": _time,
    "requeue": _requeue,
    "setup": _lines,
    "sbatch": _sbatch,
    "srun": _options,
}
KEYS = tuple(_KEYS)

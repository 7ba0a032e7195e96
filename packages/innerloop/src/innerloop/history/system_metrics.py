"""The load of a run's machine while it went on, as the recorder wrote it.

`.run/system.jsonl` has one JSON object per line:

    time       seconds since the epoch
    cpu        percent of one core, of the run's processes, its container or its job in Slurm; above
               100 for several
    memory     bytes, of the same
    gpu0       percent of the time in which GPU 0 was busy; gpu1 and so on
    gpu0_memory    bytes that are in use on GPU 0, by all programs

`of` in the first line says what `cpu` and `memory` are of: "processes", "container", "job" or "machine".
"""

from __future__ import annotations

from pathlib import Path

from ..util.errors import UserError
from . import written_metrics
from .run_metrics import Series

PATH = ".run/system.jsonl"


def read(folder: Path) -> dict[str, Series]:
    """The series by name, with `times`, in the order of the file; empty without a file.

    A step is the number of seconds since the first entry.
    """
    try:
        series = written_metrics.lines_of(folder / PATH, PATH)
    except UserError:
        return {}
    starts = [one.times[0] for one in series.values() if one.times]
    start = min(starts, default=0.0)
    return {
        name: Series(
            one.values, tuple(time - start for time in one.times), (), one.times, one.source
        )
        for name, one in series.items()
        if one.times
    }

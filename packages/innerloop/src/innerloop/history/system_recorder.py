"""Writes the load of a run while it goes on: see `system_metrics`.

A sample takes well under a millisecond, and the time between two grows with the run, so that even a
long one has some thousand lines.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from ..model.gpu import Gpu
from ..util import files, load
from ..util.errors import UserError
from ..util.load import Load
from ..util.quick_dataclasses import dataclass

if TYPE_CHECKING:
    from ..util.gpu_load import GpuLoad, GpuReader

# In seconds: from the start to the first sample, and at least between two. A run has one in each
# five-hundredth of its time.
FIRST, LEAST, PARTS = 1.0, 2.0, 500
Of = Literal["processes", "container", "job", "machine"]


@dataclass(frozen=True, slots=True)
class Source:
    """What `cpu` and `memory` are of, and what reads it: None once that has ended."""

    of: Of
    read: load.Reader


MACHINE = Source("machine", load.of_machine)


def source_of_process(pid: int) -> Source:
    """A program that was started here with all that it starts."""
    has_processes = load.of_processes(pid) is not None
    return Source("processes", lambda: load.of_processes(pid)) if has_processes else MACHINE


@dataclass(slots=True)
class SystemRecorder:
    """A thread that writes samples into a run's folder, from `start` to `stop`.

    Nothing that fails in it ends the run.
    """

    folder: Path
    gpu: Gpu
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self, find: Callable[[], Source | None]) -> None:
        """`find` gives what is to be read: it is asked again while it gives None."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(find,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self, find: Callable[[], Source | None]) -> None:
        with suppress(UserError, OSError, AttributeError, ValueError):
            began = time.monotonic()
            sampler = None
            while not self._stop.wait(pause(time.monotonic() - began)):
                if sampler is None:
                    source = find()
                    if source is None:
                        continue
                    gpus = _gpu_reader() if self.gpu.use else None
                    sampler = Sampler(source, gpus, self.gpu.devices)
                    from . import system_metrics  # here: most runs end before the first sample

                    with files.open_log(self.folder / system_metrics.PATH) as log:
                        self._follow(sampler, log, began)
                    return

    def _follow(self, sampler: Sampler, log: IO[bytes], began: float) -> None:
        while True:
            sample = sampler.sample(time.time(), time.monotonic())
            if sample:
                log.write(json.dumps(sample).encode() + b"\n")
                log.flush()
            if self._stop.wait(pause(time.monotonic() - began)):
                return


def _gpu_reader() -> GpuReader | None:
    from ..util import gpu_load  # here, since few runs have a GPU

    return gpu_load.reader()


def pause(elapsed: float) -> float:
    """The seconds to the next sample, so long after the start."""
    return FIRST if elapsed < FIRST else max(LEAST, elapsed / PARTS)


@dataclass(slots=True)
class Sampler:
    """Makes a sample of two readings of the CPU time. `devices` are the run's GPUs, ("all",) for all."""

    source: Source
    gpus: GpuReader | None
    devices: Sequence[str] = ()
    _last: tuple[float, Load] | None = None
    _asked: float = -math.inf
    _is_first: bool = True

    def sample(self, time_: float, clock: float) -> dict[str, float | str | None]:
        """One line of the file; empty where there is nothing to say yet."""
        values: dict[str, float | str | None] = {}
        now = self.source.read()
        if now is not None:
            if self._last is not None and clock > self._last[0]:
                used = max(0.0, now.cpu - self._last[1].cpu)
                values["cpu"] = round(100 * used / (clock - self._last[0]), 1)
            values["memory"] = now.memory
            self._last = clock, now
        if self.gpus is not None and clock - self._asked >= self.gpus.every:
            self._asked = clock
            for one in self.gpus.read():
                if self._is_own(one):
                    values[f"gpu{one.name}"] = None if math.isnan(one.busy) else one.busy
                    values[f"gpu{one.name}_memory"] = one.memory
        if not values:
            return {}
        first = {"of": self.source.of} if self._is_first else {}
        self._is_first = False
        return {"time": round(time_, 3), **first, **values}

    def _is_own(self, gpu: GpuLoad) -> bool:
        names = self.devices
        return "all" in names or any(
            gpu.name == name or gpu.uuid.startswith(name) for name in names if name
        )

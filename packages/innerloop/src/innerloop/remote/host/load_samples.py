"""The load of a job on another machine: what the agent has noted of it, as the record of a run has it.

The agent's lines, with tabs between fields:

    devices  the GPUs of the job, by index or UUID, or "all"
    SECONDS  what it is of  milliseconds of CPU time  bytes of memory
    gpu      index, UUID, percent of the time in which it is busy, megabytes in use

See `history.system_metrics` for the record. Which programs it is of stands in a file of the job: what
finds them (an engine, or one of the words below), the container's name or "-", and whether to read GPUs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from ...history import system_metrics
from ...history.system_recorder import FIRST, Of, Sampler, Source
from ...model.gpu import Gpu
from ...util import files
from ...util.gpu_load import GpuLoad, GpuReader
from ...util.load import Load
from ...util.quick_dataclasses import dataclass
from .facts import number_in
from .host import RemoteHost, RemoteJobState

NAME, WORDS = "samples", "load"
OF_PROCESSES, OF_MACHINE = "-", "machine"
_DEVICES, _GPU = "devices", "gpu"


@dataclass(frozen=True, slots=True)
class LoadSample:
    """`time` is in seconds since the epoch by the clock there. `load` is None for GPUs alone."""

    time: float
    of: Of
    load: Load | None
    gpus: tuple[GpuLoad, ...] = ()


def start_of(gpu: Gpu) -> str:
    """The file's text before the first sample."""
    return "\t".join([_DEVICES, *(gpu.devices if gpu.use else ())]) + "\n"


def words(of: str, gpu: Gpu, container: str = "-") -> str:
    """The text of the file that says which programs it is of."""
    return f"{of} {container} {'yes' if gpu.use else 'no'}\n"


def fetch(host: RemoteHost, job: str, state: RemoteJobState, into: Path) -> None:
    """Write the record of a job's load into its outputs here, if there is any."""
    if state.started and state.ended and state.ended - state.started < FIRST:
        return
    text = "".join(f"{line}\n" for line in records(host.query(NAME, job, "0")))
    if text:
        files.write_text(into / system_metrics.PATH, text)


def records(text: str) -> Iterator[str]:
    """The lines of the record. What is not understood is left out."""
    devices: Sequence[str] = ()
    samples: list[LoadSample] = []
    for line in text.splitlines():
        key, *fields = line.split("\t")
        if key == _DEVICES:
            devices = fields
        elif key == _GPU:
            samples += _with_gpu(samples, fields[0] if fields else "")
        elif (sample := _sample(key, fields)) is not None:
            samples.append(sample)
    yield from _lines(samples, devices)


def _sample(time: str, fields: Sequence[str]) -> LoadSample | None:
    of = next((known for known in get_args(Of) if fields and known == fields[0]), None)
    numbers = [number_in(text) for text in (time, *fields[1:])]
    if of is None or len(numbers) != 3 or None in numbers:
        return None
    seconds, cpu, memory = (number or 0 for number in numbers)
    return LoadSample(seconds, of, Load(cpu / 1000, memory))


def _with_gpu(samples: list[LoadSample], text: str) -> list[LoadSample]:
    """The last sample with a GPU more; it is taken off the list. Source: nvidia-smi's CSV."""
    fields = [field.strip() for field in text.split(",")]
    if not samples or len(fields) != 4:
        return []
    last = samples.pop()
    busy, memory = (number_in(field) for field in fields[2:])
    gpu = GpuLoad(fields[0], fields[1], math.nan if busy is None else busy, (memory or 0) << 20)
    return [LoadSample(last.time, last.of, last.load, (*last.gpus, gpu))]


def _lines(samples: Sequence[LoadSample], devices: Sequence[str]) -> Iterator[str]:
    if not samples:
        return
    current = samples[0]
    source = Source(current.of, lambda: current.load)
    sampler = Sampler(source, GpuReader(lambda: current.gpus), devices)
    for current in samples:
        values = sampler.sample(current.time, current.time)
        if values:
            yield json.dumps(values)

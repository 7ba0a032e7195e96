"""How many parts of a run go on at once on this machine, and the GPUs that they share out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from ..local import BackendElsewhere
from ..model import parallelism
from ..model.gpu import GpuSetting
from ..model.parallelism import Machine, Parallelism
from ..model.run import Run
from ..util import load, ports
from ..util.quick_dataclasses import dataclass
from . import device_claims
from .device_claims import ClaimableGpu
from .execute import Started
from .part_process import Part
from .progress_table import ProgressTable

# Between the first ports of two distributed parts on this machine.
_PORTS_EACH = 16


@dataclass(frozen=True, slots=True)
class Lanes:
    """So many parts at once as `parallelism` says, on `gpus_each` of the `devices` each.

    `setting` is the parts' own setting `gpu` on another machine; None for that of their experiment.
    """

    parallelism: Parallelism
    devices: tuple[ClaimableGpu, ...] = ()
    gpus_each: int = 0
    setting: GpuSetting | None = None

    @property
    def count(self) -> int:
        return self.parallelism.count

    def part(self, run: Run, backend: str | BackendElsewhere, index: int) -> Part:
        """What carries out the part of this index, counted from 0."""
        port = ports.free(run.master_port + _PORTS_EACH * index)
        run = replace(run, master_port=port)
        if self.setting is not None:
            run = replace(run, experiment=device_claims.with_gpu(run.experiment, self.setting))
        return Part(run, backend, self.devices, self.gpus_each)


def of_parts(ready: Sequence[Started], parts: int, limit: int | None, asked: int | None) -> Lanes:
    """For `parts` of which some are `ready`; `limit` and `asked` as in `parallelism.of_parts`."""
    if any(one.run.ports for one in ready):
        return Lanes(Parallelism(1, "a service of the job has one port of this machine"))
    if ready[0].request.compute:
        return _elsewhere(ready[0], parts, limit, asked)
    setting = ready[0].run.experiment.settings.gpu
    uses_gpus = any(one.request.gpu.use for one in ready)
    found = device_claims.candidates(setting) if uses_gpus else ()
    gpus_each = (setting.count or 1) if found != () else 0
    machine = Machine(
        None if found is None else len(found), os.cpu_count() or 1, load.free_memory()
    )
    decided = parallelism.of_parts(
        parts, asked=asked, limit=limit, gpus_each=gpus_each, machine=machine
    )
    return Lanes(decided, found or (), gpus_each)


def _elsewhere(first: Started, parts: int, limit: int | None, asked: int | None) -> Lanes:
    """On another machine, whose cores and memory are not asked: without GPUs, so many as asked for."""
    name = first.request.compute
    shared = first.elsewhere and first.elsewhere.gpus_of_parts(first.run, first.request)
    if not shared or (not shared[1] and asked is None):
        return Lanes(Parallelism(1, f"one after another on {name}"))
    setting, gpus = shared
    each = (setting.count or 1) if gpus else 0
    decided = parallelism.of_parts(
        parts, asked=asked, limit=limit, gpus_each=each, machine=Machine(len(gpus))
    )
    if decided.count == 1:  # it has what its settings say
        return Lanes(decided)
    devices = tuple(ClaimableGpu(gpu, f"{name}-{gpu}") for gpu in gpus)
    return Lanes(decided, devices, each, setting)


def is_one_at_a_time(setting: GpuSetting, limit: int | None, asked: int | None) -> bool:
    """Whether parts with these GPUs run in this process, which has the GPUs then, one by one.

    `limit` and `asked` are as in `of_parts`. Parts that run at once take GPUs themselves.
    """
    found = device_claims.candidates(setting)
    if not found:
        return True
    room = len(found) // (setting.count or 1)
    wanted = asked if asked is not None else limit
    return min(room, wanted if wanted is not None else room) <= 1


def show_line(table: ProgressTable, name: str, is_error: bool, text: str) -> None:
    """A line of a part's output, with its name before it."""
    shown = f"{name} | {text}"
    if is_error or table.screen is not None:
        table.say(shown)
    else:
        print(shown, flush=True)

"""GPUs that a run has for itself: chosen among those of this machine that no other run has.

Those who wait get them in the order in which they came, whoever's runs they are: see `util/turns`. A
run in a terminal shares a GPU with another such run where too few are free, and never with a detached
run, unless it names the GPU.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ..local.process_gpus import CUDA
from ..model.experiment import Experiment
from ..model.gpu import GpuSetting
from ..model.parallelism import CORES_EACH
from ..util import device_locks, host_gpus, turns
from ..util.host_gpus import HostGpus, VendorGpus
from ..util.quick_dataclasses import dataclass

# Seconds between two looks at GPUs that are all taken.
PAUSE = 0.5
PLACES = "INNERLOOP_QUEUE_PLACES"
# The lock of whoever chooses.
_CHOOSING = "choosing"
# The lock beside that of a GPU which a detached run has.
_DETACHED = "detached-"


@dataclass(frozen=True, slots=True)
class ClaimableGpu:
    """A GPU that may be taken: its index or name as `--gpus` takes it, and the name of its lock."""

    device: str
    lock: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The GPUs that a run has, and what gives them back."""

    setting: GpuSetting
    release: device_locks.Release


def for_run(experiment: Experiment, say: Callable[[str], object]) -> Experiment:
    """The experiment with GPUs that no other run has; they are this process's until it ends.

    A run that needs more than are free shares: two small programs fit on one GPU. It waits for those
    of detached runs. `say` gets a line about each difference.
    """
    setting = experiment.settings.gpu
    found = candidates(setting)
    if not found:
        return experiment
    shared = _shared(setting, found)
    if len(shared) < (setting.count or 1):
        names = ", ".join(one.device for one in found if one not in shared)
        say(
            f"detached runs have GPU {names} of this machine: this run waits for its turn; "
            f"`--gpus device={found[0].device}` shares one, `--gpus none` takes the CPU"
        )
        waited = claim(setting, found, setting.count or 1, lambda line: None)
        return with_gpu(experiment, waited.setting)
    wanted = setting.count if setting.kind == "count" else len(found)
    free: list[str] = []
    of_others = [one.device for one in found if one not in shared]
    for one in shared:
        if len(free) == wanted:
            break
        if device_locks.take(one.lock) is None:
            of_others.append(one.device)
            continue
        free.append(one.device)
    if not of_others:
        return experiment
    taken = ", ".join(one.device for one in found if one.device in of_others)
    if setting.kind == "devices" or len(free) < (setting.count or 1):
        say(f"another run of this machine has GPU {taken} too")
        if len(shared) == len(found) or setting.kind == "devices":
            return experiment
        free = [one.device for one in shared][: setting.count or None]
    else:
        say(f"another run of this machine has GPU {taken}: this one gets {', '.join(free)}")
    return with_gpu(experiment, replace(setting, kind="devices", devices=tuple(free), count=0))


def _shared(setting: GpuSetting, found: Sequence[ClaimableGpu]) -> list[ClaimableGpu]:
    """Those that a run in a terminal may take although others have them: asked for, all of them."""
    if setting.kind == "devices":
        return list(found)
    with _choosing():
        detached = device_locks.taken(_DETACHED)
    names = (device_locks.plain_name(f"{_DETACHED}{one.lock}") for one in found)
    return [one for one, name in zip(found, names, strict=True) if name not in detached]


def with_gpu(experiment: Experiment, setting: GpuSetting) -> Experiment:
    return replace(experiment, settings=replace(experiment.settings, gpu=setting))


def slots(cores: int, asked: str = "") -> tuple[ClaimableGpu, ...]:
    """What detached runs without a GPU take one of: as many as there are cores for.

    `asked` is the value of INNERLOOP_QUEUE_PLACES, which says another number, from 1 on.
    """
    is_number = asked.isascii() and asked.isdecimal() and len(asked) < 5
    count = int(asked) if is_number else cores // CORES_EACH
    return tuple(ClaimableGpu("", f"slot-{index}") for index in range(max(1, count)))


def slots_here() -> tuple[ClaimableGpu, ...]:
    """Those of this machine, for this process."""
    return slots(os.cpu_count() or 1, os.environ.get(PLACES, ""))


def candidates(setting: GpuSetting) -> tuple[ClaimableGpu, ...] | None:
    """The GPUs of this machine that the setting allows; empty for the CPU, None if nobody can say."""
    if setting.kind == "none":
        return ()
    return of_host(setting, host_gpus.counted(host_gpus.find()), os.environ.get(CUDA))


def of_host(
    setting: GpuSetting, host: HostGpus, visible: str | None
) -> tuple[ClaimableGpu, ...] | None:
    """The same for a host; `visible` is CUDA_VISIBLE_DEVICES, None if it is not set. Pure."""
    vendor, name = _vendor(host)
    if vendor is None:
        return ()
    if setting.kind == "devices":
        return tuple(_candidate(device, vendor, name) for device in setting.devices)
    if visible is not None and name == "nvidia":
        names = [one.strip() for one in visible.split(",") if one.strip()]
        named = () if names[:1] and names[0].startswith("-") else names
        return tuple(_candidate(device, vendor, name) for device in named)
    if not vendor.devices:
        return None
    return tuple(_candidate(str(index), vendor, name) for index in range(len(vendor.devices)))


def _vendor(host: HostGpus) -> tuple[VendorGpus | None, str]:
    """The vendor whose GPUs programs get; Apple's only GPU is shared by all."""
    for vendor, name in ((host.nvidia, "nvidia"), (host.amd, "amd"), (host.intel, "intel")):
        if vendor is not None:
            return vendor, name
    return None, ""


def _candidate(device: str, vendor: VendorGpus, name: str) -> ClaimableGpu:
    """An index and a UUID of the same GPU have one lock."""
    indices = range(len(vendor.devices))
    by_uuid = [
        index
        for index in indices
        if device.startswith("GPU-") and vendor.devices[index].uuid.startswith(device)
    ]
    return ClaimableGpu(device, f"{name}-{by_uuid[0] if len(by_uuid) == 1 else device}")


def claim(
    setting: GpuSetting,
    found: Sequence[ClaimableGpu],
    count: int,
    waiting: Callable[[str], object],
    *,
    id: str = "",
    is_detached: bool = False,
) -> Claim:
    """Take `count` of the GPUs, waiting for as long as too few are free or others came first.

    `waiting` gets one line if it has to wait. `id` names the run for those who look at the queue.
    """
    turn = turns.of(id or str(os.getpid()), (one.lock for one in found))
    leave = turns.enter(turn)
    try:
        is_said = False
        while (taken := _in_turn(turn, found, count, is_detached)) is None:
            if not is_said:
                waiting(_reason(found))
                is_said = True
            time.sleep(PAUSE)
    finally:
        leave()
    devices = tuple(one.device for one in taken if one.device)
    own = replace(setting, kind="devices", devices=devices, count=0) if devices else setting
    return Claim(own, lambda: [release() for gives in taken.values() for release in gives])


def _reason(found: Sequence[ClaimableGpu]) -> str:
    names = ", ".join(one.device for one in found if one.device)
    if names:
        return f"waits for a free GPU: other runs have those of {names}"
    return f"waits for its turn: {len(found)} at once on this machine without a GPU each"


_Taken = dict[ClaimableGpu, list[device_locks.Release]]


def _in_turn(
    turn: turns.Turn, found: Sequence[ClaimableGpu], count: int, is_detached: bool
) -> _Taken | None:
    if turns.ahead_of(turn, turns.waiting()):
        return None
    return _try(found, count, is_detached)


def _try(found: Sequence[ClaimableGpu], count: int, is_detached: bool) -> _Taken | None:
    """All of them or none, one claim after another: two would each take half of what both need."""
    with _choosing():
        taken: _Taken = {}
        for candidate in found:
            release = device_locks.take(candidate.lock) if len(taken) < count else None
            if release is not None:
                taken[candidate] = [release]
        if len(taken) < count:
            for gives in taken.values():
                gives[0]()
            return None
        if is_detached:
            for candidate, gives in taken.items():
                release = device_locks.take(f"{_DETACHED}{candidate.lock}")
                gives += [release] if release is not None else []
        return taken


@contextmanager
def _choosing() -> Iterator[None]:
    """Within, no other process chooses."""
    while (done := device_locks.take(_CHOOSING)) is None:
        time.sleep(0.01)
    try:
        yield
    finally:
        done()

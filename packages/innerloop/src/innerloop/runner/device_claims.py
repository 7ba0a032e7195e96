"""GPUs that a run has for itself: chosen among those of this machine that no other run has."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..local.process_gpus import CUDA
from ..model.experiment import Experiment
from ..model.gpu import GpuSetting
from ..util import device_locks, host_gpus
from ..util.host_gpus import HostGpus, VendorGpus
from ..util.quick_dataclasses import dataclass

# Seconds between two looks at GPUs that are all taken.
PAUSE = 0.5
# The lock of whoever chooses.
_CHOOSING = "choosing"
# What is never given back before the end: a lock that nobody holds on to is no lock.
_OF_THIS_PROCESS: list[device_locks.Release] = []


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

    A run that needs more than are free shares: two small programs fit on one GPU. `say` gets a line
    about each difference.
    """
    setting = experiment.settings.gpu
    found = candidates(setting)
    if not found:
        return experiment
    wanted = setting.count if setting.kind == "count" else len(found)
    free: list[str] = []
    of_others: list[str] = []
    for one in found:
        if len(free) == wanted:
            break
        if (release := device_locks.take(one.lock)) is None:
            of_others.append(one.device)
            continue
        free.append(one.device)
        _OF_THIS_PROCESS.append(release)
    if not of_others:
        return experiment
    taken = ", ".join(of_others)
    if setting.kind == "devices" or len(free) < (setting.count or 1):
        say(f"another run of this machine has GPU {taken} too")
        return experiment
    say(f"another run of this machine has GPU {taken}: this one gets {', '.join(free)}")
    own = replace(setting, kind="devices", devices=tuple(free), count=0)
    return replace(experiment, settings=replace(experiment.settings, gpu=own))


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
) -> Claim:
    """Take `count` of the GPUs, waiting for as long as too few are free.

    `waiting` gets one line if it has to wait.
    """
    is_said = False
    while (taken := _try(found, count)) is None:
        if not is_said:
            names = ", ".join(one.device for one in found)
            waiting(f"waits for a free GPU: other runs have those of {names}")
            is_said = True
        time.sleep(PAUSE)
    devices = tuple(one.device for one in taken)
    own = replace(setting, kind="devices", devices=devices, count=0)
    return Claim(own, lambda: [release() for release in taken.values()])


def _try(
    found: Sequence[ClaimableGpu], count: int
) -> dict[ClaimableGpu, device_locks.Release] | None:
    """All of them or none, one claim after another: two would each take half of what both need."""
    while (done := device_locks.take(_CHOOSING)) is None:
        time.sleep(0.01)
    try:
        taken: dict[ClaimableGpu, device_locks.Release] = {}
        for candidate in found:
            release = device_locks.take(candidate.lock) if len(taken) < count else None
            if release is not None:
                taken[candidate] = release
        if len(taken) == count:
            return taken
        for release in taken.values():
            release()
        return None
    finally:
        done()

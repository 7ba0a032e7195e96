"""The GPUs of a container: the facts of this machine and of the engine, and the decision.

`for_container` starts nothing. What only a trial tells, `settle` finds out once the image is there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from ..model.container import PODMAN
from ..model.gpu import Gpu, GpuSetting
from ..util import host_gpus, process
from ..util.host_gpus import HostGpus
from . import cdi_specs, gpu_handover, gpu_trial, own_mounts
from .engine import Engine
from .engine_facts import EngineFacts
from .gpu_handover import GpuEngine, GpuHandover

# The programs by which Docker hands NVIDIA's GPUs over for `--gpus`.
# Source: moby, daemon/nvidia_linux.go.
_HOOKS = ("nvidia-container-runtime-hook", "nvidia-cdi-hook")
# Where they are on a usual machine, whatever this user's PATH is.
_PROGRAMS = "/usr/bin:/usr/local/bin:/usr/sbin:/sbin"


def for_container(setting: GpuSetting, facts: Engine) -> Gpu:
    """What a container of this engine gets.

    UserError if the setting requires GPUs that the container would not get. Without an engine there
    is none, which the caller reports.
    """
    if not facts.answers:
        return Gpu(False, "no GPU, because no engine answers")
    host = host_of(setting)
    engine = engine_of(facts, host)
    return gpu_handover.decide(
        setting, host, engine, lambda handover: gpu_trial.known(engine, host, handover)
    )


def settle(
    setting: GpuSetting, facts: Engine, image: str, say: Callable[[str], None] = lambda text: None
) -> Gpu:
    """`for_container`, after a trial with the image if only that tells."""
    gpu = for_container(setting, facts)
    if not gpu.needs_trial:
        return gpu
    host = host_of(setting)
    engine = engine_of(facts, host)
    handover = gpu_handover.plan(setting, host, engine)
    if isinstance(handover, GpuHandover):
        gpu_trial.carry_out(engine, host, handover, image, say)
    return replace(for_container(setting, facts), needs_trial=False)


def host_of(setting: GpuSetting) -> HostGpus:
    """The GPUs of this machine, counted by their driver where the setting asks for some of them."""
    host = host_gpus.find()
    return host_gpus.counted(host) if setting.count or setting.devices else host


def engine_of(asked: Engine, host: HostGpus) -> GpuEngine:
    """What of the engine matters. Its specifications are read only where there is a GPU for them."""
    facts = asked.facts
    is_here = facts.is_here and not own_mounts.own_binds()
    devices = facts.cdi_devices
    if host.nvidia is not None and is_here and not devices and "nvidia" not in facts.runtimes:
        devices = cdi_specs.devices(_folders(facts))
    hooks = (process.which(name, _PROGRAMS) or process.which(name) for name in _HOOKS)
    return GpuEngine(
        kind=facts.kind,
        has_own_client=facts.kind == facts.client,
        runtimes=facts.runtimes,
        default_runtime=facts.default_runtime,
        cdi_devices=devices,
        is_here=is_here,
        machine=facts.product,
        has_hook=host.nvidia is not None and is_here and any(hooks),
        rootless=facts.rootless,
        identity=" ".join((facts.id, facts.title, facts.name, facts.kernel, facts.address)),
    )


def _folders(facts: EngineFacts) -> tuple[str, ...]:
    """Where the engine looks for specifications; nowhere if it is Docker without CDI.

    Podman does not say where: its default folders, and those of a user.
    """
    if facts.kind == PODMAN and facts.rootless:
        own = cdi_specs.of_user(os.environ, os.path.expanduser("~"))
        return (*facts.cdi_spec_dirs, *own)
    return facts.cdi_spec_dirs

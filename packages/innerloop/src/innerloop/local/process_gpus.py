"""GPUs of a program that runs on this machine itself, or in the container that we are in.

It sees all of them: variables of the vendors' runtimes choose some, or hide them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from ..docker import gpus
from ..docker.gpu_handover import indices
from ..model.gpu import NO_GPU, Gpu, GpuSetting
from ..model.run import Request
from ..util.errors import UserError
from ..util.host_gpus import HostGpus, VendorGpus

CUDA, HIP, LEVEL_ZERO = "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"
# CUDA numbers the fastest GPU first, unless it is told to number as nvidia-smi and containers do.
# Source: NVIDIA, "CUDA C++ Programming Guide", CUDA environment variables.
ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
APPLE = "GPU: Apple MPS, used by the venv backend; containers on macOS have none"


def with_gpu(request: Request, setting: GpuSetting) -> Request:
    """The request with what the setting gives a process here.

    An error is one of the request's `missing`.
    """
    try:
        gpu = decide(setting, gpus.host_of(setting), os.environ)
    except UserError as error:
        return replace(request, missing=(*request.missing, error), gpu=NO_GPU)
    why = "; ".join(filter(None, [request.why, gpu.why]))
    return replace(request.with_env(gpu.env), why=why, gpu=gpu)


def decide(setting: GpuSetting, host: HostGpus, env: Mapping[str, str]) -> Gpu:
    """Apply the setting to a process with the variables `env`. Pure.

    UserError if the setting requires GPUs that it would not get.
    """
    if setting.kind == "none":
        return Gpu(False, f"CPU, because {setting.shown}", env=_hidden(host))
    nvidia = _reachable(host)
    if nvidia is not None:
        return _nvidia(setting, nvidia, env)
    if host.amd is not None:
        return _chosen(setting, host.amd, _number(host.amd, "AMD GPU"), HIP)
    if host.intel is not None:
        return _chosen(setting, host.intel, _number(host.intel, "Intel GPU (XPU)"), LEVEL_ZERO)
    if host.apple:
        if (setting.kind == "count" and setting.count > 1) or set(setting.devices) - {"0"}:
            return _none(setting, "this machine has one GPU, Apple's")
        return Gpu(True, APPLE, devices=("mps",))
    if host.is_disabled:
        return _none(setting, "INNERLOOP_NO_GPU is set", env=_hidden(host))
    if host.nvidia is not None:
        return _none(setting, "this container has no GPU, though its machine has one")
    return _none(setting, "this machine has no GPU that programs can use")


def _reachable(host: HostGpus) -> VendorGpus | None:
    """NVIDIA's GPUs whose device files are here, in the order of their indices.

    Outside of a container a missing device file is made when it is needed.
    """
    if host.nvidia is None or not host.in_container:
        return host.nvidia
    if not host.nodes:
        return None
    devices = tuple(one for one in host.nvidia.devices if one.node in host.nodes)
    return replace(host.nvidia, fact=host.nodes[0], devices=devices)


def _nvidia(setting: GpuSetting, gpus: VendorGpus, env: Mapping[str, str]) -> Gpu:
    visible = env.get(CUDA)
    if visible is not None and setting.kind != "devices":
        names = tuple(name.strip() for name in visible.split(",") if name.strip())
        # From the first invalid one on, CUDA ignores the devices that are named.
        if not names or names[0].startswith("-"):
            return _none(setting, f"{CUDA} hides the GPU")
        if setting.kind != "count":
            return Gpu(True, f"GPU, because {CUDA} names {visible}", devices=names)
        if setting.count > len(names):
            return _none(setting, f"{CUDA} names {visible}")
        chosen = names[: setting.count]
        why = f"GPU {','.join(chosen)}, because {CUDA} names {visible}"
        return Gpu(True, why, env={CUDA: ",".join(chosen)}, devices=chosen)
    found = _chosen(setting, gpus, _number(gpus, "NVIDIA GPU"), CUDA)
    return replace(found, env={**ORDER, **found.env}) if found.env else found


def _number(gpus: VendorGpus, kind: str) -> str:
    return f"{gpus.count or 'at least 1'} x {kind}"


def _chosen(setting: GpuSetting, gpus: VendorGpus, title: str, variable: str) -> Gpu:
    chosen = indices(setting)
    missing = next((name for name in chosen if gpus.lacks(name)), None)
    if missing is not None:
        return _none(setting, f"{gpus.fact} shows {title}, and no device {missing}")
    if not chosen:
        return Gpu(True, f"GPU, because {gpus.fact} shows {title}", devices=("all",))
    names = ",".join(chosen)
    why = f"GPU {names}, because {gpus.fact} shows {title}"
    return Gpu(True, why, env={variable: names}, devices=chosen)


def _hidden(host: HostGpus) -> dict[str, str]:
    """Variables that hide every GPU, as far as the vendors' runtimes let them be hidden.

    HIP takes an empty value for none at all. Source: AMD's ROCm, rocclr, `Device::init`.
    """
    hidden = {CUDA: ""}
    if host.amd is not None:
        hidden[HIP] = "-1"
    if host.intel is not None:
        hidden["ONEAPI_DEVICE_SELECTOR"] = "!*:gpu"
    return hidden


def _none(setting: GpuSetting, why: str, env: Mapping[str, str] | None = None) -> Gpu:
    if setting.is_required:
        raise UserError(
            f"{setting.shown} requires a GPU, but {why}",
            code="gpu-unavailable",
            where="" if setting.where is None else setting.where,
            hint='Set gpu = "auto" to use a GPU only where there is one',
        )
    return Gpu(False, f"CPU, because {why}", env=env or {})

"""Checks of the GPU, and whether its driver supports the CUDA of each experiment's packages."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..docker import gpu_handover, gpu_trial, gpus
from ..docker.engine import Engine, image_ids
from ..docker.gpu_handover import NoHandover
from ..docker.image_build import image_of
from ..local import process_gpus
from ..model.cuda import Version, driver_of, runs_on
from ..model.experiment import Experiment
from ..model.gpu import AUTO
from ..util import host_gpus, nvml, process
from ..util.errors import UserError
from ..util.host_gpus import HostGpus
from ..workspace import needed_cuda
from .checks import PATIENCE, Checkup, Fact


def the_gpu(checkup: Checkup) -> Iterator[Fact]:
    host = host_gpus.find()
    smi = process.run(["nvidia-smi"], timeout=PATIENCE) if process.which("nvidia-smi") else None
    cuda = None
    if smi is not None and smi.ok:
        driver, cuda = driver_of(smi.out)
        yield Fact("ok", "gpu", f"{_names()}driver {driver}, up to CUDA {_text(cuda)}")
    elif host.nvidia is None:
        yield Fact("ok", "gpu", described(host))
    elif (answer := nvml.ask()) is not None:
        cuda = answer.cuda
        names = [device.name for device in answer.devices]
        what = f"{_counted(names)}driver {answer.driver}, up to CUDA {_text(cuda)}"
        yield Fact("ok", "gpu", what)
    else:
        what = f"there is one ({host.nvidia.fact}), but neither nvidia-smi nor NVML answers"
        yield Fact("note", "gpu", what, "Install its driver")
    if host.nvidia is not None and " with " in host.nvidia.driver:
        what = f"the driver's module is {host.nvidia.driver}: nothing can use the GPU"
        yield Fact("bad", "gpu driver", what, "Restart this machine after an update of the driver")
    yield from _required(checkup, host)
    if cuda is not None:
        for experiment in checkup.experiments:
            if experiment.settings.gpu.kind != "none":
                yield from _cuda(checkup, experiment, cuda)


def described(host: HostGpus) -> str:
    """The GPUs of a machine without NVIDIA's, and who uses them."""
    if host.is_disabled:
        return "INNERLOOP_NO_GPU is set; runs use the CPU"
    if host.amd is not None:
        names = [device.name for device in host.amd.devices]
        return f"{_counted(names)}AMD ({host.amd.fact})"
    if host.intel is not None:
        number = len(host.intel.devices)
        return f"{number} x Intel, XPU ({host.intel.fact}); the backend venv uses it"
    if host.apple:
        return process_gpus.APPLE.removeprefix("GPU: ")
    return "no GPU here; runs use the CPU"


def _required(checkup: Checkup, host: HostGpus) -> Iterator[Fact]:
    """The first experiment that requires GPUs which this machine does not have."""
    for experiment in checkup.experiments:
        setting = experiment.settings.gpu
        if not setting.is_required:
            continue
        try:
            process_gpus.decide(setting, host, os.environ)
        except UserError as error:
            yield Fact("bad", "gpu", f"{experiment.name}: {error.what}", error.hint)
            return


def of_engine(checkup: Checkup, asked: Engine) -> Fact:
    """Whether the engine hands GPUs over, and which fact says so.

    What only a trial tells is tried with an image of this workspace, also after a refusal, which a
    repair may have made wrong.
    """
    name = "gpu in containers"
    host = gpus.host_of(AUTO)
    engine = gpus.engine_of(asked, host)
    handover = gpu_handover.plan(AUTO, host, engine)
    if isinstance(handover, NoHandover):
        has = host.is_any
        what = f"{handover.why}; runs use the CPU"
        return Fact("note", name, what, handover.hint) if has else Fact("ok", name, what)
    image = _image(checkup)
    if image:
        gpu_trial.carry_out(engine, host, handover, image)
    found = gpus.for_container(AUTO, asked)
    if not found.use:
        return Fact("note", name, found.why, gpu_handover.hint_for(engine))
    untried = ", not tried yet: no image is built" if found.needs_trial else ""
    return Fact("ok", name, f"{found.why} ({' '.join(found.options)}{untried})")


def _image(checkup: Checkup) -> str:
    """An image of this workspace that the engine has; "" without one."""
    names = [image_of(checkup.workspace, one).name for one in checkup.experiments]
    return next(iter(image_ids(names)), "")


def _counted(names: list[str]) -> str:
    return f"{len(names)} x {names[0]}, ".replace(" , ", " ") if names else ""


def _names() -> str:
    done = process.run(
        ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], timeout=PATIENCE
    )
    return _counted(done.out.strip().splitlines() if done.ok else [])


def _cuda(checkup: Checkup, experiment: Experiment, driver: Version | None) -> Iterator[Fact]:
    needed = needed_cuda.of_experiment(checkup.root, experiment)
    if needed is None or driver is None:
        return
    name = f"cuda of {experiment.name}"
    if runs_on(driver, needed):
        yield Fact("ok", name, f"{_text(needed)}, which the driver supports")
    else:
        what = f"{_text(needed)}, but the driver supports up to {_text(driver)}: training would use the CPU"
        hint = "Update the NVIDIA driver, or lock a torch built for an older CUDA"
        yield Fact("bad", name, what, hint)


def _text(version: Version | None) -> str:
    return "?" if version is None else f"{version[0]}.{version[1]}"

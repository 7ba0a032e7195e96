"""Checks of the GPU, and whether its driver supports the CUDA of each experiment's packages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..docker import engine
from ..model.experiment import Experiment
from ..util import files, process
from .checks import PATIENCE, Checkup, Fact

Version = tuple[int, int]


def the_gpu(checkup: Checkup) -> Iterator[Fact]:
    smi = process.run(["nvidia-smi"], timeout=PATIENCE) if process.which("nvidia-smi") else None
    if not engine.has_gpu() and (smi is None or not smi.ok):
        yield Fact("ok", "gpu", "no NVIDIA GPU here; runs use the CPU")
        names = [one.name for one in checkup.experiments if one.settings.gpu == "all"]
        if names:
            hint = 'Set gpu = "auto" in its innerloop.toml to use a GPU only where there is one'
            yield Fact("bad", "gpu", f'{names[0]} has gpu = "all"', hint)
        return
    if smi is None or not smi.ok:
        yield Fact(
            "note", "gpu", "there is one, but nvidia-smi does not answer", "Install its driver"
        )
        return
    driver, cuda = driver_of(smi.out)
    yield Fact("ok", "gpu", f"{_names()}driver {driver}, up to CUDA {_text(cuda)}")
    for experiment in checkup.experiments:
        if experiment.settings.gpu != "none":
            yield from _cuda(checkup, experiment, cuda)


def _names() -> str:
    done = process.run(
        ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], timeout=PATIENCE
    )
    names = done.out.strip().splitlines() if done.ok else []
    return f"{len(names)} x {names[0]}, " if names else ""


def _cuda(checkup: Checkup, experiment: Experiment, driver: Version | None) -> Iterator[Fact]:
    folder = checkup.root / experiment.folder / "environment"
    needed = cuda_of(files.read_text(folder / "requirements.txt") or "") or cuda_of_image(
        experiment.dockerfile.image_of(experiment.dockerfile.last)
    )
    if needed is None or driver is None:
        return
    name = f"cuda of {experiment.name}"
    if runs_on(driver, needed):
        yield Fact("ok", name, f"{_text(needed)}, which the driver supports")
    else:
        what = f"{_text(needed)}, but the driver supports up to {_text(driver)}: training would use the CPU"
        hint = "Update the NVIDIA driver, or lock a torch built for an older CUDA"
        yield Fact("bad", name, what, hint)


def driver_of(text: str) -> tuple[str, Version | None]:
    """The driver's version and the newest CUDA that it supports, from the output of nvidia-smi.

    "?" and None if they are not in it.
    """
    driver = re.search(r"Driver Version:\s*([\d.]+)", text)
    cuda = re.search(r"CUDA Version:\s*(\d+)\.(\d+)", text)
    return driver[1] if driver else "?", (int(cuda[1]), int(cuda[2])) if cuda else None


def cuda_of(requirements: str) -> Version | None:
    """The CUDA that a lock installs with torch or jax; None without CUDA."""
    match = re.search(
        r"^nvidia-cuda-runtime(?:-cu\d+)?==(\d+)\.(\d+)", requirements, re.MULTILINE | re.IGNORECASE
    )
    return (int(match[1]), int(match[2])) if match else None


def cuda_of_image(image: str) -> Version | None:
    """The CUDA version in an image's name; None without CUDA.

    Such names are "nvidia/cuda:12.4.1-runtime-ubuntu22.04" and
    "pytorch/pytorch:2.6.0-cuda12.4-cudnn9-runtime".
    """
    match = re.search(r"cuda[:-]?(\d+)\.(\d+)", image)
    return (int(match[1]), int(match[2])) if match else None


def runs_on(driver: Version, needed: Version) -> bool:
    """Whether a driver runs a program: within a major version, any driver of that version does.

    Source: NVIDIA, "CUDA Compatibility", minor version compatibility (since CUDA 11).
    """
    return driver >= needed or (driver[0] == needed[0] and needed[0] >= 11)


def _text(version: Version | None) -> str:
    return "?" if version is None else f"{version[0]}.{version[1]}"

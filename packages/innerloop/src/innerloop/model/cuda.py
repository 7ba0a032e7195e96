"""Versions of CUDA: what a driver supports, and what an environment needs. Pure."""

from __future__ import annotations

import re

Version = tuple[int, int]


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

"""NVIDIA's management library (NVML), which lists GPUs where nvidia-smi is not installed.

Source: NVIDIA, "NVML API Reference Guide".
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from pathlib import Path
from typing import Any

from .quick_dataclasses import dataclass

# In seconds. A GPU that has failed may never answer.
PATIENCE = 10
_LENGTH = 96
SUCCESS = 0


@dataclass(frozen=True, slots=True)
class NvmlDevice:
    """One GPU. `mig` are the UUIDs of its MIG devices."""

    name: str
    uuid: str
    mig: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NvmlAnswer:
    """The driver's version, the newest CUDA that it supports (None if unknown), and its GPUs."""

    driver: str
    cuda: tuple[int, int] | None
    devices: tuple[NvmlDevice, ...]


def ask(library: Any = None) -> NvmlAnswer | None:
    """What the driver says; None without the library, or where it fails or does not answer.

    `library` has NVML's functions: the system's own by default.
    """
    found: list[NvmlAnswer | None] = []

    def work() -> None:
        opened = open_library() if library is None else library
        found.append(None if opened is None else _ask(opened))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return found[0] if found else None


def open_library() -> Any:
    """The library; None without one."""
    names = ["libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"]
    if sys.platform == "win32":
        # By its path: another nvml.dll may lie in the folder that this program was started in.
        folder = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32"
        names = [str(folder / "nvml.dll")]
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _ask(library: Any) -> NvmlAnswer | None:
    try:
        if library.nvmlInit_v2() != SUCCESS:
            return None
        try:
            return _read(library)
        finally:
            library.nvmlShutdown()
    except (AttributeError, OSError):  # a library of another version
        return None


def _read(library: Any) -> NvmlAnswer:
    cuda, number = ctypes.c_int(0), ctypes.c_uint(0)
    driver = text(library.nvmlSystemGetDriverVersion)
    has_cuda = library.nvmlSystemGetCudaDriverVersion(ctypes.byref(cuda)) == SUCCESS
    version = (cuda.value // 1000, cuda.value % 1000 // 10) if has_cuda else None
    if library.nvmlDeviceGetCount_v2(ctypes.byref(number)) != SUCCESS:
        number.value = 0
    devices = []
    for index in range(number.value):
        handle = ctypes.c_void_p()
        if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) == SUCCESS:
            devices.append(_device(library, handle))
    return NvmlAnswer(driver, version, tuple(devices))


def _device(library: Any, handle: Any) -> NvmlDevice:
    name = text(library.nvmlDeviceGetName, handle)
    return NvmlDevice(name, text(library.nvmlDeviceGetUUID, handle), _mig(library, handle))


def _mig(library: Any, handle: Any) -> tuple[str, ...]:
    """The UUIDs of the MIG devices; empty for a driver or a GPU that has none."""
    most = ctypes.c_uint(0)
    try:
        ask_most = library.nvmlDeviceGetMaxMigDeviceCount
        ask_one = library.nvmlDeviceGetMigDeviceHandleByIndex
    except AttributeError:
        return ()
    if ask_most(handle, ctypes.byref(most)) != SUCCESS:
        return ()
    found = []
    for index in range(most.value):
        part = ctypes.c_void_p()
        if ask_one(handle, index, ctypes.byref(part)) == SUCCESS:
            found.append(text(library.nvmlDeviceGetUUID, part))
    return tuple(found)


def text(function: Any, *arguments: Any) -> str:
    """The text that a function writes into a buffer; "" if it fails."""
    buffer = ctypes.create_string_buffer(_LENGTH)
    if function(*arguments, buffer, ctypes.c_uint(_LENGTH)) != SUCCESS:
        return ""
    return buffer.value.decode("utf-8", "replace")

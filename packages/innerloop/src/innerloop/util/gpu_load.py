"""How busy the NVIDIA GPUs of this machine are: by their driver's library, else by nvidia-smi.

Source: NVIDIA, "NVML API Reference Guide" and nvidia-smi(1).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

from . import nvml, process
from .quick_dataclasses import dataclass

# nvidia-smi takes up to a second of a core: it is asked no more often (in seconds).
SLOW = 60.0
QUERY = ("--query-gpu=index,uuid,utilization.gpu,memory.used", "--format=csv,noheader,nounits")


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """`name` is the GPU's index, `busy` percent of the time, `memory` bytes in use."""

    name: str
    uuid: str
    busy: float
    memory: int


@dataclass(frozen=True, slots=True)
class GpuReader:
    """`read` gives the load of all GPUs, and may be called once in `every` seconds."""

    read: Callable[[], Sequence[GpuLoad]]
    every: float = 0.0


def reader(library: Any = None) -> GpuReader | None:
    """What reads the load here; None where nothing can.

    `library` has NVML's functions: the system's own by default.
    """
    opened = _opened(library)
    if opened is not None:
        return GpuReader(lambda: _of_library(opened))
    if process.which("nvidia-smi") is not None:
        return GpuReader(_of_program, SLOW)
    return None


def _opened(library: Any) -> Any:
    """The library, ready to be asked. A GPU that has failed may never answer: then None."""
    found: list[Any] = []

    def work() -> None:
        opened = nvml.open_library() if library is None else library
        if opened is not None and opened.nvmlInit_v2() == nvml.SUCCESS:
            found.append(opened)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(nvml.PATIENCE)
    return found[0] if found else None


class _Utilization(ctypes.Structure):
    """nvmlUtilization_t: percent of the time in which a kernel ran, and memory was read or written."""

    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class _GpuMemory(ctypes.Structure):
    """nvmlMemory_t, in bytes."""

    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong),
                ("used", ctypes.c_ulonglong)]  # fmt: skip


def _of_library(library: Any) -> list[GpuLoad]:
    number = ctypes.c_uint(0)
    if library.nvmlDeviceGetCount_v2(ctypes.byref(number)) != nvml.SUCCESS:
        return []
    found = []
    for index in range(number.value):
        handle = ctypes.c_void_p()
        busy, memory = _Utilization(), _GpuMemory()
        if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) != nvml.SUCCESS:
            continue
        # A GPU that is divided (MIG) has no utilization of its own.
        has_busy = library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(busy)) == nvml.SUCCESS
        if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == nvml.SUCCESS:
            uuid = nvml.text(library.nvmlDeviceGetUUID, handle)
            share = float(busy.gpu) if has_busy else float("nan")
            found.append(GpuLoad(str(index), uuid, share, int(memory.used)))
    return found


def _of_program() -> list[GpuLoad]:
    done = process.run(["nvidia-smi", *QUERY], timeout=nvml.PATIENCE)
    return parse(done.out) if done.ok else []


def parse(text: str) -> list[GpuLoad]:
    """The answer of nvidia-smi: "0, GPU-..., 93, 10240" for each GPU, in percent and MiB."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 4 and cells[0].isdecimal() and cells[3].isdecimal():
            busy = float(cells[2]) if cells[2].isdecimal() else float("nan")  # "[N/A]"
            found.append(GpuLoad(cells[0], cells[1], busy, int(cells[3]) << 20))
    return found

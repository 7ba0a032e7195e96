"""The GPUs of machines that are folders: device files, the kernel's and the drivers' files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from innerloop.util import host_gpus, nvml
from innerloop.util.host_gpus import HostDevice, HostGpus, find

INFORMATION = """Model: \t\t NVIDIA A100-SXM4-40GB
IRQ:   \t\t 210
GPU UUID: \t GPU-3a2b0000-0000-0000-0000-00000000000{n}
Video BIOS: \t 92.00.45.00.03
Bus Location: \t 0000:0{n}:00.0
Device Minor: \t {n}
GPU Excluded:\t No
"""
# Of a machine with a CPU and an MI250X's first half, as the kernel writes them.
CPU_NODE = "cpu_cores_count 64\nsimd_count 0\nmem_banks_count 1\n"
GPU_NODE = "cpu_cores_count 0\nsimd_count 440\ndrm_render_minor {n}\ngfx_target_version 90010\n"


def machine(root: Path, files: dict[str, str]) -> HostGpus:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return find(root, system="linux", env={})


def nvidia_files(*numbers: int) -> dict[str, str]:
    listed = {
        f"proc/driver/nvidia/gpus/0000:0{n}:00.0/information": INFORMATION.format(n=n)
        for n in numbers
    }
    return listed | {f"dev/nvidia{n}": "" for n in numbers} | {"dev/nvidiactl": ""}


def test_find_without_gpus_finds_none(tmp_path: Path) -> None:
    assert machine(tmp_path, {"dev/null": "", "dev/dri/card0": ""}) == HostGpus("linux")


def test_find_with_nvidia_driver_lists_its_gpus(tmp_path: Path) -> None:
    version = (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.90.07  Tue Jun  4\nGCC version:\n"
    )
    found = machine(tmp_path, nvidia_files(0, 1) | {"proc/driver/nvidia/version": version})
    assert found.nvidia is not None and found.nvidia.fact == "/proc/driver/nvidia/gpus"
    assert found.nvidia.devices[1] == HostDevice(
        "/dev/nvidia1", "NVIDIA A100-SXM4-40GB", "GPU-3a2b0000-0000-0000-0000-000000000001"
    )
    assert (found.nvidia.count, found.nvidia.driver) == (2, "550.90.07")
    assert found.nodes == ("/dev/nvidia0", "/dev/nvidia1")


@pytest.mark.parametrize(
    ("name", "lacks"),
    [("0", False), ("1", False), ("2", True), ("GPU-3a2b0000-0000-0000-0000-000000000001", False),
     ("GPU-3a2b", False), ("GPU-ffff", True), ("MIG-1", False), ("0:1", False)],
)  # fmt: skip
def test_lacks_knows_indices_and_uuids(tmp_path: Path, name: str, lacks: bool) -> None:
    nvidia = machine(tmp_path, nvidia_files(0, 1)).nvidia
    assert nvidia is not None and nvidia.lacks(name) is lacks


def test_find_with_device_files_alone_counts_them(tmp_path: Path) -> None:
    found = machine(tmp_path, {f"dev/nvidia{n}": "" for n in (10, 2)} | {"dev/nvidia-uvm": ""})
    assert found.nvidia is not None and found.nvidia.fact == "/dev/nvidia2"
    assert [device.node for device in found.nvidia.devices] == ["/dev/nvidia2", "/dev/nvidia10"]


def test_driver_of_another_version_than_its_libraries_is_seen(tmp_path: Path) -> None:
    """After an update of the driver, until the machine restarts."""
    found = machine(
        tmp_path,
        nvidia_files(0)
        | {
            "sys/module/nvidia/version": "550.90.07\n",
            "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.570.10.01": "",
            "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1": "",
        },
    )
    assert found.nvidia is not None
    assert found.nvidia.driver == "550.90.07 with libraries of 570.10.01"


@pytest.mark.parametrize(
    ("files", "is_nvidia"),
    [
        (["dev/dxg", "usr/lib/wsl/lib/libcuda.so.1"], True),
        (["dev/dxg", "usr/lib/wsl/lib/nvidia-smi"], True),
        (["dev/dxg", "usr/lib/wsl/lib/libd3d12.so"], False),  # another vendor's
        (["usr/lib/wsl/lib/libcuda.so.1"], False),
    ],
)
def test_find_in_wsl_asks_for_nvidias_driver(
    tmp_path: Path, files: list[str], is_nvidia: bool
) -> None:
    found = machine(tmp_path, dict.fromkeys(files, ""))
    assert (found.nvidia is not None) is is_nvidia
    assert found.nvidia is None or (found.nvidia.fact, found.nvidia.count) == ("/dev/dxg", None)


def test_find_on_a_jetson_knows_it_by_its_release(tmp_path: Path) -> None:
    found = machine(tmp_path, {"dev/nvhost-gpu": "", "etc/nv_tegra_release": "# R36\n"})
    assert found.is_tegra and found.nvidia is not None and found.nvidia.count == 1


def test_find_with_amd_gpus_reads_the_kernels_topology(tmp_path: Path) -> None:
    top = "sys/class/kfd/kfd/topology/nodes"
    found = machine(
        tmp_path,
        {"dev/kfd": "", "dev/dri/renderD129": "", "dev/dri/renderD128": ""}
        | {f"{top}/0/properties": CPU_NODE, f"{top}/0/name": "\n"}
        | {f"{top}/2/properties": GPU_NODE.format(n=128), f"{top}/2/name": "gfx90a\n"}
        | {f"{top}/10/properties": GPU_NODE.format(n=129), f"{top}/10/name": "gfx90a\n"},
    )
    assert found.amd is not None and found.amd.fact == "/dev/kfd"
    assert found.amd.devices == (
        HostDevice("/dev/dri/renderD128", "gfx90a"),
        HostDevice("/dev/dri/renderD129", "gfx90a"),
    )
    assert 0 not in found.amd.groups  # root's group is nobody's to have


@pytest.mark.parametrize(
    ("vendor", "files", "kinds"),
    [
        ("0x1002", ["dev/kfd"], ["amd"]),
        ("0x1002", [], []),
        ("0x8086", ["dev/kfd"], []),
        ("0x8086", ["usr/lib64/libze_intel_gpu.so.1"], ["intel"]),
        ("0x8086", [], []),  # a laptop's own, without the compute library
        ("0x10de", ["usr/lib64/libze_intel_gpu.so.1", "dev/kfd"], []),
    ],
)
def test_find_with_render_nodes_asks_for_vendor_and_library(
    tmp_path: Path, vendor: str, files: list[str], kinds: list[str]
) -> None:
    node = {"dev/dri/renderD128": "", "sys/class/drm/renderD128/device/vendor": f"{vendor}\n"}
    found = machine(tmp_path, node | dict.fromkeys(files, ""))
    assert [kind for kind in ("nvidia", "amd", "intel") if getattr(found, kind)] == kinds


def test_find_on_other_systems(tmp_path: Path) -> None:
    assert find(tmp_path, system="darwin", machine="arm64", env={}).apple
    assert not find(tmp_path, system="darwin", machine="x86_64", env={}).apple
    folder = tmp_path / "Windows"
    windows = {"SYSTEMROOT": str(folder)}
    assert find(tmp_path, system="win32", env=windows).nvidia is None
    (folder / "System32").mkdir(parents=True)
    (folder / "System32" / "nvml.dll").touch()
    found = find(tmp_path, system="win32", env=windows).nvidia
    assert found is not None and found.count is None


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_find_where_gpus_are_turned_off_finds_none(tmp_path: Path, system: str) -> None:
    machine(tmp_path, nvidia_files(0))
    found = find(tmp_path, system=system, machine="arm64", env={"INNERLOOP_NO_GPU": "1"})
    assert found == HostGpus(system, is_disabled=True)


def test_find_survives_files_that_are_none(tmp_path: Path) -> None:
    """What stands there may be a folder, no text, or larger than any such file."""
    (tmp_path / "sys/module/nvidia/version").mkdir(parents=True)
    (tmp_path / "sys/class/kfd/kfd/topology/nodes/1/properties").mkdir(parents=True)
    files = nvidia_files(0) | {"dev/kfd": "", "proc/driver/nvidia/version": "x" * 200_000}
    found = machine(tmp_path, files)
    (tmp_path / "proc/driver/nvidia/gpus/0000:00:00.0/information").write_bytes(b"\xff\x00Model:")
    assert found.nvidia is not None and found.amd is None
    again = find(tmp_path, system="linux", env={}).nvidia
    assert again is not None and again.devices == (HostDevice(),)


class Library:
    """NVML's functions, called as the real library is: with numbers, pointers and buffers."""

    def __init__(self, names: list[str], mig: int = 0, fails: str = "") -> None:
        self.names, self.mig, self.fails = names, mig, fails
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., int]:
        def function(*arguments: Any) -> int:
            self.calls.append(name)
            return 999 if name == self.fails else self.answer(name, *arguments)

        return function

    def answer(self, name: str, *arguments: Any) -> int:
        if name == "nvmlSystemGetDriverVersion":
            arguments[0].value = b"550.90.07"
        elif name == "nvmlSystemGetCudaDriverVersion":
            arguments[0]._obj.value = 12040
        elif name == "nvmlDeviceGetCount_v2":
            arguments[0]._obj.value = len(self.names)
        elif name == "nvmlDeviceGetHandleByIndex_v2":
            arguments[1]._obj.value = arguments[0] + 1
        elif name == "nvmlDeviceGetName":
            arguments[1].value = self.names[arguments[0].value - 1].encode()
        elif name == "nvmlDeviceGetUUID":
            number = arguments[0].value
            text = f"MIG-{number - 100}" if number >= 100 else f"GPU-{number}"
            arguments[1].value = text.encode()
        elif name == "nvmlDeviceGetMaxMigDeviceCount":
            arguments[1]._obj.value = 7
        elif name == "nvmlDeviceGetMigDeviceHandleByIndex":
            arguments[2]._obj.value = 100 + arguments[1]
            return 0 if arguments[1] < self.mig else 6  # NVML_ERROR_NOT_FOUND
        return 0


def test_nvml_lists_gpus_and_their_parts() -> None:
    library = Library(["A100", "A100"], mig=2)
    answer = nvml.ask(library)
    assert answer is not None
    assert (answer.driver, answer.cuda) == ("550.90.07", (12, 4))
    assert answer.devices[1] == nvml.NvmlDevice("A100", "GPU-2", ("MIG-0", "MIG-1"))
    assert library.calls.count("nvmlShutdown") == 1


@pytest.mark.parametrize(
    ("fails", "number"),
    [("nvmlInit_v2", None), ("nvmlDeviceGetCount_v2", 0), ("nvmlDeviceGetHandleByIndex_v2", 0),
     ("nvmlDeviceGetName", 1), ("nvmlDeviceGetMaxMigDeviceCount", 1)],
)  # fmt: skip
def test_nvml_that_fails_is_no_error(fails: str, number: int | None) -> None:
    answer = nvml.ask(Library(["A100"], fails=fails))
    assert (None if answer is None else len(answer.devices)) == number


def test_counted_asks_the_driver_where_no_file_lists_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wsl = machine(tmp_path, {"dev/dxg": "", "usr/lib/wsl/lib/libcuda.so.1": ""})
    monkeypatch.setattr(nvml, "open_library", lambda: Library(["RTX 4090"]))
    counted = host_gpus.counted(wsl).nvidia
    assert counted is not None and counted.devices == (HostDevice("", "RTX 4090", "GPU-1"),)
    assert (counted.driver, counted.fact) == ("550.90.07", "/dev/dxg")
    monkeypatch.setattr(nvml, "open_library", lambda: None)
    assert host_gpus.counted(wsl) == wsl
    assert host_gpus.counted(HostGpus("linux")) == HostGpus("linux")

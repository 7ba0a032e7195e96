"""The GPUs of this machine, read from its device files and its kernel. Starts no program.

A machine without one costs some missing paths, so every run may ask.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path

from . import regular_files
from .errors import UserError
from .late_patterns import late_pattern
from .quick_dataclasses import dataclass

# PCI vendors, as /sys/class/drm/*/device/vendor names them.
_AMD, _INTEL = "0x1002", "0x8086"
_NVIDIA_NODE = late_pattern(r"nvidia(\d+)")
_RENDER_NODE = late_pattern(r"renderD(\d+)")
# The device files of NVIDIA's GPUs in WSL 2 and in a Jetson.
_OTHER_NODES = ("dev/dxg", "dev/nvhost-gpu", "dev/nvgpu/igpu0")
# Where distributions keep libraries.
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib")
_WSL_LIBRARIES = "usr/lib/wsl/lib"


@dataclass(frozen=True, slots=True)
class HostDevice:
    """One GPU. `node` is its device file, `name` and `uuid` are "" where they are not known."""

    node: str = ""
    name: str = ""
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class VendorGpus:
    """The GPUs of one vendor, in the order of their indices.

    `fact` is what shows them ("/dev/dxg"). `devices` is empty where only the driver could list them:
    in WSL and on Windows. `driver` is the version of the kernel's driver and of the libraries beside
    it, "" where unknown. `groups` are the numbers of the groups that may open the device files.
    """

    fact: str
    devices: tuple[HostDevice, ...] = ()
    driver: str = ""
    groups: tuple[int, ...] = ()

    @property
    def count(self) -> int | None:
        """How many there are; None where that is not known."""
        return len(self.devices) or None

    def lacks(self, name: str) -> bool:
        """Whether it is known that there is no device of this index or name."""
        if not self.devices:
            return False
        if name.isdecimal():
            return int(name) >= len(self.devices)
        known = [device.uuid for device in self.devices if device.uuid]
        is_uuid = name.startswith("GPU-") and len(known) == len(self.devices)
        return is_uuid and not any(uuid.startswith(name) for uuid in known)


@dataclass(frozen=True, slots=True)
class HostGpus:
    """What there is.

    `nodes` are NVIDIA's device files that programs here reach: a container without GPUs has none,
    though it sees the machine's driver (`in_container` says that this is one). `apple`: an Apple GPU,
    which PyTorch calls MPS. `is_wsl`: WSL 2, where Windows has the GPU. `is_tegra`: a Jetson.
    `is_disabled`: INNERLOOP_NO_GPU is set.
    """

    system: str = sys.platform
    nvidia: VendorGpus | None = None
    amd: VendorGpus | None = None
    intel: VendorGpus | None = None
    apple: bool = False
    nodes: tuple[str, ...] = ()
    in_container: bool = False
    is_wsl: bool = False
    is_tegra: bool = False
    is_disabled: bool = False

    @property
    def is_any(self) -> bool:
        """Whether a container's engine may have one to hand over."""
        return self.nvidia is not None or self.amd is not None


@dataclass(frozen=True, slots=True)
class _Machine:
    """Where to look: `root` is "/", or a folder that stands for it."""

    root: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        return self.root / name

    def exists(self, name: str) -> bool:
        return self.path(name).exists()

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return []

    def text(self, name: str) -> str:
        """A small file's text; "" without one."""
        try:
            content = regular_files.read_bytes(self.path(name), 100_000)
        except (OSError, UserError):
            return ""
        return content.decode("utf-8", "replace")


def find(
    root: Path = Path("/"),
    *,
    system: str = sys.platform,
    machine: str = "",
    env: Mapping[str, str] | None = None,
) -> HostGpus:
    """The GPUs of this machine, or of the one whose files are below `root`."""
    env = os.environ if env is None else env
    if env.get("INNERLOOP_NO_GPU"):
        return HostGpus(system, is_disabled=True)
    host = _Machine(root, env)
    if system == "linux":
        return _linux(host)
    if system == "darwin":
        return HostGpus(system, apple=(machine or os.uname().machine) == "arm64")
    if system == "win32":
        return _windows(host)
    return HostGpus(system)


def _linux(host: _Machine) -> HostGpus:
    nodes = _nodes(host, "dev", _NVIDIA_NODE)
    is_wsl = host.exists("dev/dxg")
    is_tegra = host.exists("dev/nvhost-gpu") or host.exists("dev/nvgpu/igpu0")
    nvidia = _nvidia(host, nodes)
    if nvidia is None and is_tegra and host.exists("etc/nv_tegra_release"):
        nvidia = VendorGpus("/etc/nv_tegra_release", (HostDevice(),))
    elif nvidia is None and is_wsl and _wsl_driver(host):
        nvidia = VendorGpus("/dev/dxg", driver=_library_version(host, _WSL_LIBRARIES))
    return HostGpus(
        "linux",
        nvidia=nvidia,
        amd=_amd(host),
        intel=_intel(host),
        nodes=(
            *(f"/dev/nvidia{number}" for number in nodes),
            *(f"/{name}" for name in _OTHER_NODES if host.exists(name)),
        ),
        in_container=host.exists(".dockerenv") or host.exists("run/.containerenv"),
        is_wsl=is_wsl,
        is_tegra=is_tegra and not nodes,
    )


def _nvidia(host: _Machine, nodes: list[int]) -> VendorGpus | None:
    """The kernel's driver lists its GPUs by bus, which is the order of nvidia-smi's indices.

    Source: NVIDIA's Linux driver, README, "The /proc interface".
    """
    listed = host.names("proc/driver/nvidia/gpus")
    driver = _nvidia_driver(host)
    if listed:
        devices = tuple(
            _described(host.text(f"proc/driver/nvidia/gpus/{bus}/information")) for bus in listed
        )
        return VendorGpus("/proc/driver/nvidia/gpus", devices, driver)
    if nodes:
        devices = tuple(HostDevice(f"/dev/nvidia{number}") for number in nodes)
        return VendorGpus(f"/dev/nvidia{nodes[0]}", devices, driver)
    return None


def _described(text: str) -> HostDevice:
    def value(key: str) -> str:
        match = re.search(rf"^{key}:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
        return match[1] if match else ""

    uuid = value("GPU UUID")
    minor = value("Device Minor")
    node = f"/dev/nvidia{minor}" if minor.isdecimal() else ""
    return HostDevice(node, value("Model"), uuid if uuid.startswith("GPU-") else "")


def _nvidia_driver(host: _Machine) -> str:
    """The versions of the kernel's module and of the library beside it.

    They differ after an update until the machine restarts, and then nothing can use the GPU.
    """
    module = host.text("sys/module/nvidia/version").strip()
    if not module:
        match = re.search(r"Module\s+(\d[\d.]*)", host.text("proc/driver/nvidia/version"))
        module = match[1] if match else ""
    library = next(filter(None, (_library_version(host, name) for name in _LIBRARIES)), "")
    return module if library in ("", module) else f"{module} with libraries of {library}"


def _library_version(host: _Machine, folder: str) -> str:
    prefix = "libnvidia-ml.so."
    versions = [name.removeprefix(prefix) for name in host.names(folder) if prefix in name]
    return next((version for version in versions if "." in version), "")


def _wsl_driver(host: _Machine) -> bool:
    """Whether Windows's driver is NVIDIA's: another vendor's GPU is /dev/dxg as well."""
    names = ("nvidia-smi", "libnvidia-ml.so.1", "libcuda.so.1")
    return any(host.exists(f"{_WSL_LIBRARIES}/{name}") for name in names)


def _amd(host: _Machine) -> VendorGpus | None:
    """The GPUs of the kernel's compute driver, in the order of HIP's indices.

    A node of its topology is a GPU if it has SIMD units; others are CPUs.
    Source: the Linux kernel, drivers/gpu/drm/amd/amdkfd/kfd_topology.c.
    """
    if not host.exists("dev/kfd"):
        return None
    top = "sys/class/kfd/kfd/topology/nodes"
    devices = []
    for number in sorted((name for name in host.names(top) if name.isdecimal()), key=int):
        values = dict(_pairs(host.text(f"{top}/{number}/properties")))
        if int(values.get("simd_count", 0)) > 0:
            minor = values.get("drm_render_minor", 0)
            node = f"/dev/dri/renderD{minor}" if minor else ""
            devices.append(HostDevice(node, host.text(f"{top}/{number}/name").strip()))
    if not devices:
        devices = [HostDevice(node) for node in _render_nodes(host, _AMD)]
    if not devices:
        return None
    files = ["/dev/kfd", *(device.node for device in devices if device.node)]
    driver = host.text("sys/module/amdgpu/version").strip()
    return VendorGpus("/dev/kfd", tuple(devices), driver, _groups(host, files))


def _pairs(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdecimal():
            yield name, int(value)


def _intel(host: _Machine) -> VendorGpus | None:
    """An Intel GPU counts where its compute library is there: most laptops have one for display."""
    nodes = list(_render_nodes(host, _INTEL))
    libraries = (name for folder in _LIBRARIES for name in host.names(folder))
    if not nodes or not any(name.startswith("libze_intel_gpu.so") for name in libraries):
        return None
    devices = tuple(HostDevice(node) for node in nodes)
    return VendorGpus(nodes[0], devices, groups=_groups(host, nodes))


def _windows(host: _Machine) -> HostGpus:
    folder = Path(host.env.get("SYSTEMROOT", r"C:\Windows")) / "System32"
    names = ("nvml.dll", "nvidia-smi.exe")
    library = next((folder / name for name in names if (folder / name).exists()), None)
    nvidia = VendorGpus(str(library)) if library is not None else None
    return HostGpus("win32", nvidia=nvidia)


def _nodes(host: _Machine, folder: str, pattern: re.Pattern[str]) -> list[int]:
    matches = (pattern.fullmatch(name) for name in host.names(folder))
    return sorted(int(match[1]) for match in matches if match)


def _render_nodes(host: _Machine, vendor: str) -> Iterator[str]:
    for number in _nodes(host, "dev/dri", _RENDER_NODE):
        if host.text(f"sys/class/drm/renderD{number}/device/vendor").strip() == vendor:
            yield f"/dev/dri/renderD{number}"


def _groups(host: _Machine, paths: list[str]) -> tuple[int, ...]:
    """The groups of device files, without root's."""
    found: dict[int, None] = {}
    for path in paths:
        try:
            found[host.path(path.lstrip("/")).stat().st_gid] = None
        except OSError:
            continue
    return tuple(sorted(group for group in found if group != 0))


def counted(host: HostGpus) -> HostGpus:
    """The same with NVIDIA's GPUs listed by their driver, where no file lists them."""
    if host.nvidia is None or host.nvidia.devices:
        return host
    from . import nvml  # here, since few runs need it

    answer = nvml.ask()
    if answer is None:
        return host
    devices = tuple(HostDevice(name=one.name, uuid=one.uuid) for one in answer.devices)
    driver = host.nvidia.driver or answer.driver
    return replace(host, nvidia=replace(host.nvidia, devices=devices, driver=driver))

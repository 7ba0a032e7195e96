"""GPUs of a program on this machine: the variables that choose or hide them."""

from __future__ import annotations

from typing import Any

import pytest

from innerloop.local import process_gpus
from innerloop.model.gpu import parse_option, parse_setting
from innerloop.model.run import Request
from innerloop.util import host_gpus
from innerloop.util.errors import UserError
from innerloop.util.host_gpus import HostDevice, HostGpus, VendorGpus

TWO = tuple(HostDevice(f"/dev/nvidia{n}", "A100", f"GPU-{n}a") for n in range(2))
NODES = ("/dev/nvidia0", "/dev/nvidia1")
NVIDIA = HostGpus("linux", nvidia=VendorGpus("/proc/driver/nvidia/gpus", TWO), nodes=NODES)
AMD = HostGpus("linux", amd=VendorGpus("/dev/kfd", (HostDevice(), HostDevice())))
INTEL = HostGpus("linux", intel=VendorGpus("/dev/dri/renderD128", (HostDevice(),)))
APPLE = HostGpus("darwin", apple=True)
WINDOWS = HostGpus("win32", nvidia=VendorGpus("nvml.dll"))
NOTHING = HostGpus("linux")
ORDERED = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
CUDA = "CUDA_VISIBLE_DEVICES"


def inside(*nodes: str) -> HostGpus:
    """A container on the machine with two GPUs, which sees these device files."""
    return HostGpus("linux", nvidia=NVIDIA.nvidia, nodes=nodes, in_container=True)


@pytest.mark.parametrize(
    ("host", "value", "env", "devices"),
    [
        (NVIDIA, "auto", {}, ("all",)),
        (NVIDIA, "all", {}, ("all",)),
        (NVIDIA, 1, ORDERED | {CUDA: "0"}, ("0",)),
        (NVIDIA, [1], ORDERED | {CUDA: "1"}, ("1",)),
        (NVIDIA, [1, 0], ORDERED | {CUDA: "1,0"}, ("1", "0")),
        (NVIDIA, ["GPU-1a"], ORDERED | {CUDA: "GPU-1a"}, ("GPU-1a",)),
        (NVIDIA, ["MIG-9"], ORDERED | {CUDA: "MIG-9"}, ("MIG-9",)),
        (NVIDIA, "none", {CUDA: ""}, ()),
        (WINDOWS, [7], ORDERED | {CUDA: "7"}, ("7",)),
        (AMD, "auto", {}, ("all",)),
        (AMD, [1], {"HIP_VISIBLE_DEVICES": "1"}, ("1",)),
        (AMD, "none", {CUDA: "", "HIP_VISIBLE_DEVICES": "-1"}, ()),
        (INTEL, "all", {}, ("all",)),
        (INTEL, [0], {"ZE_AFFINITY_MASK": "0"}, ("0",)),
        (INTEL, "none", {CUDA: "", "ONEAPI_DEVICE_SELECTOR": "!*:gpu"}, ()),
        (APPLE, "auto", {}, ("mps",)),
        (APPLE, 1, {}, ("mps",)),
        (NOTHING, "auto", {}, ()),
        (NOTHING, "none", {CUDA: ""}, ()),
        (HostGpus("linux", is_disabled=True), "auto", {CUDA: ""}, ()),
        # In a container, the indices are those of the devices that it has.
        (inside("/dev/nvidia1"), "auto", {}, ("all",)),
        (inside("/dev/nvidia1"), [0], ORDERED | {CUDA: "0"}, ("0",)),
        (inside(), "auto", {}, ()),
    ],
)
def test_decide_chooses_by_variables(
    host: HostGpus, value: Any, env: dict[str, str], devices: tuple[str, ...]
) -> None:
    gpu = process_gpus.decide(parse_setting(value), host, {})
    assert (gpu.env, gpu.devices, gpu.use) == (env, devices, bool(devices))
    assert gpu.why.startswith("GPU" if devices else "CPU, because ")


@pytest.mark.parametrize(
    ("host", "value", "why"),
    [
        (NOTHING, "all", "no GPU that programs can use"),
        (NOTHING, 1, "no GPU that programs can use"),
        (NVIDIA, 3, "no device 2"),
        (NVIDIA, [0, 5], "2 x NVIDIA GPU, and no device 5"),
        (AMD, [2], "2 x AMD GPU, and no device 2"),
        (APPLE, 2, "one GPU, Apple's"),
        (APPLE, [1], "one GPU, Apple's"),
        (inside(), "all", "this container has no GPU"),
        (inside("/dev/nvidia1"), [1], "no device 1"),
        (HostGpus("linux", is_disabled=True), "all", "INNERLOOP_NO_GPU"),
    ],
)
def test_decide_without_what_is_required_is_an_error(host: HostGpus, value: Any, why: str) -> None:
    with pytest.raises(UserError) as caught:
        process_gpus.decide(parse_setting(value), host, {})
    assert caught.value.code == "gpu-unavailable" and why in caught.value.what


@pytest.mark.parametrize(
    ("visible", "value", "env", "devices"),
    [
        ("1", "auto", {}, ("1",)),
        ("2,3,5", 2, {CUDA: "2,3"}, ("2", "3")),
        ("3", [0], ORDERED | {CUDA: "0"}, ("0",)),
        ("", "auto", {}, ()),
        ("-1", "auto", {}, ()),
        ("", [1], ORDERED | {CUDA: "1"}, ("1",)),
    ],
)
def test_a_share_of_the_gpus_that_the_shell_has_is_kept(
    visible: str, value: Any, env: dict[str, str], devices: tuple[str, ...]
) -> None:
    """As a cluster or a colleague gives it: only a list of devices overrides it."""
    gpu = process_gpus.decide(parse_setting(value), NVIDIA, {CUDA: visible})
    assert (gpu.env, gpu.devices) == (env, devices)
    assert CUDA in gpu.why or value == [0] or value == [1]


def test_apples_gpu_says_who_uses_it() -> None:
    why = process_gpus.decide(parse_setting("auto"), APPLE, {}).why
    assert why == "GPU: Apple MPS, used by the venv backend; containers on macOS have none"


def test_request_has_the_variables_or_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_gpus, "find", lambda: NVIDIA)
    monkeypatch.delenv(CUDA, raising=False)
    request = Request("line", "venv", "a", "", "asked for")
    chosen = process_gpus.with_gpu(request, parse_option("device=1"))
    assert chosen.env == ORDERED | {CUDA: "1"}
    assert chosen.why == "asked for; GPU 1, because /proc/driver/nvidia/gpus shows 2 x NVIDIA GPU"
    assert chosen.json()["gpu"]["devices"] == ["1"]
    lacking = process_gpus.with_gpu(request, parse_option("8"))
    (error,) = lacking.missing
    assert error.what.startswith("--gpus 8 requires a GPU") and not lacking.gpu.use

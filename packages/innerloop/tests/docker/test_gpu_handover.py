"""How each kind of engine hands GPUs over, and which fact decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from innerloop.docker import gpu_handover
from innerloop.docker.gpu_handover import GpuEngine, GpuHandover, GpuTrial, NoHandover
from innerloop.model.gpu import AUTO, NONE, Gpu, parse_setting
from innerloop.util.errors import UserError
from innerloop.util.host_gpus import HostDevice, HostGpus, VendorGpus
from innerloop.util.position import Position

A100 = tuple(HostDevice(f"/dev/nvidia{n}", "A100", f"GPU-{n}a") for n in range(4))
FOUR = HostGpus("linux", nvidia=VendorGpus("/proc/driver/nvidia/gpus", A100, "550.1"))
ONE = HostGpus("linux", nvidia=VendorGpus("/dev/nvidia0", A100[:1]))
WSL = HostGpus("linux", nvidia=VendorGpus("/dev/dxg"), is_wsl=True)
AMD = HostGpus(
    "linux",
    amd=VendorGpus(
        "/dev/kfd",
        (HostDevice("/dev/dri/renderD128", "gfx90a"), HostDevice("/dev/dri/renderD129", "gfx90a")),
        groups=(44, 109),
    ),
)
INTEL = HostGpus("linux", intel=VendorGpus("/dev/dri/renderD128", (HostDevice(),)))
NOTHING = HostGpus("linux")

DOCKER = GpuEngine(runtimes=("runc", "nvidia"))
BARE = GpuEngine(runtimes=("runc",))
CDI = GpuEngine(cdi_devices=tuple(f"nvidia.com/gpu={n}" for n in ("0", "GPU-0a", "1", "all")))
PODMAN = replace(CDI, kind="podman")
HOOK = GpuEngine(has_hook=True)
DESKTOP = GpuEngine(machine="Docker Desktop", is_here=False)
ELSEWHERE = GpuEngine(is_here=False, runtimes=("nvidia",))


def plan(value: Any, host: HostGpus, engine: GpuEngine) -> GpuHandover | NoHandover:
    return gpu_handover.plan(parse_setting(value), host, engine)


def decide(value: Any, host: HostGpus, engine: GpuEngine, trial: GpuTrial | None = None) -> Gpu:
    setting = parse_setting(value, Position("innerloop.toml", 3))
    return gpu_handover.decide(setting, host, engine, lambda handover: trial)


@pytest.mark.parametrize(
    ("engine", "host", "value", "options"),
    [
        (DOCKER, FOUR, "auto", "--gpus all"),
        (DOCKER, FOUR, "all", "--gpus all"),
        (DOCKER, FOUR, 2, "--gpus 2"),
        (DOCKER, FOUR, [0], "--gpus device=0"),
        (DOCKER, FOUR, [0, 2], '--gpus "device=0,2"'),
        (DOCKER, FOUR, ["GPU-3a", "MIG-7"], '--gpus "device=GPU-3a,MIG-7"'),
        (HOOK, FOUR, "auto", "--gpus all"),
        (DESKTOP, WSL, "auto", "--gpus all"),
        (DESKTOP, WSL, [1], "--gpus device=1"),  # how many there are is not known
        (ELSEWHERE, NOTHING, "all", "--gpus all"),
        (DOCKER, replace(ONE, is_tegra=True), "auto", "--runtime nvidia --gpus all"),
        (CDI, FOUR, "auto", "--device nvidia.com/gpu=all"),
        (CDI, FOUR, 2, "--device nvidia.com/gpu=0 --device nvidia.com/gpu=1"),
        (PODMAN, FOUR, "all", "--device nvidia.com/gpu=all"),
        (PODMAN, FOUR, [1], "--device nvidia.com/gpu=1"),
        (PODMAN, FOUR, ["GPU-0a"], "--device nvidia.com/gpu=GPU-0a"),
        (GpuEngine("podman", is_here=False), WSL, "all", "--device nvidia.com/gpu=all"),
        (GpuEngine("podman", is_here=False), WSL, [1], "--device nvidia.com/gpu=1"),
        (BARE, AMD, "auto", "--device /dev/kfd --device /dev/dri --group-add 44 --group-add 109"),
        (
            BARE,
            AMD,
            [1],
            "--device /dev/kfd --device /dev/dri/renderD129 --group-add 44 --group-add 109",
        ),
        (
            GpuEngine("podman", rootless=True),
            AMD,
            "all",
            "--device /dev/kfd --device /dev/dri --group-add keep-groups",
        ),
    ],
)
def test_options_are_the_engines_own(
    engine: GpuEngine, host: HostGpus, value: Any, options: str
) -> None:
    found = plan(value, host, engine)
    assert isinstance(found, GpuHandover), found
    assert " ".join(found.options) == options


@pytest.mark.parametrize(
    ("names", "value", "devices"),
    [
        (["GPU-0a", "GPU-1a"], [1], ["GPU-1a"]),  # --device-name-strategy uuid
        (["gpu0", "gpu1"], [1], ["gpu1"]),  # type-index
        (["mig0:1", "gpu1"], ["0:1"], ["mig0:1"]),
        (["0", "1", "GPU-0a", "GPU-1a"], "all", ["0", "1"]),  # each GPU once
        (["GPU-0a", "GPU-1a"], "all", ["GPU-0a", "GPU-1a"]),
    ],
)
def test_cdi_devices_have_the_names_of_the_specification(
    names: list[str], value: Any, devices: list[str]
) -> None:
    engine = GpuEngine(cdi_devices=tuple(f"nvidia.com/gpu={name}" for name in names))
    found = plan(value, FOUR, engine)
    assert isinstance(found, GpuHandover)
    assert found.options[1::2] == tuple(f"nvidia.com/gpu={name}" for name in devices)


@pytest.mark.parametrize(
    ("engine", "host", "value", "why", "hint"),
    [
        (DOCKER, NOTHING, "all", "no NVIDIA or AMD GPU", 'Set gpu = "auto"'),
        (DOCKER, HostGpus("linux", is_disabled=True), "all", "INNERLOOP_NO_GPU is set", "auto"),
        (DESKTOP, HostGpus("darwin", apple=True), "all", "macOS have no GPU", "--backend venv"),
        (BARE, INTEL, "all", "uses Intel's, XPU", "--backend venv"),
        (BARE, FOUR, "all", "no NVIDIA runtime, no CDI device and no hook", "Container Toolkit"),
        (GpuEngine("podman"), FOUR, "all", "Podman has no CDI specification", "cdi generate"),
        (DOCKER, ONE, 2, "this machine has 1 NVIDIA GPU (/dev/nvidia0)", "doctor"),
        (DOCKER, FOUR, [0, 4], "4 NVIDIA GPUs (/proc/driver/nvidia/gpus) and no device 4", ""),
        (DOCKER, FOUR, ["GPU-9"], "no device GPU-9", ""),
        (CDI, FOUR, [3], "no device 3: it has 0, GPU-0a, 1, all", "cdi generate"),
        (BARE, AMD, [2], "2 AMD GPUs (/dev/kfd) and no device 2", ""),
        (BARE, AMD, ["GPU-1"], "not known", "by number"),
        (DESKTOP, AMD, "all", "Docker Desktop has no AMD GPU", "--backend venv"),
    ],
)
def test_what_is_missing_is_said_or_goes_to_the_cpu(
    engine: GpuEngine, host: HostGpus, value: Any, why: str, hint: str
) -> None:
    with pytest.raises(UserError) as caught:
        decide(value, host, engine)
    assert caught.value.code == "gpu-unavailable"
    assert caught.value.where == "innerloop.toml:3"
    assert why in caught.value.what and hint in caught.value.hint
    if value == "all":
        gpu = decide("auto", host, engine)
        assert (gpu.use, gpu.options, gpu.devices) == (False, (), ())
        assert gpu.why.startswith("CPU, because ") and why in gpu.why


@pytest.mark.parametrize(
    ("engine", "fact"),
    [
        (DOCKER, "4 GPUs and the engine has the runtime nvidia"),
        (CDI, "4 GPUs and the engine has the CDI device nvidia.com/gpu=all"),
        (HOOK, "4 GPUs and NVIDIA's hook is installed"),
        (DESKTOP, "4 GPUs and Docker Desktop hands it over"),
    ],
)
def test_why_names_the_facts_that_decided(engine: GpuEngine, fact: str) -> None:
    gpu = decide("auto", FOUR, engine)
    assert gpu.why == f"GPU, because /proc/driver/nvidia/gpus shows {fact}"
    assert gpu.devices == ("all",)
    # An engine that refuses must not make a run fail: "auto" tries it.
    assert gpu.needs_trial


@pytest.mark.parametrize(
    ("engine", "value", "outcome", "use"),
    [
        (DOCKER, "auto", "works", True),
        (DOCKER, "auto", "started", True),  # the engine's own word counts
        (DOCKER, "auto", "unknown", True),
        (DOCKER, "auto", "refused", False),
        (HOOK, "auto", "works", True),
        (HOOK, "auto", "started", False),
        (HOOK, "auto", "unknown", False),
        (HOOK, "auto", "refused", False),
        (DESKTOP, "all", "works", True),
        (DESKTOP, "all", "started", None),
        (DESKTOP, "all", "refused", None),
        (DOCKER, "all", "refused", None),
        # Docker's client may lose the devices on their way to Podman.
        (replace(PODMAN, has_own_client=False), "auto", "started", False),
        (PODMAN, "auto", "started", True),
    ],
)
def test_a_trial_decides_where_facts_do_not(
    engine: GpuEngine, value: Any, outcome: Any, use: bool | None
) -> None:
    trial = GpuTrial(outcome, "no device driver")
    if use is None:
        with pytest.raises(UserError, match="does not hand the GPU over"):
            decide(value, FOUR, engine, trial)
        return
    gpu = decide(value, FOUR, engine, trial)
    assert (gpu.use, gpu.needs_trial) == (use, False)
    assert (
        use
        or "no device driver" in gpu.why
        or "ignores --gpus all" in gpu.why
        or ("it ignores --device nvidia.com/gpu=all" in gpu.why)
    )


@pytest.mark.parametrize(("engine", "needs"), [(DOCKER, False), (CDI, False), (HOOK, True)])
def test_required_gpu_that_the_engine_names_needs_no_trial(engine: GpuEngine, needs: bool) -> None:
    """Its failing start is the error that is asked for."""
    assert decide("all", FOUR, engine).needs_trial is needs
    assert decide([0], FOUR, engine).needs_trial is needs


def test_none_hides_what_a_default_runtime_would_hand_over() -> None:
    assert gpu_handover.decide(NONE, FOUR, DOCKER, lambda handover: None).options == ()
    default = replace(DOCKER, default_runtime="nvidia")
    gpu = gpu_handover.decide(NONE, FOUR, default, lambda handover: None)
    assert gpu.options == ("--env", "NVIDIA_VISIBLE_DEVICES=void")
    assert (gpu.use, gpu.devices, gpu.why) == (False, (), 'CPU, because gpu = "none"')
    assert gpu_handover.decide(AUTO, FOUR, default, lambda handover: None).use


@pytest.mark.parametrize(
    ("value", "devices", "title"),
    [
        (2, ("0", "1"), "2 GPUs, because "),
        (1, ("0",), "GPU, because "),
        ([2, 0], ("2", "0"), "GPU 2,0, because "),
    ],
)
def test_devices_that_a_run_gets_are_named(
    value: Any, devices: tuple[str, ...], title: str
) -> None:
    gpu = decide(value, FOUR, DOCKER)
    assert gpu.devices == devices and gpu.why.startswith(title)
    assert gpu.json() == {"devices": list(devices), "why": gpu.why}

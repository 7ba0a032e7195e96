"""How GPUs get into a container of an engine, and whether a run gets them. Pure.

Each engine has a way of its own. Docker with NVIDIA's runtime or hook takes `--gpus`, and one with
the Container Device Interface (CDI) the name of a device, as Podman does, which ignores `--gpus`.
AMD's GPUs are device files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from ..model.gpu import Gpu, GpuSetting
from ..util.errors import UserError
from ..util.host_gpus import HostGpus, VendorGpus
from ..util.quick_dataclasses import dataclass

CDI_NVIDIA = "nvidia.com/gpu"
# What a trial shows: a device in the container, a container that started without one, an engine
# that refused; "unknown" where it could not be tried.
TrialOutcome = Literal["works", "started", "refused", "unknown"]
_TOOLKIT = (
    "Install the NVIDIA Container Toolkit, then `sudo nvidia-ctk runtime configure "
    "--runtime=docker` and `sudo systemctl restart docker`"
)
_GENERATE = (
    "Install the NVIDIA Container Toolkit, then `sudo nvidia-ctk cdi generate "
    "--output=/etc/cdi/nvidia.yaml`"
)


@dataclass(frozen=True, slots=True)
class GpuEngine:
    """What of an engine decides about GPUs.

    `is_here`: its containers can have this machine's device files, and its programs and
    specifications are this machine's: it is neither on another machine, nor in a virtual one, nor
    outside of the container that we are in. `machine` names the virtual machine, "" for none.
    `cdi_devices` are those that it names itself or that its specifications have; `has_hook` says
    that NVIDIA's hook for `--gpus` is installed here. `has_own_client`: it is asked by a client of
    its own kind, and not Podman by Docker's, which may lose the devices. `identity` tells it from others.
    """

    kind: Literal["docker", "podman"] = "docker"
    runtimes: tuple[str, ...] = ()
    default_runtime: str = ""
    cdi_devices: tuple[str, ...] = ()
    is_here: bool = True
    machine: str = ""
    has_hook: bool = False
    rootless: bool = False
    has_own_client: bool = True
    identity: str = ""

    @property
    def names_nvidia(self) -> bool:
        """Whether the engine itself says that it has NVIDIA's GPUs or a runtime for them."""
        return "nvidia" in self.runtimes or bool(_names(self))


@dataclass(frozen=True, slots=True)
class GpuHandover:
    """Options of `docker run` that hand GPUs over, and the fact that says so.

    `is_certain`: the engine's own facts say that it can; otherwise only a trial tells.
    """

    options: tuple[str, ...]
    devices: tuple[str, ...]
    fact: str
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class NoHandover:
    """Why there is none, as a clause, and what to do about it."""

    why: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class GpuTrial:
    """The outcome of a container that was started with a handover's options. `why`: of a refusal."""

    outcome: TrialOutcome
    why: str = ""


Tried = Callable[[GpuHandover], GpuTrial | None]


def decide(setting: GpuSetting, host: HostGpus, engine: GpuEngine, tried: Tried) -> Gpu:
    """Apply the setting to a container.

    `tried` gives the outcome of a trial, None without one: then the decision `needs_trial` where that
    would tell more. UserError if the setting requires GPUs that the container would not get.
    """
    if setting.kind == "none":
        return Gpu(False, f"CPU, because {setting.shown}", options=_hidden(engine))
    found = plan(setting, host, engine)
    if isinstance(found, NoHandover):
        return _without(setting, found)
    trial = tried(found)
    if trial is not None and _is_refused(found, trial):
        return _without(setting, _refusal(found, trial, engine))
    # An engine that says it can is taken at its word where a failing start is the person's to see.
    is_open = trial is None and not (found.is_certain and setting.is_required)
    return Gpu(
        True,
        f"{_titled(setting)}, because {found.fact}",
        found.options,
        devices=found.devices,
        needs_trial=is_open,
    )


def plan(setting: GpuSetting, host: HostGpus, engine: GpuEngine) -> GpuHandover | NoHandover:
    """The engine's way to hand over what the setting asks for."""
    if host.nvidia is not None or (not engine.is_here and engine.names_nvidia):
        nvidia = host.nvidia or VendorGpus("the engine")
        return _lacking(setting, nvidia, "NVIDIA") or _nvidia(setting, nvidia, host, engine)
    if host.amd is not None:
        return _lacking(setting, host.amd, "AMD") or _amd(setting, host.amd, engine)
    return _nothing(host)


def _nothing(host: HostGpus) -> NoHandover:
    hint = 'Set gpu = "auto" to use a GPU only where there is one'
    if host.is_disabled:
        return NoHandover("INNERLOOP_NO_GPU is set", hint)
    if host.apple:
        why = "containers on macOS have no GPU (the backend venv uses Apple's, MPS)"
        return NoHandover(why, "Run it with `--backend venv`")
    if host.intel is not None:
        why = "this machine has no NVIDIA or AMD GPU (the backend venv uses Intel's, XPU)"
        return NoHandover(why, "Run it with `--backend venv`")
    return NoHandover("this machine has no NVIDIA or AMD GPU", hint)


def _lacking(setting: GpuSetting, gpus: VendorGpus, vendor: str) -> NoHandover | None:
    """Why the machine does not have what is asked for; None if it has, or may have."""
    count = gpus.count
    if count is None:
        return None
    of = f"this machine has {count} {vendor} {'GPU' if count == 1 else 'GPUs'} ({gpus.fact})"
    hint = "`scripts/loop doctor` lists them"
    if setting.kind == "count" and setting.count > count:
        return NoHandover(of, hint)
    missing = next((name for name in setting.devices if gpus.lacks(name)), None)
    return None if missing is None else NoHandover(f"{of} and no device {missing}", hint)


def indices(setting: GpuSetting) -> tuple[str, ...]:
    """The devices that are asked for; empty for all of them. A count takes the first ones."""
    if setting.kind == "count":
        return tuple(map(str, range(setting.count)))
    return setting.devices


def _nvidia(
    setting: GpuSetting, gpus: VendorGpus, host: HostGpus, engine: GpuEngine
) -> GpuHandover | NoHandover:
    devices = indices(setting) or ("all",)
    there = f"{gpus.fact} shows {_number(gpus)}"
    if engine.kind == "podman":
        if _names(engine) or not engine.is_here:
            return _by_cdi(setting, gpus, engine, there)
        return NoHandover(f"{there}, but Podman has no CDI specification of it", _GENERATE)
    if "nvidia" in engine.runtimes:
        options = _docker_options(setting, ("--runtime", "nvidia") if host.is_tegra else ())
        fact = f"{there} and the engine has the runtime nvidia"
        # In a virtual machine the runtime may be there without a GPU.
        return GpuHandover(options, devices, fact, is_certain=engine.is_here)
    if _names(engine):
        return _by_cdi(setting, gpus, engine, there)
    options = _docker_options(setting)
    if engine.has_hook and engine.is_here:
        fact = f"{there} and NVIDIA's hook is installed"
        return GpuHandover(options, devices, fact, is_certain=False)
    if engine.is_here:
        what = f"{there}, but the engine has no NVIDIA runtime, no CDI device and no hook to use it"
        return NoHandover(what, _TOOLKIT)
    place = engine.machine or "the engine's machine"
    return GpuHandover(options, devices, f"{there} and {place} hands it over", is_certain=False)


def _docker_options(setting: GpuSetting, runtime: tuple[str, ...] = ()) -> tuple[str, ...]:
    return (*runtime, "--gpus", setting.docker_value)


def _number(gpus: VendorGpus) -> str:
    return "a GPU" if gpus.count in (None, 1) else f"{gpus.count} GPUs"


def _names(engine: GpuEngine) -> list[str]:
    """The names of NVIDIA's devices that the engine knows, as CDI has them: "0", "GPU-3a", "all"."""
    prefix = f"{CDI_NVIDIA}="
    return [name.removeprefix(prefix) for name in engine.cdi_devices if name.startswith(prefix)]


def _by_cdi(
    setting: GpuSetting, gpus: VendorGpus, engine: GpuEngine, there: str
) -> GpuHandover | NoHandover:
    known = _names(engine)
    options: list[str] = []
    for device in indices(setting):
        name = _cdi_name(device, known, gpus)
        if name is None:
            listed = ", ".join(known[:8])
            what = f"the CDI specification has no device {device}: it has {listed}"
            return NoHandover(what, _GENERATE)
        options += ["--device", f"{CDI_NVIDIA}={name}"]
    if not options:
        every = ["all"] if "all" in known or not known else _each(known)
        options = [word for name in every for word in ("--device", f"{CDI_NVIDIA}={name}")]
    devices = indices(setting) or ("all",)
    if known:
        named = ", ".join(options[1::2])
        return GpuHandover(
            tuple(options),
            devices,
            f"{there} and the engine has the CDI device {named}",
            is_certain=engine.has_own_client,
        )
    place = engine.machine or "the engine's machine"
    fact = f"{there} and {place} hands it over"
    return GpuHandover(tuple(options), devices, fact, is_certain=False)


def _cdi_name(device: str, known: Sequence[str], gpus: VendorGpus) -> str | None:
    """A device's name in the specification; None if that has no such device.

    Names are indices, "gpu0" or UUIDs. Source: `nvidia-ctk cdi generate --device-name-strategy`.
    """
    if not known:
        return device
    names = [device, f"gpu{device}", f"mig{device}"]
    if device.isdecimal() and int(device) < len(gpus.devices):
        names.append(gpus.devices[int(device)].uuid)
    return next((name for name in names if name and name in known), None)


def _each(known: Sequence[str]) -> list[str]:
    """Each GPU once: a specification may name it by its index and by its UUID."""
    numbered = [name for name in known if name.removeprefix("gpu").isdecimal()]
    return numbered or list(known)


def _amd(setting: GpuSetting, gpus: VendorGpus, engine: GpuEngine) -> GpuHandover | NoHandover:
    """Source: AMD, "Running ROCm Docker containers"."""
    if not engine.is_here:
        place = engine.machine or "the engine's machine"
        return NoHandover(f"{place} has no AMD GPU to hand over", "Run it with `--backend venv`")
    chosen = indices(setting)
    nodes = ["/dev/dri"]
    if chosen:
        devices = [gpus.devices[int(n)] for n in chosen if n.isdecimal() and not gpus.lacks(n)]
        nodes = [device.node for device in devices if device.node]
        if len(nodes) < len(chosen):
            what = "the device files of the AMD GPUs that are asked for are not known"
            return NoHandover(what, 'Name them by number, or set gpu = "all"')
    options = ["--device", "/dev/kfd"]
    for node in nodes:
        options += ["--device", node]
    groups = ["keep-groups"] if engine.kind == "podman" and engine.rootless else gpus.groups
    for group in groups:
        options += ["--group-add", str(group)]
    fact = f"{gpus.fact} shows {'an AMD GPU' if gpus.count == 1 else f'{gpus.count} AMD GPUs'}"
    return GpuHandover(tuple(options), chosen or ("all",), fact)


def _hidden(engine: GpuEngine) -> tuple[str, ...]:
    """Options without which a container gets GPUs that nobody asked for.

    With NVIDIA's runtime as the default one an image of NVIDIA's gets all of them by its own
    variables. Source: NVIDIA Container Toolkit, "Environment variables (OCI spec)".
    """
    if engine.default_runtime != "nvidia":
        return ()
    return ("--env", "NVIDIA_VISIBLE_DEVICES=void")


def _is_refused(handover: GpuHandover, trial: GpuTrial) -> bool:
    """Whether a run with it would have no GPU.

    An engine that ignores the options starts the container without; only one that says it can is
    believed then, because an image may hide its devices.
    """
    if trial.outcome == "refused":
        return True
    return trial.outcome in ("started", "unknown") and not handover.is_certain


def _refusal(handover: GpuHandover, trial: GpuTrial, engine: GpuEngine) -> NoHandover:
    again = "`scripts/loop doctor` tries it again"
    hint = ". ".join(filter(None, [hint_for(engine), again]))
    if trial.outcome == "refused":
        return NoHandover(f"the engine does not hand the GPU over: {trial.why}", hint)
    if trial.outcome == "started":
        words = " ".join(handover.options)
        return NoHandover(f"the engine does not hand the GPU over: it ignores {words}", hint)
    return NoHandover(f"it is not known whether the engine hands the GPU over: {trial.why}", hint)


def hint_for(engine: GpuEngine) -> str:
    """What lets an engine hand NVIDIA's GPUs over; "" for one that is elsewhere."""
    if not engine.is_here:
        return ""
    return _GENERATE if engine.kind == "podman" else _TOOLKIT


def _without(setting: GpuSetting, missing: NoHandover) -> Gpu:
    if not setting.is_required:
        return Gpu(False, f"CPU, because {missing.why}")
    raise UserError(
        f"{setting.shown} requires {_required(setting)}, but {missing.why}",
        code="gpu-unavailable",
        where="" if setting.where is None else setting.where,
        hint=missing.hint,
    )


def _required(setting: GpuSetting) -> str:
    if setting.kind == "devices" and len(setting.devices) > 1:
        return "these GPUs"
    if setting.kind == "count" and setting.count > 1:
        return f"{setting.count} GPUs"
    return "this GPU" if setting.kind == "devices" else "a GPU"


def _titled(setting: GpuSetting) -> str:
    if setting.kind == "devices":
        return f"GPU {','.join(setting.devices)}"
    return f"{setting.count} GPUs" if setting.kind == "count" and setting.count > 1 else "GPU"

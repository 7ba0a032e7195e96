"""What a machine is, by what its agent says of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ...docker import engine_facts
from ...docker.engine_facts import EngineFacts
from ...docker.gpu_handover import GpuEngine
from ...model.apptainer import PROGRAMS
from ...model.cuda import Version, driver_of
from ...model.settings.remotes import APPTAINER, DOCKER, NO_ENGINE, PODMAN, RemoteEngine
from ...util import json_records
from ...util.host_gpus import HostDevice, HostGpus, VendorGpus
from ...util.json_records import RecordError
from ...util.quick_dataclasses import dataclass

NO_FACTS = EngineFacts()


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A machine as its agent describes it. Empty values are not known.

    `root` is the absolute path of the agent's folder, `time` the machine's clock in seconds since the
    epoch, `free` the bytes free for the folder. `rsync` is the path of that program, `cuda` the newest
    that the GPUs' driver supports. `engine` is what starts jobs, and `engine_facts` what it says of
    itself; `silent` has what the engines say that do not answer, by name. `image` is the
    digest of the image that was asked for, "" without one, None if it is not there; `absent` are the
    trees that were asked for and are not there.
    """

    root: str = ""
    user: str = ""
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    system: str = ""
    machine: str = ""
    time: int = 0
    free: int = 0
    programs: frozenset[str] = frozenset()
    rsync: str = ""
    gpus: tuple[HostDevice, ...] = ()
    driver: str = ""
    cuda: Version | None = None
    cdi_devices: tuple[str, ...] = ()
    engine: RemoteEngine = NO_ENGINE
    engine_facts: EngineFacts = NO_FACTS
    engine_version: str = ""
    silent: tuple[tuple[str, str], ...] = ()
    image: str | None = None
    absent: frozenset[str] = frozenset()

    @property
    def platform(self) -> str:
        """As Python names it in sys.platform."""
        return self.system.lower()

    @property
    def host_gpus(self) -> HostGpus:
        nvidia = VendorGpus("nvidia-smi there", self.gpus, self.driver) if self.gpus else None
        nodes = tuple(f"/dev/nvidia{index}" for index in range(len(self.gpus)))
        return HostGpus(system=self.platform, nvidia=nvidia, nodes=nodes)

    @property
    def gpu_engine(self) -> GpuEngine:
        facts = self.engine_facts
        return GpuEngine(
            kind=facts.kind,
            has_own_client=facts.kind == facts.client,
            runtimes=facts.runtimes,
            default_runtime=facts.default_runtime,
            cdi_devices=facts.cdi_devices or self.cdi_devices,
            has_hook=bool(self.programs & {"nvidia-container-runtime-hook", "nvidia-cdi-hook"}),
            rootless=facts.rootless,
        )

    @property
    def owner(self) -> str:
        """The user of a container as "uid:gid"; "" where the engine maps owners itself."""
        owners = self.engine_facts.owners
        return {"root": "0:0", "anyone": ""}.get(owners, f"{self.uid}:{self.gid}")


def parse(text: str) -> HostFacts:
    """The facts of the agent's answer; lines that are not understood are left out."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, tab, value = line.partition("\t")
        if tab:
            values.setdefault(key, []).append(value)
    devices, drivers = _gpus(values.get("gpu", ()))
    engine, facts, version = _engine(values.get("engine", ()))
    silent = (value.partition("\t") for value in values.get("silent", ()))
    return HostFacts(
        root=_first(values, "root"),
        user=_first(values, "user"),
        uid=_number(_first(values, "uid")),
        gid=_number(_first(values, "gid")),
        groups=tuple(map(_number, _first(values, "groups").split())),
        system=_first(values, "system"),
        machine=_first(values, "machine"),
        time=_number(_first(values, "time")),
        free=_number(_first(values, "free")) * 1024,
        rsync=_first(values, "rsync"),
        programs=frozenset(values.get("program", ())),
        gpus=devices,
        driver=drivers[0] if drivers else "",
        cuda=driver_of(_first(values, "cuda"))[1],
        cdi_devices=tuple(values.get("cdi", ())),
        engine=engine,
        engine_facts=facts,
        engine_version=version,
        silent=tuple((name, said) for name, _, said in silent),
        image=_digest(_first(values, "image")),
        absent=frozenset(values.get("absent", ())),
    )


def _digest(text: str) -> str | None:
    """The second word; None without a first one."""
    words = text.split(" ")
    return (*words, "")[1] if words[0] else None


def _first(values: dict[str, list[str]], key: str) -> str:
    return values.get(key, [""])[0]


def number_in(text: str) -> int | None:
    """The number of an answer; None for another text, and for one that no answer has."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _number(text: str) -> int:
    return number_in(text) or 0


def _gpus(lines: Sequence[str]) -> tuple[tuple[HostDevice, ...], list[str]]:
    """Source: `nvidia-smi --help-query-gpu`: index, uuid, driver_version, name."""
    devices, drivers = [], []
    for line in lines:
        fields = [field.strip() for field in line.split(",", 3)]
        if len(fields) == 4 and fields[0].isdecimal():
            devices.append(HostDevice(f"/dev/nvidia{fields[0]}", fields[3], fields[1]))
            drivers.append(fields[2])
    return tuple(devices), drivers


def _engine(lines: Sequence[str]) -> tuple[RemoteEngine, EngineFacts, str]:
    for line in lines:
        program, _, answer = line.partition("\t")
        if program in PROGRAMS:
            return APPTAINER, NO_FACTS, answer
        try:
            found = engine_facts.parse(json_records.parse(answer))
        except RecordError:
            continue
        if found is not None:
            kind: RemoteEngine = PODMAN if program == PODMAN else DOCKER
            return kind, found, found.title
    return NO_ENGINE, NO_FACTS, ""

"""What a container engine is, as one value, and how it is read from the engine's own answer. Pure.

Docker and Podman, with root's rights or without, in a virtual machine or not: whatever differs
between them is a property here, and nothing else asks an engine what it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ..model.container import EngineKind
from ..util.quick_dataclasses import dataclass

# Who owns on this machine what a user of a container writes into a mounted folder: the user with
# the same number, this person alone for root of the container, or this person whoever it is.
Owners = Literal["numbers", "root", "anyone"]

# Products that run the engine in a virtual machine, as their answers or addresses name them.
Product = Literal[
    "", "Docker Desktop", "colima", "OrbStack", "Rancher Desktop", "Podman machine", "WSL"
]
# Part of an engine's operating system, address or name, in lower case.
# Source: the products' contexts (`docker context ls`) and answers to `docker info`.
_SIGNS: tuple[tuple[str, Product], ...] = (
    ("docker desktop", "Docker Desktop"),
    (".docker/desktop/", "Docker Desktop"),
    ("dockerdesktop", "Docker Desktop"),
    ("colima", "colima"),
    ("orbstack", "OrbStack"),
    ("rancher desktop", "Rancher Desktop"),
    ("/.rd/", "Rancher Desktop"),
    ("lima-rancher-desktop", "Rancher Desktop"),
    ("podman-machine", "Podman machine"),
    ("podman/machine", "Podman machine"),
)
# The folders that a product shares with its machine, unless its settings say otherwise.
# Source: the products' documentation on file sharing.
_SHARES: Mapping[Product, str] = {
    "Docker Desktop": "Settings, Resources, File sharing",
    "colima": "it shares your home; `colima start --mount FOLDER:w` shares another folder",
    "Rancher Desktop": "it shares your home alone",
    "OrbStack": "it shares your home and /Volumes",
    "Podman machine": "it shares your home; `podman machine init --volume` shares other folders",
}
# The folders where Podman looks for devices of the Container Device Interface.
# Source: containers.conf(5), cdi_spec_dirs.
_PODMAN_CDI = ("/etc/cdi", "/var/run/cdi")
# Since this version, Podman keeps the exit code of a container that is removed as it ends, also for
# Docker's client; until then, that client ends with 0 (measured with 4.3.1).
_KEEPS_EXIT_CODES = (4, 6)


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """An engine as it describes itself. Empty values are not known.

    `client` is the program that was asked, by what it is and not by its name: Podman may be called
    `docker`. `address` is where the client finds the engine ("" for its default), `socket_owner` the
    UID of a Unix socket's owner there.

    `os` is the operating system as the engine names it, `kernel` its version and `name` its machine's
    host name, `id` the engine's own. `runtimes` (and the default one), `cdi_devices` and `cdi_spec_dirs` are what it can hand devices over with: OCI
    runtimes by name, devices of the Container Device Interface that it found ("nvidia.com/gpu=0"),
    and the folders where it looks for them on its own machine. `root_dir` is where it keeps images,
    `memory` is in bytes. `in_machine`: it runs in a virtual machine, whatever product that is.
    """

    kind: EngineKind = "docker"
    client: EngineKind = "docker"
    version: str = ""
    address: str = ""
    socket_owner: int | None = None
    rootless: bool = False
    os: str = ""
    kernel: str = ""
    name: str = ""
    id: str = ""
    runtimes: tuple[str, ...] = ()
    default_runtime: str = ""
    cdi_devices: tuple[str, ...] = ()
    cdi_spec_dirs: tuple[str, ...] = ()
    root_dir: str = ""
    memory: int = 0
    cpus: int = 0
    in_machine: bool = False

    @property
    def title(self) -> str:
        """The engine in words, such as "rootless Podman 4.3.1"."""
        words = ["rootless" if self.rootless else "", self.kind.capitalize(), self.version]
        text = " ".join(word for word in words if word)
        return f"{text} in {self.product}" if self.product else text

    @property
    def product(self) -> Product:
        """The product whose virtual machine the engine runs in; "" for none that is known."""
        place = f"{self.os} {self.address} {self.name}".replace("\\", "/").lower()
        if named := next((product for sign, product in _SIGNS if sign in place), None):
            return named
        if not self.in_machine:
            return ""
        if "wsl2" in self.kernel.lower():
            return "WSL"
        return "Podman machine" if self.kind == "podman" else ""

    @property
    def shares(self) -> str:
        """How a folder of this machine gets into the engine's virtual machine; "" if unknown."""
        return _SHARES.get(self.product, "")

    @property
    def owners(self) -> Owners:
        """Who owns here what a container writes, unless it is started with other user namespaces.

        File sharing of a virtual machine makes this person the owner of everything.
        """
        if self.product or self.in_machine:
            return "anyone"
        return "root" if self.rootless else "numbers"

    @property
    def keeps_exit_codes(self) -> bool:
        """Whether `run --rm` ends with the program's exit code."""
        if self.kind != "podman" or self.client == "podman":
            return True
        return version_of(self.version) >= _KEEPS_EXIT_CODES

    @property
    def has_own_networks(self) -> bool:
        """Whether each container has a network of its own, where no other container reaches it."""
        return self.kind == "podman" and self.rootless

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine's own system, which is then what it has: disk and devices.

        An address on the loopback may be a tunnel.
        """
        return not (self.is_remote or self.product or self.in_machine)

    @property
    def is_remote(self) -> bool:
        """Whether the address is of a network, and not of a socket or pipe of this machine."""
        return self.address.startswith(("tcp:", "ssh:", "http:", "https:"))


def version_of(text: str) -> tuple[int, int]:
    """Major and minor of "4.3.1"; zeros for what is not a version."""
    match = re.match(r"v?(\d{1,6})\.(\d{1,6})", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def parse(
    info: Any, *, address: str = "", socket_owner: int | None = None, in_machine: bool = False
) -> EngineFacts | None:
    """The engine of an answer to `docker info`, to `podman info` or to the API's GET /info.

    None for what is none of them, and for the empty form that a client prints without an engine.
    `in_machine`: this machine's system runs no containers itself.

    Source: Docker Engine API v1.41 and v1.50, GET /info; podman-info(1) of 4.3 and 5.4.
    """
    if not isinstance(info, Mapping):
        return None
    if isinstance(info.get("host"), Mapping) and isinstance(info.get("version"), Mapping):
        return _of_podman(info, address, socket_owner, in_machine)
    return _of_docker(info, address, socket_owner, in_machine)


def _of_docker(
    info: Mapping[str, Any], address: str, socket_owner: int | None, in_machine: bool
) -> EngineFacts | None:
    version = _text(info, "ServerVersion")
    if not version:
        return None
    # Docker's client drops what only Podman answers ("Rootless", "BuildahVersion"); Docker has no log
    # drivers of these names.
    logs = _texts(_table(info, "Plugins"), "Log")
    is_podman = "BuildahVersion" in info or bool({"k8s-file", "passthrough"} & set(logs))
    security = " ".join(_texts(info, "SecurityOptions"))
    facts = EngineFacts(
        kind="podman" if is_podman else "docker",
        version=version,
        address=address,
        socket_owner=socket_owner,
        rootless="rootless" in security or info.get("Rootless") is True,
        os=_text(info, "OperatingSystem"),
        kernel=_text(info, "KernelVersion"),
        name=_text(info, "Name"),
        id=_text(info, "ID"),
        runtimes=tuple(_table(info, "Runtimes")),
        default_runtime=_text(info, "DefaultRuntime"),
        cdi_devices=_devices(info),
        cdi_spec_dirs=_PODMAN_CDI if is_podman else tuple(_texts(info, "CDISpecDirs")),
        root_dir=_text(info, "DockerRootDir"),
        memory=_number(info, "MemTotal"),
        cpus=_number(info, "NCPU"),
        in_machine=in_machine,
    )
    # Behind Docker's client, Podman before 4.6 says nowhere that it is rootless; its socket does.
    if is_podman and socket_owner not in (None, 0) and not facts.product:
        return replace(facts, rootless=True)
    return facts


def _of_podman(
    info: Mapping[str, Any], address: str, socket_owner: int | None, in_machine: bool
) -> EngineFacts | None:
    host, store = _table(info, "host"), _table(info, "store")
    version = _text(_table(info, "version"), "Version")
    if not version:
        return None
    distribution = _table(host, "distribution")
    runtime = _text(_table(host, "ociRuntime"), "name")
    return EngineFacts(
        kind="podman",
        client="podman",
        version=version,
        address=address,
        socket_owner=socket_owner,
        rootless=_table(host, "security").get("rootless") is True,
        os=" ".join(
            word for key in ("distribution", "version") if (word := _text(distribution, key))
        ),
        kernel=_text(host, "kernel"),
        name=_text(host, "hostname"),
        runtimes=(runtime,) if runtime else (),
        cdi_spec_dirs=_PODMAN_CDI,
        root_dir=_text(store, "graphRoot"),
        memory=_number(host, "memTotal"),
        cpus=_number(host, "cpus"),
        in_machine=in_machine or host.get("serviceIsRemote") is True,
    )


def _devices(info: Mapping[str, Any]) -> tuple[str, ...]:
    """The devices that Docker has discovered. Source: Docker Engine API v1.50, DeviceInfo."""
    found = info.get("DiscoveredDevices")
    entries = found if isinstance(found, list) else []
    return tuple(
        _text(entry, "ID") for entry in entries if isinstance(entry, Mapping) and _text(entry, "ID")
    )


def server_of(header: str) -> tuple[EngineKind, str] | None:
    """Kind and version by the header `Server` of any answer of the API; None for another server.

    Both engines send it: "Docker/20.10.24 (linux)", "Libpod/4.3.1 (linux)".
    """
    match = re.match(r"(Docker|Libpod)/(\S{1,60})", header.strip())
    if match is None:
        return None
    return ("podman" if match[1] == "Libpod" else "docker"), match[2]


def image_id(text: str) -> str:
    """An image's id as Docker has it; Podman leaves out the algorithm's name."""
    return f"sha256:{text}" if re.fullmatch(r"[0-9a-f]{64}", text) else text


def image_name(text: str) -> str:
    """An image's name as it was given to the engine.

    Podman puts a registry before each name, "localhost" or that of a short name.
    """
    for registry in ("localhost/", "docker.io/library/", "docker.io/"):
        if text.startswith(registry):
            return text.removeprefix(registry)
    return text


def _table(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _texts(value: Mapping[str, Any], key: str) -> Sequence[str]:
    found = value.get(key)
    return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []


def _number(value: Mapping[str, Any], key: str) -> int:
    found = value.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0

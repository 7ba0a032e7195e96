"""What each kind of engine is, from its own answer.

Those of Docker 20.10 and Podman 4.3 were recorded; the others have the keys that their documentation
and source have. Answers of real engines: tests/engines.
"""

from __future__ import annotations

from typing import Any

import pytest

from innerloop.docker import engine_facts
from innerloop.docker.engine_facts import EngineFacts

USER = 1000
ROOT = "unix:///var/run/docker.sock"
OWN = "unix:///run/user/1000/docker.sock"
DOCKER_LOGS = ["awslogs", "fluentd", "journald", "json-file", "local", "syslog"]
PODMAN_LOGS = ["k8s-file", "none", "passthrough", "journald"]


def docker(version: str, *, os: str = "Debian GNU/Linux 12 (bookworm)", **more: Any) -> Any:
    """What `docker info` prints, or the API answers."""
    return {
        "ID": "KSBL:HVKY",
        "Driver": "overlay2",
        "Plugins": {"Volume": ["local"], "Authorization": None, "Log": DOCKER_LOGS},
        "KernelVersion": "6.1.0-13-amd64",
        "OperatingSystem": os,
        "OSType": "linux",
        "NCPU": 2,
        "MemTotal": 25276063744,
        "DockerRootDir": "/var/lib/docker",
        "Name": "vm",
        "ServerVersion": version,
        "Runtimes": {"io.containerd.runc.v2": {"path": "runc"}, "runc": {"path": "runc"}},
        "SecurityOptions": ["name=seccomp,profile=default"],
        "Warnings": None,
        **more,
    }


def podman_api(version: str, **more: Any) -> Any:
    """What Podman's service answers to Docker's client."""
    logs = {"Volume": ["local"], "Authorization": None, "Log": PODMAN_LOGS}
    runtimes = {name: {"path": f"/usr/bin/{name}"} for name in ("crun", "kata", "runc")}
    root = "/home/me/.local/share/containers/storage"
    answer = docker(version, os="debian", Plugins=logs, Runtimes=runtimes, DockerRootDir=root)
    return {**answer, "ProductLicense": "Apache-2.0", **more}


def podman_client(version: str, *, rootless: bool = True, remote: bool = False) -> Any:
    """What `podman info --format '{{json .}}'` prints."""
    return {
        "host": {
            "arch": "amd64",
            "cpus": 2,
            "distribution": {"distribution": "debian", "version": "12", "codename": "bookworm"},
            "hostname": "vm",
            "kernel": "6.1.0-13-amd64",
            "memTotal": 25276063744,
            "ociRuntime": {"name": "crun", "path": "/usr/bin/crun"},
            "security": {"rootless": rootless, "seccompEnabled": True},
            "serviceIsRemote": remote,
        },
        "store": {"graphRoot": "/home/me/.local/share/containers/storage"},
        "registries": {},
        "plugins": {"log": PODMAN_LOGS},
        "version": {"APIVersion": version, "Version": version, "OsArch": "linux/amd64"},
    }


CDI: Any = {
    "CDISpecDirs": ["/etc/cdi", "/var/run/cdi"],
    "DiscoveredDevices": [
        {"Source": "cdi", "ID": "nvidia.com/gpu=0"},
        {"Source": "cdi", "ID": "nvidia.com/gpu=all"},
    ],
}
ROOTLESS: Any = {
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]
}
WSL: Any = {"KernelVersion": "5.15.153.1-microsoft-standard-WSL2"}
NPIPE = "npipe:////./pipe/docker_engine"
LINUX, OTHER = False, True  # whether this machine's system runs no containers itself


@pytest.mark.parametrize(
    ("answer", "address", "owner", "machine", "title", "owners", "is_here", "keeps"),
    [
        (docker("20.10.24"), ROOT, 0, LINUX, "Docker 20.10.24", "numbers", True, True),
        (docker("28.3.0", **CDI), ROOT, 0, LINUX, "Docker 28.3.0", "numbers", True, True),
        (
            docker("28.0.1", **ROOTLESS),
            OWN,
            USER,
            LINUX,
            "rootless Docker 28.0.1",
            "root",
            True,
            True,
        ),
        # podman-docker's script, or Podman itself: the client is the engine.
        (podman_client("4.3.1"), "", None, LINUX, "rootless Podman 4.3.1", "root", True, True),
        (podman_client("5.4.2"), "", None, LINUX, "rootless Podman 5.4.2", "root", True, True),
        (
            podman_client("5.4.2", rootless=False),
            "",
            None,
            LINUX,
            "Podman 5.4.2",
            "numbers",
            True,
            True,
        ),
        # Docker's client drops "Rootless", and the older service says it nowhere else.
        (podman_api("4.3.1"), OWN, USER, LINUX, "rootless Podman 4.3.1", "root", True, False),
        (podman_api("4.3.1"), ROOT, 0, LINUX, "Podman 4.3.1", "numbers", True, False),
        (
            podman_api("4.3.1", Rootless=True, BuildahVersion="1.28.2"),
            ROOT,
            0,
            LINUX,
            "rootless Podman 4.3.1",
            "root",
            True,
            False,
        ),
        (
            podman_api("4.6.0", **ROOTLESS),
            OWN,
            USER,
            LINUX,
            "rootless Podman 4.6.0",
            "root",
            True,
            True,
        ),
        (
            docker("27.1.1", os="Docker Desktop"),
            NPIPE,
            None,
            OTHER,
            "Docker 27.1.1 in Docker Desktop",
            "anyone",
            False,
            True,
        ),
        (
            docker("27.1.1", os="Docker Desktop"),
            "unix:///home/me/.docker/desktop/docker.sock",
            USER,
            LINUX,
            "Docker 27.1.1 in Docker Desktop",
            "anyone",
            False,
            True,
        ),
        (
            docker("27.4.0", os="Ubuntu 24.04.1 LTS", Name="colima"),
            "unix:///Users/me/.colima/default/docker.sock",
            501,
            OTHER,
            "Docker 27.4.0 in colima",
            "anyone",
            False,
            True,
        ),
        (
            docker("27.3.1", os="OrbStack"),
            "unix:///Users/me/.orbstack/run/docker.sock",
            501,
            OTHER,
            "Docker 27.3.1 in OrbStack",
            "anyone",
            False,
            True,
        ),
        (
            docker("26.1.5", os="Rancher Desktop WSL Distribution", **WSL),
            NPIPE,
            None,
            OTHER,
            "Docker 26.1.5 in Rancher Desktop",
            "anyone",
            False,
            True,
        ),
        (
            docker("26.1.5", os="Alpine Linux v3.20"),
            "unix:///Users/me/.rd/docker.sock",
            501,
            OTHER,
            "Docker 26.1.5 in Rancher Desktop",
            "anyone",
            False,
            True,
        ),
        # Docker in WSL 2: from Windows it is in a virtual machine, from within it is here.
        (
            docker("27.0.3", os="Ubuntu 22.04", **WSL),
            "tcp://localhost:2375",
            None,
            OTHER,
            "Docker 27.0.3 in WSL",
            "anyone",
            False,
            True,
        ),
        (
            docker("27.0.3", os="Ubuntu 22.04", **WSL),
            ROOT,
            0,
            LINUX,
            "Docker 27.0.3",
            "numbers",
            True,
            True,
        ),
        (
            podman_client("5.4.2", remote=True),
            "",
            None,
            OTHER,
            "rootless Podman 5.4.2 in Podman machine",
            "anyone",
            False,
            True,
        ),
        (
            docker("28.0.1"),
            "tcp://build:2376",
            None,
            LINUX,
            "Docker 28.0.1",
            "numbers",
            False,
            True,
        ),
        (docker("28.0.1"), "ssh://box", None, LINUX, "Docker 28.0.1", "numbers", False, True),
    ],
)
def test_engine_is_what_its_answer_says(
    answer: Any,
    address: str,
    owner: int | None,
    machine: bool,
    title: str,
    owners: str,
    is_here: bool,
    keeps: bool,
) -> None:
    facts = engine_facts.parse(answer, address=address, socket_owner=owner, in_machine=machine)
    assert facts is not None
    found = (facts.title, facts.owners, facts.is_here, facts.keeps_exit_codes)
    assert found == (title, owners, is_here, keeps)
    assert (facts.cpus, facts.memory) == (2, 25276063744)


def test_devices_are_those_that_the_engine_discovered() -> None:
    facts = engine_facts.parse(docker("28.3.0", **CDI))
    assert facts is not None
    assert facts.cdi_devices == ("nvidia.com/gpu=0", "nvidia.com/gpu=all")
    assert facts.cdi_spec_dirs == ("/etc/cdi", "/var/run/cdi")
    assert facts.runtimes == ("io.containerd.runc.v2", "runc")
    older = engine_facts.parse(docker("25.0.0", CDISpecDirs=["/etc/cdi"]))
    assert older is not None and (older.cdi_devices, older.cdi_spec_dirs) == ((), ("/etc/cdi",))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "text",
        {},
        {"ServerVersion": "", "ServerErrors": ["cannot connect"]},  # no engine
        {"ServerVersion": 7},
        {"host": {}, "version": {}},
        {"host": {}, "version": {"Version": ["5"]}},
    ],
)
def test_answer_of_no_engine_is_none(answer: Any) -> None:
    assert engine_facts.parse(answer) is None


def test_values_of_another_type_are_unknown() -> None:
    strange = {key: {"a": [1, None]} for key in docker("")} | {"ServerVersion": "1"}
    facts = engine_facts.parse(strange)
    assert facts == EngineFacts(version="1", runtimes=("a",))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Docker/20.10.24+dfsg1 (linux)", ("docker", "20.10.24+dfsg1")),
        (" Libpod/4.3.1 (linux)", ("podman", "4.3.1")),
        ("nginx/1.25", None),
        ("", None),
    ],
)
def test_server_is_named_by_the_header_of_any_answer(header: str, expected: object) -> None:
    assert engine_facts.server_of(header) == expected


@pytest.mark.parametrize(
    ("text", "version"),
    [("4.6.0-dev", (4, 6)), ("v5.10", (5, 10)), ("20.10.24+dfsg1", (20, 10)), ("dev", (0, 0))],
)
def test_version_is_major_and_minor(text: str, version: tuple[int, int]) -> None:
    assert engine_facts.version_of(text) == version


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("localhost/ws-1/tiny:job", "ws-1/tiny:job"),
        ("docker.io/ws-1/tiny:job", "ws-1/tiny:job"),
        ("docker.io/library/python:3.11", "python:3.11"),
        ("ghcr.io/me/x:1", "ghcr.io/me/x:1"),
    ],
)
def test_image_name_is_the_one_that_was_given(name: str, own: str) -> None:
    assert engine_facts.image_name(name) == own


def test_image_id_is_the_same_with_either_client() -> None:
    assert engine_facts.image_id("a" * 64) == engine_facts.image_id(f"sha256:{'a' * 64}")

"""Facts about the Docker engine and this machine's GPU. Asked once per command."""

from __future__ import annotations

import glob
import json
import os
import socket
import stat
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..model.container import BASES_LABEL, DIGEST_LABEL
from ..util import process
from ..util.errors import UserError
from . import docker_cli


@dataclass(frozen=True, slots=True)
class Engine:
    """Whether the engine `answers`; if not, `why` and `hint` are for the person.

    An engine that `is_elsewhere` answers, but cannot be used: it does not see the workspace's files.

    `label` is the digest label of the image that `ask` was called with ("" without one), None if
    the engine has no such image, `image_id` its id, and `bases` its label with the ids of the images
    that it was built from (both "" without such an image).
    """

    answers: bool
    why: str = ""
    hint: str = ""
    label: str | None = None
    image_id: str = ""
    bases: str = ""
    runtimes: tuple[str, ...] = ()
    rootless: bool = False
    desktop: bool = False
    is_elsewhere: bool = False

    @property
    def has_nvidia(self) -> bool:
        return "nvidia" in self.runtimes

    @property
    def maps_owners(self) -> bool:
        """Whether files that any user of a container writes belong to the person on the host."""
        return self.rootless or self.desktop


@dataclass(frozen=True, slots=True)
class Gpu:
    """Whether a run gets the GPUs, and the fact that decided it."""

    use: bool
    why: str
    options: tuple[str, ...] = field(default=())


def ask(image: str) -> Engine:
    """Ask the engine about itself and an image at once. Without an engine, `answers` is False."""
    if process.which("docker") is None:
        return Engine(False, "Docker is not installed", "Install Docker to get the container")
    if (facts_of_socket := _ask_socket(image)) is not None:
        return facts_of_socket
    about_image, about_engine = process.run_together(
        docker_cli.digest_label_of(image), docker_cli.info()
    )
    # With a template, older clients do not print why `docker info` failed; the other command does.
    message = about_image.err.strip() or about_engine.err.strip()
    try:
        facts = json.loads(about_engine.out.splitlines()[0])
        version = facts.get("version")
    except (ValueError, IndexError, AttributeError):
        return _unavailable(message)
    if not about_engine.ok or not version:
        return _unavailable(message)
    security = " ".join(facts.get("security") or [])
    image_id, label, bases = [*about_image.out.strip().split(" "), "", ""][:3]
    return Engine(
        answers=True,
        label=label if about_image.ok else None,
        image_id=image_id if about_image.ok else "",
        bases=bases if about_image.ok else "",
        runtimes=tuple(facts.get("runtimes") or {}),
        rootless="rootless" in security,
        desktop="Docker Desktop" in (facts.get("system") or "") or sys.platform != "linux",
    )


SOCKET = "/var/run/docker.sock"


def _ask_socket(image: str) -> Engine | None:
    """`ask` through the engine's socket, which saves two starts of the client.

    That is some 30 ms of every run. None if the client would use another engine, or on any error:
    the client is asked then, and its error message is the one that is shown.

    Source: Docker Engine API v1.41, GET /images/{name}/json and GET /info.
    """
    if not is_default():
        return None
    try:
        code, about_image = _get(f"/images/{quote(image)}/json")
        # Whether the engine can pass a GPU on matters only where there is one.
        about_engine = _get("/info")[1] if has_gpu() else {}
        labels = (about_image.get("Config") or {}).get("Labels") or {}
    except (OSError, ValueError, AttributeError):
        return None
    if code not in (200, 404):
        return None
    return Engine(
        answers=True,
        label=labels.get(DIGEST_LABEL, "") if code == 200 else None,
        image_id=str(about_image.get("Id") or "") if code == 200 else "",
        bases=labels.get(BASES_LABEL, "") if code == 200 else "",
        runtimes=tuple(about_engine.get("Runtimes") or {}),
    )


def is_default() -> bool:
    """Whether the client uses this machine's root engine.

    That is so if no other host or context is selected, and root owns the socket (unlike that of a
    rootless engine or of Docker Desktop).
    """
    if sys.platform != "linux":
        return False
    if os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT"):
        return False
    config = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        if "currentContext" in config.read_text(encoding="utf-8"):
            return False
    except (OSError, UnicodeDecodeError):
        pass
    try:
        status = os.stat(SOCKET)
    except OSError:
        return False
    return stat.S_ISSOCK(status.st_mode) and status.st_uid == 0


def api_get(path: str) -> Any:
    """The JSON of one GET through the engine's socket; None if the client has to be asked."""
    code, value = api("GET", path) or (None, None)
    return value if code == 200 else None


def api(method: str, path: str) -> tuple[int, Any] | None:
    """Status and JSON of one request through the socket; None if the client has to be asked."""
    if not is_default():
        return None
    try:
        return _ask(method, path)
    except (OSError, ValueError):
        return None


def mounts_of(container: str) -> list[dict[str, Any]] | None:
    """The mounts of a container, each with Source and Destination.

    None if the engine does not have the container.

    Source: Docker Engine API v1.41, GET /containers/{id}/json.
    """
    code, container_info = api("GET", f"/containers/{quote(container)}/json") or (
        None,
        {},
    )
    if code in (200, 404):
        return (container_info.get("Mounts") or []) if code == 200 else None
    done = process.run(docker_cli.mounts_of(container))
    return (json.loads(done.out) or []) if done.ok else None


def labels_of(image: str) -> dict[str, str]:
    """An image's labels; empty without such an image or without an engine."""
    code, value = api("GET", f"/images/{quote(image)}/json") or (None, {})
    if code == 404:
        return {}
    if code != 200:
        if process.which("docker") is None:
            return {}
        done = process.run(["docker", "image", "inspect", image])
        value = json.loads(done.out)[0] if done.ok else {}
    return (value.get("Config") or {}).get("Labels") or {}


def image_ids(images: Iterable[str]) -> dict[str, str]:
    """The ids of those images that the engine has."""
    names, ids = list(images), dict[str, str]()
    for name in names:
        code, value = api("GET", f"/images/{quote(name)}/json") or (None, {})
        if code == 200:
            ids[name] = str(value.get("Id") or "")
        elif code != 404:
            return _image_ids_of_client(names)
    return ids


def _image_ids_of_client(names: list[str]) -> dict[str, str]:
    if not names or process.which("docker") is None:
        return {}
    argvs = [docker_cli.image_id(name) for name in names]
    answers = zip(names, process.run_together(*argvs), strict=True)
    return {name: done.out.strip() for name, done in answers if done.ok}


def _get(path: str) -> tuple[int, Any]:
    return _ask("GET", path)


def _ask(method: str, path: str) -> tuple[int, Any]:
    """Status and JSON body of one request. HTTP/1.0: the body ends where the connection does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5 if method == "GET" else 60)
        connection.connect(SOCKET)
        connection.sendall(f"{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), json.loads(body or b"null")


def _unavailable(message: str) -> Engine:
    detail = f" (docker: {message.strip().splitlines()[-1]})" if message.strip() else ""
    if "permission denied" in message.lower():
        return Engine(
            False,
            "Docker is installed, but this user has no access to its engine",
            (
                "Add yourself to the group docker-users and sign in again"
                if os.name == "nt"
                else "Add yourself to the group docker (`sudo usermod -aG docker $USER`) and sign in again"
            ),
        )
    service = "" if os.name == "nt" else ", or the service (`sudo systemctl start docker`)"
    start = f"Start Docker Desktop{service}"
    if host := os.environ.get("DOCKER_HOST"):
        start = f"Start the one that DOCKER_HOST names ({host}), or unset that variable"
    return Engine(False, "Docker is installed, but its engine is not running", f"{start}{detail}")


def unavailable_reason() -> str:
    """Why an installed engine does not answer; "" if it answers, or if Docker is not installed."""
    if process.which("docker") is None:
        return ""
    facts = ask("innerloop")
    return "" if facts.answers else facts.why


def require(engine: Engine) -> None:
    """Raise UserError unless the engine answers."""
    if not engine.answers:
        raise UserError(engine.why, code="engine-unavailable", hint=engine.hint)


def raise_if_gone() -> None:
    """Raise UserError if the engine stopped.

    For use after a failure that this may explain: an engine that is stopped aborts what it does
    with various messages, and ends moments later.
    """
    for _ in range(10):
        if not ask("innerloop").answers:
            raise UserError(
                "the Docker engine has stopped",
                code="engine-unavailable",
                hint="Start it and run the command again",
            )
        time.sleep(0.2)


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU with its driver loaded. Starts no program."""
    if os.environ.get("INNERLOOP_NO_GPU"):
        return False
    if glob.glob("/proc/driver/nvidia/gpus/*") or os.path.exists("/dev/nvidia0"):
        return True
    # WSL has the Windows driver's GPU as /dev/dxg; on Windows nvidia-smi is in System32.
    wsl = os.path.exists("/dev/dxg") and os.path.exists("/usr/lib/wsl/lib/nvidia-smi")
    return wsl or (os.name == "nt" and process.which("nvidia-smi") is not None)


def decide_gpu(policy: str, *, device: bool, runtime: bool) -> Gpu:
    """Apply the gpu setting.

    `device`: there is a GPU with its driver; `runtime`: the engine can pass it to containers.
    UserError if "all" is set and either is missing.
    """
    if policy == "none":
        return Gpu(False, 'CPU, because gpu = "none"')
    if device and runtime:
        return Gpu(True, "GPU, because there is one and the engine can use it", ("--gpus", "all"))
    missing = (
        "the engine has no NVIDIA runtime to use the GPU"
        if device
        else "this machine has no NVIDIA GPU"
    )
    if policy == "all":
        raise UserError(
            f'gpu = "all" requires a GPU, but {missing}',
            code="gpu-unavailable",
            hint=(
                "Install the NVIDIA Container Toolkit"
                if device
                else 'Set gpu = "auto" in innerloop.toml to use a GPU only where there is one'
            ),
        )
    return Gpu(False, f"CPU, because {missing}")

"""What the Docker engine and this machine can do, asked once per command and as little as needed."""

from __future__ import annotations

import glob
import json
import os
import socket
import stat
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..model.container import DIGEST_LABEL
from ..util import process
from ..util.errors import UserError
from . import docker_cli


@dataclass(frozen=True, slots=True)
class Engine:
    """`answers`: an engine is there; if not, `why` says what is missing. `label` is the digest
    label of the image that was asked about, None when there is no such image."""

    answers: bool
    why: str = ""
    hint: str = ""
    label: str | None = None
    runtimes: tuple[str, ...] = ()
    rootless: bool = False
    desktop: bool = False

    @property
    def has_nvidia(self) -> bool:
        return "nvidia" in self.runtimes

    @property
    def maps_owners(self) -> bool:
        """Whether files on the host belong to the person whoever writes them in a container."""
        return self.rootless or self.desktop


@dataclass(frozen=True, slots=True)
class Gpu:
    """Whether a run gets the GPUs, and the fact that decided."""

    use: bool
    why: str
    options: tuple[str, ...] = field(default=())


def ask(image: str) -> Engine:
    """Asks the engine about itself and the image, both at once; no engine is no error."""
    if process.which("docker") is None:
        return Engine(False, "Docker is not installed", "Install Docker to get the container")
    if (quick := _ask_the_socket(image)) is not None:
        return quick
    about_image, about_engine = process.run_together(
        docker_cli.digest_label_of(image), docker_cli.info()
    )
    # Older clients lose the reason over the template of `docker info`, and print half of it; the
    # question about the image has it.
    words = about_image.err.strip() or about_engine.err.strip()
    try:
        facts = json.loads(about_engine.out.splitlines()[0])
        version = facts.get("version")
    except (ValueError, IndexError, AttributeError):
        return _silent(words)
    if not about_engine.ok or not version:
        return _silent(words)
    security = " ".join(facts.get("security") or [])
    return Engine(
        answers=True,
        label=about_image.out.strip() if about_image.ok else None,
        runtimes=tuple(facts.get("runtimes") or {}),
        rootless="rootless" in security,
        desktop="Docker Desktop" in (facts.get("system") or "") or sys.platform != "linux",
    )


SOCKET = "/var/run/docker.sock"


def _ask_the_socket(image: str) -> Engine | None:
    """The same over the engine's own socket, which saves two starts of the client (some 30 ms of
    every run). None where the client would not go there, or where anything is unusual: then the
    client is asked, and its words are the ones that a person reads.

    Source: Docker Engine API v1.41, GET /images/{name}/json and GET /info.
    """
    if sys.platform != "linux" or not _is_the_default_engine():
        return None
    try:
        code, about_image = _get(f"/images/{quote(image)}/json")
        # Only a machine with a GPU has to know whether the engine can hand it over.
        about_engine = _get("/info")[1] if has_gpu() else {}
        labels = (about_image.get("Config") or {}).get("Labels") or {}
    except (OSError, ValueError, AttributeError):
        return None
    if code not in (200, 404):
        return None
    return Engine(
        answers=True,
        label=labels.get(DIGEST_LABEL, "") if code == 200 else None,
        runtimes=tuple(about_engine.get("Runtimes") or {}),
    )


def _is_the_default_engine() -> bool:
    """Whether the client would talk to root's engine on this machine: no other host or context is
    chosen, and the socket is root's own (that of a rootless engine or Docker Desktop is not)."""
    if os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT"):
        return False
    config = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        if "currentContext" in config.read_text(encoding="utf-8"):
            return False
    except (OSError, UnicodeDecodeError):
        pass
    try:
        found = os.stat(SOCKET)
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == 0


def api_get(path: str) -> Any:
    """The JSON of one GET over the engine's own socket; None where the client has to be asked."""
    code, value = _quick(path) or (None, None)
    return value if code == 200 else None


def _quick(path: str) -> tuple[int, Any] | None:
    if sys.platform != "linux" or not _is_the_default_engine():
        return None
    try:
        return _get(path)
    except (OSError, ValueError):
        return None


def mounts_of(container: str) -> list[dict[str, Any]] | None:
    """The mounts of a container, each with Source and Destination; None where the engine does not
    know it.

    Source: Docker Engine API v1.41, GET /containers/{id}/json.
    """
    code, about = _quick(f"/containers/{quote(container)}/json") or (None, {})
    if code in (200, 404):
        return (about.get("Mounts") or []) if code == 200 else None
    done = process.run(docker_cli.mounts_of(container))
    return (json.loads(done.out) or []) if done.ok else None


def labels_of(image: str) -> dict[str, str]:
    """An image's labels; none where there is no such image, or no engine."""
    code, value = _quick(f"/images/{quote(image)}/json") or (None, {})
    if code == 404:
        return {}
    if code != 200:
        if process.which("docker") is None:
            return {}
        done = process.run(["docker", "image", "inspect", image])
        value = json.loads(done.out)[0] if done.ok else {}
    return (value.get("Config") or {}).get("Labels") or {}


def _get(path: str) -> tuple[int, Any]:
    """Status and JSON body of one GET. HTTP/1.0: the body ends where the connection does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(SOCKET)
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), json.loads(body)


def _silent(message: str) -> Engine:
    said = f"; it said: {message.strip().splitlines()[-1]}" if message.strip() else ""
    if "permission denied" in message.lower():
        return Engine(
            False,
            "Docker is installed, but this user may not talk to its engine",
            "Add yourself to the group docker (`sudo usermod -aG docker $USER`) and sign in again",
        )
    start = "Start Docker Desktop, or the service (`sudo systemctl start docker`)"
    if host := os.environ.get("DOCKER_HOST"):
        start = f"Start the one that DOCKER_HOST names ({host}), or unset that variable"
    return Engine(False, "Docker is installed, but its engine is not running", f"{start}{said}")


def unavailable_reason() -> str:
    """Why an engine that is installed cannot be asked; "" where it answers, or where none is."""
    if process.which("docker") is None:
        return ""
    facts = ask("innerloop")
    return "" if facts.answers else facts.why


def require(engine: Engine) -> None:
    if not engine.answers:
        raise UserError(engine.why, hint=engine.hint)


def raise_if_gone() -> None:
    """After a failure that may be the engine's end: one that is stopped ends what it does first,
    with words of all kinds, and itself some moments later."""
    for _ in range(10):
        if not ask("innerloop").answers:
            raise UserError("the Docker engine went away", hint="Start it and run it again")
        time.sleep(0.2)


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU whose driver is loaded (no program is started)."""
    if os.environ.get("INNERLOOP_NO_GPU"):
        return False
    if glob.glob("/proc/driver/nvidia/gpus/*") or os.path.exists("/dev/nvidia0"):
        return True
    # WSL hands the Windows driver's GPU over as /dev/dxg; on Windows its tool lies in System32.
    wsl = os.path.exists("/dev/dxg") and os.path.exists("/usr/lib/wsl/lib/nvidia-smi")
    return wsl or (os.name == "nt" and process.which("nvidia-smi") is not None)


def decide_gpu(policy: str, *, device: bool, runtime: bool) -> Gpu:
    """The gpu setting against the facts: `device`, a GPU with its driver is there; `runtime`, the
    engine can hand it over. "all" without either is a `Mistake`."""
    if policy == "none":
        return Gpu(False, 'CPU, because gpu = "none"')
    if device and runtime:
        return Gpu(
            True, "GPU, because there is one and the engine can hand it over", ("--gpus", "all")
        )
    lacking = (
        "the engine has no NVIDIA runtime to hand the GPU over"
        if device
        else "this machine has no NVIDIA GPU"
    )
    if policy == "all":
        raise UserError(
            f'gpu = "all" asks for the GPUs, but {lacking}',
            hint=(
                "Install the NVIDIA Container Toolkit"
                if device
                else 'Set gpu = "auto" in innerloop.toml to use one where there is one'
            ),
        )
    return Gpu(False, f"CPU, because {lacking}")

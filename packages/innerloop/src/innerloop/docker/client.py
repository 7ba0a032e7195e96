"""The client of the container engine: Docker's or Podman's, and where it finds its engine.

Every argv begins with `program()`. It is chosen by `[tool.innerloop] engine`; without that it is
`docker` where that is on PATH, else `podman`.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..model.container import DOCKER, PODMAN, EngineKind
from ..util import files, process
from ..util.digests import sha256
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..workspace.root import root_of
from .engine_facts import EngineFacts

# What `docker` means to its client where nothing else is said.
DEFAULT_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Client:
    """A client on this machine: the `program` that starts it, and what it is.

    `path` is the program's, None if it is not installed. Podman may be called `docker`: by a link, or
    by the script of the package podman-docker.
    """

    program: str
    kind: EngineKind
    path: str | None

    @property
    def title(self) -> str:
        return self.kind.capitalize()


def current() -> Client:
    """The client that this workspace uses."""
    return _current(sys.argv[0], os.environ.get("PATH", ""))


@functools.cache
def _current(launcher: str, path_variable: str) -> Client:
    if setting := _setting(str(root_of(launcher))):
        path = process.which(setting)
        return Client(setting, kind_of(path) if path else setting, path)
    for program in (DOCKER, PODMAN):
        if (path := process.which(program)) is not None:
            return Client(program, kind_of(path), path)
    return Client(DOCKER, DOCKER, None)


def program() -> str:
    """What every argv begins with."""
    return current().program


def is_installed() -> bool:
    return current().path is not None


def kind_of(path: str) -> EngineKind:
    """Whose client a program is. Podman's is known by its name, or as a script that starts it."""
    name = os.path.basename(os.path.realpath(path)).lower()
    if name.startswith(PODMAN):
        return PODMAN
    try:
        with open(path, "rb") as file:
            head = file.read(2000)
    except OSError:
        return DOCKER
    return PODMAN if head.startswith(b"#!") and PODMAN.encode() in head else DOCKER


def _setting(root: str) -> EngineKind | None:
    """The workspace's choice. None without one, and for settings that cannot be read."""
    try:
        if "engine" not in (files.read_text(Path(root, "pyproject.toml")) or ""):
            return None
        from ..workspace import loader  # here: few workspaces choose one

        return loader.open_workspace(Path(root)).settings.engine
    except UserError:
        return None


def address() -> str | None:
    """Where the client finds its engine: "unix:///var/run/docker.sock", "ssh://box".

    In Docker's own order: DOCKER_HOST, DOCKER_CONTEXT, the context of its config.json. None for a
    context that cannot be read here. Podman's client starts its engine itself, unless CONTAINER_HOST
    names another one.

    Source: docker/cli, cli/command/cli.go, `resolveContextName`; cli/context/store.
    """
    if current().kind == PODMAN:
        return os.environ.get("CONTAINER_HOST") or None
    if host := os.environ.get("DOCKER_HOST"):
        return host
    name = os.environ.get("DOCKER_CONTEXT") or _config().get("currentContext") or "default"
    if name == "default":
        return f"unix://{DEFAULT_SOCKET}" if os.name != "nt" else "npipe:////./pipe/docker_engine"
    return _address_of_context(str(name))


def _config_folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _config() -> Mapping[str, Any]:
    return _json_of(_config_folder() / "config.json")


def _address_of_context(name: str) -> str | None:
    folder = _config_folder() / "contexts" / "meta" / sha256(name.encode()).hexdigest()
    endpoint: Any = _json_of(folder / "meta.json")
    for key in ("Endpoints", "docker", "Host"):
        endpoint = endpoint.get(key) if isinstance(endpoint, dict) else None
    return endpoint if isinstance(endpoint, str) and endpoint else None


def _json_of(path: Path) -> Mapping[str, Any]:
    """The object of one of the client's own files; empty for anything else."""
    try:
        value = json.loads(files.read_text(path) or "{}")
    except (ValueError, RecursionError, UserError):
        return {}
    return value if isinstance(value, dict) else {}


def socket_path() -> str | None:
    """The Unix socket of the engine, if the client would use one; None otherwise."""
    found = address() if current().kind == DOCKER else None
    if found is None or not found.startswith("unix://"):
        return None
    return found.removeprefix("unix://") or None


# What changes how Docker's client starts a container: its variables and keys of its config.json.
# Source: docker/cli, docs/reference/commandline/docker.md.
_CLIENT_VARIABLES = (
    "DOCKER_API_VERSION",
    "DOCKER_CONTENT_TRUST",
    "DOCKER_CUSTOM_HEADERS",
    "DOCKER_DEFAULT_PLATFORM",
)
_CLIENT_KEYS = ("HttpHeaders", "detachKeys", "proxies")


def is_plain(environ: Mapping[str, str]) -> bool:
    """Whether the person's settings change nothing of how Docker's client starts a container."""
    if any(environ.get(name) for name in _CLIENT_VARIABLES):
        return False
    config = _config()
    return not any(config.get(key) for key in _CLIENT_KEYS)


# Where Podman looks for the program of `--init`. Source: containers.conf(5), helper_binaries_dir.
_PODMAN_INIT = (
    *(f"{folder}/podman/catatonit" for folder in ("/usr/libexec", "/usr/lib")),
    *(f"/usr/local/{folder}/podman/catatonit" for folder in ("libexec", "lib")),
)


def has_init(facts: EngineFacts) -> bool:
    """Whether the engine has a program for `--init`. Docker has; for Podman it is a package."""
    return facts.kind == DOCKER or not facts.is_here or any(map(os.path.exists, _PODMAN_INIT))


def maps_users() -> bool:
    """Whether we are in a user namespace, where another user's socket may seem to be root's.

    Source: user_namespaces(7), /proc/self/uid_map.
    """
    try:
        text = Path("/proc/self/uid_map").read_text(encoding="ascii")
    except (OSError, ValueError):
        return False
    return text.split() != ["0", "0", "4294967295"]


def is_in_container() -> bool:
    """Whether we are in a container ourselves."""
    return any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv")))

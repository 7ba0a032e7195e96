"""Which builder this machine has, and what it is handed: the Dockerfile's text, options, variables.

BuildKit takes secrets and caches that end in no layer. The older builder takes only the proxies so,
and is handed nothing else.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..model.dockerfiles.dockerfile_mounts import OURS, BuildMounts, mounted, secret_path
from ..model.workspace import Workspace
from ..util import network, process, venvs
from ..util.network import Network

CA = f"{OURS}ca"
PIP = f"{OURS}pip.conf"
# Holds pip's settings with their credentials, for the builder's eyes: in no argv, on no disk.
PIP_VARIABLE = "INNERLOOP_PIP_CONF"

INSTALL_BUILDX = (
    "install Docker's buildx plugin (Ubuntu, Debian 13: `apt install docker-buildx`; "
    "Docker Desktop and Docker's own packages have it)"
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """`text` is the Dockerfile on standard input; `options` go into the argv, which everybody on
    the machine can read, so secrets are named there and stand in `env`."""

    text: str
    options: tuple[str, ...]
    env: Mapping[str, str]
    notes: tuple[str, ...] = ()


def has_buildkit() -> bool:
    """By the plugin; the clients before 23.0 have it built in and only have to be asked."""
    if (chosen := os.environ.get("DOCKER_BUILDKIT")) is not None:
        return chosen not in ("0", "false", "")
    plugin, client = process.run_together(["docker", "buildx", "version"], ["docker", "--version"])
    version = re.search(r"version (\d+)\.", client.out)
    return plugin.ok or (version is not None and 18 < int(version[1]) < 23)


def network_of(workspace: Workspace) -> Network:

    return network.of_machine(os.environ, root=Path(workspace.root), ca=workspace.settings.ca)


def build_options(
    text: str, reach: Network, *, buildkit: bool, lender: str = "", lend: bool = False
) -> Recipe:
    """`lender` names an image in a registry whose layers are taken where they are the same, `lend`
    makes one. Either leaves pip's cache away: layers are the same only when steps are, and those
    of CI, VS Code and Codespaces are the file's as it stands."""
    options, env = proxies(reach, "--build-arg", loopback=reach.on_loopback)
    env["BUILDKIT_PROGRESS"] = "plain"
    env["NO_COLOR"] = "1"
    env["DOCKER_BUILDKIT"] = "1" if buildkit else "0"  # unset, a newer client only warns
    if not buildkit:
        return Recipe(text, options, env, _left_out(reach))
    secrets, variables = [], {}
    if bundle := network.bundle(reach, venvs.cache_folder()):
        secrets.append(CA)
        variables.update(network.trust(secret_path(CA)))
        options += ("--secret", f"id={CA},src={bundle}")
    if reach.pip_conf:
        secrets.append(PIP)
        variables["PIP_CONFIG_FILE"] = secret_path(PIP)
        options += ("--secret", f"id={PIP},env={PIP_VARIABLE}")
        env[PIP_VARIABLE] = _for_containers(reach, reach.pip_conf)
    if lender:
        options += ("--cache-from", lender)
    if lend:
        options += ("--build-arg", "BUILDKIT_INLINE_CACHE=1")
    wanted = BuildMounts(tuple(secrets), variables, pip_cache=not (lender or lend))
    return Recipe(mounted(text, wanted), options, env)


def proxies(
    reach: Network, option: str, *, loopback: bool
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Options and variables for the docker client. The proxies are named, not spelt out: their
    values, which may hold a password, come from the variables. `loopback`: something that has to
    be reached listens on this machine alone."""
    options: list[str] = []
    for name in reach.proxies:
        options += [option, name]
    if loopback and sys.platform == "linux":
        options += ["--network", "host"]  # else the container's own loopback is meant
    values = {name: _for_containers(reach, value) for name, value in reach.proxies.items()}
    return tuple(options), values


def _for_containers(reach: Network, text: str) -> str:
    """Docker Desktop's containers know this machine by a name; on Linux they share its network."""
    if not reach.on_loopback or sys.platform == "linux":
        return text
    return re.sub(r"(?<=[/@])(localhost|127(\.\d+){3})(?=[:/\s]|$)", "host.docker.internal", text)


def _left_out(reach: Network) -> tuple[str, ...]:
    lacking = [
        name
        for name, there in (
            ("your package index", bool(reach.pip)),
            ("the certificate authority", reach.asked),
        )
        if there
    ]
    if not lacking:
        return ()
    return (
        (
            f"the older builder cannot use {' and '.join(lacking)} without keeping them in the image, "
            f"so it goes without; {INSTALL_BUILDX}"
        ),
    )

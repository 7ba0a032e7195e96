"""The builder of this machine, and its input: the Dockerfile's text, options and variables.

BuildKit accepts secrets and caches that end up in no layer. The legacy builder accepts only the
proxies in this way, and gets nothing else.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from ..model.container import PODMAN
from ..model.dockerfiles.dockerfile_mounts import OURS, BuildMounts, mounted, secret_path
from ..model.workspace import Workspace
from ..util import network, process, venvs
from ..util.network import Network
from ..util.quick_dataclasses import dataclass
from . import client, docker_cli

CA = f"{OURS}ca"
PIP = f"{OURS}pip.conf"
UV = f"{OURS}uv.toml"
# Hold these settings with credentials for the builder alone: they are in no argv and on no disk.
PIP_VARIABLE = "INNERLOOP_PIP_CONF"
UV_VARIABLE = "INNERLOOP_UV_TOML"

INSTALL_BUILDX = (
    "install Docker's buildx plugin (Ubuntu, Debian 13: `apt install docker-buildx`; "
    "Docker Desktop and Docker's own packages contain it)"
)


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Input of a build.

    `text` is the Dockerfile for standard input. `options` are part of the argv, which every user of
    the machine can read: secrets are only named there, and are in `env`.
    """

    text: str
    options: tuple[str, ...]
    env: Mapping[str, str]
    notes: tuple[str, ...] = ()


def has_buildkit() -> bool:
    """Whether the builder takes secrets and caches for a step.

    That is BuildKit through the buildx plugin, or built into a client before 23.0, and Podman's own
    builder. Behind Docker's client, Podman has only the legacy builder's way.
    """
    if client.current().kind == PODMAN:
        return True
    if (chosen := os.environ.get("DOCKER_BUILDKIT")) is not None:
        return chosen not in ("0", "false", "")
    plugin, program, server = process.run_together(
        docker_cli.buildx_version(), docker_cli.client_version(), docker_cli.server_parts()
    )
    if "Podman Engine" in server.out:
        return False
    version = re.search(r"version (\d+)\.", program.out)
    return plugin.ok or (version is not None and 18 < int(version[1]) < 23)


def network_of(workspace: Workspace) -> Network:
    return network.of_machine(os.environ, root=Path(workspace.root), ca=workspace.settings.ca)


def build_options(
    text: str, reach: Network, *, buildkit: bool, cache_from: str = "", inline_cache: bool = False
) -> BuildOptions:
    """What to pass to the builder.

    `cache_from` is an image in a registry whose equal layers are reused; `inline_cache` makes such
    an image. Both turn the caches of pip and uv off: layers are equal only if the steps are, and CI, VS Code and
    Codespaces build the Dockerfile unchanged.
    """
    options, env = proxies(reach, "--build-arg", loopback=reach.on_loopback)
    env["BUILDKIT_PROGRESS"] = "plain"
    env["NO_COLOR"] = "1"
    env["DOCKER_BUILDKIT"] = "1" if buildkit else "0"  # without it, a newer client only warns
    if not buildkit:
        return BuildOptions(text, options, env, _left_out(reach))
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
        options += ("--secret", f"id={UV},env={UV_VARIABLE}")
        env[UV_VARIABLE] = _for_containers(reach, reach.uv_toml)
    if cache_from:
        options += ("--cache-from", cache_from)
    if inline_cache:
        options += ("--build-arg", "BUILDKIT_INLINE_CACHE=1")
    mounts = BuildMounts(
        tuple(secrets),
        variables,
        uv_settings=UV if reach.pip_conf else "",
        caches=not (cache_from or inline_cache),
    )
    return BuildOptions(mounted(text, mounts), options, env)


def proxies(
    reach: Network, option: str, *, loopback: bool
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Options and variables for the docker client.

    The options only name the proxies; their values, which may contain a password, are in the
    variables. `loopback`: a server that has to be reached listens on this machine's loopback
    address.
    """
    options: list[str] = []
    for name in reach.proxies:
        options += [option, name]
    if loopback and sys.platform == "linux":
        options += ["--network", "host"]  # else 127.0.0.1 is the container itself
    values = {name: _for_containers(reach, value) for name, value in reach.proxies.items()}
    return tuple(options), values


def _for_containers(reach: Network, text: str) -> str:
    """Replace loopback addresses by Docker Desktop's name of this machine.

    On Linux they are unchanged, since the container shares the machine's network.
    """
    if not reach.on_loopback or sys.platform == "linux":
        return text
    return re.sub(r"(?<=[/@])(localhost|127(\.\d+){3})(?=[:/\s]|$)", "host.docker.internal", text)


def _left_out(reach: Network) -> tuple[str, ...]:
    """A note if the legacy builder has to do without an index or a certificate authority."""
    settings = {
        "your package index": bool(reach.pip),
        "the certificate authority": reach.asked,
    }
    names = [name for name, is_set in settings.items() if is_set]
    if not names:
        return ()
    return (
        (
            f"the legacy builder does not use {' and '.join(names)}: it would keep them in the image; "
            f"to use them, {INSTALL_BUILDX}"
        ),
    )

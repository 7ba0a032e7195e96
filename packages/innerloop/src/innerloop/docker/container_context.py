"""What this machine puts around a run's container.

This is proxies and the company's authority, and, where we are in a container ourselves, the paths
by which the engine knows our files.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from ..model.container import ContainerContext, Mount
from ..model.host_paths import Bind, binds_of, own_ids
from ..model.workspace import Workspace
from ..util import files, network, venvs
from ..util.network import Network
from . import buildkit, client, engine

CA = "/run/innerloop/ca.pem"


def of_run(workspace: Workspace) -> ContainerContext:
    reach = buildkit.network_of(workspace)
    options, secrets = buildkit.proxies(reach, "--env", loopback=_proxy_on_loopback(reach))
    mounts: tuple[Mount, ...] = ()
    env: dict[str, str] = {}
    if reach.asked and (bundle := network.bundle(reach, venvs.cache_folder())):
        mounts = (Mount(str(bundle), CA, read_only=True),)
        env = network.trust(CA)
    binds = own_binds()
    notes = []
    if reach.proxies:
        notes.append("the proxy of this machine reaches the container")
    if "--network" in options:
        notes.append("it listens on this machine alone, so the container shares its network")
    if binds:
        notes.append("paths of this container are given to the engine as its own machine has them")
    return ContainerContext(options, env, mounts, secrets, binds, tuple(notes))


def trust_here(reach: Network) -> dict[str, str]:
    """The variables for a program on this machine; proxies are among its own already."""
    bundle = network.bundle(reach, venvs.cache_folder()) if reach.asked else None
    return network.trust(str(bundle)) if bundle else {}


def _proxy_on_loopback(reach: Network) -> bool:
    return Network(proxies=reach.proxies).on_loopback


def own_binds() -> tuple[Bind, ...]:
    """The mounts of the container that we are in.

    Empty outside of a container, and where the engine that we talk to does not know our container
    (an engine of its own runs in it).
    """
    if os.name == "nt" or not client.is_in_container():
        return ()
    ids = own_ids(
        files.read_text(Path("/proc/self/mountinfo")) or "",
        files.read_text(Path("/proc/self/cgroup")) or "",
        socket.gethostname(),
    )
    for name in ids:
        mounts = engine.mounts_of(name)
        if mounts is not None:
            return binds_of(mounts)
    return ()

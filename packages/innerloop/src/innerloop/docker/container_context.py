"""What this machine puts around a run's container.

This is proxies and the company's authority, and, where we are in a container ourselves, the paths
by which the engine knows our files.
"""

from __future__ import annotations

from ..model.container import ContainerContext, Mount
from ..model.workspace import Workspace
from ..util import network, venvs
from ..util.network import Network
from . import buildkit
from .own_mounts import own_binds

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

"""Checks of the network.

They cover proxies, certificate authorities, the package index, and the ports that this workspace
uses.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from ..docker import buildkit, client, docker_cli
from ..sync.render.devcontainer_json import PORTS
from ..util import network, process, venvs
from ..util.errors import UserError
from ..util.network import Network
from .checks import PATIENCE, Checkup, Fact

DEBUGGER = 5678


def proxy_and_authority(checkup: Checkup) -> Iterator[Fact]:
    try:
        reach = buildkit.network_of(checkup.workspace)
        bundle = network.bundle(reach, venvs.cache_folder())
    except UserError as error:
        yield Fact("bad", "authority", error.message())
        return
    yield from _proxies(reach)
    yield from _missing_authorities()
    if bundle is not None:
        count = bundle.read_text(encoding="utf-8").count("BEGIN CERTIFICATE")
        where = "also in runs" if reach.asked else "in builds; [tool.innerloop] ca: also in runs"
        yield Fact("ok", "authority", f"{reach.ca} ({count} certificates, {where})")
    if reach.pip:
        hosts = {urlsplit(url).hostname or "?" for url in replace(reach, proxies={}).urls}
        yield Fact("ok", "package index", ", ".join(sorted(hosts)))
    if (reach.asked or reach.pip) and client.is_installed() and not buildkit.has_buildkit():
        what = "the legacy builder cannot use the authority or the index"
        yield Fact("note", "builds", what, _capital(buildkit.INSTALL_BUILDX))


def _missing_authorities() -> Iterator[Fact]:
    """Variables that name a missing file.

    Programs that read them trust no server; builds here ignore them.
    """
    for name in network.AUTHORITIES:
        path = os.environ.get(name, "")
        if path and not os.path.isfile(path):
            hint = f"Set {name} to the company's certificate file, or unset it"
            yield Fact("bad", "authority", f"{name} is {path}, which does not exist", hint)


def _proxies(reach: Network) -> Iterator[Fact]:
    if not reach.proxies:
        yield Fact("ok", "proxy", "no proxy is set")
        return
    urls = {reach.proxies[name] for name in ("HTTPS_PROXY", "HTTP_PROXY") if name in reach.proxies}
    for url in sorted(urls):
        parts = urlsplit(url if "//" in url else f"//{url}")
        address = f"{parts.hostname}:{parts.port or 80}"
        if _answers(parts.hostname or "", parts.port or 80):
            yield Fact("ok", "proxy", f"{address} answers; builds and runs get it")
        else:
            hint = "Check HTTPS_PROXY and HTTP_PROXY, or unset them outside the company's network"
            yield Fact("bad", "proxy", f"{address} does not answer", hint)


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=3):
            return True
    except OSError:
        return False


def ports(checkup: Checkup) -> Iterator[Fact]:
    used = {**PORTS, DEBUGGER: "debugger"}
    for experiment in checkup.experiments:
        used |= dict.fromkeys(experiment.settings.ports, experiment.name)
    taken = {port: name for port, name in used.items() if not _is_free(port)}
    if not taken:
        yield Fact("ok", "ports", f"{', '.join(map(str, sorted(used)))} are free")
    by = _containers_with_ports() if taken else {}
    for port, name in sorted(taken.items()):
        who = f"the container {by[port]}" if port in by else "another program"
        hint = (
            f"Stop it (`docker stop {by[port]}`)"
            if port in by
            else "Stop it, or choose another port"
        )
        yield Fact("note", "ports", f"{port} ({name}) is in use by {who}", hint)


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _containers_with_ports() -> dict[int, str]:
    """Published port of this machine -> the container's name."""
    if not client.is_installed():
        return {}
    done = process.run(docker_cli.published_ports(), timeout=PATIENCE)
    rows = [line.split("\t") for line in done.out.splitlines() if "\t" in line]
    return {int(port): name for name, text in rows for port in re.findall(r":(\d+)->", text)}


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]

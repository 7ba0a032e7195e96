"""Ports of this machine."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping

# Names under which Codespaces forwards a port, beside those of the variable.
# Source: GitHub's documentation, "Default environment variables for your codespace".
DOMAIN = "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN"
_NAME = "CODESPACE_NAME"


def free(preferred: int) -> int:
    """The preferred port if it is free on 127.0.0.1, else another free one."""
    for port in (preferred, 0):
        with socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(attempt.getsockname()[1])
    return preferred


def forwarded_host(port: int, env: Mapping[str, str] = os.environ) -> str:
    """The name under which a browser reaches a port of this codespace; "" on any other machine."""
    name, domain = env.get(_NAME, ""), env.get(DOMAIN, "")
    is_host = re.fullmatch(r"[A-Za-z0-9-]+ [A-Za-z0-9.-]+", f"{name} {domain}")
    return f"{name}-{port}.{domain}" if is_host else ""


def address(port: int, path: str, env: Mapping[str, str] = os.environ) -> str:
    """Where a browser reaches a path of a server at 127.0.0.1."""
    host = forwarded_host(port, env)
    return f"https://{host}{path}" if host else f"http://127.0.0.1:{port}{path}"


def how_to_end(port: int, env: Mapping[str, str] = os.environ) -> str:
    """What stands after the address. A port whose own address is in a terminal is forwarded."""
    own = f"forwarded from http://127.0.0.1:{port}; " if forwarded_host(port, env) else ""
    return f"({own}Ctrl-C ends it)"

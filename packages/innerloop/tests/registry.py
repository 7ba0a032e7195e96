"""A real registry of images on this machine; the engine takes one on loopback without TLS."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import REGISTRY, until


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Its address while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    log = (folder / "log").open("w")
    child = subprocess.Popen(
        [REGISTRY, "serve", str(folder / "config.json")], stdout=log, stderr=log
    )
    try:
        assert until(lambda: _listens(port), 20), (folder / "log").read_text()
        yield f"127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait()
        log.close()


def _listens(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0

"""What Wine lacks, done outside of it: symbolic links and git.

A Windows program connects to a port of loopback and sends one JSON object a line; the answer is
one too. Paths are Windows' own (`C:\\...`).
"""

from __future__ import annotations

import base64
import json
import os
import re
import socketserver
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any


def unix_path(path: str, prefix: Path) -> str:
    """The path outside of Wine; a relative one keeps its form."""
    path = path.removeprefix("\\\\?\\")
    drive = re.match(r"([a-zA-Z]):[\\/]*(.*)", path, re.DOTALL)
    if drive is None:
        return path.replace("\\", "/")
    root = {"c": f"{prefix}/drive_c/", "z": "/"}[drive[1].lower()]
    return root + drive[2].replace("\\", "/").rstrip("/")


def windows_path(path: str, prefix: Path) -> str:
    drive = f"{prefix}/drive_c"
    if path == drive or path.startswith(drive + "/"):
        path = "C:" + path.removeprefix(drive)
    elif path.startswith("/"):
        path = "Z:" + path
    return path.replace("/", "\\")


def _links(path: str, prefix: Path, _: dict[str, Any]) -> list[str]:
    with os.scandir(path) as entries:
        return [entry.name for entry in entries if entry.is_symlink()]


def _symlink(path: str, prefix: Path, request: dict[str, Any]) -> None:
    os.symlink(unix_path(request["target"], prefix), path)


def _git(path: str, prefix: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Git for Windows in the folder `path`: its paths have drives and slashes."""
    words = [unix_path(word, prefix) if word[1:2] == ":" else word for word in request["words"]]
    environment = {**os.environ, **request["env"]}
    done = subprocess.run(
        ["git", *words],
        cwd=path,
        env=environment,
        input=base64.b64decode(request["stdin"]),
        capture_output=True,
        check=False,
    )
    drive = f"{prefix}/drive_c/".encode()
    out, err = (text.replace(drive, b"C:/") for text in (done.stdout, done.stderr))
    return {"code": done.returncode, "out": _encoded(out), "err": _encoded(err)}


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


OPERATIONS: dict[str, Callable[[str, Path, dict[str, Any]], Any]] = {
    "islink": lambda path, prefix, request: os.path.islink(path),
    "links": _links,
    "readlink": lambda path, prefix, request: windows_path(os.readlink(path), prefix),
    "symlink": _symlink,
    "unlink": lambda path, prefix, request: os.unlink(path),
    "replace": lambda path, prefix, request: os.replace(
        path, unix_path(request["target"], prefix)
    ),
    "git": _git,
}


class Host(socketserver.ThreadingTCPServer):
    """Answers the Windows programs of one prefix, in threads of its own; `port` is for them."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Host)
        prefix = self.server.prefix
        for line in self.rfile:
            request = json.loads(line)
            try:
                path = unix_path(request["path"], prefix)
                answer = {"value": OPERATIONS[request["operation"]](path, prefix, request)}
            except OSError as error:
                answer = {"errno": error.errno, "text": error.strerror}
            self.wfile.write(json.dumps(answer).encode() + b"\n")

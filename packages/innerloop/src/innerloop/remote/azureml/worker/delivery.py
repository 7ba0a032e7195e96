"""Whether the request that creates a job may have arrived.

Only an answer of Azure's that refuses it says that it created nothing: no answer, a server's failure
and a page of a proxy say nothing about the job.
"""

from __future__ import annotations

import re
from typing import Any

from ...worker.protocol import Emit
from .azure_errors import is_storage

_PATH = re.compile(r"/workspaces/[^/?]+/jobs/[^/?]+/?")
_HEAD = re.compile(rb"PUT \S*?/workspaces/[^/? ]+/jobs/[^/? ]+/?[? ]")


class Delivery:
    """Reports each request that creates a job, and each refusal of one, as an event.

    `unrefused` is the number of such requests that may have arrived. Python reports what a
    connection sends (the audit event http.client.send), so a request that found no connection, or
    no trusted certificate, was never sent.
    """

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.unrefused = 0

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """For sys.addaudithook."""
        if event != "http.client.send":
            return
        piece = args[1]
        if isinstance(piece, (bytes, bytearray)) and _HEAD.match(bytes(piece[:4096])):
            self.unrefused += 1
            self.emit("creating")

    def answered(
        self, method: str, host: str, path: str, status: int, *, is_web_page: bool
    ) -> None:
        """An answer to any request."""
        if method != "PUT" or is_storage(host) or not _PATH.search(path):
            return
        if 400 <= status < 500 and status != 408 and not is_web_page and self.unrefused:
            self.unrefused -= 1
            self.emit("not-created")

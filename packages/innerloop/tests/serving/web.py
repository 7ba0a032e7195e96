"""A small HTTP server for tests: it answers as its script says, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Web:
    """A web server that a script controls.

    `script(number)` gives status and body of the n-th request (from 0), or None for no answer at
    all. `asked` holds (path, headers, body) of each.
    """

    script: Callable[[int], tuple[int, str] | None]
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/score"


@contextmanager
def web(script: Callable[[int], tuple[int, str] | None]) -> Iterator[Web]:
    made = Web(script)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.asked.append((self.path, dict(self.headers), body))
            answer = made.script(len(made.asked) - 1)
            if answer is None:
                made.closing.wait(20)
                return
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(answer[1].encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        made.closing.set()
        server.shutdown()
        server.server_close()

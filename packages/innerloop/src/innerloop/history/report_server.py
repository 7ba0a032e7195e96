"""Serves a page of this workspace on a machine without a browser: VS Code forwards the port.

Every user of the machine can reach the port, so the page is at an address that nobody can guess,
and nothing else is served: no file, no folder.
"""

from __future__ import annotations

import functools
import hmac
import http.server
import os
import secrets
from pathlib import Path

# Names under which a browser reaches a forwarded port, besides the loopback's. A page of the Internet
# that made its own name point here would come with that name.
# Source: GitHub's documentation, "Default environment variables for your codespace".
_DOMAIN = "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN"
_DOMAINS = ("app.github.dev", "devtunnels.ms")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def serve(page: Path) -> int:
    """Serve the page on a free port of 127.0.0.1 until Ctrl-C, and print its URL."""
    server = server_of(page.read_bytes(), page.name, path := f"/{secrets.token_urlsafe(32)}/")
    with server:
        port = server.server_address[1]
        print(f"READY http://127.0.0.1:{port}{path}{page.name} (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    return 0


def server_of(page: bytes, name: str, path: str) -> http.server.ThreadingHTTPServer:
    """A server of the page `name` below the secret `path`, which begins and ends with "/"."""
    handler = functools.partial(_Handler, page, f"{path}{name}")
    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    # A connection that sends nothing is closed after so many seconds.
    timeout = 30

    def __init__(self, page: bytes, path: str, *arguments: object) -> None:
        self._page, self._path = page, path
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if not _is_expected(self.headers.get("Host", "")):
            self._answer(403, b"this address is not served here\n", "text/plain")
        elif hmac.compare_digest(path.encode(), self._path.encode()):
            self._answer(200, self._page, "text/html")
        else:
            self._answer(404, b"only the page itself is served\n", "text/plain")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "innerloop"

    def log_message(self, format: str, *args: object) -> None:
        pass


def _is_expected(host: str) -> bool:
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    domains = {*_DOMAINS, os.environ.get(_DOMAIN, "")} - {""}
    return name.lower() in _LOOPBACK or any(name.lower().endswith(f".{d}") for d in domains)

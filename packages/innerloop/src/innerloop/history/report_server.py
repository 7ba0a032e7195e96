"""Serves a page of this workspace on a machine without a browser: VS Code forwards the port."""

from __future__ import annotations

import functools
import http.server
from pathlib import Path


def serve(folder: Path, name: str) -> int:
    """Serve the folder on a free port of 127.0.0.1 until Ctrl-C, and print the page's URL."""
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        port = server.server_address[1]
        print(f"READY http://127.0.0.1:{port}/{name} (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    return 0


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

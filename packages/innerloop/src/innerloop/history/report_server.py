"""Shows a page of this workspace where no browser is: VS Code forwards the port and opens it."""

from __future__ import annotations

import functools
import http.server
from pathlib import Path


def serve(folder: Path, name: str) -> int:
    """Serves the folder on a free port of 127.0.0.1, prints the page's address, and ends at Ctrl-C."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        port = server.server_address[1]
        print(f"READY http://127.0.0.1:{port}/{name} (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    return 0


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

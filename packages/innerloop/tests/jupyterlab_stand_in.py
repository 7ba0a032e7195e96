"""What `loop` needs of JupyterLab, which has a hundred packages: a module that serves with the token."""

from __future__ import annotations

JUPYTERLAB = """import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

options = dict(word[2:].split("=", 1) for word in sys.argv[1:] if "=" in word)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        token = os.environ["JUPYTER_TOKEN"]
        known = self.headers["Authorization"] == "token " + token or self.path.endswith(token)
        self.send_response(200 if known else 403)
        self.end_headers()
        self.wfile.write(b"a stand-in of JupyterLab")


HTTPServer((options["ip"], int(options["port"])), Handler).serve_forever()
"""

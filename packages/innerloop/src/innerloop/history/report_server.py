"""Serves the page of runs on this machine; where there is no browser, VS Code forwards the port.

Every user of the machine can reach the port, so the page and what it asks for are below an address
that nobody can guess. What it asks for are values of runs, their logs and their images: nothing is
served by its path on the disk.
"""

from __future__ import annotations

import functools
import hmac
import http.server
import json
import os
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from ..util import ports
from ..util.quick_dataclasses import dataclass
from . import report, report_files
from .report_feed import Feed

# Names under which a browser reaches a forwarded port, besides the loopback's. A page of the Internet
# that made its own name point here would come with that name.
_DOMAINS = ("app.github.dev", "devtunnels.ms")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PAGE = "runs.html"
# What is served, besides the page's own policy, does nothing in a tab of its own.
_INERT = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@dataclass(frozen=True, slots=True)
class Answer:
    """A body with its media type, and the policy for its content."""

    body: bytes
    media_type: str
    policy: str = _INERT


Query = Mapping[str, str]
# What is served, by its name below the secret path. None: there is nothing for this query.
Site = Mapping[str, Callable[[Query], Answer | None]]


def serve(feed: Feed, title: str, show: Callable[[str], object]) -> int:
    """Serve the page on a free port of 127.0.0.1 until Ctrl-C, and print its URL.

    `show` is called with the URL once it is served.
    """
    path = f"/{secrets.token_urlsafe(32)}/"
    feed.changes(-1)  # the first look takes the longest
    with server_of(site_of(feed, title), path) as server:
        port = int(server.server_address[1])
        url = ports.address(port, f"{path}{PAGE}")
        print(f"READY {url} {ports.how_to_end(port)}", flush=True)
        show(url)
        server.serve_forever()
    return 0


def site_of(feed: Feed, title: str) -> Site:
    """The page, and what its script asks for."""

    def page(query: Query) -> Answer:
        text = report.live_page(feed.changes(-1), title)
        policy = f"{report.policy()}; frame-ancestors 'none'"
        return Answer(text.encode("utf-8"), "text/html; charset=utf-8", policy)

    def image(query: Query) -> Answer | None:
        name = query.get("name", "")
        content = feed.image(query.get("run", ""), name)
        return None if content is None else Answer(content, report_files.media_type(name))

    return {
        PAGE: page,
        "changes": lambda query: _json(feed.changes(_int(query.get("since")))),
        "run": lambda query: _json(feed.curves(query.get("run", ""))),
        "log": lambda query: _json(feed.log(query.get("run", ""), _int(query.get("start")))),
        "files": lambda query: _json(feed.files(query.get("run", ""))),
        "code": lambda query: _json(feed.code_diff(query.get("one", ""), query.get("other", ""))),
        "image": image,
    }


def _json(value: dict[str, Any] | None) -> Answer | None:
    if value is None:
        return None
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Answer(text.encode("utf-8", "replace"), "application/json")


def _int(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else -1


def server_of(site: Site, path: str) -> http.server.ThreadingHTTPServer:
    """A server of a site below the secret `path`, which begins and ends with "/"."""
    handler = functools.partial(_Handler, site, path)
    return _Server(("127.0.0.1", 0), handler)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # Ctrl-C does not wait for a browser that keeps its connection open.
    block_on_close = False


class _Handler(http.server.BaseHTTPRequestHandler):
    # A connection that sends nothing is closed after so many seconds.
    timeout = 30

    def __init__(self, site: Site, path: str, *arguments: object) -> None:
        self._site, self._path = site, path
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        parent, name = path[: len(self._path)], path[len(self._path) :]
        if not _is_expected(self.headers.get("Host", "")):
            self._answer(403, Answer(b"this address is not served here\n", "text/plain"))
            return
        is_below = hmac.compare_digest(parent.encode(), self._path.encode())
        answer = self._site[name](_query(query)) if is_below and name in self._site else None
        if answer is None:
            self._answer(404, Answer(b"only the page itself is served\n", "text/plain"))
        else:
            self._answer(200, answer)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, code: int, answer: Answer) -> None:
        try:
            self._send(code, answer)
        except ConnectionError:
            self.close_connection = True  # a browser that went on to another page

    def _send(self, code: int, answer: Answer) -> None:
        self.send_response(code)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Content-Security-Policy", answer.policy)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def version_string(self) -> str:
        return "innerloop"

    def log_message(self, format: str, *args: object) -> None:
        pass


def _query(text: str) -> Query:
    try:
        return {name: values[-1] for name, values in parse_qs(text, max_num_fields=8).items()}
    except ValueError:
        return {}


def _is_expected(host: str) -> bool:
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    domains = {*_DOMAINS, os.environ.get(ports.DOMAIN, "")} - {""}
    return name.lower() in _LOOPBACK or any(name.lower().endswith(f".{d}") for d in domains)

"""A network of its own on loopback, for the unmodified client.

A proxy that knows three kinds of hosts (the stand-in's, the blob store's, and all others, which it
refuses), and a real Azurite.

Needs nothing but the standard library, `openssl`, and Azurite from npm: benchmarks use it as well.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import shutil
import signal
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support import free_port

BLOBS = ".blob.core.windows.net"
SCORING = ".westeurope.inference.ml.azure.com"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    host: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.host}{self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """`cut`: the connection breaks after so many bytes of the body; with -1 before any answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


def azurite() -> str | None:
    """The program, from PATH or from where .ci/steps.sh puts it."""
    cache = Path(os.environ.get("CI_TOOLS") or Path("~/.cache/innerloop-ci").expanduser())
    return shutil.which("azurite-blob") or shutil.which("azurite-blob", path=str(cache / "bin"))


def certificates(folder: Path) -> tuple[Path, Path]:
    """A test authority and a server's chain with its key: (authority.pem, server.pem)."""
    names = ["management.azure.com", "login.microsoftonline.com", "*.api.azureml.ms"]
    names += [
        f"*{BLOBS}",
        f"*{SCORING}",
        "pipelines.actions.githubusercontent.com",
        "dev.azure.com",
    ]
    (folder / "ca.cnf").write_text(
        "[req]\ndistinguished_name=n\nx509_extensions=v\nprompt=no\n[n]\nCN=innerloop test CA\n"
        "[v]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\n"
    )
    (folder / "server.cnf").write_text(
        "[req]\ndistinguished_name=n\nprompt=no\n[n]\nCN=innerloop stand-in\n[v]\n"
        "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n"
        "extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
        "subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n"
    )
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for words in (
        ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-config", "ca.cnf"],
        ["req", *key, "-keyout", "server.key", "-out", "server.csr", "-config", "server.cnf"],
        ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
         "-CAcreateserial", "-out", "server.crt", "-extfile", "server.cnf", "-extensions", "v"],
    ):  # fmt: skip
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    chain = (folder / "server.crt").read_text() + (folder / "server.key").read_text()
    (folder / "server.pem").write_text(chain)
    return folder / "ca.pem", folder / "server.pem"


class Azurite:
    """The real blob store, in memory, over https."""

    def __init__(self, folder: Path, server: Path, account: str, key: str) -> None:
        program = azurite()
        assert program is not None
        self.port = free_port()
        words = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--silent"]
        words += ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        words += ["--cert", str(folder / "server.crt"), "--key", str(folder / "server.key")]
        self.child = subprocess.Popen(
            [program, *words],
            cwd=folder,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + 240
        while not _answers(self.port):
            assert self.child.poll() is None and time.monotonic() < end, "Azurite did not start"
            time.sleep(0.05)

    def close(self) -> None:
        """Ends the whole group: node may be a program that starts another.

        It keeps its store in memory, and would wait for connections that somebody left open.
        """
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@dataclass(slots=True)
class Weather:
    """What goes wrong on the way to the blob store.

    `reset_after` and `hang_after` count the bytes that a client has sent on one connection;
    `resets` is how many connections meet it.
    """

    reset_after: int | None = None
    hang_after: int | None = None
    resets: int = 1_000_000
    no_names: frozenset[str] = frozenset()
    # What happens to a new connection to a host: "untrusted" (its certificate), "no name" or
    # "refused"; "" for a good one. With it, every connection is closed after one answer.
    connects: Callable[[str], str] | None = None
    # Requests to the blob store are seen by `service`, which may answer them (None: Azurite does).
    opens_blobs: bool = False


class Proxy:
    """Answers CONNECT. `service` answers for the stand-in's hosts; blobs go to Azurite's port."""

    def __init__(
        self, service: Callable[[Asked], Answer], serves: frozenset[str], server: Path, blobs: int
    ) -> None:
        self.service = service
        self.serves = serves
        self.blobs = blobs
        self.weather = Weather()
        self.refused: list[str] = []
        self.open: set[socket.socket] = set()
        self.blob_bytes = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server)
        self.untrusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.untrusted.load_cert_chain(_self_signed(server.parent))
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def drop(self) -> None:
        """Breaks every connection: the next request of a client makes a new one."""
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.open.clear()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""


def _handler(proxy: Proxy) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        host = ""

        def do_CONNECT(self) -> None:
            host = self.path.rpartition(":")[0]
            connects = proxy.weather.connects
            fate = connects(host) if connects else ""
            if host in proxy.weather.no_names or fate == "no name":
                self.send_error(502, "no such host")
                return
            if fate == "refused":
                self.send_error(407, "Proxy Authentication Required")
                return
            if host.endswith(BLOBS) and not proxy.weather.opens_blobs:
                self.send_response(200)
                self.end_headers()
                self.wfile.flush()
                _relay(proxy, self.connection)
                self.close_connection = True
                return
            if host not in proxy.serves and not host.endswith((SCORING, BLOBS)):
                proxy.refused.append(host)
                self.send_error(403, "refused")
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            self.host = host
            context = proxy.untrusted if fate == "untrusted" else proxy.context
            self.connection = context.wrap_socket(self.connection, server_side=True)
            proxy.open.add(self.connection)
            self.rfile = self.connection.makefile("rb", -1)
            self.wfile = self.connection.makefile("wb", 0)
            self.close_connection = False

        def answer(self) -> None:
            if not self.host:
                proxy.refused.append(self.path)
                self.send_error(403, "plain http is refused")
                return
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(
                self.command, self.host, parts.path,
                parse_qs(parts.query, keep_blank_values=True), dict(self.headers), body,
            )  # fmt: skip
            answer = proxy.service(asked)
            if self.host.endswith(BLOBS) and answer is FROM_STORE:
                answer = _ask_store(proxy.blobs, self.command, self.path, self.headers, body)
            if answer.cut == -1:
                self._break()
                return
            if "Date" in answer.headers:
                self.send_response_only(answer.status)
            else:
                self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if not any(name.lower() == "content-length" for name in answer.headers):
                self.send_header("Content-Length", str(len(answer.body)))
            if proxy.weather.connects:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: answer.cut])
            if answer.cut is not None:
                self._break()

        def _break(self) -> None:
            self.close_connection = True
            linger = struct.pack("ii", 1, 0)
            with contextlib.suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = answer

        def log_message(self, *args: object) -> None:
            pass

    return Handler


# The answer of a service that leaves a request to the blob store.
FROM_STORE = Answer(0)
_OF_CONNECTION = ("connection", "transfer-encoding", "keep-alive", "date", "server")


def _ask_store(port: int, method: str, path: str, headers: Any, body: bytes) -> Answer:
    context = ssl._create_unverified_context()
    line = http.client.HTTPSConnection("127.0.0.1", port, context=context)
    try:
        line.request(method, path, body, dict(headers))
        answer = line.getresponse()
        content = answer.read()
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in _OF_CONNECTION}
        return Answer(answer.status, content, kept)
    finally:
        line.close()


def _self_signed(folder: Path) -> Path:
    """A certificate that nobody trusts, with its key."""
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    words += ["-nodes", "-subj", "/CN=a proxy", "-keyout", "own.key", "-out", "own.crt"]
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    both = folder / "own.pem"
    both.write_text((folder / "own.crt").read_text() + (folder / "own.key").read_text())
    return both


def _relay(proxy: Proxy, client: socket.socket) -> None:
    """Bytes both ways, encrypted as they are, until an end hangs up or the weather strikes."""
    with socket.create_connection(("127.0.0.1", proxy.blobs)) as store:
        back = threading.Thread(target=_pump, args=(store, client), daemon=True)
        back.start()
        sent = 0
        while chunk := _read(client):
            sent += len(chunk)
            proxy.blob_bytes += len(chunk)
            weather = proxy.weather
            if weather.hang_after is not None and sent > weather.hang_after:
                while proxy.weather is weather:  # takes nothing more, says nothing
                    time.sleep(0.05)
                break
            if weather.reset_after is not None and sent > weather.reset_after and weather.resets:
                weather.resets -= 1
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                return
            try:
                store.sendall(chunk)
            except OSError:
                break
        with contextlib.suppress(OSError):
            store.shutdown(socket.SHUT_WR)
        back.join(5)


def _pump(source: socket.socket, target: socket.socket) -> None:
    while chunk := _read(source):
        try:
            target.sendall(chunk)
        except OSError:
            return
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _read(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""

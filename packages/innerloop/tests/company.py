"""A company's network on this machine's loopback.

An authority of its own, a package index behind TLS and a password, and a proxy with a password,
which alone knows where the index is.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import select
import socket
import ssl
import subprocess
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

HOST = "index.company.test"
PERSON = "ada"
PASSWORD = "s3cret-of-the-index"
PROXY_PASSWORD = "s3cret-of-the-proxy"
PACKAGE = "company_numbers"


@dataclass(slots=True)
class Company:
    """`ca`: the authority's certificate, a file.

    `shelf`: a folder of wheels that the index has as well.
    `served` and `relayed`: what was asked of the index (paths) and of the proxy (host:port).
    `refused`: how many had no or a wrong password.
    """

    ca: Path
    shelf: Path | None = None
    index_port: int = 0
    proxy_port: int = 0
    served: list[str] = field(default_factory=list)
    relayed: list[str] = field(default_factory=list)
    refused: int = 0

    @property
    def index(self) -> str:
        return f"https://{HOST}:{self.index_port}/simple/"

    @property
    def index_with_login(self) -> str:
        return self.index.replace("://", f"://{PERSON}:{PASSWORD}@")

    @property
    def proxy(self) -> str:
        return f"http://{PERSON}:{PROXY_PASSWORD}@127.0.0.1:{self.proxy_port}"

    @property
    def requirement(self) -> str:
        return f"{PACKAGE}==1.0 --hash=sha256:{hashlib.sha256(WHEEL).hexdigest()}\n"

    @property
    def downloads(self) -> int:
        return sum(path.endswith(".whl") for path in self.served)


def _wheel() -> bytes:
    info = f"{PACKAGE}-1.0.dist-info"
    content = {
        f"{PACKAGE}.py": "ANSWER = 42\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*content, f"{info}/RECORD"])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in content.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # the same bytes each time
    return file.getvalue()


WHEEL = _wheel()


def start(folder: Path) -> Company:
    """The servers, each a daemon thread of this process, which ends them."""
    key, certificate = _certificates(folder)
    company = Company(ca=folder / "ca.pem")
    index = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _index(company))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    index.socket = context.wrap_socket(index.socket, server_side=True)
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _proxy(company))
    for server in (index, proxy):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    company.index_port, company.proxy_port = index.server_port, proxy.server_port
    return company


def _certificates(folder: Path) -> tuple[Path, Path]:
    """An authority, and a certificate of the index that it signed, for ten days."""
    key, request, certificate = (folder / f"index.{end}" for end in ("key", "csr", "pem"))
    extensions = folder / "extensions"
    extensions.write_text(f"subjectAltName=DNS:{HOST}\n")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "10"]
    steps = [
        [*new, "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Company Test CA"],
        [*new[:-2], "-keyout", str(key), "-out", str(request), "-subj", f"/CN={HOST}"],
        [
            "openssl",
            "x509",
            "-req",
            "-in",
            str(request),
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "10",
            "-extfile",
            str(extensions),
            "-out",
            str(certificate),
        ],
    ]
    for argv in steps:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return key, certificate


class _Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def knows(self, header: str, password: str) -> bool:
        login = base64.b64encode(f"{PERSON}:{password}".encode()).decode()
        return self.headers.get(header) == f"Basic {login}"


def _index(company: Company) -> type[_Quiet]:
    class Index(_Quiet):
        def do_GET(self) -> None:
            if not self.knows("Authorization", PASSWORD):
                company.refused += 1
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
                self.end_headers()
                return
            company.served.append(self.path)
            name = f"{PACKAGE}-1.0-py3-none-any.whl"
            page = f'<a href="/files/{name}">{name}</a>'.encode()
            content = {f"/simple/{PACKAGE.replace('_', '-')}/": page, f"/files/{name}": WHEEL}
            content |= _of_shelf(company.shelf, self.path)
            body = content.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header(
                "Content-Type", "application/zip" if self.path.endswith(".whl") else "text/html"
            )
            if body is WHEEL:  # as every index says of a file, which never changes
                self.send_header("Cache-Control", "max-age=365000000, immutable, public")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body or b"")

        do_HEAD = do_GET

    return Index


def _of_shelf(shelf: Path | None, path: str) -> dict[str, bytes]:
    """What the index has at a path of its own wheels."""
    wheels = [] if shelf is None else sorted(shelf.glob("*.whl"))
    if path.startswith("/files/"):
        (content,) = [wheel.read_bytes() for wheel in wheels if path == f"/files/{wheel.name}"] or [
            b""
        ]
        return {path: content} if content else {}
    project = path.removeprefix("/simple/").strip("/").replace("-", "_")
    found = [wheel.name for wheel in wheels if wheel.name.lower().startswith(f"{project}-")]
    page = "".join(f'<a href="/files/{name}">{name}</a>\n' for name in found)
    return {path: page.encode()} if found else {}


def _proxy(company: Company) -> type[_Quiet]:
    class Proxy(_Quiet):
        def do_CONNECT(self) -> None:
            if not self.knows("Proxy-Authorization", PROXY_PASSWORD):
                company.refused += 1
                self.send_error(407)
                return
            company.relayed.append(self.path)
            if self.path != f"{HOST}:{company.index_port}":
                self.send_error(403)
                return
            with socket.create_connection(("127.0.0.1", company.index_port)) as there:
                self.send_response(200)
                self.end_headers()
                _relay(self.connection, there)
            self.close_connection = True

    return Proxy


def _relay(one: socket.socket, other: socket.socket) -> None:
    while ready := select.select([one, other], [], [], 30)[0]:
        data = ready[0].recv(65536)
        if not data:
            return
        (other if ready[0] is one else one).sendall(data)

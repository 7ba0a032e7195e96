"""The API of a Kubernetes cluster on loopback, over TLS, for the unmodified client.

Objects with resource versions, watches, conflicts, tokens and what each may do, dry runs, logs that
are followed. Objects of Argo are refused when `tests/argo/lint.py` finds a fault in them.

Paths, statuses and messages are those of a real API server. It keeps everything in memory, and has
no more kinds than Workflows use.
"""

from __future__ import annotations

import copy
import http.server
import json
import re
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.argo.lint import SCHEMA, faults

Json = dict[str, Any]
TOKEN, READER = "token-of-a-person", "token-of-a-reader"
GROUP = "argoproj.io"


@dataclass(slots=True)
class Log:
    """What a container prints, as it comes."""

    path: Path
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class Weather:
    """What goes wrong.

    `lost_answers`: so many objects are made without an answer; `cut_logs` and `cut_watches`: so
    many break off; `full_for`: seconds in which no node has room for a pod.
    """

    lost_answers: int = 0
    cut_logs: int = 0
    cut_watches: int = 0
    has_argo: bool = True
    quota: str = ""
    full_for: float = 0.0


class Store:
    """Objects by kind, namespace and name; each change has a number and is told to watchers."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.events: list[tuple[int, str, str, Json]] = []
        self.version = 100
        self.oldest = 100
        self.on_change: Callable[[str, Json], None] = lambda verb, one: None

    def put(self, plural: str, one: Json, verb: str = "MODIFIED") -> Json:
        with self.changed:
            self.version += 1
            one = copy.deepcopy(one)
            one["metadata"]["resourceVersion"] = str(self.version)
            key = (plural, one["metadata"].get("namespace", ""), one["metadata"]["name"])
            self.objects[key] = one
            self.events.append((self.version, verb, plural, copy.deepcopy(one)))
            self.changed.notify_all()
        self.on_change(f"{verb} {plural}", copy.deepcopy(one))
        return copy.deepcopy(one)

    def get(self, plural: str, namespace: str, name: str) -> Json | None:
        with self.changed:
            return copy.deepcopy(self.objects.get((plural, namespace, name)))

    def change(self, plural: str, namespace: str, name: str, how: Callable[[Json], None]) -> Json:
        with self.changed:
            one = self.get(plural, namespace, name)
            assert one is not None
            how(one)
            return self.put(plural, one)

    def all(self, plural: str, namespace: str) -> list[Json]:
        with self.changed:
            found = [
                one for (p, n, _), one in self.objects.items() if (p, n) == (plural, namespace)
            ]
            return copy.deepcopy(found)

    def since(self, version: int, wait: float) -> list[tuple[int, str, str, Json]]:
        with self.changed:
            if not any(number > version for number, *_ in self.events):
                self.changed.wait(wait)
            return [one for one in self.events if one[0] > version]


class Refused(Exception):
    """An answer that is no success, as a Status object."""

    def __init__(
        self, code: int, reason: str, message: str, kind: str = "", name: str = ""
    ) -> None:
        self.code = code
        self.body = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "details": {"name": name, "kind": kind},
            "code": code,
        }  # fmt: skip


class Api:
    """`rights`: token -> what it may do ("*" or "verb plural"). `seen` are the requests."""

    def __init__(self, folder: Path, namespaces: tuple[str, ...] = ("ml", "default")) -> None:
        self.store = Store()
        self.weather = Weather()
        self.namespaces = set(namespaces)
        self.rights = {TOKEN: {"*"}, READER: {"get workflows", "watch workflows"}}
        self.logs: dict[str, Log] = {}
        self.nodes: list[Json] = [{"metadata": {"name": "n1"}, "status": {"allocatable": {}}}]
        self.seen: list[str] = []
        certificate = _certificate(folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.certificate = certificate
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def kubeconfig(
        self, path: Path, *, token: str = TOKEN, namespace: str = "ml", port: int | None = None,
        authority: Path | None = None,
    ) -> Path:  # fmt: skip
        value = {
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "c", "cluster": {
                "server": f"https://127.0.0.1:{port or self.port}",
                "certificate-authority": str(authority or self.certificate)}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "here", "context": {
                "cluster": "c", "user": "u", "namespace": namespace}}],
        }  # fmt: skip
        path.write_text(json.dumps(value))
        return path


def _certificate(folder: Path) -> Path:
    path, key = folder / "server.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=a cluster", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + key.read_text())
    return path


_OBJECTS = re.compile(
    r"/apis/argoproj\.io/v1alpha1/namespaces/(?P<ns>[^/]+)/(?P<plural>workflows)(/(?P<name>[^/]+))?"
    r"|/api/v1/namespaces/(?P<ns2>[^/]+)/(?P<plural2>pods|services)(/(?P<name2>[^/]+)(?P<log>/log)?)?"
)


def _handler(api: Api) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: object) -> None:
            pass

        def _serve(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}")
            url = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(url.query).items()}
            api.seen.append(f"{self.command} {url.path}")
            try:
                # The scheme is written in either case (RFC 9110), the token in its own.
                scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
                if scheme.lower() != "bearer" or token not in api.rights:
                    raise Refused(401, "Unauthorized", "Unauthorized")
                if self.command == "PATCH" and "merge-patch" not in self.headers["Content-Type"]:
                    raise Refused(415, "UnsupportedMediaType", "the patch is no merge patch")
                found = _Request(api, self.command, url.path, query, body, token).answer()
            except Refused as refused:
                self._json(refused.code, refused.body)
                return
            if callable(found):
                self._stream(found())
            elif found is None:
                self._plain(404, b"404 page not found\n")
            elif self.command == "POST" and "dryRun" not in query and api.weather.lost_answers > 0:
                api.weather.lost_answers -= 1
                self.close_connection = True
            else:
                self._json(201 if self.command == "POST" else 200, found)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def _json(self, code: int, value: Any) -> None:
            self._plain(code, json.dumps(value).encode(), "application/json")

        def _plain(self, code: int, body: bytes, kind: str = "text/plain") -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, chunks: Iterator[bytes | None]) -> None:
            """None breaks the connection off in the middle."""
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for chunk in chunks:
                    if chunk is None:
                        self.close_connection = True
                        return
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True

    return Handler


@dataclass(frozen=True, slots=True)
class _Request:
    api: Api
    method: str
    path: str
    query: Mapping[str, str]
    body: Json
    token: str

    def answer(self) -> Any:
        if self.path.startswith("/version"):
            return {"major": "1", "minor": "33", "gitVersion": "v1.33.0", "gitCommit": "",
                    "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "",
                    "platform": ""}  # fmt: skip
        if self.path == f"/apis/{GROUP}/v1alpha1":
            return self._resources() if self.api.weather.has_argo else None
        if self.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            return self._review()
        if self.path == "/api/v1/nodes":
            self._allow("list", "nodes", "")
            return {"kind": "NodeList", "apiVersion": "v1", "items": self.api.nodes}
        found = _OBJECTS.fullmatch(self.path)
        if found is None or (found["plural"] and not self.api.weather.has_argo):
            return None
        namespace = found["ns"] or found["ns2"]
        plural, name = found["plural"] or found["plural2"], found["name"] or found["name2"]
        if found["log"]:
            self._allow("get", "pods/log", namespace)
            return self._log(name)
        return self._object(plural, namespace, name)

    def _allow(self, verb: str, plural: str, namespace: str) -> None:
        if not self._may(verb, plural):
            group = f".{GROUP}" if plural == "workflows" else ""
            raise Refused(
                403, "Forbidden",
                f'{plural}{group} is forbidden: User "someone" cannot {verb} resource "{plural}" in '
                f'API group "{group[1:]}" in the namespace "{namespace}"', plural,
            )  # fmt: skip

    def _may(self, verb: str, plural: str) -> bool:
        return bool({"*", f"{verb} {plural}"} & self.api.rights[self.token])

    def _resources(self) -> Json:
        kinds = {"workflows": "Workflow", "workflowtemplates": "WorkflowTemplate",
                 "cronworkflows": "CronWorkflow"}  # fmt: skip
        listed = [
            {"name": plural, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get"]}
            for plural, kind in kinds.items()
        ]
        return {"kind": "APIResourceList", "groupVersion": f"{GROUP}/v1alpha1", "resources": listed}

    def _review(self) -> Json:
        asked = self.body["spec"]["resourceAttributes"]
        plural = "/".join(filter(None, [asked["resource"], asked.get("subresource")]))
        return {**self.body, "status": {"allowed": self._may(asked["verb"], plural)}}

    def _object(self, plural: str, namespace: str, name: str | None) -> Any:
        store = self.api.store
        if self.method == "POST":
            self._allow("create", plural, namespace)
            return self._create(plural, namespace)
        if name is None:
            self._allow("watch" if self.query.get("watch") else "list", plural, namespace)
            if self.query.get("watch") in ("1", "true", "True"):
                return lambda: self._watch(plural, namespace)
            items = [one for one in store.all(plural, namespace) if self._selected(one)]
            return {"kind": "List", "apiVersion": "v1", "items": items,
                    "metadata": {"resourceVersion": str(store.version)}}  # fmt: skip
        self._allow("patch" if self.method == "PATCH" else "get", plural, namespace)
        if store.get(plural, namespace, name) is None:
            group = f".{GROUP}" if plural == "workflows" else ""
            raise Refused(404, "NotFound", f'{plural}{group} "{name}" not found', plural, name)
        if self.method == "PATCH":
            return store.change(plural, namespace, name, lambda one: _merge(one, self.body))
        return store.get(plural, namespace, name)

    def _create(self, plural: str, namespace: str) -> Json:
        api, body = self.api, copy.deepcopy(self.body)
        if namespace not in api.namespaces:
            what = f'namespaces "{namespace}" not found'
            raise Refused(404, "NotFound", what, "namespaces", namespace)
        meta = body["metadata"]
        if meta.get("generateName"):
            meta["name"] = f"{meta.pop('generateName')}x7k2p"
        if api.weather.quota and plural == "workflows":
            raise Refused(403, "Forbidden", f'workflows.argoproj.io "{meta["name"]}" is forbidden: '
                          f"exceeded quota: {api.weather.quota}", plural, meta["name"])  # fmt: skip
        if plural == "workflows" and SCHEMA.exists() and (found := faults(body)):
            what = f'Workflow.argoproj.io "{meta["name"]}" is invalid: {"; ".join(found)}'
            raise Refused(422, "Invalid", what, plural, meta["name"])
        if meta.get("namespace", namespace) != namespace:
            raise Refused(400, "BadRequest", "the namespace of the object does not match")
        if api.store.get(plural, namespace, meta["name"]) is not None:
            what = f'{plural}.{GROUP} "{meta["name"]}" already exists'
            raise Refused(409, "AlreadyExists", what, plural, meta["name"])
        meta.update(namespace=namespace, uid=f"uid-{meta['name']}")
        meta["creationTimestamp"] = now()
        if self.query.get("dryRun") == "All":
            return body
        return api.store.put(plural, body, "ADDED")

    def _selected(self, one: Json) -> bool:
        labels = one["metadata"].get("labels", {})
        for pair in filter(None, self.query.get("labelSelector", "").split(",")):
            key, _, value = pair.partition("=")
            if labels.get(key) != value:
                return False
        wanted = self.query.get("fieldSelector", "")
        return not wanted or wanted == f"metadata.name={one['metadata']['name']}"

    def _watch(self, plural: str, namespace: str) -> Iterator[bytes | None]:
        store = self.api.store
        version = int(self.query.get("resourceVersion") or store.version)
        if version < store.oldest:
            gone = Refused(410, "Expired", f"too old resource version: {version} ({store.oldest})")
            yield (json.dumps({"type": "ERROR", "object": gone.body}) + "\n").encode()
            return
        end = time.monotonic() + float(self.query.get("timeoutSeconds") or 30)
        while time.monotonic() < end:
            for number, verb, kind, one in store.since(version, 0.5):
                version = number
                here = kind == plural and one["metadata"].get("namespace") == namespace
                if here and self._selected(one):
                    yield (json.dumps({"type": verb, "object": one}) + "\n").encode()
                if self.api.weather.cut_watches > 0:
                    self.api.weather.cut_watches -= 1
                    yield None

    def _log(self, name: str) -> Any:
        log = self.api.logs.get(name)
        if log is None:
            raise Refused(400, "BadRequest", f'container "main" in pod "{name}" is waiting to start: '
                          "ContainerCreating")  # fmt: skip
        follows = self.query.get("follow") in ("true", "True")
        return lambda: self._lines(log, follows)

    def _lines(self, log: Log, follows: bool) -> Iterator[bytes | None]:
        with log.path.open("rb") as file:
            while True:
                over = log.ended.is_set()
                chunk = file.read(4096)
                if chunk:
                    yield chunk
                    if follows and self.api.weather.cut_logs > 0:
                        self.api.weather.cut_logs -= 1
                        yield None
                elif over or not follows:
                    return
                else:
                    time.sleep(0.02)


def _merge(one: Json, patch: Json) -> None:
    """A JSON merge patch (RFC 7396)."""
    for key, value in patch.items():
        if value is None:
            one.pop(key, None)
        elif isinstance(value, dict):
            _merge(one.setdefault(key, {}), value)
        else:
            one[key] = value


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

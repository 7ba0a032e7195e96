"""A stand-in for the parts of Azure that a job passes through: sign-in, ARM, run history.

It keeps what it is sent (`bodies`), remembers every request (`asked`), and does what a test says
goes wrong (`faults`). Blobs are in a real Azurite. Needs nothing but the standard library.

Source of the shapes: Azure REST API specifications, Microsoft.MachineLearningServices, and what
azure-ai-ml 1.35 sends.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode
from xml.etree import ElementTree

from tests.azure.network import BLOBS, FROM_STORE, Answer, Asked

SUBSCRIPTION, GROUP, WORKSPACE = "5ab5c71b-0000-4000-8000-00000000f00d", "rg-vision", "ws-vision"
TENANT = "7e7a7000-0000-4000-8000-00000000f00d"
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
ROOT = f"{SCOPE}/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
ACCOUNT = "visionstore"
KEY = base64.b64encode(b"the key of a store that lives in memory for a test").decode()
TOKEN = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (
        b'{"alg":"HS256","typ":"JWT"}',
        json.dumps({"tid": TENANT, "exp": 4102444800, "aud": "https://ml.azure.com"}).encode(),
        b"the signature of a test",
    )
)
SECRET = "the-client-secret-of-a-test"
HOSTS = frozenset(
    {
        *("management.azure.com", "login.microsoftonline.com", "westeurope.api.azureml.ms"),
        # Who vouches for a CI run (tests.azure.runner).
        *("pipelines.actions.githubusercontent.com", "dev.azure.com"),
    }
)
STUDIO = "https://ml.azure.com/runs/{name}?wsid={root}"
NEVER_SHOWN = (
    *TOKEN.split(".")[1:],
    *(SECRET, KEY, "sig=", "refresh-token-of-a-test", "-key-of-an-endpoint-0f00d"),
)

Handler = Callable[["Azure", Asked, "re.Match[str]"], Answer]
_ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    def keep(handler: Handler) -> Handler:
        _ROUTES.append((method, re.compile(pattern + "/?"), handler))
        return handler

    return keep


@dataclass(slots=True)
class Fault:
    """Answers requests whose "METHOD host/path" the pattern finds, `times` times.

    `after`: what was asked is done first, and only the answer is lost. `held` blocks until a test
    lets go. With `changes` the true answer arrives changed.
    """

    pattern: str
    answer: Answer
    times: int = 1_000_000
    after: bool = False
    held: threading.Event | None = None
    changes: Callable[[Answer], Answer] | None = None


@dataclass(slots=True)
class RunOf:
    """The course of a job.

    The state that each request for it finds (the last one for ever), and its logs as they grow (a
    list per file: what is there at the n-th request).
    """

    states: list[str] = field(default_factory=lambda: ["Completed"])
    logs: dict[str, list[str]] = field(default_factory=dict)
    error: str = ""
    children: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    output_type: str = "uri_folder"
    looks: int = 0

    @property
    def state(self) -> str:
        return self.states[min(self.looks, len(self.states) - 1)]


class Azure:
    def __init__(self, blobs: int) -> None:
        self.blobs = Blobs(blobs)
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        self.asked: list[Asked] = []
        self.bodies: dict[str, Any] = {}
        self.grants: list[dict[str, str]] = []
        self.faults: list[Fault] = []
        self.runs: dict[str, RunOf] = {}
        self.next_run = RunOf()
        self.next_metrics: dict[str, float | str] = {}
        self.next_outputs: dict[str, str] = {}
        self.lifetime = 3600
        self.codes: dict[str, dict[str, Any]] = {}
        self.computes: dict[str, dict[str, Any]] = {
            "cpu-cluster": cluster("STANDARD_DS3_V2"),
            "gpu-cluster": cluster("STANDARD_NC6S_V3"),
        }
        self.quota: list[dict[str, Any]] = []
        self.discovery = "https://westeurope.api.azureml.ms/discovery"
        self.endpoints: Any = None  # what tests.azure.endpoints knows

    def __call__(self, asked: Asked) -> Answer:
        with self.lock:
            self.asked.append(asked)
            fault = next((one for one in self.faults if one.times and _hits(one, asked)), None)
            if fault is not None:
                fault.times -= 1
        if fault is not None and not fault.after:
            if fault.held is not None:
                fault.held.wait(30)
            return fault.answer
        answer = self._do(asked)
        if fault is not None:
            if fault.held is not None:
                fault.held.wait(30)
            return fault.answer if fault.changes is None else fault.changes(answer)
        return answer

    def _do(self, asked: Asked) -> Answer:
        if asked.host.endswith(BLOBS):
            return FROM_STORE
        if asked.host.endswith(".inference.ml.azure.com"):
            from tests.azure import endpoints

            return endpoints.score(self, asked)
        for method, pattern, handler in _ROUTES:
            if method == asked.method and (found := pattern.fullmatch(asked.path)):
                with self.lock:
                    return handler(self, asked, found)
        return refusal(404, "ResourceNotFound", f"there is no {asked.method} {asked.path}")

    def fault(self, pattern: str, status: int, code: str = "", **more: Any) -> Fault:
        headers = more.pop("headers", {})
        message = more.pop("message", f"{code} by the test")
        answer = refusal(status, code or str(status), message, headers)
        self.faults.append(Fault(pattern, answer, **more))
        return self.faults[-1]

    @property
    def jobs(self) -> dict[str, Any]:
        """The PUT bodies of jobs by their names."""
        start = f"{ROOT}/jobs/"
        return {
            path.removeprefix(start): body
            for path, body in self.bodies.items()
            if path.startswith(start)
        }

    def count(self, words: str) -> int:
        """How often a request was made whose "METHOD /path" holds the words."""
        return sum(words in f"{one.method} {one.path}" for one in self.asked)


def _hits(fault: Fault, asked: Asked) -> bool:
    return re.search(fault.pattern, f"{asked.method} {asked.host}{asked.path}") is not None


def told(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    content = {"Content-Type": "application/json"}
    return Answer(status, json.dumps(value).encode(), {**content, **(headers or {})})


def refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    return told({"error": {"code": code, "message": message}}, status, headers)


def cluster(size: str, **more: Any) -> dict[str, Any]:
    return {
        "computeType": "AmlCompute",
        "provisioningState": "Succeeded",
        "properties": {
            "vmSize": size,
            "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2},
            **more,
        },
    }


# Sign-in


@route("GET", r"/common/discovery/instance")
def _discovery(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    host = "login.microsoftonline.com"
    return told(
        {
            "tenant_discovery_endpoint": f"https://{host}/{TENANT}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }
    )


@route("GET", r"/[^/]+/v2\.0/\.well-known/openid-configuration")
def _openid(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    base = f"https://login.microsoftonline.com/{TENANT}"
    return told(
        {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "issuer": f"{base}/v2.0",
        }
    )


@route("POST", r"/[^/]+/oauth2/v2\.0/token")
def _token(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    form = {key: values[0] for key, values in parse_qs(asked.body.decode()).items()}
    azure.grants.append(form)
    answer = {"token_type": "Bearer", "expires_in": azure.lifetime, "access_token": TOKEN}
    if "device_code" in form.get("grant_type", ""):
        person = {"uid": "person", "utid": TENANT}
        claims: dict[str, Any] = {
            "aud": form["client_id"],
            "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        }
        claims |= {"tid": TENANT, "oid": "person", "sub": "person", "exp": 4102444800, "iat": 1}
        claims |= {"preferred_username": "person@example.com"}
        answer |= {"refresh_token": "refresh-token-of-a-test", "scope": form.get("scope", "")}
        answer |= {"id_token": f"{_packed({'alg': 'none'})}.{_packed(claims)}."}
        answer |= {"client_info": _packed(person)}
    return told(answer)


def _packed(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@route("POST", r"/[^/]+/oauth2/v2\.0/devicecode")
def _device_code(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    return told(
        {
            "user_code": "INNERLOOP",
            "device_code": "device-code-of-a-test",
            "verification_uri": "https://microsoft.com/devicelogin",
            "expires_in": 900,
            "interval": 1,
            "message": "To sign in, open https://microsoft.com/devicelogin and enter the code INNERLOOP",
        }
    )


# ARM


@route("GET", ROOT)
def _workspace(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    return told(
        {
            "id": ROOT,
            "name": WORKSPACE,
            "type": "Microsoft.MachineLearningServices/workspaces",
            "location": "westeurope",
            "kind": "Default",
            "properties": {
                "workspaceId": "0f00d000-0000-4000-8000-00000000f00d",
                "discoveryUrl": azure.discovery,
                "storageAccount": f"{SCOPE}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}",
                "mlFlowTrackingUri": f"azureml://westeurope.api.azureml.ms/mlflow/v1.0{ROOT}",
                "provisioningState": "Succeeded",
            },
        }
    )


@route("GET", r"/discovery")
def _hosts(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    here = "https://westeurope.api.azureml.ms"
    return told({"api": here, "history": here, "studio": "https://ml.azure.com"})


@route("GET", ROOT + r"/codes/([^/]+)/versions")
def _codes(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    wanted = asked.query.get("hash", [""])[0]
    same = [one for one in azure.codes.values() if wanted in json.dumps(one)]
    return told({"value": same})


@route("POST", ROOT + r"/codes/([^/]+)/versions/([^/]+)/startPendingUpload")
def _pending(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    name = f"code-{hashlib.sha256(found[0].encode()).hexdigest()[:20]}"
    azure.blobs.make(name)
    address = f"https://{ACCOUNT}{BLOBS}/{name}"
    return told(
        {
            "pendingUploadId": str(uuid.uuid4()),
            "pendingUploadType": "TemporaryBlobReference",
            "blobReferenceForConsumption": {
                "blobUri": address,
                "storageAccountArmId": f"{SCOPE}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}",
                "credential": {
                    "credentialType": "SAS",
                    "sasUri": f"{address}?{azure.blobs.signature}",
                },
            },
        }
    )


@route("GET", ROOT + r"/codes/([^/]+)/versions/([^/]+)")
@route("GET", ROOT + r"/(?:environments|components)/([^/]+)/versions/([^/]+)")
def _asset(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    body = azure.bodies.get(asked.path)
    if body is None:
        return refusal(404, "ResourceNotFound", f"not found: {asked.path}")
    return told(_resource(asked.path, body))


@route("PUT", ROOT + r"/codes/([^/]+)/versions/([^/]+)")
def _put_code(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    made = _kept(azure, asked)
    azure.codes[asked.path] = made
    return told(made, 201)


@route("PUT", ROOT + r"/(?:environments|components|data)/([^/]+)/versions/([^/]+)")
def _put_asset(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    return told(_kept(azure, asked), 201)


def _kept(azure: Azure, asked: Asked) -> dict[str, Any]:
    azure.bodies[asked.path] = json.loads(asked.body)
    return _resource(asked.path, azure.bodies[asked.path])


def _resource(path: str, body: dict[str, Any]) -> dict[str, Any]:
    at = "2026-11-24T12:00:00Z"
    system = {"createdAt": at, "createdBy": "A Person", "lastModifiedAt": at}
    return {"id": path, "name": path.rsplit("/", 1)[-1], "systemData": system, **body}


@route("GET", ROOT + r"/data")
def _data_assets(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    names = sorted({name for name, _, _ in _versions(azure)})
    return told({"value": [_container(azure, name) for name in names]})


@route("GET", ROOT + r"/data/([^/]+)")
def _data_asset(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    if not any(name == found[1] for name, _, _ in _versions(azure)):
        return refusal(404, "ResourceNotFound", f"there is no data asset {found[1]}")
    return told(_container(azure, found[1]))


@route("GET", ROOT + r"/data/([^/]+)/versions")
def _data_versions(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    own = [one for one in _versions(azure) if one[0] == found[1]]
    listed = [_resource(f"{ROOT}/data/{n}/versions/{v}", body) for n, v, body in reversed(own)]
    return told({"value": listed})


@route("GET", ROOT + r"/data/([^/]+)/versions/([^/]+)")
def _data_version(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    return _asset(azure, asked, found)


def _versions(azure: Azure) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, body in list(azure.bodies.items()):
        if one := re.fullmatch(ROOT + r"/data/([^/]+)/versions/([^/]+)", path):
            yield one[1], one[2], body


def _container(azure: Azure, name: str) -> dict[str, Any]:
    own = [(version, body) for one, version, body in _versions(azure) if one == name]
    latest, body = own[-1]
    properties = {
        "dataType": body["properties"]["dataType"],
        "latestVersion": latest,
        "nextVersion": str(int(latest) + 1),
    }
    return _resource(f"{ROOT}/data/{name}", {"properties": properties})


@route("GET", ROOT + r"/datastores")
def _default_store(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    return told({"value": [_datastore("workspaceblobstore")]})


@route("GET", ROOT + r"/datastores/([^/]+)")
def _one_store(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    return told(_datastore(found[1]))


@route("POST", ROOT + r"/datastores/([^/]+)/listSecrets")
def _secrets(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    return told({"secretsType": "Sas", "sasToken": azure.blobs.signature})


def _datastore(name: str) -> dict[str, Any]:
    return {
        "id": f"{ROOT}/datastores/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/datastores",
        "properties": {
            "datastoreType": "AzureBlob",
            "accountName": ACCOUNT,
            "containerName": name,
            "endpoint": "core.windows.net",
            "protocol": "https",
            "isDefault": name == "workspaceblobstore",
            "credentials": {"credentialsType": "Sas"},
        },
    }


@route("GET", ROOT + r"/computes/([^/]+)")
def _compute(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    one = azure.computes.get(found[1])
    if one is None:
        return refusal(404, "ResourceNotFound", f"there is no compute {found[1]}")
    return told({"id": asked.path, "name": found[1], "location": "westeurope", "properties": one})


@route(
    "GET",
    r"/subscriptions/[^/]+/providers/Microsoft.MachineLearningServices/locations/[^/]+/usages",
)
def _usages(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    return told({"value": azure.quota})


@route(
    "GET",
    r"/subscriptions/[^/]+/providers/Microsoft.MachineLearningServices/locations/[^/]+/vmSizes",
)
def _sizes(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    return told(
        {"value": [{"name": "STANDARD_DS3_V2", "family": "standardDSv2Family", "vCPUs": 4}]}
    )


@route("GET", ROOT + r"/jobs/([^/]+)")
def _job(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    body = azure.bodies.get(asked.path)
    if body is None:
        return refusal(404, "ResourceNotFound", f"there is no job {found[1]}")
    return told(_job_resource(azure, found[1], body))


@route("PUT", ROOT + r"/jobs/([^/]+)")
def _put_job(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    if asked.path in azure.bodies:
        return refusal(409, "Conflict", f"A job with this name already exists: {found[1]}")
    azure.bodies[asked.path] = json.loads(asked.body)
    azure.runs[found[1]] = azure.next_run
    azure.next_run = RunOf()
    for name, text in azure.next_outputs.items():
        blob = f"ExperimentRun/dcid.{found[1]}/outputs/{name}"
        azure.blobs.put("workspaceartifactstore", blob, text.encode())
    return told(_job_resource(azure, found[1], azure.bodies[asked.path]), 201)


@route("POST", ROOT + r"/jobs/([^/]+)/cancel")
def _cancel(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    run = azure.runs.get(found[1])
    if run is None:
        return refusal(404, "ResourceNotFound", f"there is no job {found[1]}")
    run.states = ["Canceled"]
    run.looks = 0
    return Answer(200)


def _job_resource(azure: Azure, name: str, body: dict[str, Any]) -> dict[str, Any]:
    run = azure.runs[name]
    studio = {"jobServiceType": "Studio", "endpoint": STUDIO.format(name=name, root=ROOT)}
    store = f"azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.{name}"
    properties = {
        **body["properties"],
        "status": run.state,
        "services": {"Studio": studio, **(body["properties"].get("services") or {})},
        "outputs": {
            **(body["properties"].get("outputs") or {}),
            "default": {"jobOutputType": "uri_folder", "uri": store, "mode": "ReadWriteMount"},
        },
    }
    made = _resource(f"{ROOT}/jobs/{name}", {"properties": properties})
    return {**made, "name": name, "type": "Microsoft.MachineLearningServices/workspaces/jobs"}


# Run history and data planes

_HISTORY = r"/history/v1\.0" + re.escape(ROOT) + r"/runs/([^/]+)"


@route("GET", _HISTORY + r"/details")
def _details(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    name = found[1]
    run = azure.runs.get(name)
    if run is None:
        return refusal(404, "UserError", f"there is no run {name}")
    files = {}
    for path, stages in run.logs.items():
        content = stages[min(run.looks, len(stages) - 1)]
        blob = f"ExperimentRun/dcid.{name}/{path}"
        azure.blobs.put("workspaceartifactstore", blob, content.encode())
        address = f"https://{ACCOUNT}{BLOBS}/workspaceartifactstore/{quote(blob)}"
        files[path] = f"{address}?{azure.blobs.signature}"
    told_now = {
        "runId": name,
        "status": run.state,
        "logFiles": files,
        "startTimeUtc": "2026-11-24T12:00:00Z",
        "properties": {},
    }
    if run.state in ("Completed", "Failed", "Canceled"):
        told_now["endTimeUtc"] = "2026-11-24T13:02:03Z"
    if run.error and run.state == "Failed":
        told_now["error"] = {"error": {"code": "UserError", "message": run.error}}
    run.looks += 1
    return told(told_now)


@route("GET", r"/mlflow/v1\.0" + re.escape(ROOT) + r"/api/2\.0/mlflow/runs/get")
def _tracked(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    (name,) = asked.query["run_id"]
    if name not in azure.runs:
        return refusal(404, "RESOURCE_DOES_NOT_EXIST", f"there is no run {name}")
    metrics = [
        {"key": key, "value": value, "timestamp": 1, "step": 8}
        for key, value in azure.next_metrics.items()
    ]
    return told({"run": {"info": {"run_id": name}, "data": {"metrics": metrics}}})


@route("GET", _HISTORY + r"/children")
def _children(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    parent = azure.runs[found[1]]
    listed: list[dict[str, Any]] = []
    for name in parent.children:
        child = azure.runs[name]
        listed.append(
            {
                "runId": name,
                "status": child.state,
                "displayName": name.rpartition(".")[2],
                "parentRunId": found[1],
                "runType": "azureml.StepRun",
                "properties": {},
                "tags": {},
            }
        )
    return told({"value": listed})


@route("POST", r"/history/v1\.0" + re.escape(ROOT) + r"/rundata")
def _run_data(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    name = json.loads(asked.body)["runId"]
    outputs = {
        key: {
            "assetId": f"azureml://locations/x/data/{name}-{key}",
            "type": azure.runs[name].output_type,
        }
        for key in azure.runs[name].outputs
    }
    return told({"runMetadata": {"runId": name, "outputs": outputs}})


@route("POST", r"/data/v1\.0" + re.escape(ROOT) + r"/dataversion/batchGetResolvedUris")
def _uris(azure: Azure, asked: Asked, found: re.Match[str]) -> Answer:
    wanted = json.loads(asked.body)["values"]
    known = {
        f"azureml://locations/x/data/{name}-{key}": uri
        for name, run in azure.runs.items()
        for key, uri in run.outputs.items()
    }
    return told({"values": {one: {"uri": known[one], "type": "UriFolder"} for one in wanted}})


# Blobs


class Blobs:
    """The tests' own door to Azurite."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.signature = _signature()
        self.made: set[str] = set()

    def make(self, container: str) -> None:
        if container not in self.made:
            self.made.add(container)
            self._ask("PUT", f"/{container}?restype=container")

    def put(self, container: str, name: str, content: bytes) -> None:
        self.make(container)
        self._ask("PUT", f"/{container}/{quote(name)}?", content, {"x-ms-blob-type": "BlockBlob"})

    def names(self, container: str) -> list[str]:
        text = self._ask("GET", f"/{container}?restype=container&comp=list")
        return [one.text or "" for one in ElementTree.fromstring(text).iter("Name")]

    def read(self, container: str, name: str) -> bytes:
        return self._ask("GET", f"/{container}/{quote(name)}?")

    def empty(self, container: str) -> None:
        for name in self.names(container):
            self._ask("DELETE", f"/{container}/{quote(name)}?")

    def all(self, container: str) -> dict[str, bytes]:
        return {name: self.read(container, name) for name in self.names(container)}

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        context = ssl._create_unverified_context()
        line = http.client.HTTPSConnection("127.0.0.1", self.port, context=context)
        try:
            joined = path if path.endswith("?") else f"{path}&"
            host = {"Host": f"{ACCOUNT}{BLOBS}", "Content-Length": str(len(body or b""))}
            line.request(method, joined + self.signature, body, {**host, **(headers or {})})
            answer = line.getresponse()
            content = answer.read()
            assert answer.status < 300 or answer.status == 409, (path, answer.status, content)
            return content
        finally:
            line.close()


def _signature() -> str:
    """An account's shared access signature for everything.

    As Azure Storage defines it (version 2020-12-06).
    """
    given = {"sp": "rwdlacup", "ss": "b", "srt": "sco", "st": "", "sip": "", "spr": "https"}
    given |= {"se": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))}
    given |= {"sv": "2020-12-06", "ses": ""}
    order = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses")
    text = "\n".join([ACCOUNT, *(given[key] for key in order), ""])
    made = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    return urlencode(
        {k: v for k, v in {**given, "sig": base64.b64encode(made).decode()}.items() if v}
    )


def environment(proxy: str, authority: Path) -> dict[str, str]:
    """The variables by which a program meets this Azure and no other.

    A service principal, the workspace, the proxy and its authority.
    """
    return {
        "HTTPS_PROXY": proxy,
        "HTTP_PROXY": proxy,
        "https_proxy": proxy,
        "http_proxy": proxy,
        "NO_PROXY": "",
        "no_proxy": "",
        "REQUESTS_CA_BUNDLE": str(authority),
        "SSL_CERT_FILE": str(authority),
        "CURL_CA_BUNDLE": str(authority),
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": "c11e0700-0000-4000-8000-00000000f00d",
        "AZURE_CLIENT_SECRET": SECRET,
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": GROUP,
        "AZUREML_WORKSPACE_NAME": WORKSPACE,
    }

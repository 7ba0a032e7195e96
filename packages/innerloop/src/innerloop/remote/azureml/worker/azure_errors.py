"""Explain errors of Azure and on the way to it.

Imports no library of Azure's: an exception is recognized by its class name, its status and its
text.

The host that answered decides what an answer means: the workspace's storage, the sign-in service and
Azure ML refuse for reasons of their own, and a web page is the answer of none of them.

Codes: sign-in, expired, clock, forbidden, no-workspace, not-found, exists, slow-down, service, network,
web-page, answer-broken, refused, files, not-ended, quota, name-taken, busy, deployment-failed, other.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ...worker.protocol import AGAIN, ErrorInfo

MAX_SKEW = 300  # seconds; Azure refuses a signature whose time is further off


_SECRETS = (
    (re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?"), "[token]"),
    (re.compile(r"(?i)([?&;]sig=)[^&\s'\"\\]+"), r"\1[signature]"),
    (re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]+"), r"\1[token]"),
    (re.compile(r"(?i)((account|shared)(access)?key=)[^;\s'\"\\]+"), r"\1[key]"),
    (re.compile(r"(?i)((?:client_secret|password|client_assertion|refresh_token)[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}\\]+"),
     r"\1[secret]"),
)  # fmt: skip


def scrub(text: str, env: Mapping[str, str] | None = None) -> str:
    """The text without secrets.

    These are tokens, signatures, keys and the values of azure-identity's secret variables.
    """
    variables = os.environ if env is None else env
    for name in ("AZURE_CLIENT_SECRET", "AZURE_PASSWORD", "AZURE_CLIENT_CERTIFICATE_PASSWORD"):
        secret = variables.get(name, "")
        if len(secret) >= 6:
            text = text.replace(secret, "[secret]")
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """The last answer that Azure's client logged; `status` is 0 for a request without an answer.

    `was_tried`: the client tried the request several times. `key_status`: the status with which
    Azure refused the storage's key, 0 if it gave it: the client hides that, and asks the storage
    without a key. `token_status`: the status with which the sign-in service refused a token, 0 if it
    gave it; other requests may have followed.
    """

    host: str = ""
    status: int = 0
    is_web_page: bool = False
    was_tried: bool = False
    key_status: int = 0
    token_status: int = 0


def explain(
    error: BaseException,
    request: Mapping[str, Any],
    host: str = "",
    last: LastAnswer | None = None,
) -> ErrorInfo:
    """The explanation of an exception of azure-ai-ml, azure-core, azure-identity or the system.

    `host` is the host of the last request, `last` the answer to it.
    """
    last = last or LastAnswer(host)
    chain = list(_chain(error))
    names = [type(cause).__name__ for cause in chain]
    words = scrub(" | ".join(str(cause) for cause in chain))
    if "DeploymentFailed" in names:
        return _deployment(scrub(str(error)))
    if isinstance(error, NoSuchConflict):
        said = _message(error.__cause__)
        return ErrorInfo("refused", f"Azure refused the job (409): {_shorten(said)}", "")
    answered = next((cause for cause in chain if status_of(cause)), None)
    if re.search(_UNDECODED, words):
        return _broken(host or last.host, last.status)
    if answered is not None and (late := _clock(answered)):
        return late
    if answered is not None:
        return _status(answered, status_of(answered), words, request, last)
    if "CredentialUnavailableError" in names or "ClientAuthenticationError" in names:
        return _sign_in(words, host, last)
    if any(name in _NETWORK for name in names) or re.search(_NETWORK_WORDS, words):
        return _network(words, host)
    if "JobException" in names and (match := re.search(r"in state (?:JobStatus\.)?(\w+)", words)):
        hint = f"Wait for its end: `scripts/loop logs {request.get('name', '')} --follow`"
        return ErrorInfo(
            "not-ended", f"the job has not ended yet: it is {match[1].capitalize()}", hint
        )
    if "ValidationException" in names or "ValidationError" in names:
        what = f"Azure ML's client refuses it: {_validated(words)}"
        return ErrorInfo("refused", what, "Fix the job file")
    if any(name in _UNREADABLE for name in names):
        return (
            _page(last.host, last.status) if last.is_web_page else _broken(last.host, last.status)
        )
    if isinstance(error, OSError) and not _is_of_requests(error):
        where = f" ({error.filename})" if error.filename else ""
        what = f"a file could not be read or written: {error.strerror or error}{where}"
        return ErrorInfo("files", what, "Check the disk and the permissions", "Then run it again")
    failed = "Azure ML's client failed"
    if any(isinstance(cause, _MISREADINGS) for cause in chain) and 0 < last.status < 400:
        failed = f"Azure ML's client cannot read the answer of {last.host}"
    return ErrorInfo("other", f"{failed}: {type(error).__name__}: {_shorten(words)}", "")


class NoSuchConflict(Exception):
    """Azure refused to create a job as existing, and has none of its name. The cause is its answer."""


# What the client raises for JSON of another form than it expects.
_MISREADINGS = (AttributeError, KeyError, TypeError, ValueError, IndexError)


def status_of(error: BaseException) -> int:
    """The HTTP status of the answer that an exception is about; 0 if it is about none."""
    own = getattr(error, "status_code", None)
    return int(own or getattr(getattr(error, "response", None), "status_code", None) or 0)


def _is_of_requests(error: BaseException) -> bool:
    """Whether it is an exception of the library requests, which derives them all from OSError."""
    return any(kind.__module__.partition(".")[0] == "requests" for kind in type(error).__mro__)


# An answer that is no JSON, or only its beginning.
_UNREADABLE = ("JSONDecodeError", "DecodeError", "ParseError", "UnicodeDecodeError")
_NETWORK = (
    "ServiceRequestError", "ServiceResponseError", "ConnectionError", "ConnectionResetError",
    "ProxyError", "SSLError", "ReadTimeout", "ConnectTimeout", "TimeoutError", "IncompleteRead",
    "ServiceRequestTimeoutError", "ServiceResponseTimeoutError", "gaierror", "IncompleteReadError",
)  # fmt: skip
# A body that is not encoded as its header says.
_UNDECODED = r"content-encoding: \w+, but failed to decode"
_NETWORK_WORDS = (
    r"Unable to connect to proxy|Connection aborted|Max retries exceeded|Connection reset"
)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and its causes, however they are wrapped."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        cause = todo.pop(0)
        if cause is None or id(cause) in seen or not isinstance(cause, BaseException):
            continue
        seen.add(id(cause))
        yield cause
        inner = [arg for arg in cause.args if isinstance(arg, BaseException)]
        todo += [
            cause.__cause__,
            cause.__context__,
            getattr(cause, "inner_exception", None),
            *inner,
        ]


def _clock(error: Any) -> ErrorInfo | None:
    """A wrong clock, if the answer's date shows one: requests cannot be signed with it."""
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or {}
    date = headers.get("Date") or headers.get("date")
    if status_of(error) not in (400, 401, 403) or not date:
        return None
    try:
        off = time.time() - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None
    if abs(off) <= MAX_SKEW:
        return None
    way = "fast" if off > 0 else "slow"
    what = f"this machine's clock is {abs(off) / 60:.0f} minutes {way}, and Azure refuses its signatures"
    return ErrorInfo("clock", what, "Set the clock (turn on time synchronisation)", _THEN)


def _status(
    error: Any, status: int, words: str, request: Mapping[str, Any], last: LastAnswer
) -> ErrorInfo:
    target = request["target"]
    where = f"workspace {target['workspace']} in resource group {target['group']}"
    message = _message(error)
    path = _path(error)
    host = _host(error) or last.host
    is_page = _is_web_page(error)
    if is_page and (status < 500 or status == 511):
        return _page(host, status)
    if status < 400:
        return _broken(host, status)
    if status == 407:
        what = (
            f"the proxy wants a user and a password for the connection to {host or 'Azure'} (407)"
        )
        hint = "Write both in HTTPS_PROXY, before the name of the proxy"
        return ErrorInfo("network", what, hint, _THEN)
    if _is_sign_in(host):
        return _sign_in(words, host, LastAnswer(host, status))
    if is_storage(host) and status < 500 and status not in (408, 429):
        return _storage(status, message, host, last.key_status)
    if status == 401:
        return _refused_sign_in(message, words)
    if status < 500 and (explained := _of_endpoints(message, words, path)):
        return explained
    if status in (400, 403) and "AADSTS" in words:
        return _sign_in(words)
    if status == 403:
        return _forbidden(message or words, where)
    if status == 404:
        return _not_found(message, path, where, target, _method(error))
    if status == 409 and (name := _job_to_create(error, path)):
        what = f'there is a job "{name}" already in {where}'
        return ErrorInfo("exists", what, "Choose another name")
    if status == 429:
        what = f"{_service(host)} still asks for fewer requests (429) after several attempts"
        return ErrorInfo(
            "slow-down", what, again="Wait some minutes and run it again: it continues from here"
        )
    if status >= 500 or status == 408:
        said = "" if is_page or not message else f": {_shorten(message)}"
        what = f"{_service(host)} still failed ({status}) after several attempts{said}"
        return ErrorInfo("service", what, again=_LATER)
    return ErrorInfo("refused", f"Azure refused it ({status}): {_shorten(message or words)}", "")


_LATER = "Run it again later (azure.status.microsoft lists outages)"


def _host(error: Any) -> str:
    """The host that answered."""
    return urlsplit(_path(error)).hostname or ""


def is_storage(host: str) -> bool:
    return any(kind in host for kind in (".blob.", ".dfs.", ".file.", ".queue.", ".table."))


def _is_sign_in(host: str) -> bool:
    return host.startswith(("login.", "sts.")) or host in _CI_ISSUERS


# Hosts that vouch for a CI run.
_CI_ISSUERS = ("pipelines.actions.githubusercontent.com",)


def _service(host: str) -> str:
    """The name of a service in messages."""
    if not host or host == "management.azure.com":
        return "Azure"
    return f"the workspace's storage ({host})" if is_storage(host) else host


def _is_web_page(error: Any) -> bool:
    """Whether the answer is a page for a browser, which no service of Azure sends to a program."""
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or {}
    kind = headers.get("Content-Type") or headers.get("content-type") or ""
    return is_web_page(str(kind)) or bool(re.search(r"(?i)<!doctype html|<html[\s>]", str(error)))


def is_web_page(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")


def _page(host: str, status: int) -> ErrorInfo:
    code = f" ({status})" if status not in (0, 200) else ""
    what = f"{host or 'Azure'} answered with a web page{code} (a proxy's sign-in page?)"
    hint = "Sign in to this network in a browser, or check HTTPS_PROXY"
    return ErrorInfo("web-page", what, hint, "Then run it again")


def _broken(host: str, status: int) -> ErrorInfo:
    code = f" ({status})" if status else ""
    what = f"the answer of {host or 'Azure'}{code} is cut short or unreadable"
    return ErrorInfo(
        "answer-broken", what, "Check the network, and HTTPS_PROXY if there is one", AGAIN
    )


def _storage(status: int, message: str, host: str, key_status: int) -> ErrorInfo:
    """The workspace's storage refused something: its roles and its firewall are its own."""
    if status in (401, 403) and key_status:
        return _without_key(status, host, key_status)
    said = f"({status}): {_shorten(message)}"
    if status in (401, 403):
        what = f"the workspace's storage refuses access {said}"
        role = '"Storage Blob Data Contributor"'
        hint = f"Check the firewall of {host}, and ask for the role {role}"
        return ErrorInfo("forbidden", what, hint)
    if status == 404:
        return ErrorInfo("not-found", f"{host} does not have what was asked for {said}", "")
    return ErrorInfo("refused", f"the workspace's storage ({host}) refused it {said}", "")


def _without_key(status: int, host: str, key_status: int) -> ErrorInfo:
    """Azure did not give the storage's key, and the storage refuses the person without it."""
    what = f"Azure did not give the key of the workspace's storage ({key_status})"
    if key_status == 429:
        return ErrorInfo("slow-down", what, again="Wait some minutes and run it again")
    if key_status >= 500 or key_status == 408:
        return ErrorInfo("service", what, again=_LATER)
    hint = f'Ask for the role "AzureML Data Scientist", or for "Storage Blob Data Contributor" on {host}'
    what += f", and the storage refuses access without it ({status})"
    return ErrorInfo("forbidden", what, hint)


def _job_to_create(error: Any, path: str) -> str:
    """The name of the job that the request was to create; "" if it was another request."""
    match = re.search(r"/workspaces/[^/]+/jobs/([^/]+)/?$", path)
    return match[1] if match and _method(error) in ("PUT", "") else ""


def _method(error: Any) -> str:
    request = getattr(getattr(error, "response", None), "request", None)
    return str(getattr(request, "method", "") or "")


_QUOTA = re.compile(r"(?i)OutOfQuota|not enough quota|exceed\w* .{0,40}quota|quota .{0,40}exceeded")
_TAKEN = re.compile(
    r"(?i)already (an endpoint|in use|exists|taken)|unique within|name is not available"
)
_QUOTA_HINT = (
    "Request more in the studio (Quota), choose a smaller instance_type in the deployment's file, or "
    "delete a deployment that is no longer needed"
)


def _of_endpoints(message: str, words: str, path: str) -> ErrorInfo | None:
    """The reason why Azure refuses an endpoint or a deployment at once; None for other reasons."""
    if "/onlineEndpoints" not in path:
        return None
    if _QUOTA.search(words):
        return ErrorInfo(
            "quota", f"there is not enough quota for it: {_shorten(message)}", _QUOTA_HINT
        )
    name = path.rpartition("/")[2]
    is_endpoint = "/deployments/" not in path
    if is_endpoint and _TAKEN.search(words):
        what = f'the endpoint\'s name "{name}" is taken: names are unique in an Azure region'
        hint = "Write another in deploy/endpoint.yaml, or as `[azure] endpoint` in innerloop.toml"
        return ErrorInfo("name-taken", what, hint)
    if is_endpoint and "InferencingClientCallFailed" in words:
        what = f'Azure cannot create an endpoint with the name "{name}" now'
        hint = "The name of a deleted endpoint stays blocked for a while: wait, or choose another"
        return ErrorInfo("name-taken", what, hint)
    if busy := re.search(r"because it is in (\w+) provisioning state", words):
        what = f"the endpoint is {busy[1].lower()}: another operation is changing it"
        again = "Run it again when that has ended: it continues from here"
        return ErrorInfo("busy", what, again=again)
    if match := re.search(r"(?i)SubscriptionNotRegistered|not registered .{0,60}namespace", words):
        what = f"the subscription is not registered for endpoints ({match[0]}): {_shorten(message)}"
        return ErrorInfo("refused", what, "Its owner registers it: az provider register -n NAME")
    return None


def _deployment(words: str) -> ErrorInfo:
    """The reason why a deployment failed; its log has the details."""
    if _QUOTA.search(words):
        return ErrorInfo(
            "quota", f"there is not enough quota for it: {_shorten(words)}", _QUOTA_HINT
        )
    message = _shorten(words)
    for pattern, what, hint in _FAILURES:
        if re.search(pattern, words):
            return ErrorInfo("deployment-failed", f"{what}: {message}", hint)
    return ErrorInfo("deployment-failed", f"Azure could not start the deployment: {message}", "")


_FAILURES = (
    (
        r"(?i)ImageBuildFailure|image build fail",
        "Azure could not build the deployment's image",
        "Fix deploy/Dockerfile: `scripts/loop serve` builds the same image here",
    ),
    (
        r"(?i)OutOfCapacity|no .{0,20}capacity",
        "Azure has no free machine of this instance_type now",
        "Try again later, or choose another instance_type",
    ),
    (
        r"(?i)ResourceNotReady|container .{0,40}(crash|exit)|liveness|readiness",
        "the container did not become ready",
        "Its log says why: `scripts/loop serve` starts the same container here",
    ),
)


def _refused_sign_in(message: str, words: str) -> ErrorInfo:
    if re.search(r"(?i)expired", words):
        return ErrorInfo("expired", "the sign-in to Azure has expired", SIGN_IN, _THEN)
    what = f"Azure does not accept the sign-in (401): {_shorten(message or words)}"
    return ErrorInfo("sign-in", what, f"{SIGN_IN}; check that the tenant is the subscription's")


SIGN_IN = "Sign in again (`az login`, or new credentials in AZURE_CLIENT_SECRET)"


def _sign_in(words: str, host: str = "", last: LastAnswer | None = None) -> ErrorInfo:
    last = last or LastAnswer()
    status = last.token_status or last.status
    if last.is_web_page and last.status < 500:
        return _page(last.host, last.status)
    # The client keeps such an answer and gives it again without a request.
    is_throttled = re.search(r"(?i)too ?many ?requests|AADSTS90055|AADSTS50196", words)
    if is_throttled or (_is_sign_in(last.host) and status == 429):
        asks = last.host if _is_sign_in(last.host) else "login.microsoftonline.com"
        what = f"{asks} asks for fewer requests (429)"
        return ErrorInfo("slow-down", what, again="Wait some minutes and run it again")
    if _is_sign_in(last.host) and (status >= 500 or status == 408):
        what = f"{last.host} failed ({status}): nobody can sign in to Azure now"
        return ErrorInfo("service", what, again=_LATER)
    if "AADSTS7000222" in words or re.search(
        r"(?i)(secret|token|assertion)[^|]{0,60}expired", words
    ):
        return ErrorInfo("expired", "the credentials for Azure have expired", SIGN_IN, _THEN)
    if match := re.search(r"AADSTS\d+:? ?([^|\r\n]*?)(?:\. ?Trace ID|\.?$|\.\s)", words):
        return ErrorInfo("sign-in", f"the sign-in to Azure failed: {_shorten(match[0])}", SIGN_IN)
    if re.search(
        _NETWORK_WORDS
        + r"|resolve|getaddrinfo|Name or service|certificate verify|Connection broken|IncompleteRead",
        words,
    ):
        return _network(words, host)
    if match := re.search(r"(GitHub returned no token[^|\r\n]*)", words):
        return ErrorInfo(
            "sign-in", f"the sign-in to Azure failed: {match[1]}", _how_to_sign_in(os.environ)
        )
    if re.search(r"Expecting value|Unterminated string|JSONDecodeError", words):
        return _broken(last.host, last.status)
    if match := re.search(r"Authentication failed: ([^|\r\n]+)", words):
        return ErrorInfo("sign-in", f"the sign-in to Azure failed: {_shorten(match[1])}", SIGN_IN)
    what = "nobody is signed in to Azure: no credential of the chain is usable"
    return ErrorInfo("sign-in", what, _how_to_sign_in(os.environ))


_THEN = "Then run it again"


def _how_to_sign_in(env: Mapping[str, str]) -> str:
    if env.get("GITHUB_ACTIONS"):
        return (
            "The workflow needs `permissions: id-token: write` and the variables AZURE_CLIENT_ID "
            "and AZURE_TENANT_ID (docs/orchestrators.md)"
        )
    if env.get("TF_BUILD"):
        return (
            "The step needs the task AzureCLI@2 with a service connection, and in its env "
            "SYSTEM_ACCESSTOKEN: $(System.AccessToken) (docs/orchestrators.md)"
        )
    return (
        "Run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or "
        "AZURE_FEDERATED_TOKEN_FILE)"
    )


def _forbidden(words: str, where: str) -> ErrorInfo:
    if re.search(r"(?i)disallowed by policy|RequestDisallowedByPolicy", words):
        what = f"a policy of Azure forbids it: {_shorten(words)}"
        return ErrorInfo("refused", what, "Ask who owns the subscription: no role changes that")
    if re.search(r"(?i)public network access|private (?:endpoint|link)|virtual network", words):
        what = f"{where} refuses this network: {_shorten(words)}"
        return ErrorInfo("forbidden", what, "Connect to the network of its private endpoint")
    if match := re.search(r"perform action '([^']+)'", words):
        what = f"you lack a permission in {where}: {match[1]}"
        return ErrorInfo("forbidden", what, 'Ask its owner for the role "AzureML Data Scientist"')
    if re.search(r"failed to authenticate the request|AuthorizationPermissionMismatch", words):
        return _storage(403, words, "the storage", 0)
    return ErrorInfo(
        "forbidden",
        f"you lack a permission in {where} (403): {_shorten(words)}",
        'Ask its owner for the role "AzureML Data Scientist"',
    )


def _not_found(
    message: str, path: str, where: str, target: Mapping[str, Any], method: str
) -> ErrorInfo:
    after = re.search(r"(?i)/workspaces/[^/]+/(\w+?)s?/([^/]+)", path)
    lost = re.search(
        r"(?i)(resource ?group|subscription|workspace)\w*'? ?.*(not be found|not found)", message
    )
    if after is None or (lost and lost[1].lower() not in after[1].lower()):
        what = f"there is no {where} (subscription {target['subscription']})"
        hint = "Check the names in .azureml/config.json or AZUREML_WORKSPACE_NAME"
        return ErrorInfo("no-workspace", what, hint)
    kind, name = after[1].lower(), after[2]
    if kind == "onlineendpoint":
        return _no_endpoint(path, name, where)
    if method in ("PUT", "POST") or kind == "code":  # what it was to create or list is not missing
        return ErrorInfo("not-found", f"Azure refused it (404): {_shorten(message)}", "")
    hint = {
        "job": "`scripts/loop status --all` lists those that were submitted from here",
        "compute": "Name one of the workspace's computes under `compute:`",
        "data": f"Register it: `scripts/loop data register data/{name}`",
    }.get(kind, "")
    kind = "data asset" if kind == "data" else kind
    return ErrorInfo("not-found", f'there is no {kind} "{name}" in {where}', hint)


def _no_endpoint(path: str, name: str, where: str) -> ErrorInfo:
    inner = re.search(r"/deployments/([^/]+)", path)
    hint = "`scripts/loop endpoint status` shows the endpoint, `scripts/loop deploy` creates it"
    if inner:
        return ErrorInfo("not-found", f'the endpoint {name} has no deployment "{inner[1]}"', hint)
    return ErrorInfo("not-found", f'there is no endpoint "{name}" in {where}', hint)


def _network(words: str, host: str) -> ErrorInfo:
    match = _HOST.search(words)
    where = (match["name"] if match else "") or host or "Azure"
    if re.search(r"(?i)certificate verify|CERTIFICATE_VERIFY|self.signed", words):
        what = f"{where} has a certificate that this machine does not trust"
        hint = "Behind a company's proxy set REQUESTS_CA_BUNDLE to the file of its certificate authority"
        return ErrorInfo("network", what, hint, _THEN)
    if re.search(r"(?i)resolve|getaddrinfo|Name or service|nodename|name resolution", words):
        return ErrorInfo(
            "network", f"{where} cannot be found by name (no DNS answer)", _CHECK, _THEN
        )
    if re.search(r"(?i)tunnel connection failed|proxy authentication", words):
        return ErrorInfo("network", f"the proxy refuses the connection to {where}", _CHECK, _THEN)
    if re.search(r"(?i)connection refused|actively refused", words):
        far = f"the proxy to {where}" if re.search(r"(?i)proxy", words) else where
        return ErrorInfo("network", f"{far} refuses the connection", _CHECK, _THEN)
    if re.search(
        r"(?i)reset|aborted|broken pipe|closed connection|EOF occurred|IncompleteRead|"
        r"Connection broken|ended prematurely|Response payload",
        words,
    ):
        return ErrorInfo(
            "network",
            f"the connection to {where} still broke after several attempts",
            again=AGAIN,
        )
    if re.search(r"(?i)timed? ?out", words):
        return ErrorInfo("network", f"{where} did not answer in time", again=AGAIN)
    if re.search(r"(?i)proxy", words):
        return ErrorInfo("network", f"the proxy refuses the connection to {where}", _CHECK, _THEN)
    return ErrorInfo("network", f"{where} cannot be reached: {_shorten(words)}", _CHECK, _THEN)


_HOST = re.compile(r"(?:host=|resolve )'(?P<name>[^']+)'")
_CHECK = "Check the network, and HTTPS_PROXY if there is one"


def _message(error: Any) -> str:
    inner = getattr(error, "error", None)
    text = getattr(inner, "message", None) or getattr(error, "message", None) or str(error)
    return scrub(str(text))


def _path(error: Any) -> str:
    request = getattr(getattr(error, "response", None), "request", None)
    url = str(getattr(request, "url", "") or "")
    return url.partition("?")[0]


def _validated(text: str) -> str:
    """The errors of a validation result, which is JSON inside the message: each with its key."""
    errors = []
    for message, path in re.findall(
        r'"message": "((?:[^"\\]|\\.)*)"(?:,\s*"path": "([\w.]+)")?', text
    ):
        plain = json.loads(f'"{message}"').split("\n")[0].rstrip(" :")
        errors.append(f"{path}: {_shorten(plain)}" if path else _shorten(plain))
    return _shorten("; ".join(dict.fromkeys(errors)) or text)


def _shorten(text: str, limit: int = 300) -> str:
    """The beginning of a message on one line, without codes and colours."""
    plain = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())
    plain = re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\"]*", r"\1", plain)
    plain = re.sub(r"^Operation returned an invalid status '(.*?)'?$", r"\1", plain)
    plain = re.split(r"\s*(?:Code: |Content: |ErrorCode:|RequestId:|\|)", plain)[0].strip()
    plain = re.sub(r"^\(\w+\)\s*", "", plain)
    return (plain[:limit].rstrip() + " ...") if len(plain) > limit else plain.rstrip(".")

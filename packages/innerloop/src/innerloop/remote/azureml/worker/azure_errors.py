"""Explain errors of Azure and on the way to it.

Imports no library of Azure's: an exception is recognized by its class name, its status and its
text.

Codes: sign-in, expired, clock, forbidden, no-workspace, not-found, exists, slow-down, service, network,
refused, files, not-ended, quota, name-taken, busy, deployment-failed, other.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ...worker.protocol import ErrorInfo

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


def explain(error: BaseException, request: Mapping[str, Any], host: str = "") -> ErrorInfo:
    """The explanation of an exception of azure-ai-ml, azure-core, azure-identity or the system.

    `host` is the host of the last request.
    """
    chain = list(_chain(error))
    names = [type(cause).__name__ for cause in chain]
    words = scrub(" | ".join(str(cause) for cause in chain))
    if "DeploymentFailed" in names:
        return _deployment(scrub(str(error)))
    answered = next((cause for cause in chain if getattr(cause, "status_code", None)), None)
    if answered is not None and (late := _clock(answered)):
        return late
    if answered is not None:
        return _status(answered, int(answered.status_code), words, request)  # type: ignore[attr-defined]
    if "CredentialUnavailableError" in names or "ClientAuthenticationError" in names:
        return _sign_in(words, host)
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
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        what = f"a file could not be read or written: {error.strerror or error}{where}"
        return ErrorInfo("files", what, "Check the disk and the permissions, and run it again")
    return ErrorInfo(
        "other", f"Azure ML's client failed: {type(error).__name__}: {_shorten(words)}", ""
    )


_NETWORK = (
    "ServiceRequestError", "ServiceResponseError", "ConnectionError", "ConnectionResetError",
    "ProxyError", "SSLError", "ReadTimeout", "ConnectTimeout", "TimeoutError", "IncompleteRead",
    "ServiceRequestTimeoutError", "ServiceResponseTimeoutError", "gaierror", "IncompleteReadError",
)  # fmt: skip
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
    if error.status_code not in (400, 401, 403) or not date:
        return None
    try:
        off = time.time() - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None
    if abs(off) <= MAX_SKEW:
        return None
    way = "fast" if off > 0 else "slow"
    what = f"this machine's clock is {abs(off) / 60:.0f} minutes {way}, and Azure refuses its signatures"
    return ErrorInfo(
        "clock", what, "Set the clock (turn on time synchronisation), and run it again"
    )


def _status(error: Any, status: int, words: str, request: Mapping[str, Any]) -> ErrorInfo:
    target = request["target"]
    where = f"workspace {target['workspace']} in resource group {target['group']}"
    message = _message(error)
    path = _path(error)
    if status == 401:
        return _refused_sign_in(message, words)
    if status < 500 and (explained := _of_endpoints(message, words, path)):
        return explained
    if status in (400, 403) and "AADSTS" in words:
        return _sign_in(words)
    if status == 403:
        return _forbidden(message or words, where)
    if status == 404:
        return _not_found(message, path, where, target)
    if status == 409:
        name = path.rpartition("/")[2] if "/jobs/" in path else ""
        what = (
            f'there is a job "{name}" already'
            if name
            else f"it exists already: {_shorten(message)}"
        )
        return ErrorInfo("exists", f"{what} in {where}", "Choose another name")
    if status == 429:
        what = "Azure still asks for fewer requests (429) after several attempts"
        return ErrorInfo(
            "slow-down", what, "Wait some minutes and run it again: it continues from here"
        )
    if status >= 500:
        what = f"Azure still failed ({status}) after several attempts: {_shorten(message)}"
        return ErrorInfo(
            "service", what, "Run it again later (azure.status.microsoft lists outages)"
        )
    return ErrorInfo("refused", f"Azure refused it ({status}): {_shorten(message or words)}", "")


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
        return ErrorInfo("busy", what, "Run it again when that has ended: it continues from here")
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
        return ErrorInfo(
            "expired", "the sign-in to Azure has expired", f"{SIGN_IN}, and run it again"
        )
    what = f"Azure does not accept the sign-in (401): {_shorten(message or words)}"
    return ErrorInfo("sign-in", what, f"{SIGN_IN}; check that the tenant is the subscription's")


SIGN_IN = "Sign in again (`az login`, or new credentials in AZURE_CLIENT_SECRET)"


def _sign_in(words: str, host: str = "") -> ErrorInfo:
    if "AADSTS7000222" in words or re.search(
        r"(?i)(secret|token|assertion)[^|]{0,60}expired", words
    ):
        return ErrorInfo(
            "expired", "the credentials for Azure have expired", f"{SIGN_IN}, and run it again"
        )
    if match := re.search(r"AADSTS\d+:? ?([^|\r\n]*?)(?:\. ?Trace ID|\.?$|\.\s)", words):
        return ErrorInfo("sign-in", f"the sign-in to Azure failed: {_shorten(match[0])}", SIGN_IN)
    if re.search(_NETWORK_WORDS + r"|resolve|getaddrinfo|Name or service", words):
        return _network(words, host)
    what = "nobody is signed in to Azure: no credential of the chain is usable"
    return ErrorInfo("sign-in", what, _how_to_sign_in(os.environ))


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
    if match := re.search(r"perform action '([^']+)'", words):
        what = f"you lack a permission in {where}: {match[1]}"
        return ErrorInfo("forbidden", what, 'Ask its owner for the role "AzureML Data Scientist"')
    if re.search(r"(?i)authenticat|signature|AuthorizationPermissionMismatch|storage", words):
        what = f"the workspace's storage refuses access (403): {_shorten(words)}"
        hint = 'Ask for the role "Storage Blob Data Contributor", and check the storage\'s firewall'
        return ErrorInfo("forbidden", what, hint)
    return ErrorInfo(
        "forbidden",
        f"you lack a permission in {where} (403): {_shorten(words)}",
        'Ask its owner for the role "AzureML Data Scientist"',
    )


def _not_found(message: str, path: str, where: str, target: Mapping[str, Any]) -> ErrorInfo:
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
        return ErrorInfo("network", what, hint)
    if re.search(r"(?i)resolve|getaddrinfo|Name or service|nodename|name resolution", words):
        return ErrorInfo("network", f"{where} cannot be found by name (no DNS answer)", _CHECK)
    if re.search(r"(?i)proxy", words):
        return ErrorInfo("network", f"the proxy refuses the connection to {where}", _CHECK)
    if re.search(r"(?i)reset|aborted|broken pipe|closed connection|EOF occurred", words):
        return ErrorInfo(
            "network", f"the connection to {where} still broke after several attempts", _AGAIN
        )
    if re.search(r"(?i)timed? ?out", words):
        return ErrorInfo("network", f"{where} did not answer in time", _AGAIN)
    return ErrorInfo("network", f"{where} cannot be reached: {_shorten(words)}", _CHECK)


_HOST = re.compile(r"(?:host=|resolve )'(?P<name>[^']+)'")
_CHECK = "Check the network, and HTTPS_PROXY if there is one; then run it again"
_AGAIN = "Run it again: nothing is sent twice"


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
    plain = re.split(r"\s*(?:Code: |Content: |\|)", plain)[0].strip()
    plain = re.sub(r"^\(\w+\)\s*", "", plain)
    return (plain[:limit].rstrip() + " ...") if len(plain) > limit else plain.rstrip(".")

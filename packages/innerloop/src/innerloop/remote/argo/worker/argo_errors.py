"""Explain errors of the cluster and on the way to it.

Imports no library: an exception is recognized by its class name, its status and its text.

Codes: no-cluster, network, certificate, sign-in, forbidden, no-argo, no-namespace, not-found, exists,
refused, quota, service, other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...worker.protocol import ErrorInfo

_SECRETS = (
    (re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?"), "[token]"),
    (re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]+"), r"\1[token]"),
    (re.compile(r"(?i)((?:token|password|client-key-data)[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}\\]+"),
     r"\1[secret]"),
)  # fmt: skip


def scrub(text: str) -> str:
    """The text without tokens, passwords and keys."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class NoCluster(Exception):
    """There is no kubeconfig, or it cannot be used."""

    def __init__(self, what: str, hint: str) -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


def explain(error: BaseException, request: Mapping[str, Any], server: str = "") -> ErrorInfo:
    """The explanation of an exception of the client, of urllib3 or the system.

    `server` is the API's address.
    """
    if isinstance(error, NoCluster):
        return ErrorInfo("no-cluster", error.what, error.hint)
    chain = list(_chain(error))
    answered = next(
        (cause for cause in chain if isinstance(getattr(cause, "status", None), int)), None
    )
    if answered is not None and answered.status:  # type: ignore[attr-defined]
        return _status(answered, request)
    names = {type(cause).__name__ for cause in chain}
    words = scrub(" | ".join(str(cause) for cause in chain))
    where = server or "the cluster"
    if "certificate verify failed" in words or "SSLCertVerificationError" in names:
        return ErrorInfo(
            "certificate",
            f"the certificate of {where} is not trusted",
            "Check certificate-authority of the cluster in the kubeconfig",
        )
    if names & _NETWORK or "Max retries exceeded" in words:
        return ErrorInfo(
            "network",
            f"{where} cannot be reached",
            "Check the network, the VPN and whether the cluster runs (`kubectl get ns`)",
        )
    return ErrorInfo(
        "other", f"the client failed: {type(error).__name__}: {' '.join(words.split())[:300]}"
    )


_NETWORK = {
    "MaxRetryError", "NewConnectionError", "ConnectTimeoutError", "ReadTimeoutError",
    "ProtocolError", "ConnectionError", "ConnectionRefusedError", "ConnectionResetError",
    "NameResolutionError", "TimeoutError", "gaierror", "SSLError", "ProxyError",
}  # fmt: skip


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    todo = [error]
    while todo:
        cause = todo.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = [arg for arg in cause.args if isinstance(arg, BaseException)]
        todo += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *inner]


def _status(error: Any, request: Mapping[str, Any]) -> ErrorInfo:
    target = request["target"]
    namespace, name = target["namespace"] or "default", str(request.get("name", ""))
    body = _body(error)
    words = scrub(" ".join(str(body.get("message") or error.reason or "").split()))
    kind = str((body.get("details") or {}).get("kind", ""))
    if error.status == 401:
        return ErrorInfo(
            "sign-in", "the cluster does not accept the credentials",
            "Sign in again as for kubectl (the token in the kubeconfig has expired or is wrong)",
        )  # fmt: skip
    if error.status == 403 and "quota" in words:
        return ErrorInfo(
            "quota", f"the namespace's quota is full: {words}", "Request less, or wait"
        )
    if error.status == 403:
        return ErrorInfo(
            "forbidden", f"you lack a permission in the namespace {namespace}: {words}",
            "Ask for a role there, or set another [argo] namespace",
        )  # fmt: skip
    if error.status == 404 and (
        kind == "namespaces" or re.search(r"namespaces? .* not found", words)
    ):
        return ErrorInfo(
            "no-namespace", f"there is no namespace {namespace}",
            "Set another [argo] namespace, or create it",
        )  # fmt: skip
    if (error.status == 404 and "could not find the requested resource" in words) or (
        error.status == 404 and not body
    ):
        return ErrorInfo(
            "no-argo", "Argo Workflows is not installed in the cluster",
            "Install it there, or set another [argo] context",
        )  # fmt: skip
    if error.status == 404:
        return ErrorInfo(
            "not-found", f"there is no {name or 'such resource'} in the namespace {namespace}",
            "`scripts/loop status --all` lists what was submitted from here",
        )  # fmt: skip
    if error.status == 409:
        return ErrorInfo("exists", f"there is a Workflow {name} already", "Choose another --name")
    if error.status in (400, 422):
        return ErrorInfo("refused", f"the cluster refuses it: {words[:400]}", "Fix what it names")
    return ErrorInfo(
        "service", f"the cluster answered {error.status}: {words[:300] or 'nothing'}",
        "Try again; a status of 429 or 5xx is temporary",
    )  # fmt: skip


def _body(error: Any) -> Mapping[str, Any]:
    try:
        body = error.body.decode() if isinstance(error.body, bytes) else error.body
        value = json.loads(body or "{}")
    except (ValueError, AttributeError):
        return {}
    return value if isinstance(value, dict) else {}

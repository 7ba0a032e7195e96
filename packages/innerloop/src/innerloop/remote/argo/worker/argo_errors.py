"""What went wrong between here and the cluster, as one sentence each. Knows no library: an exception
is told by its name, its status and its words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` names the kind: no-cluster, network, certificate, sign-in, forbidden, no-argo,
    no-namespace, not-found, exists, refused, quota, service, other."""

    code: str
    what: str
    hint: str = ""


class NoCluster(Exception):
    """There is no kubeconfig, or what it says cannot be used."""

    def __init__(self, what: str, hint: str) -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


def explain(error: BaseException, request: Mapping[str, Any], server: str = "") -> Fault:
    """The sentence for an exception of the client, of urllib3 or the system; `server` is the API's
    address."""
    if isinstance(error, NoCluster):
        return Fault("no-cluster", error.what, error.hint)
    chain = list(_chain(error))
    answered = next((one for one in chain if isinstance(getattr(one, "status", None), int)), None)
    if answered is not None and answered.status:  # type: ignore[attr-defined]
        return _status(answered, request)
    names = {type(one).__name__ for one in chain}
    words = scrub(" | ".join(str(one) for one in chain))
    where = server or "the cluster"
    if "certificate verify failed" in words or "SSLCertVerificationError" in names:
        return Fault(
            "certificate",
            f"the certificate of {where} is not trusted",
            "Check certificate-authority of the cluster in the kubeconfig",
        )
    if names & _NETWORK or "Max retries exceeded" in words:
        return Fault(
            "network",
            f"{where} cannot be reached",
            "Check the network, the VPN and that the cluster runs (`kubectl get ns` tells as well)",
        )
    return Fault(
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
        one = todo.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [arg for arg in one.args if isinstance(arg, BaseException)]
        todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *inner]


def _status(error: Any, request: Mapping[str, Any]) -> Fault:
    target = request["target"]
    namespace, name = target["namespace"] or "default", str(request.get("name", ""))
    told = _body(error)
    words = scrub(" ".join(str(told.get("message") or error.reason or "").split()))
    kind = str((told.get("details") or {}).get("kind", ""))
    if error.status == 401:
        return Fault(
            "sign-in", "the cluster does not know you",
            "Sign in again as for kubectl (the token in the kubeconfig has ended, or is wrong)",
        )  # fmt: skip
    if error.status == 403 and "quota" in words:
        return Fault("quota", f"the namespace's quota is full: {words}", "Ask for less, or wait")
    if error.status == 403:
        return Fault(
            "forbidden", f"you may not do that in the namespace {namespace}: {words}",
            "Ask for a role there, or name another with [argo] namespace",
        )  # fmt: skip
    if error.status == 404 and (
        kind == "namespaces" or re.search(r"namespaces? .* not found", words)
    ):
        return Fault(
            "no-namespace", f"there is no namespace {namespace}",
            "Name another with [argo] namespace, or make it",
        )  # fmt: skip
    if (error.status == 404 and "could not find the requested resource" in words) or (
        error.status == 404 and not told
    ):
        return Fault(
            "no-argo", "Argo Workflows is not installed in the cluster",
            "Install it there, or name another cluster with [argo] context",
        )  # fmt: skip
    if error.status == 404:
        return Fault(
            "not-found", f"there is no {name or 'such thing'} in the namespace {namespace}",
            "`scripts/loop status --all` lists what was submitted from here",
        )  # fmt: skip
    if error.status == 409:
        return Fault("exists", f"there is a Workflow {name} already", "Choose another --name")
    if error.status in (400, 422):
        return Fault("refused", f"the cluster refuses it: {words[:400]}", "Mend what it names")
    return Fault(
        "service", f"the cluster answered {error.status}: {words[:300] or 'nothing'}",
        "Try again; a status of 429 or 5xx passes",
    )  # fmt: skip


def _body(error: Any) -> Mapping[str, Any]:
    try:
        body = error.body.decode() if isinstance(error.body, bytes) else error.body
        value = json.loads(body or "{}")
    except (ValueError, AttributeError):
        return {}
    return value if isinstance(value, dict) else {}

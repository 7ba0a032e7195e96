"""Azure's client with a credential, and its log records as events."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    AuthenticationRecord,
    DefaultAzureCredential,
    DeviceCodeCredential,
    TokenCachePersistenceOptions,
)

from ...worker.protocol import Emit
from . import oidc
from .azure_errors import LastAnswer, is_storage, is_web_page
from .delivery import Delivery
from .heartbeat import Heartbeat

# Warnings about classes inside the client, on which a user cannot act.
_NOISE = re.compile(r"experimental|no tenant id appended|Overriding of current|pathOnCompute")
_QUIET_LOGGERS = (
    "azure.identity",
    "urllib3",
    "msal",
    "azure.core.pipeline.policies.retry",
    "opentelemetry",
)

_HTTP = "azure.core.pipeline.policies.http_logging_policy"


def connect(request: Mapping[str, Any], emit: Emit, *, fresh: bool = False) -> MLClient:
    """The client of a workspace.

    It signs in with its first request; requests about one workspace share a client. With `fresh` it
    signs in once more, as after an answer that its token is not accepted.
    """
    where = request["target"]
    key = (where["subscription"], where["group"], where["workspace"])
    if fresh or key not in _CLIENTS:
        signed_in = credential(emit, device=bool(request.get("device")))
        _CLIENTS[key] = MLClient(signed_in, *key, enable_telemetry=False)
    return _CLIENTS[key]


_CLIENTS: dict[tuple[str, str, str], MLClient] = {}


def credential(emit: Emit, *, device: bool) -> Any:
    """The credential of a CI run if there is one, else the chain of azure-identity.

    With `device`, a user without any of these signs in with a device code, which is remembered.
    """
    if (ci_run := oidc.credential(os.environ)) is not None:
        return ci_run
    chain = DefaultAzureCredential()
    if not device:
        return chain

    def ask(uri: str, code: str, expires: object) -> None:
        emit("sign-in", text=f"To sign in to Azure, open {uri} and enter the code {code}")

    return _ChainOrDeviceCode(chain, _CachedDeviceCode(ask, os.environ.get("AZURE_TENANT_ID")))


class _ChainOrDeviceCode:
    """The chain, or a device code if nothing of the chain is configured.

    A configured credential that is refused stays an error: a wrong secret is no reason to ask for a
    code.
    """

    def __init__(self, chain: Any, device_code: Any) -> None:
        self.chain = chain
        self.device_code = device_code
        self.uses_code = False

    def get_token(self, *scopes: str, **more: Any) -> Any:
        if not self.uses_code:
            try:
                return self.chain.get_token(*scopes, **more)
            except ClientAuthenticationError as error:
                if "AADSTS" in str(error):
                    raise
                self.uses_code = True
        return self.device_code.get_token(*scopes, **more)


class _CachedDeviceCode:
    """A device-code credential whose account is kept between commands.

    Its tokens are where azure-identity keeps them: the system's key store, else a file that only
    the user can read.
    """

    def __init__(self, ask: Callable[[str, str, object], None], tenant: str | None) -> None:
        self.file = Path(os.environ["INNERLOOP_AZURE_ACCOUNT"])
        more = {"tenant_id": tenant} if tenant else {}
        self.inner = DeviceCodeCredential(
            prompt_callback=ask,
            authentication_record=self._record(),
            cache_persistence_options=TokenCachePersistenceOptions(
                name="innerloop", allow_unencrypted_storage=True
            ),
            **more,
        )

    def _record(self) -> Any:
        try:
            return AuthenticationRecord.deserialize(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError):
            return None

    def get_token(self, *scopes: str, **more: Any) -> Any:
        if self._record() is None:
            from ....util import files

            record = self.inner.authenticate(scopes=scopes)
            files.write_text(self.file, record.serialize())
        return self.inner.get_token(*scopes, **more)


def listen(emit: Emit) -> Heartbeat:
    """Emit what the client does as events from here on.

    The events are requests, responses, uploaded bytes, warnings and the credential in use.
    """
    logging.getLogger().addHandler(_Warnings(emit))
    warnings.simplefilter("ignore", Warning)  # warnings for programmers
    warnings.simplefilter("once", UserWarning)
    warnings.showwarning = lambda message, *_: emit("note", text=" ".join(str(message).split()))
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    delivery = Delivery(emit)
    sys.addaudithook(delivery.hook)
    _DELIVERIES.append(delivery)
    requests = _Requests(emit, delivery)
    for name, handler in ((_HTTP, requests), ("azure.identity", _SignedIn(emit))):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(handler)
    heartbeat = Heartbeat(emit)
    sys.addaudithook(heartbeat.hook)
    return heartbeat


class _Warnings(logging.Handler):
    def __init__(self, emit: Emit) -> None:
        super().__init__(logging.WARNING)
        self.send_event = emit

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", record.getMessage()).split())
        if text and not _NOISE.search(text):
            self.send_event("note", text=text)


class _Requests(logging.Handler):
    """One event per request and response, which azure-core logs without queries and secret headers.

    A request is answered in the thread that sent it. `last` is the answer to the last request.
    """

    last = LastAnswer()

    def __init__(self, emit: Emit, delivery: Delivery) -> None:
        super().__init__(logging.INFO)
        self.send_event = emit
        self.delivery = delivery
        self.sent = threading.local()
        self.key_status = 0
        self.token_status = 0

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if found := re.search(r"Request URL: '(?:https?://)?([^/'?]+)([^'?]*)", text):
            method = re.search(r"Request method: '(\w+)'", text)
            operation = re.search(r"'x-ms-client-request-id': '([^']*)'", text, re.IGNORECASE)
            self.sent.request = {
                "id": operation[1] if operation else "",
                "method": method[1] if method else "",
                "host": found[1],
                "path": found[2],
            }
            is_tried = self.sent.request["method"] not in ("POST", "PATCH")
            _Requests.last = LastAnswer(
                found[1],
                was_tried=is_tried,
                key_status=self.key_status,
                token_status=self.token_status,
            )
            self.send_event("request", **self.sent.request)
        elif found := re.search(r"Response status: (\d+)", text):
            self._answered(int(found[1]), text)

    def _answered(self, status: int, text: str) -> None:
        wait = re.search(r"'Retry-After': '?(\d+)", text, re.IGNORECASE)
        kind = re.search(r"'Content-Type': '([^']*)", text, re.IGNORECASE)
        request = getattr(self.sent, "request", None) or {
            "id": "", "method": "", "host": _Requests.last.host, "path": "",
        }  # fmt: skip
        is_page = kind is not None and is_web_page(kind[1])
        method, host, path = request["method"], request["host"], request["path"]
        self.delivery.answered(method, host, path, status, is_web_page=is_page)
        tries = is_tried_again(method, host, status)
        if path.endswith("/listSecrets"):
            self.key_status = status if status >= 400 else 0
        if method == "POST" and path.endswith("/token"):
            self.token_status = status if status >= 400 else 0
        _Requests.last = LastAnswer(
            host, status, is_page, tries, self.key_status, self.token_status
        )
        seconds = int(wait[1]) if wait else 0
        self.send_event("response", **request, status=status, wait=seconds, tries=tries)


def is_tried_again(method: str, host: str, status: int) -> bool:
    """Whether Azure's client tries a request with such an answer again.

    Source: azure-core 1.3x, `RetryPolicy.is_retry`; azure-storage-blob 12, `is_retry`.
    """
    if is_storage(host):
        return status == 408 or (status >= 500 and status not in (501, 505))
    if method in ("POST", "PATCH"):
        return status in (500, 503, 504)
    return status in (408, 429, 500, 502, 503, 504)


class _SignedIn(logging.Handler):
    def __init__(self, emit: Emit) -> None:
        super().__init__(logging.INFO)
        self.send_event = emit

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.search(r"acquired a token from (\w+)", record.getMessage()):
            self.send_event("signed-in", by=found[1])


_DELIVERIES: list[Delivery] = []


def unrefused() -> int:
    """How many requests that create a job were sent so far and not refused."""
    return sum(delivery.unrefused for delivery in _DELIVERIES)


def last_answer() -> LastAnswer:
    """The answer to the last request."""
    return _Requests.last

"""Azure's client, signed in, with its noise turned into events."""

from __future__ import annotations

import logging
import os
import re
import sys
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

from . import oidc
from .heartbeat import Pulse

Tell = Callable[..., None]

# Said for every job file, about classes inside the client, and nothing that a person can act on.
_NOISE = re.compile(r"experimental|no tenant id appended|Overriding of current|pathOnCompute")
_SILENT = (
    "azure.identity",
    "urllib3",
    "msal",
    "azure.core.pipeline.policies.retry",
    "opentelemetry",
)
_HTTP = "azure.core.pipeline.policies.http_logging_policy"


def connect(request: Mapping[str, Any], tell: Tell) -> MLClient:
    """Nothing is sent yet: the client signs in when it first asks for something. Requests about
    one workspace share a client, and its sign-in."""
    where = request["target"]
    key = (where["subscription"], where["group"], where["workspace"])
    if key not in _CLIENTS:
        signed_in = credential(tell, device=bool(request.get("device")))
        _CLIENTS[key] = MLClient(signed_in, *key, enable_telemetry=False)
    return _CLIENTS[key]


_CLIENTS: dict[tuple[str, str, str], MLClient] = {}


def credential(tell: Tell, *, device: bool) -> Any:
    """What a CI run signs in with by itself, else the chain of azure-identity; where a person sits and nothing of it answers (`device`), a
    code to type into a browser, remembered for the next time."""
    if (of_the_run := oidc.credential(os.environ)) is not None:
        return of_the_run
    chain = DefaultAzureCredential()
    if not device:
        return chain

    def ask(uri: str, code: str, expires: object) -> None:
        tell("sign-in", text=f"To sign in to Azure, open {uri} and enter the code {code}")

    return _OrAsk(chain, _Remembered(ask, os.environ.get("AZURE_TENANT_ID")))


class _OrAsk:
    """The chain, or the person where nothing of it is set up. What is set up and refused stays
    refused: a wrong secret is no reason to ask for a code."""

    def __init__(self, chain: Any, person: Any) -> None:
        self.chain = chain
        self.person = person
        self.asks = False

    def get_token(self, *scopes: str, **more: Any) -> Any:
        if not self.asks:
            try:
                return self.chain.get_token(*scopes, **more)
            except ClientAuthenticationError as error:
                if "AADSTS" in str(error):
                    raise
                self.asks = True
        return self.person.get_token(*scopes, **more)


class _Remembered:
    """A device-code sign-in whose account is kept between calls; its tokens are where
    azure-identity keeps them (the system's key store, else a file that only you can read)."""

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


def listen(tell: Tell) -> Pulse:
    """From here on requests, answers, bytes on their way to the blob store, real warnings and the
    credential that answered are told as events."""
    logging.getLogger().addHandler(_Warnings(tell))
    warnings.simplefilter("ignore", Warning)  # what libraries say to programmers
    warnings.simplefilter("once", UserWarning)
    warnings.showwarning = lambda message, *_: tell("note", text=" ".join(str(message).split()))
    for name in _SILENT:
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    for name, handler in ((_HTTP, _Requests(tell)), ("azure.identity", _SignedIn(tell))):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(handler)
    pulse = Pulse(tell)
    sys.addaudithook(pulse.hook)
    return pulse


class _Warnings(logging.Handler):
    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", record.getMessage()).split())
        if text and not _NOISE.search(text):
            self.tell("note", text=text)


class _Requests(logging.Handler):
    """One event per request and per answer: azure-core logs both, with queries and secret headers
    taken out. `host` is the one that was asked last."""

    host = ""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.INFO)
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if found := re.search(r"Request URL: '(?:https?://)?([^/'?]+)([^'?]*)", text):
            method = re.search(r"Request method: '(\w+)'", text)
            _Requests.host = found[1]
            self.tell("asking", method=method[1] if method else "", host=found[1], path=found[2])
        elif found := re.search(r"Response status: (\d+)", text):
            wait = re.search(r"'Retry-After': '?(\d+)", text, re.IGNORECASE)
            self.tell("answered", status=int(found[1]), wait=int(wait[1]) if wait else 0)


class _SignedIn(logging.Handler):
    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.INFO)
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.search(r"acquired a token from (\w+)", record.getMessage()):
            self.tell("signed-in", by=found[1])


def asked_last() -> str:
    """The host that the client turned to last; "" when it asked nobody."""
    return _Requests.host

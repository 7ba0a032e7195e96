"""One request to a server, and its reply."""

from __future__ import annotations

import http.client
import json
import mimetypes
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass

# The content types of files; `mimetypes` does not know all of them on every system.
_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".npy": "application/octet-stream",
    ".parquet": "application/octet-stream",
    ".txt": "text/plain",
    ".csv": "text/csv",
}


@dataclass(frozen=True, slots=True)
class Address:
    """The URL of a server, and the headers that it requires (a key, a token): they are secrets."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of any status. `seconds` are from the first byte sent to the last one received."""

    status: int
    body: bytes
    seconds: float
    content_type: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def value(self) -> Any:
        """The parsed JSON, or the text of a body that is not JSON."""
        text = self.body.decode("utf-8", "replace")
        try:
            return json.loads(text)
        except ValueError:
            return text

    @property
    def message(self) -> str:
        """The reply in one line: the error's own message if it has one."""
        value = self.value
        if isinstance(value, dict) and isinstance(value.get("error"), str):
            return str(value["error"])
        if isinstance(value, dict) and isinstance(value.get("message"), str):
            return str(value["message"])
        text = value if isinstance(value, str) else json.dumps(value)
        return " ".join(text.split())[:300] or "an empty reply"


def content_type_of(file: Path) -> str:
    """The content type by the file's suffix."""
    known_type = _TYPES.get(file.suffix.lower())
    return known_type or mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def send(address: Address, data: bytes, content_type: str, *, timeout: float | None = 60) -> Reply:
    """Send one POST request. OSError when there is no reply (TimeoutError: not in time).

    A server on this machine is reached directly, any other with the proxies and certificate
    authorities of the process's environment.
    """
    headers = {"Content-Type": content_type, **address.headers}
    request = urllib.request.Request(address.url, data, headers, method="POST")
    begun = time.perf_counter()
    try:
        with _opener(address.url).open(request, timeout=timeout) as response:
            body = response.read()
            kind = response.headers.get_content_type()
            return Reply(response.status, body, time.perf_counter() - begun, kind)
    except urllib.error.HTTPError as error:
        body = error.read()
        return Reply(
            error.code, body, time.perf_counter() - begun, error.headers.get_content_type()
        )
    except urllib.error.URLError as error:
        if isinstance(error.reason, OSError):
            raise error.reason from error
        raise OSError(str(error.reason)) from error
    except http.client.HTTPException as error:
        raise OSError(f"the connection broke ({type(error).__name__})") from error


def read(file: Path, name: str) -> bytes:
    """The file's bytes. UserError, which calls it `name`, when it cannot be read."""
    try:
        return file.read_bytes()
    except IsADirectoryError:
        raise UserError(
            f"{name} is a folder", code="file-unreadable", hint="Name a file to send"
        ) from None
    except OSError as error:
        raise UserError(
            f"{name} cannot be read: {error.strerror}",
            code="file-unreadable",
            hint="Check its path",
        ) from None


def _opener(url: str) -> urllib.request.OpenerDirector:
    if url.startswith("http://127.0.0.1"):
        return urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )

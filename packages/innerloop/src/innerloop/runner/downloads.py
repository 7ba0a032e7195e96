"""Downloads the data of an input by plain GETs, once, into data/: a file, or all blobs of a folder.

An incomplete download is never visible: a file is moved into place when it is complete, a folder
when its last file is. If two runs need the same data, one downloads and the other waits.
"""

from __future__ import annotations

import hashlib
import os
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

from ..util import files, relative_names, venvs
from ..util.errors import UserError
from ..util.progress import Progress
from .datasets import Dataset

Say = Callable[[str], None]
# Seconds without an answer before a request fails.
TIMEOUT = 60.0
# Bytes that are read at once.
CHUNK = 1 << 18
# Types that are always a folder; a custom or triton model may be a single file.
_FOLDERS = ("uri_folder", "mltable", "mlflow_model")


def fetch(dataset: Dataset, kind: str, say: Say) -> None:
    """Download the data of an input of type `kind`.

    UserError names the URL, the server's answer, and the command that fetches the data with a
    sign-in.
    """
    name = hashlib.sha256(dataset.path.encode()).hexdigest()[:16]
    lock = venvs.cache_folder() / "downloads" / f"{name}.lock"
    waiting = f"innerloop: another run is downloading {plain(dataset.url)}; waiting for it"
    with files.locked(lock, waiting=waiting):
        if os.path.exists(dataset.path):
            return
        target = Path(dataset.path)
        is_file = kind == "uri_file" or (kind not in _FOLDERS and target.suffix)
        if not is_file:
            _folder(dataset, target, say)
        else:
            _file(dataset.url, dataset.command, target, say)


def plain(url: str) -> str:
    """The URL without its user and its query, which may hold a signature."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _file(url: str, command: str, target: Path, say: Say) -> None:
    with _Download(plain(url), say) as download:
        files.write_stream(target, download.counted(_chunks(url, command, download)))


def _folder(dataset: Dataset, target: Path, say: Say) -> None:
    """Download all blobs below a prefix.

    If the input's type does not say so, the URL may be that of a single file.
    """
    container, prefix = _container(dataset.url)
    names = list(_blobs(container, prefix, dataset))
    if not names:
        raise _failed(dataset.url, "there is nothing below it", dataset.command)
    incomplete = target.with_name(f".{target.name}.part")
    files.remove_tree(incomplete)
    say(f"innerloop: downloading {len(names)} files of {plain(dataset.url)}")
    for name in names:
        parts = relative_names.parts_of(name[len(prefix) :], plain(dataset.url))
        blob = f"{container}/{quote(name)}"
        query = urlsplit(dataset.url).query
        url = f"{blob}?{query}" if query else blob
        _file(url, dataset.command, incomplete.joinpath(*parts), say)
    files.rename(incomplete, target)


def _container(url: str) -> tuple[str, str]:
    """The URL of a blob container, and the names' prefix with a slash at its end ("" for all)."""
    parts = urlsplit(url)
    container, _, path = parts.path.lstrip("/").partition("/")
    prefix = unquote(path).strip("/")
    return f"{parts.scheme}://{parts.netloc}/{container}", f"{prefix}/" if prefix else ""


def _blobs(container: str, prefix: str, dataset: Dataset) -> Iterator[str]:
    """The names of the blobs below a prefix.

    Source: List Blobs of the Blob service's REST API, which needs no sign-in for a public container.
    """
    marker = ""
    while True:
        query = {"restype": "container", "comp": "list", "prefix": prefix, "marker": marker}
        signature = urlsplit(dataset.url).query
        url = f"{container}?{urlencode(query)}" + (f"&{signature}" if signature else "")
        text = b"".join(_chunks(url, dataset.command, None, error_url=dataset.url))
        try:
            page = ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            raise _failed(dataset.url, "it lists no files", dataset.command) from error
        yield from (
            str(name.text)
            for name in page.iter("Name")
            if name.text and not name.text.endswith("/")
        )
        marker = page.findtext("NextMarker") or ""
        if not marker:
            return


def _chunks(
    url: str, command: str, download: _Download | None, error_url: str = ""
) -> Iterator[bytes]:
    """The content of a URL. Errors name `error_url` if it is another one."""
    try:
        with urllib.request.urlopen(_request(url), timeout=TIMEOUT) as response:
            if download is not None:
                download.begin(_length(response))
            yield from _content(response)
    except urllib.error.HTTPError as error:
        reason = f"it answered {error.code} {error.reason}"
        raise _failed(error_url or url, reason, command) from error
    except (OSError, HTTPException, ValueError) as error:
        reason = str(getattr(error, "reason", None) or error)
        raise _failed(error_url or url, reason, command) from error


def _request(url: str) -> urllib.request.Request:
    return urllib.request.Request(url, headers={"User-Agent": "innerloop"})


def _length(response: Any) -> int:
    """The content's length in bytes; 0 if the server does not send it."""
    return int(response.headers.get("Content-Length") or 0)


def _content(response: Any) -> Iterator[bytes]:
    """The content in chunks. ValueError when it is shorter than the server said."""
    received = 0
    while chunk := response.read(CHUNK):
        received += len(chunk)
        yield chunk
    if received < _length(response):
        raise ValueError(f"the connection broke after {received} of {_length(response)} bytes")


def _failed(url: str, reason: str, command: str) -> UserError:
    hint = f"Fetch it with `{command}`" if command else "Check the address and the network"
    return UserError(
        f"{plain(url)} could not be downloaded: {reason}", code="download-failed", hint=hint
    )


class _Download:
    """The progress of one file.

    It is a live line on a terminal, else a line at its beginning and at its end. Use it as a
    context manager.
    """

    def __init__(self, name: str, say: Say) -> None:
        self.name, self.say = name, say
        self.size = self.received = 0
        self.progress = Progress()
        self.drawn = time.monotonic()

    def __enter__(self) -> _Download:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.progress.end()
        if kind is None:
            megabytes, seconds = self.received / 1e6, self.progress.seconds
            self.say(f"innerloop: downloaded {megabytes:.1f} MB in {seconds:.0f} s: {self.name}")

    def begin(self, size: int) -> None:
        """`size` is in bytes; 0 if it is unknown."""
        self.size = size
        if not self.progress.is_live:
            total = f" ({size / 1e6:.1f} MB)" if size else ""
            self.say(f"innerloop: downloading {self.name}{total}")

    def counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            self.received += len(chunk)
            if time.monotonic() - self.drawn > 0.1:
                self.drawn = time.monotonic()
                self.progress.show(self.line())

    def line(self) -> str:
        megabytes = f"{self.received / 1e6:.1f} MB"
        if self.size:
            percent = 100 * self.received // self.size
            megabytes = f"{percent} % {megabytes} of {self.size / 1e6:.1f} MB"
        return f"{megabytes}  {self.name}"

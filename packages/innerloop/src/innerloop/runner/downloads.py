"""Fetches the data of an input by plain GETs, once, into data/: a file, or all blobs of a folder.

What is half there is never seen: a file takes its place when it is whole, a folder when the last
of its files is there. Two runs at once: one fetches, the other waits.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

from ..util import files, venvs
from ..util.errors import UserError
from .datasets import Dataset

Say = Callable[[str], None]
SECONDS = 60.0
CHUNK = 1 << 18
# What is a folder always; a custom or triton model may be one file.
_FOLDERS = ("uri_folder", "mltable", "mlflow_model")


def fetch(dataset: Dataset, kind: str, say: Say) -> None:
    """`kind` is the input's type. A `Mistake` names the address, what it answered, and the command
    that fetches the data with a sign-in."""
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
    """Without its query, which may hold a signature."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _file(url: str, command: str, target: Path, say: Say) -> None:
    progress = _Progress(plain(url), say)
    files.write_stream(target, progress.counted(_chunks(url, command, progress)))
    progress.end()


def _folder(dataset: Dataset, target: Path, say: Say) -> None:
    """All blobs below a prefix; the address of one file, where the input's type did not say so."""
    container, prefix = _container(dataset.url)
    names = list(_blobs(container, prefix, dataset))
    if not names:
        raise _refused(dataset.url, "there is nothing below it", dataset.command)
    part = target.with_name(f".{target.name}.part")
    files.remove_tree(part)
    say(f"innerloop: downloading {len(names)} files of {plain(dataset.url)}")
    for name in names:
        inner = [one for one in name[len(prefix) :].split("/") if one not in ("", ".", "..")]
        address = f"{container}/{quote(name)}"
        query = urlsplit(dataset.url).query
        signed = f"{address}?{query}" if query else address
        _file(signed, dataset.command, part.joinpath(*inner), say)
    files.rename(part, target)


def _container(url: str) -> tuple[str, str]:
    """The address of a blob container, and the names' prefix with a slash at its end."""
    parts = urlsplit(url)
    container, _, inner = parts.path.lstrip("/").partition("/")
    prefix = unquote(inner).strip("/")
    return f"{parts.scheme}://{parts.netloc}/{container}", f"{prefix}/" if prefix else ""


def _blobs(container: str, prefix: str, dataset: Dataset) -> Iterator[str]:
    """Source: List Blobs of the Blob service's REST API; anonymous where the container is public."""
    marker = ""
    while True:
        query = {"restype": "container", "comp": "list", "prefix": prefix, "marker": marker}
        signature = urlsplit(dataset.url).query
        url = f"{container}?{urlencode(query)}" + (f"&{signature}" if signature else "")
        text = b"".join(_chunks(url, dataset.command, None, shown=dataset.url))
        try:
            listed = ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            raise _refused(dataset.url, "it lists no files", dataset.command) from error
        yield from (
            str(one.text) for one in listed.iter("Name") if one.text and not one.text.endswith("/")
        )
        marker = listed.findtext("NextMarker") or ""
        if not marker:
            return


def _chunks(url: str, command: str, progress: _Progress | None, shown: str = "") -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(_request(url), timeout=SECONDS) as answer:
            if progress is not None:
                progress.begin(int(answer.headers.get("Content-Length") or 0))
            yield from _pieces(answer)
    except urllib.error.HTTPError as error:
        raise _refused(shown or url, f"it answered {error.code} {error.reason}", command) from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _refused(shown or url, str(reason), command) from error


def _request(url: str) -> urllib.request.Request:
    return urllib.request.Request(url, headers={"User-Agent": "innerloop"})


def _pieces(answer: Any) -> Iterator[bytes]:
    expected = int(answer.headers.get("Content-Length") or 0)
    got = 0
    while chunk := answer.read(CHUNK):
        got += len(chunk)
        yield chunk
    if got < expected:
        raise ValueError(f"the connection broke after {got} of {expected} bytes")


def _refused(url: str, why: str, command: str) -> UserError:
    hint = f"Fetch it with `{command}`" if command else "Check the address and the network"
    return UserError(f"{plain(url)} could not be downloaded: {why}", hint=hint)


class _Progress:
    """A live line on a terminal; elsewhere one line at the beginning and one at the end."""

    def __init__(self, name: str, say: Say) -> None:
        self.name, self.say = name, say
        self.size = self.done = 0
        self.started = self.drawn = time.monotonic()
        self.live = sys.stderr.isatty()

    def begin(self, size: int) -> None:
        self.size = size
        if not self.live:
            self.say(f"innerloop: downloading {self.name}{self._of()}")

    def counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            self.done += len(chunk)
            if self.live and time.monotonic() - self.drawn > 0.1:
                self.drawn = time.monotonic()
                share = f"{100 * self.done // self.size} % " if self.size else ""
                text = f"\r\x1b[K{share}{self.done / 1e6:.1f} MB{self._of()}  {self.name}"
                sys.stderr.write(text[:150])
                sys.stderr.flush()

    def end(self) -> None:
        if self.live:
            sys.stderr.write("\r\x1b[K")
        took = time.monotonic() - self.started
        self.say(f"innerloop: downloaded {self.done / 1e6:.1f} MB in {took:.0f} s: {self.name}")

    def _of(self) -> str:
        return (
            f" of {self.size / 1e6:.1f} MB"
            if self.live and self.size
            else (f" ({self.size / 1e6:.1f} MB)" if self.size else "")
        )

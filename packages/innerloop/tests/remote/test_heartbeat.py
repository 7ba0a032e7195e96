"""Heartbeats: uploaded bytes and computing count, waiting does not."""

from __future__ import annotations

import hashlib
import time
from types import SimpleNamespace
from typing import Any

from innerloop.remote.azureml.worker.heartbeat import Heartbeat
from tests.support import until


class Heard:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, **words: Any) -> None:
        self.events.append((event, words))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]


def test_only_bytes_of_content_for_a_blob_store_count() -> None:
    heard = Heard()
    heartbeat = Heartbeat(heard, every=60)
    store = SimpleNamespace(_tunnel_host="a.blob.core.windows.net", host="proxy")
    heartbeat.hook("http.client.send", (store, b"PUT /c/a?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"))
    heartbeat.hook("http.client.send", (store, b"12345"))
    heartbeat.hook("http.client.send", (SimpleNamespace(host="a.dfs.core.windows.net"), b"67"))
    heartbeat.hook("http.client.send", (SimpleNamespace(host="management.azure.com"), b"no"))
    heartbeat.hook("open", ("file", "r", 0))
    heartbeat.close()
    assert heard.events[-1] == ("uploaded", {"bytes": 7})


def test_heartbeat_while_computing_and_none_while_waiting() -> None:
    heard = Heard()
    heartbeat = Heartbeat(heard, every=1.0)
    time.sleep(1.5)
    assert heard.names() == []
    end = time.monotonic() + 20
    while "heartbeat" not in heard.names() and time.monotonic() < end:
        hashlib.sha256(bytes(4_000_000)).digest()
    assert until(lambda: "heartbeat" in heard.names(), 1)
    heartbeat.close()

"""Signs of life: bytes for a blob store, and computing; waiting is none."""

from __future__ import annotations

import hashlib
import time
from types import SimpleNamespace
from typing import Any

from innerloop.remote.azureml.worker.heartbeat import Pulse
from tests.support import until


class Heard:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, **words: Any) -> None:
        self.events.append((event, words))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]


def test_only_bytes_for_a_blob_store_count() -> None:
    heard = Heard()
    pulse = Pulse(heard, every=60)
    store = SimpleNamespace(_tunnel_host="a.blob.core.windows.net", host="proxy")
    pulse.hook("http.client.send", (store, b"12345"))
    pulse.hook("http.client.send", (SimpleNamespace(host="a.dfs.core.windows.net"), b"67"))
    pulse.hook("http.client.send", (SimpleNamespace(host="management.azure.com"), b"no"))
    pulse.hook("open", ("file", "r", 0))
    pulse.close()
    assert heard.events[-1] == ("sent", {"bytes": 7})


def test_computing_is_a_sign_of_life_and_waiting_is_none() -> None:
    heard = Heard()
    pulse = Pulse(heard, every=0.2)
    time.sleep(0.7)
    assert heard.names() == []
    end = time.monotonic() + 20
    while "beat" not in heard.names() and time.monotonic() < end:
        hashlib.sha256(bytes(4_000_000)).digest()
    assert until(lambda: "beat" in heard.names(), 1)
    pulse.close()

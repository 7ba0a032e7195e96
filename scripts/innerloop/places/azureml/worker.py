"""The program that talks to Azure: it runs in the environment of scripts/locks/azure.txt.

It takes requests, a JSON line each on stdin, and answers each with JSON lines on stdout: events on
the way, then `done` or `fault`. Whatever else its libraries print goes to stderr, which nobody sees
but in a fault's report. It ends when its stdin closes, so it never outlives who started it.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from . import faults

Tell = Callable[..., None]
# verb -> the module with a function of that name
VERBS = {
    "submit": "send",
    "status": "watch",
    "follow": "watch",
    "cancel": "watch",
    "metrics": "metrics",
    "download": "fetch",
    "data_list": "fetch",
    "data_get": "fetch",
    "data_register": "fetch",
    "doctor": "doctor",
    **dict.fromkeys(
        ("endpoint_look", "endpoint_list", "endpoint_logs", "endpoint_address", "endpoint_keys",
         "endpoint_probe", "endpoint_remove", "deployment_remove"),
        "endpoints",
    ),
    **dict.fromkeys(
        ("model_find", "model_register", "environment_register", "endpoint_make",
         "endpoint_settle", "endpoint_traffic", "deployment_make", "deployment_settle"),
        "deploy",
    ),
}  # fmt: skip


def main() -> None:
    tell = _voice()
    try:
        # Before a request is there: who sends it is still reading files meanwhile.
        client = importlib.import_module(f"{__package__}.client")
    except ImportError as error:
        tell("fault", what=f"azure-ai-ml cannot be imported: {error}", mend="", code="import")
        return
    pulse = client.listen(tell)
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    while True:
        answer = _answer(client, json.loads(requests.get()), tell)
        pulse.say()  # before the answer, with which whoever asked stops listening
        tell(**answer)


def _read(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # at once, also in the middle of something: nobody waits for it any more


def _answer(client: Any, request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    verb = str(request["verb"])
    try:
        module = importlib.import_module(f"{__package__}.{VERBS[verb]}")
        value = getattr(module, verb)(client.connect(request, tell), request, tell)
    except Exception as error:
        fault = faults.explain(error, request, client.asked_last())
        trace = "".join(traceback.format_exception(error))
        return {"event": "fault", **asdict(fault), "trace": trace}
    return {"event": "done", "value": value}


def _voice() -> Tell:
    """Writes one event a line to what was stdout; prints of libraries go to stderr from here on."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    lock = threading.Lock()

    def tell(event: str, **words: Any) -> None:
        # What the job itself printed is its own, and an address was asked for by name; everything
        # else is ours to keep clean.
        said = words if event in ("log", "address") else _scrubbed(words)
        with lock:
            out.write(json.dumps({"event": event, **said}) + "\n")
            out.flush()

    return tell


def _scrubbed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _scrubbed(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_scrubbed(one) for one in value]
    return faults.scrub(value) if isinstance(value, str) else value

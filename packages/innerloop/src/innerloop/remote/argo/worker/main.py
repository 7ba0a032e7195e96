"""The worker that talks to the cluster, in the environment of locks/kubernetes.txt.

See `worker/protocol.py` for its protocol.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...worker.protocol import Emit, event_writer, requests
from . import argo_errors

# verb -> the module with a function of that name
VERBS = {
    "check": "submit",
    "submit": "submit",
    "status": "monitor",
    "follow": "monitor",
    "cancel": "monitor",
    "doctor": "cluster_checks",
}


def main() -> None:
    emit = event_writer(argo_errors.scrub)
    try:
        client = importlib.import_module(f"{__package__}.api_client")
    except ImportError as error:
        emit("error", what=f"kubernetes cannot be imported: {error}", hint="", code="import")
        return
    next_request = requests()
    while True:
        emit(**_answer(client, next_request(), emit))


def _answer(client: Any, request: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    verb, server = str(request["verb"]), ""
    try:
        module = importlib.import_module(f"{__package__}.{VERBS[verb]}")
        cluster = client.connect(request)
        server = cluster.server
        request = {**request, "target": {**request["target"], "namespace": cluster.namespace}}
        value = getattr(module, verb)(cluster, request, emit)
    except Exception as error:
        explained = argo_errors.explain(error, request, server)
        trace = "".join(traceback.format_exception(error))
        return {"event": "error", **asdict(explained), "trace": trace}
    return {"event": "done", "value": value}

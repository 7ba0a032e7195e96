"""The program that talks to the cluster: it runs in the environment of scripts/locks/kubernetes.txt.
See `places/voice.py` for how it is talked to."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...worker.protocol import Tell, requests, voice
from . import argo_errors

# verb -> the module with a function of that name
VERBS = {
    "look": "submit",
    "submit": "submit",
    "status": "monitor",
    "follow": "monitor",
    "cancel": "monitor",
    "doctor": "cluster_checks",
}


def main() -> None:
    tell = voice(argo_errors.scrub)
    try:
        client = importlib.import_module(f"{__package__}.api_client")
    except ImportError as error:
        tell("fault", what=f"kubernetes cannot be imported: {error}", hint="", code="import")
        return
    ask = requests()
    while True:
        tell(**_answer(client, ask(), tell))


def _answer(client: Any, request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    verb, server = str(request["verb"]), ""
    try:
        module = importlib.import_module(f"{__package__}.{VERBS[verb]}")
        cluster = client.connect(request)
        server = cluster.server
        request = {**request, "target": {**request["target"], "namespace": cluster.namespace}}
        value = getattr(module, verb)(cluster, request, tell)
    except Exception as error:
        fault = argo_errors.explain(error, request, server)
        trace = "".join(traceback.format_exception(error))
        return {"event": "fault", **asdict(fault), "trace": trace}
    return {"event": "done", "value": value}

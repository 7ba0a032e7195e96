"""The program that talks to Azure: it runs in the environment of scripts/locks/azure.txt.

It takes requests, a JSON line each on stdin, and answers each with JSON lines on stdout: events on
the way, then `done` or `fault`. Whatever else its libraries print goes to stderr, which nobody sees
but in a fault's report. It ends when its stdin closes, so it never outlives who started it.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...worker.protocol import Tell, requests, voice
from . import azure_errors

# verb -> the module with a function of that name
VERBS = {
    "submit": "submit",
    "status": "monitor",
    "follow": "monitor",
    "cancel": "monitor",
    "metrics": "mlflow_metrics",
    "download": "download",
    "data_list": "download",
    "data_get": "download",
    "data_register": "download",
    "doctor": "workspace_checks",
    **dict.fromkeys(
        ("endpoint_look", "endpoint_logs", "endpoint_address", "endpoint_keys",
         "endpoint_probe", "endpoint_remove", "deployment_remove"),
        "endpoint_calls",
    ),
    **dict.fromkeys(
        ("model_find", "model_register", "environment_register", "endpoint_make",
         "endpoint_change", "endpoint_settle", "endpoint_traffic", "deployment_make", "deployment_settle"),
        "deployments",
    ),
}  # fmt: skip


def main() -> None:
    tell = voice(azure_errors.scrub)
    try:
        # Before a request is there: who sends it is still reading files meanwhile.
        client = importlib.import_module(f"{__package__}.client_setup")
    except ImportError as error:
        tell("fault", what=f"azure-ai-ml cannot be imported: {error}", hint="", code="import")
        return
    pulse = client.listen(tell)
    ask = requests()
    while True:
        answer = _answer(client, ask(), tell)
        pulse.say()  # before the answer, with which whoever asked stops listening
        tell(**answer)


def _answer(client: Any, request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    verb = str(request["verb"])
    try:
        module = importlib.import_module(f"{__package__}.{VERBS[verb]}")
        value = getattr(module, verb)(client.connect(request, tell), request, tell)
    except Exception as error:
        fault = azure_errors.explain(error, request, client.asked_last())
        trace = "".join(traceback.format_exception(error))
        return {"event": "fault", **asdict(fault), "trace": trace}
    return {"event": "done", "value": value}

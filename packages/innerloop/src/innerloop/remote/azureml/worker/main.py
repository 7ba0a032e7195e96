"""The worker that talks to Azure, in the environment of locks/azure.txt.

See `worker/protocol.py` for its protocol.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...worker.protocol import Emit, event_writer, requests
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
        ("endpoint_get", "endpoint_logs", "endpoint_address", "endpoint_keys",
         "endpoint_probe", "endpoint_delete", "deployment_delete"),
        "endpoint_calls",
    ),
    **dict.fromkeys(
        ("model_find", "model_register", "environment_register", "endpoint_create",
         "endpoint_update", "endpoint_wait", "endpoint_traffic", "deployment_create", "deployment_wait"),
        "deployments",
    ),
}  # fmt: skip


def main() -> None:
    emit = event_writer(azure_errors.scrub)
    try:
        # Before the first request: its sender is still reading files.
        client = importlib.import_module(f"{__package__}.client_setup")
    except ImportError as error:
        emit("error", what=f"azure-ai-ml cannot be imported: {error}", hint="", code="import")
        return
    heartbeat = client.listen(emit)
    next_request = requests()
    while True:
        answer = _answer(client, next_request(), emit)
        heartbeat.report()  # before the answer, after which nobody reads events
        emit(**answer)


def _answer(client: Any, request: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    verb = str(request["verb"])
    try:
        module = importlib.import_module(f"{__package__}.{VERBS[verb]}")
        if texts := request.get("text_links"):
            importlib.import_module(f"{__package__}.text_files").follow(texts)
        value = getattr(module, verb)(client.connect(request, emit), request, emit)
    except Exception as error:
        last = client.last_answer()
        explained = azure_errors.explain(error, request, last.host, last)
        trace = "".join(traceback.format_exception(error))
        return {"event": "error", **asdict(explained), "trace": trace}
    return {"event": "done", "value": value}

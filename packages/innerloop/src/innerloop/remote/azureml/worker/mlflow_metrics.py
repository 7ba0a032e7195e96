"""The last metrics of a job: those logged to MLflow, and the metrics files in its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from azure.ai.ml import MLClient
from azure.ai.ml._artifacts import _artifact_utilities as artifacts

from ....util import files
from ...worker.protocol import Emit
from .confined_download import confined_to

# Audience of the workspace's own services. Source: azure-ai-ml 1.35, _azure_environments.
_SCOPE = "https://ml.azure.com/.default"


def metrics(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """The metrics of a job, from its files and from MLflow.

    `json` and `jsonl`: the texts of ./outputs/metrics.json and metrics.jsonl, None for a file that
    is missing or cannot be read; `mlflow`: name -> last value as text, {} if it cannot be asked.
    """
    name = request["name"]
    folder = str(client.jobs.get(name).outputs["default"].path).rstrip("/")
    return {
        "json": _text(client, f"{folder}/outputs/metrics.json"),
        "jsonl": _text(client, f"{folder}/outputs/metrics.jsonl"),
        "mlflow": _tracked(client, name),
    }


def _text(client: MLClient, address: str) -> str | None:
    with files.temporary_folder("innerloop-metrics-") as folder:
        try:
            with confined_to(str(folder)):
                artifacts.download_artifact_from_aml_uri(
                    uri=address, destination=str(folder), datastore_operation=client.datastores
                )
            return (folder / address.rpartition("/")[2]).read_text(encoding="utf-8")
        except Exception:  # the client raises many kinds of exceptions for a missing file
            return None


def _tracked(client: MLClient, name: str) -> dict[str, str]:
    """From the workspace's MLflow server, by MLflow's REST API (2.0, runs/get).

    The values are texts, as the API writes those that are not finite: the events of a worker are JSON.
    """
    try:
        where = str(client.workspaces.get(client.workspace_name).mlflow_tracking_uri)
        token = client._credential.get_token(_SCOPE).token
        answer = requests.get(
            where.replace("azureml://", "https://", 1) + "/api/2.0/mlflow/runs/get",
            params={"run_id": name},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        answer.raise_for_status()
        listed = answer.json()["run"]["data"].get("metrics", [])
        return {str(metric["key"]): str(metric["value"]) for metric in listed}
    except Exception:
        return {}

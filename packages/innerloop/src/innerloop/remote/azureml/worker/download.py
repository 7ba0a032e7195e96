"""Download outputs and data, and register data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient
from azure.ai.ml._artifacts import _artifact_utilities as artifacts
from azure.ai.ml.entities import Data
from azure.core.exceptions import ResourceNotFoundError

from ...worker.protocol import Emit
from .confined_download import confined_to
from .monitor import status


def download(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Download everything of an ended job, or its output `output`, into the empty folder `into`.

    The files are in the client's `artifacts/` and `named-outputs/`.
    """
    name, output, into = request["name"], request["output"], request["into"]
    which = {"output_name": output} if output else {"all": True}
    with confined_to(into):
        client.jobs.download(name, download_path=into, **which)
        job = client.jobs.get(name)
        for other in job.outputs if not output else ():
            # `all` skips outputs whose spelling in the run history differs from the client's.
            if other != "default" and not Path(into, "named-outputs", other).exists():
                client.jobs.download(name, download_path=into, output_name=other)
    return status(client, request, emit)


def data_list(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """The newest version of each data asset, or all versions of the one named."""
    name = request["name"]
    if name:
        listed = list(client.data.list(name=name))
        return [_asset(asset, asset.version) for asset in listed]
    return [_asset(asset, getattr(asset, "latest_version", "")) for asset in client.data.list()]


def data_get(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Downloads a data asset into the empty folder `into`."""
    name, version = request["name"], request["version"]
    label = version in ("", "latest")
    asset = client.data.get(name, **({"label": "latest"} if label else {"version": version}))
    path = str(asset.path)
    if not re.match(r"azureml://.*datastores/", path):
        raise ValueError(f"{name}:{asset.version} is not in a datastore, but at {path}")
    emit("found", name=name, version=str(asset.version), type=asset.type)
    with confined_to(request["into"]):
        artifacts.download_artifact_from_aml_uri(
            uri=path.rstrip("/"), destination=request["into"], datastore_operation=client.datastores
        )
    return _asset(asset, asset.version)


def data_register(client: MLClient, request: Mapping[str, Any], emit: Emit) -> Any:
    """Uploads a folder or file as a new version of the asset."""
    path = Path(request["path"])
    kind = "uri_file" if path.is_file() else "uri_folder"
    if request["version"]:
        try:
            existing = client.data.get(request["name"], version=request["version"])
            return {**_asset(existing, existing.version), "existed": True}
        except ResourceNotFoundError:
            pass
    asset = Data(
        name=request["name"],
        version=request["version"] or None,
        description=request["description"] or None,
        type=kind,
        path=str(path),
    )
    created = client.data.create_or_update(asset)
    return {**_asset(created, created.version), "existed": False}


def _asset(asset: Any, version: Any) -> dict[str, str]:
    return {
        "name": asset.name,
        "version": str(version or ""),
        "type": str(asset.type or ""),
        "path": str(asset.path or ""),
        "description": str(asset.description or ""),
    }

"""An online endpoint: its name, its address and its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from ....model.deployment import NAME, NAME_RULE
from ....model.experiment import Experiment
from ....model.workspace import Workspace
from ....util.errors import UserError
from ....util.quick_dataclasses import dataclass
from ...progress import TransferProgress
from .. import workspace_ref
from ..connection import AzureConnection
from ..workspace_ref import WorkspaceRef


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    """POST to `url` with `headers`, which authorize a request.

    They are secret, so the repr of this value omits them.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def endpoint_name(experiment: Experiment, in_file: str, where: str) -> str:
    """The endpoint's name on Azure.

    It is `[azure] endpoint` of the settings, else the name in endpoint.yaml, which is at `where`.
    Raises UserError for a name that Azure refuses.
    """
    name = experiment.settings.azure.endpoint or in_file
    if not NAME.fullmatch(name):
        position = "innerloop.toml" if experiment.settings.azure.endpoint else where
        raise UserError(
            f'"{name}" is not a valid name for an endpoint',
            code="endpoint-name-invalid",
            where=position,
            hint=f"Use {NAME_RULE}",
        )
    return name


def address_of(workspace: Workspace, name: str) -> EndpointAddress:
    """The address of the endpoint `name` in the configured Azure ML workspace, with its key.

    Raises UserError if there is no such endpoint, nobody is signed in, or the key may not be read.
    """
    root = Path(workspace.root)
    with AzureConnection(root) as connection:
        return address(name, workspace_ref.find(root), connection)


def address(name: str, target: WorkspaceRef, connection: AzureConnection) -> EndpointAddress:
    event = _secret_event(connection, target, "endpoint_address", name)
    return EndpointAddress(str(event["url"]), dict(event["headers"]))


def keys(name: str, target: WorkspaceRef, connection: AzureConnection) -> dict[str, str]:
    """The endpoint's keys or its token by name."""
    return dict(_secret_event(connection, target, "endpoint_keys", name)["keys"])


def _secret_event(
    connection: AzureConnection, target: WorkspaceRef, verb: str, name: str
) -> Mapping[str, Any]:
    """The `address` event of a request: secrets are in this event only, never in an answer."""
    addresses: list[Mapping[str, Any]] = []
    progress = TransferProgress(f"asking for {name}")

    def on_event(event: Mapping[str, Any]) -> None:
        if event["event"] == "address":
            addresses.append(event)
        else:
            progress.on_event(event)

    try:
        connection.ask(verb, target, on_event, name=name)
    finally:
        progress.close()
    return addresses[0]

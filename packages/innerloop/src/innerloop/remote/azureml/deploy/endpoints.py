"""Online endpoints as this machine knows them: their names, where they listen, who may call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....model.deployment import NAME, NAME_RULE
from ....model.experiment import Experiment
from ....model.workspace import Workspace
from ....util.errors import UserError
from ...progress import News
from .. import workspace_ref
from ..connection import Line
from ..workspace_ref import Target


@dataclass(frozen=True, slots=True)
class Address:
    """Where an endpoint answers: POST to `url` with `headers`, which let a request in. They are
    secret, and in no text of this value."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def name_of(experiment: Experiment, in_file: str, where: str) -> str:
    """The endpoint's name on Azure: `[azure] endpoint` of the settings, else that of endpoint.yaml
    (`where` is its place). A `Mistake` for one that Azure does not take."""
    name = experiment.settings.azure.endpoint or in_file
    if not NAME.fullmatch(name):
        position = "innerloop.toml" if experiment.settings.azure.endpoint else where
        raise UserError(
            f'"{name}" is no name for an endpoint', where=position, hint=f"Use {NAME_RULE}"
        )
    return name


def address_of(workspace: Workspace, name: str) -> Address:
    """Where the endpoint `name` of the connected Azure ML workspace answers, with its key. A
    `Mistake` when there is none, nobody is signed in, or the key may not be read."""
    root = Path(workspace.root)
    with Line(root) as line:
        return address(name, workspace_ref.find(root), line)


def address(name: str, target: Target, line: Line) -> Address:
    told = _told(line, target, "endpoint_address", name)
    return Address(str(told["url"]), dict(told["headers"]))


def keys(name: str, target: Target, line: Line) -> dict[str, str]:
    """The endpoint's keys, or its token, by their names."""
    return dict(_told(line, target, "endpoint_keys", name)["keys"])


def _told(line: Line, target: Target, verb: str, name: str) -> Mapping[str, Any]:
    """What only an event of its own tells: what is in an answer has no secrets."""
    kept: list[Mapping[str, Any]] = []
    news = News(f"asking for {name}")

    def on_event(event: Mapping[str, Any]) -> None:
        if event["event"] == "address":
            kept.append(event)
        else:
            news.on_event(event)

    try:
        line.ask(verb, target, on_event, name=name)
    finally:
        news.end()
    return kept[0]

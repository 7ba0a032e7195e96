"""What endpoint.yaml says of an endpoint, beside its name, against the endpoint as it stands. Pure.

What the file does not name is not compared: on Azure it may be anybody's.
Sources: Azure REST API, OnlineEndpoint; Azure Machine Learning, "Access Azure resources from an
online endpoint with a managed identity" (an endpoint's identity cannot be changed once it is made).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ....model.deployment import Endpoint
from .blue_green import EndpointState

# Who calls the endpoint notices these.
OF_CALLERS = ("auth_mode", "public_network_access")
_FIXED = ("identity", "compute")


@dataclass(frozen=True, slots=True)
class Difference:
    """`key` as the file has it ("tags.team"); `here` is the file's value, `there` that of Azure, ""
    for none; `where` is "file:line:column"."""

    key: str
    here: str
    there: str
    where: str

    @property
    def tag(self) -> str:
        """The tag's name, "" for something else."""
        return self.key.partition(".")[2] if self.key.startswith("tags.") else ""

    @property
    def is_fixed(self) -> bool:
        """Whether Azure takes it only as an endpoint is made."""
        return self.key in _FIXED

    @property
    def is_free(self) -> bool:
        """Whether it may follow the file without a question: nobody who calls it notices."""
        return not self.is_fixed and self.key not in OF_CALLERS

    @property
    def words(self) -> str:
        return f"{self.key} is {_shown(self.here)} here and {_shown(self.there)} on Azure"


def differences(endpoint: Endpoint, now: EndpointState) -> tuple[Difference, ...]:
    """`now` is an endpoint that is there."""
    return tuple(_differences(endpoint, now))


def _differences(endpoint: Endpoint, now: EndpointState) -> Iterator[Difference]:
    document = endpoint.document
    for key in ("description", *OF_CALLERS, "compute"):
        here, there = _text(document.get(key)), _text(now.settings.get(key))
        # Azure tells nothing of a network access that was never chosen: it is the open one.
        there = there or ("enabled" if key == "public_network_access" else "")
        if here and not _alike(key, here, there):
            yield Difference(key, here, there, str(endpoint.where(key)))
    tags = document.get("tags")
    for name, value in tags.items() if isinstance(tags, dict) else ():
        here, there = _text(value), now.tags.get(str(name), "")
        if here != there:
            yield Difference(f"tags.{name}", here, there, str(endpoint.where("tags", str(name))))
    if document.get("identity") is not None:
        here, there = _identity(document["identity"]), _identity(now.settings.get("identity"))
        if here != there:
            yield Difference("identity", here, there, str(endpoint.where("identity")))


def _alike(key: str, here: str, there: str) -> bool:
    if key == "description":
        return here == there
    if key == "compute":  # `azureml:NAME` and its ARM id
        here, there = here.removeprefix("azureml:"), there.rpartition("/")[2]
    return here.lower() == there.lower()


def _text(value: Any) -> str:
    """As azure-ai-ml sends it."""
    return "" if value is None else str(value).strip()


def _identity(value: Any) -> str:
    """One text for each: its type, and the identities that somebody made, in order."""
    given: Mapping[str, Any] = value if isinstance(value, dict) else {}
    kind = _text(given.get("type") or "system_assigned").lower().replace("_", "").replace(" ", "")
    named = given.get("user_assigned_identities")
    own = [
        _text(one.get("resource_id") if isinstance(one, dict) else one).lower()
        for one in (named if isinstance(named, list) else ())
    ]
    return ", ".join(
        [{"systemassigned": "system_assigned"}.get(kind, "user_assigned"), *sorted(own)]
    )


def _shown(value: str) -> str:
    text = " ".join(value.split())
    return (text if len(text) <= 60 else f"{text[:57]}...") or "not set"

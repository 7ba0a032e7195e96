"""Compare the settings in endpoint.yaml with the endpoint on Azure. Pure.

A setting that the file does not name is not compared: on Azure it may have any value.
Sources: Azure REST API, OnlineEndpoint; Azure Machine Learning, "Access Azure resources from an
online endpoint with a managed identity" (an endpoint's identity cannot be changed after its creation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ....model.deployment import Endpoint
from ....util.quick_dataclasses import dataclass
from .blue_green import EndpointState

# A change of these is noticed by clients that call the endpoint.
VISIBLE_TO_CALLERS = ("auth_mode", "public_network_access")
_FIXED = ("identity", "compute")


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """A setting whose value in the file differs from Azure's.

    `key` is the file's ("tags.team"). `here` is the file's value and `there` Azure's, "" for none;
    `where` is "file:line:column".
    """

    key: str
    here: str
    there: str
    where: str

    @property
    def tag(self) -> str:
        """The tag's name; "" for a setting that is not a tag."""
        return self.key.partition(".")[2] if self.key.startswith("tags.") else ""

    @property
    def is_fixed(self) -> bool:
        """Whether Azure accepts it only when an endpoint is created."""
        return self.key in _FIXED

    @property
    def is_free(self) -> bool:
        """Whether it can be changed without asking: clients do not notice."""
        return not self.is_fixed and self.key not in VISIBLE_TO_CALLERS

    @property
    def words(self) -> str:
        return f"{self.key} is {_shorten(self.here)} here and {_shorten(self.there)} on Azure"


def differences(endpoint: Endpoint, now: EndpointState) -> tuple[SettingDifference, ...]:
    """`now` is an endpoint that exists."""
    return tuple(_differences(endpoint, now))


def _differences(endpoint: Endpoint, now: EndpointState) -> Iterator[SettingDifference]:
    document = endpoint.document
    for key in ("description", *VISIBLE_TO_CALLERS, "compute"):
        here, there = _text(document.get(key)), _text(now.settings.get(key))
        # Azure omits a network access that was never set: it is enabled.
        there = there or ("enabled" if key == "public_network_access" else "")
        if here and not _is_equal(key, here, there):
            yield SettingDifference(key, here, there, str(endpoint.where(key)))
    tags = document.get("tags")
    for name, value in tags.items() if isinstance(tags, dict) else ():
        here, there = _text(value), now.tags.get(str(name), "")
        if here != there:
            yield SettingDifference(
                f"tags.{name}", here, there, str(endpoint.where("tags", str(name)))
            )
    if document.get("identity") is not None:
        here, there = _identity(document["identity"]), _identity(now.settings.get("identity"))
        if here != there:
            yield SettingDifference("identity", here, there, str(endpoint.where("identity")))


def _is_equal(key: str, here: str, there: str) -> bool:
    if key == "description":
        return here == there
    if key == "compute":  # `azureml:NAME` and its ARM id
        here, there = here.removeprefix("azureml:"), there.rpartition("/")[2]
    return here.lower() == there.lower()


def _text(value: Any) -> str:
    """The value as azure-ai-ml sends it."""
    return "" if value is None else str(value).strip()


def _identity(value: Any) -> str:
    """An identity as one text: its type, then its user-assigned identities in order."""
    identity: Mapping[str, Any] = value if isinstance(value, dict) else {}
    kind = (
        _text(identity.get("type") or "system_assigned").lower().replace("_", "").replace(" ", "")
    )
    assigned = identity.get("user_assigned_identities")
    ids = [
        _text(item.get("resource_id") if isinstance(item, dict) else item).lower()
        for item in (assigned if isinstance(assigned, list) else ())
    ]
    return ", ".join(
        [{"systemassigned": "system_assigned"}.get(kind, "user_assigned"), *sorted(ids)]
    )


def _shorten(value: str) -> str:
    text = " ".join(value.split())
    return (text if len(text) <= 60 else f"{text[:57]}...") or "not set"

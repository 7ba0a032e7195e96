"""endpoint.yaml against the endpoint as Azure tells of it."""

from __future__ import annotations

from typing import Any

import pytest

from innerloop.model.deployment import parse_endpoint
from innerloop.remote.azureml.deploy.blue_green import EndpointState
from innerloop.remote.azureml.deploy.endpoint_settings import differences

ID = (
    "/subscriptions/S/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
)
STANDING: dict[str, Any] = {
    "description": "all digits",
    "auth_mode": "key",
    "public_network_access": "Enabled",
    "compute": "",
    "identity": {"type": "SystemAssigned", "user_assigned_identities": []},
}


def found(text: str, tags: dict[str, str] | None = None, **settings: Any) -> dict[str, str]:
    """Key -> its sentence."""
    endpoint = parse_endpoint(f"name: digits\n{text}", "endpoint.yaml")
    now = EndpointState("digits", "Succeeded", tags=tags or {}, settings={**STANDING, **settings})
    return {one.key: one.words for one in differences(endpoint, now)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auth_mode: key\ndescription: all digits\npublic_network_access: enabled\n",
        "auth_mode: Key\ndescription: |\n  all digits\nidentity: {type: system_assigned}\n",
        "tags: {team: vision, cost: 7}\ntags_of_others: 1\n",
        "tags:\nidentity:\ndescription:\n",
    ],
)
def test_what_is_the_same_or_not_named_is_no_difference(text: str) -> None:
    assert found(text, {"team": "vision", "cost": "7", "innerloop.new": "blue"}) == {}


def test_each_difference_is_said_with_both_sides() -> None:
    text = "auth_mode: aad_token\ndescription: none\ntags: {team: vision}\n"
    assert found(text, {"team": "audio"}) == {
        "description": "description is none here and all digits on Azure",
        "auth_mode": "auth_mode is aad_token here and key on Azure",
        "tags.team": "tags.team is vision here and audio on Azure",
    }
    assert found("tags: {new: 1}\n") == {"tags.new": "tags.new is 1 here and not set on Azure"}


def test_a_network_access_that_was_never_chosen_is_the_open_one() -> None:
    assert found("public_network_access: enabled\n", public_network_access="") == {}
    assert list(found("public_network_access: disabled\n", public_network_access="")) == [
        "public_network_access"
    ]


def test_identities_are_compared_as_azure_writes_them() -> None:
    mine = f"identity: {{type: user_assigned, user_assigned_identities: [{{resource_id: {ID}}}]}}\n"
    there = {"type": "user_assigned", "user_assigned_identities": [ID.lower()]}
    assert found(mine, identity=there) == {}
    assert list(found(mine)) == ["identity"]


def test_a_compute_by_its_name_is_the_one_of_that_id() -> None:
    there = "/subscriptions/s/workspaces/w/computes/Cluster"
    assert found("compute: azureml:cluster\n", compute=there) == {}
    assert list(found("compute: azureml:other\n", compute=there)) == ["compute"]

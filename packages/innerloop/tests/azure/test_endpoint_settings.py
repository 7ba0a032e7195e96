"""endpoint.yaml changes while the endpoint is there.

What a deployment brings in line, what it leaves to `loop endpoint update`, and what Azure does not
change.
"""

from __future__ import annotations

import pytest

from tests.azure import standin
from tests.azure.conftest import Deployed
from tests.azure.deployable import ENDPOINT, NAME
from tests.azure.published import check_bodies

pytestmark = pytest.mark.azure
FILE = "src/tiny/deploy/endpoint.yaml"
OWN = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
)
CHANGED = f"""name: {NAME}
auth_mode: aad_token
public_network_access: disabled
description: digits of every hand
tags:
  team: vision
  cost: 7
identity:
  type: user_assigned
  user_assigned_identities:
    - resource_id: {OWN}
"""


def test_the_endpoint_follows_its_file_as_far_as_nobody_is_locked_out(deployed: Deployed) -> None:
    deployed.deploy()
    body = deployed.cloud.azure.bodies[f"{standin.ROOT}/onlineEndpoints/{NAME}"]
    body["tags"]["of-somebody"] = "stays"
    deployed.workspace.write(FILE, CHANGED)
    answer = deployed.deploy()
    keys = "description, tags.team, tags.cost"
    assert f"applied {FILE} to the endpoint {NAME}: {keys}" in answer.err
    assert "unchanged    blue serves this model already" in answer.out
    assert (
        f"{FILE}:2:1: auth_mode is aad_token here and key on Azure. Clients would notice"
        in answer.err
    )
    assert f"{FILE}:3:1: public_network_access is disabled here and enabled on Azure" in answer.err
    assert "`scripts/loop endpoint update tiny` applies it" in answer.err
    assert f"{FILE}:8:1: identity is user_assigned, /subscriptions/s" in answer.err
    assert "Azure accepts it only when an endpoint is created" in answer.err
    body = deployed.cloud.azure.bodies[f"{standin.ROOT}/onlineEndpoints/{NAME}"]
    assert body["properties"]["description"] == "digits of every hand"
    assert body["properties"]["authMode"] == "Key" and body["identity"]["type"] == "SystemAssigned"
    assert body["properties"]["traffic"] == {"blue": 100}
    assert body["tags"] == {
        "innerloop.experiment": "tiny", "innerloop.new": "blue",
        "of-somebody": "stays", "team": "vision", "cost": "7",
    }  # fmt: skip

    update = ("endpoint", "update", "tiny")
    unasked = deployed.cloud.loop(deployed.workspace, *update)
    assert unasked.code == 1
    assert f"nothing was changed: auth_mode, public_network_access of {NAME}" in unasked.message
    done = deployed.cloud.loop(deployed.workspace, *update, "--yes")
    assert done.code == 1 and "`scripts/loop endpoint delete tiny`" in done.err  # the identity
    body = deployed.cloud.azure.bodies[f"{standin.ROOT}/onlineEndpoints/{NAME}"]
    assert body["properties"]["authMode"] == "AADToken"
    assert body["properties"]["publicNetworkAccess"] == "Disabled"
    assert body["properties"]["traffic"] == {"blue": 100}
    assert body["identity"]["type"] == "SystemAssigned"
    check_bodies(deployed.cloud)
    deployed.workspace.write(FILE, ENDPOINT.replace("key", "aad_token"))
    same = deployed.cloud.loop(deployed.workspace, *update)
    assert (same.code, same.out) == (0, f"{NAME} matches {FILE}\n")

"""`loop doctor --azure`.

Each fact with its mend, and nothing sent while the configuration is not whole.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.azure import deployable
from tests.azure.conftest import Cloud
from tests.azure.standin import cluster
from tests.support import Workspace

pytestmark = pytest.mark.azure
EMPTY = dict.fromkeys(
    ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"), ""
)


def facts(cloud: Cloud, workspace: Workspace, code: int, **env: str) -> dict[str, Any]:
    answer = cloud.loop(workspace, "doctor", "--azure", "--json", env=env)
    assert answer.code == code, answer.err
    return {one["name"]: one for one in json.loads(answer.out)}


def test_all_is_well(cloud: Cloud, tiny: Workspace) -> None:
    family = {"value": "standardDSv2Family", "localizedValue": "Standard DSv2"}
    cloud.azure.quota = [{"name": family, "currentValue": 24, "limit": 24, "unit": "Count"}]
    told = facts(cloud, tiny, 0)
    assert told["configuration"]["what"].startswith("ws-vision in rg-vision, from AZURE_SUB")
    assert told["quota cpu-cluster"]["what"] == "24 of 24 cores of standardDSv2Family in use"
    assert told["quota cpu-cluster"]["state"] == "note"
    assert told["sign-in"]["what"] == "signed in to Azure, by EnvironmentCredential"
    assert told["workspace"]["what"] == "ws-vision answers, in westeurope"
    assert "STANDARD_DS3_V2" in told["compute cpu-cluster"]["what"].upper()


def test_a_compute_that_is_not_there_or_not_fit(cloud: Cloud, tiny: Workspace) -> None:
    tiny.write("src/tiny/innerloop.toml", 'gpu = "all"\n')
    told = facts(cloud, tiny, 1)
    assert "requires a GPU" in told["compute cpu-cluster"]["what"]
    cloud.azure.computes = {"gpu-cluster": cluster("STANDARD_NC6S_V3")}
    told = facts(cloud, tiny, 1)
    assert 'there is no compute "cpu-cluster"' in told["compute cpu-cluster"]["what"]


def test_placeholders_are_named_and_nothing_is_sent(cloud: Cloud, tiny: Workspace) -> None:
    tiny.write(".azureml/config.json", '{"subscription_id": "<subscription>"}')
    told = facts(cloud, tiny, 1, **EMPTY)
    assert "is still a placeholder: <subscription>" in told["configuration"]["what"]
    assert told["configuration"]["hint"]
    assert cloud.azure.asked == []


def test_a_refused_sign_in_is_the_last_fact(cloud: Cloud, tiny: Workspace) -> None:
    message = "AADSTS7000215: Invalid client secret provided. Trace ID: 1"
    cloud.azure.fault("POST login.*token", 401, "invalid_client", message=message)
    told = facts(cloud, tiny, 1)
    assert told["sign-in"]["state"] == "bad" and "workspace" not in told
    assert "management.azure.com" not in {one.host for one in cloud.azure.asked}


def test_what_a_deployment_wants(cloud: Cloud, tiny: Workspace) -> None:
    """A fifth more cores than its machines have: 4 are 5."""
    deployable.add(tiny)
    family = {"value": "standardDSv2Family", "localizedValue": "Standard DSv2"}
    usage = {"name": family, "currentValue": 19, "limit": 24, "unit": "Count"}
    cloud.azure.quota = [usage]
    told = facts(cloud, tiny, 0)
    assert told["endpoints"]["what"] == "accessible; there are 0"
    needs = "Standard_DS3_v2 x 1 needs 5 cores of standardDSv2Family; "
    assert told["server tiny"]["what"] == f"{needs}19 of 24 in use"
    assert told["server tiny"]["state"] == "ok"
    cloud.azure.quota = [{**usage, "currentValue": 20}]
    told = facts(cloud, tiny, 0)
    assert told["server tiny"]["state"] == "note" and "Quota" in told["server tiny"]["hint"]

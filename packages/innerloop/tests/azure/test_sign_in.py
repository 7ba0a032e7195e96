"""Ways to sign in beside the service principal that every other test uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.azure.conftest import Cloud
from tests.support import Workspace

pytestmark = pytest.mark.azure
NOBODY = {"AZURE_CLIENT_SECRET": "", "AZURE_CLIENT_ID": "", "AZURE_TOKEN_CREDENTIALS": "dev"}


def test_workload_identity_of_a_ci_run(cloud: Cloud, tiny: Workspace, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("assertion-of-a-test")
    env = {"AZURE_CLIENT_SECRET": "", "AZURE_FEDERATED_TOKEN_FILE": str(token), "CI": "true"}
    answer = cloud.loop(tiny, "submit", "tiny", env=env)
    assert answer.code == 0, answer.err
    assert "assertion-of-a-test" not in answer.out + answer.err
    assert {one["client_assertion"] for one in cloud.azure.grants} == {"assertion-of-a-test"}


def test_a_code_to_type_on_codespaces_is_asked_for_once(
    cloud: Cloud, tiny: Workspace, tmp_path: Path
) -> None:
    """Nothing of the chain answers there; the sign-in is remembered for the next command."""
    home = {"HOME": str(tmp_path)}
    env = {**NOBODY, **home, "CODESPACES": "true", "CI": ""}
    answer = cloud.loop(tiny, "submit", "tiny", env=env)
    assert answer.code == 0, answer.err
    said = (
        "To sign in to Azure, open https://microsoft.com/devicelogin and enter the code INNERLOOP"
    )
    assert answer.err.count(said) == 1
    again = cloud.loop(tiny, "status", env=env)
    assert again.code == 0, again.err
    assert said not in again.err


def test_a_ci_run_is_never_asked_for_a_code(cloud: Cloud, tiny: Workspace) -> None:
    answer = cloud.loop(tiny, "status", "x", env={**NOBODY, "CODESPACES": "true", "CI": "true"})
    assert answer.code == 1
    assert "nobody is signed in to Azure" in answer.message
    assert cloud.azure.count("devicecode") == 0

"""Sign in from a CI run without a secret, with the run's OpenID Connect token.

Such a token is valid for minutes and a job runs for hours, so each sign-in requests a new one.
Source: GitHub, "OpenID Connect reference"; azure-identity's AzurePipelinesCredential.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import AzurePipelinesCredential, ClientAssertionCredential

# Seconds before another attempt at a token: GitHub's service fails for a moment now and then.
_WAITS = (1, 4)
_AUDIENCE = "api://AzureADTokenExchange"
_GITHUB = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
_PIPELINES = (
    "AZURESUBSCRIPTION_TENANT_ID",
    "AZURESUBSCRIPTION_CLIENT_ID",
    "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
    "SYSTEM_ACCESSTOKEN",
)


def credential(env: Mapping[str, str]) -> Any:
    """The credential of the CI run.

    None outside of a CI run, and if a secret is set, which the default chain uses.
    """
    if env.get("AZURE_CLIENT_SECRET") or env.get("AZURE_FEDERATED_TOKEN_FILE"):
        return None
    if all(env.get(name) for name in (*_GITHUB, "AZURE_TENANT_ID", "AZURE_CLIENT_ID")):
        return ClientAssertionCredential(
            env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], lambda: _from_github(env)
        )
    if all(env.get(name) for name in (*_PIPELINES, "SYSTEM_OIDCREQUESTURI")):
        tenant, client, connection, token = (env[name] for name in _PIPELINES)
        return AzurePipelinesCredential(
            tenant_id=tenant,
            client_id=client,
            service_connection_id=connection,
            system_access_token=token,
        )
    return None


def _from_github(env: Mapping[str, str]) -> str:
    url, token = (env[name] for name in _GITHUB)
    for wait in (*_WAITS, None):
        try:
            answer = requests.get(
                url,
                params={"audience": _AUDIENCE},
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                timeout=60,
            )
            answer.raise_for_status()
            return str(answer.json()["value"])
        except (requests.RequestException, ValueError, KeyError) as error:
            status = getattr(getattr(error, "response", None), "status_code", 0)
            if wait is None or 400 <= status < 500:
                why = str(status) if status else type(error).__name__
                raise ClientAuthenticationError(f"GitHub returned no token ({why})") from error
            time.sleep(wait)
    raise AssertionError("the loop returns or raises")

"""The explanations of exceptions of Azure's libraries, by their class names, status and text."""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest

from innerloop.remote.azureml.worker.azure_errors import explain, scrub

TARGET = {"subscription": "s", "group": "g", "workspace": "w"}
REQUEST = {"target": TARGET, "name": "one"}
ARM = "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/M/workspaces/w"


class HttpResponseError(Exception):
    def __init__(self, status: int, message: str, path: str = "", **headers: str) -> None:
        super().__init__(message)
        self.status_code = status
        self.message = message
        self.response = SimpleNamespace(
            headers=headers, request=SimpleNamespace(url=f"{ARM}{path}?api-version=1")
        )


def raised(name: str, *words: Any, cause: Exception | None = None) -> Exception:
    error: Exception = type(name, (Exception,), {})(*words)
    error.__cause__ = cause
    return error


CASES = [
    (HttpResponseError(404, "Resource group 'g' could not be found."), "no-workspace", "no workspace w"),
    (HttpResponseError(404, "nope", "/jobs/j"), "not-found", 'there is no job "j"'),
    (HttpResponseError(404, "nope", "/computes/c"), "not-found", 'there is no compute "c"'),
    (HttpResponseError(409, "there", "/jobs/j"), "exists", 'there is a job "j" already'),
    (HttpResponseError(429, "slow"), "slow-down", "fewer requests"),
    (HttpResponseError(502, "gateway"), "service", "Azure still failed (502)"),
    (HttpResponseError(400, "The compute is wrong. Code: X"), "refused", "The compute is wrong"),
    (HttpResponseError(403, "Server failed to authenticate the request. Signature did not match"),
     "forbidden", "storage refuses access"),
    (raised("ClientAuthenticationError", "AADSTS7000222: The provided client secret keys are expired."),
     "expired", "credentials for Azure have expired"),
    (raised("CredentialUnavailableError", "EnvironmentCredential: nothing"), "sign-in", "nobody is signed in"),
    (raised("ServiceRequestError", "<x>: Failed to resolve 'a.azureml.ms' ([Errno -2] Name or service)"),
     "network", "a.azureml.ms cannot be found by name"),
    (raised("ServiceRequestError", "SSLError(CERTIFICATE_VERIFY_FAILED: self-signed certificate)"),
     "network", "does not trust"),
    (raised("AssetException", "Error with code: x", cause=raised("ServiceResponseError",
     "('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))")),
     "network", "still broke after several attempts"),
    (raised("JobException", "This job is in state JobStatus.RUNNING. Download is"), "not-ended", "it is Running"),
    (raised("ValidationException", "bad key\n\x1b[31mred\x1b[0m"), "refused", "refuses it: bad key red"),
    (raised("ValidationException", 'Validation for PipelineJobSchema failed:\n\n {\n "errors": [\n {\n'
     ' "message": "(ResourceNotFound) there is no \\"c\\"\\nCode: 1",\n "path": "jobs.a.compute",\n'
     ' "value": null }, { "message": "Unknown field.", "value": 1 } ] } If you are trying'),
     "refused", 'refuses it: jobs.a.compute: there is no "c"; Unknown field'),
    (HttpResponseError(400, "There is already an endpoint with this name", "/onlineEndpoints/e"),
     "name-taken", 'name "e" is taken: names are unique in an Azure region'),
    (HttpResponseError(404, "not found | (InferencingClientCallFailed) x", "/onlineEndpoints/e"),
     "name-taken", 'cannot create an endpoint with the name "e" now'),
    (HttpResponseError(404, "nope", "/onlineEndpoints/e"), "not-found", 'no endpoint "e" in workspace w'),
    (HttpResponseError(404, "nope", "/onlineEndpoints/e/deployments/blue"), "not-found",
     'the endpoint e has no deployment "blue"'),
    (HttpResponseError(400, "(OutOfQuota) Not enough quota for Standard_DS3_v2", "/onlineEndpoints/e/deployments/d"),
     "quota", "not enough quota for it: Not enough quota for Standard_DS3_v2"),
    (HttpResponseError(409, "Cannot create a deployment because it is in Updating provisioning state",
     "/onlineEndpoints/e/deployments/d"), "busy", "the endpoint is updating"),
    (HttpResponseError(400, "(SubscriptionNotRegistered) not registered", "/onlineEndpoints/e"),
     "refused", "not registered for endpoints"),
    (raised("DeploymentFailed", "(ImageBuildFailure) Image build failed."), "deployment-failed",
     "could not build the deployment's image"),
    (raised("DeploymentFailed", "(ResourceNotReady) User container has crashed"), "deployment-failed",
     "the container did not become ready"),
    (raised("DeploymentFailed", "(OutOfCapacity) no capacity"), "deployment-failed", "no free machine"),
    (raised("DeploymentFailed", "(InternalServerError) x"), "deployment-failed", "could not start the deployment: x"),
    (PermissionError(13, "Permission denied", "/x"), "files", "Permission denied (/x)"),
    (raised("KeyError", "surprise"), "other", "KeyError: surprise"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code", "what"), CASES, ids=[f"{c}-{w[:20]}" for _, c, w in CASES]
)
def test_explain_exception_returns_code_and_one_sentence(
    error: Exception, code: str, what: str
) -> None:
    explained = explain(error, REQUEST)
    assert explained.code == code
    assert what in explained.what
    assert "\n" not in explained.what and not explained.what.endswith(".")


def test_a_clock_that_is_fast() -> None:
    error = HttpResponseError(401, "late", Date=formatdate(time.time() - 7200))
    explained = explain(error, REQUEST)
    assert explained.code == "clock" and "clock is 120 minutes fast" in explained.what


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.def-ghi",
        "https://a.blob.core.windows.net/c?sv=1&sig=s3cr3t%2Fs3cr3t&se=2",
        "DefaultEndpointsProtocol=https;AccountKey=s3cr3t==;x",
        "eyJhbGciOi.eyJzM2NyM3Q.s3cr3t",
        '{"client_secret": "s3cr3t"}',
        "the secret is s3cr3t-of-a-variable",
    ],
)
def test_no_secret_is_left(text: str) -> None:
    left = scrub(text, {"AZURE_CLIENT_SECRET": "s3cr3t-of-a-variable"})
    assert not re.search("s3cr3t|abc.def|eyJ", left), left

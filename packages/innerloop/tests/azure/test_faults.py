"""What goes wrong on the way to Azure.

Each a sentence, a true exit code, no traceback, no secret; and what was sent is neither sent nor
made twice.
"""

from __future__ import annotations

import threading
import time
from email.utils import formatdate

import pytest

from tests.azure import standin
from tests.azure.conftest import Cloud
from tests.azure.network import Weather
from tests.azure.standin import SECRET, TOKEN
from tests.support import QUICK, Workspace, until

pytestmark = pytest.mark.azure

REFUSALS = {
    "not accepted": (
        401, "InvalidAuthenticationToken", f"The access token {TOKEN} is invalid.",
        "Azure does not accept the sign-in (401)",
    ),
    "expired": (
        401, "ExpiredAuthenticationToken",
        "The access token expiry UTC time '11/24/2026 1:00:00 AM' is earlier than current UTC time.",
        "the sign-in to Azure has expired. Sign in again",
    ),
    "forbidden": (
        403, "AuthorizationFailed",
        "The client 'x' does not have authorization to perform action 'A/codes/read' over scope '/s'",
        "you lack a permission in workspace ws-vision in resource group rg-vision: A/codes/read",
    ),
    "no workspace": (
        404, "ResourceNotFound",
        "The Resource 'A/workspaces/ws-vision' under resource group 'rg-vision' was not found.",
        "there is no workspace ws-vision in resource group rg-vision",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSALS))
def test_a_refusal_is_a_sentence(cloud: Cloud, tiny: Workspace, name: str) -> None:
    status, code, text, message = REFUSALS[name]
    cloud.azure.fault("management.azure.com", status, code, message=text)
    answer = cloud.loop(tiny, "submit", "tiny")
    assert answer.code == 1
    assert message in answer.message
    assert cloud.azure.jobs == {}


def test_a_refused_sign_in(cloud: Cloud, tiny: Workspace) -> None:
    said = f"AADSTS7000215: Invalid client secret provided: {SECRET}. Trace ID: 1"
    answer = standin.told({"error": "invalid_client", "error_description": said}, 401)
    cloud.azure.fault("POST login.*/token", 401).answer = answer
    told = cloud.loop(tiny, "submit", "tiny")
    assert told.code == 1
    message = "the sign-in to Azure failed: AADSTS7000215: Invalid client secret provided: [secret]"
    assert message in told.message


def test_a_clock_that_is_off(cloud: Cloud, tiny: Workspace) -> None:
    """Azure refuses what it signs; the true time stands in the answer."""
    date = {"Date": formatdate(time.time() + 1800, usegmt=True)}
    message = "The access token is not yet valid"
    cloud.azure.fault(
        "management", 401, "InvalidAuthenticationToken", headers=date, message=message
    )
    answer = cloud.loop(tiny, "submit", "tiny")
    assert answer.code == 1
    assert "this machine's clock is 30 minutes slow" in answer.message


def test_a_name_that_somebody_else_has_taken(cloud: Cloud, tiny: Workspace) -> None:
    cloud.azure.fault("PUT .*/jobs/", 409, "Conflict", message="already exists")
    answer = cloud.loop(tiny, "submit", "tiny", "--name", "taken")
    assert answer.code == 1
    assert 'there is a job "taken" already in workspace ws-vision' in answer.message
    assert "Choose another name" in answer.message


@pytest.mark.parametrize("headers", [{"Retry-After": "1"}, {}])
def test_a_busy_azure_is_waited_for(cloud: Cloud, tiny: Workspace, headers: dict[str, str]) -> None:
    cloud.azure.fault("PUT .*/jobs/", 429, "TooManyRequests", headers=headers, times=1)
    cloud.azure.fault("GET .*/codes/", 500, "InternalServerError", times=1)
    answer = cloud.loop(tiny, "submit", "tiny")
    assert answer.code == 0, answer.err
    asks = ", and asks to wait 1 s" if headers else ""
    assert f"innerloop: Azure answered 429{asks}; trying again" in answer.err
    assert "innerloop: Azure answered 500; trying again" in answer.err
    assert len(cloud.azure.jobs) == 1


def test_an_azure_that_stays_broken(cloud: Cloud, tiny: Workspace) -> None:
    cloud.azure.fault("PUT .*/jobs/", 503, "ServerBusy", message="busy")
    answer = cloud.loop(tiny, "submit", "tiny", "--name", "later")
    assert answer.code == 1
    assert "Azure still failed (503) after several attempts" in answer.message
    assert "`scripts/loop status later` tells" in answer.message
    cloud.azure.faults.clear()
    uploads = cloud.azure.count("startPendingUpload")
    assert cloud.loop(tiny, "submit", "tiny").code == 0
    assert list(cloud.azure.jobs) == ["later"]
    assert cloud.azure.count("startPendingUpload") == uploads


def test_an_answer_that_is_lost_makes_no_second_job(cloud: Cloud, tiny: Workspace) -> None:
    """The job arrives, its answer does not, and the client asks again."""
    cloud.azure.fault("PUT .*/jobs/", 503, "ServerBusy", times=1, after=True)
    answer = cloud.loop(tiny, "submit", "tiny")
    assert answer.code == 0, answer.err
    assert len(cloud.azure.jobs) == 1
    assert "an earlier attempt had created this job" in answer.err


def test_ctrl_c_while_the_job_is_made_then_again(cloud: Cloud, tiny: Workspace) -> None:
    held = threading.Event()
    fault = cloud.azure.fault("PUT .*/jobs/", 503, "x", after=True, held=held)
    started = cloud.start(tiny, "submit", "tiny")
    assert until(lambda: fault.times < 1_000_000 and bool(cloud.azure.jobs), 30)
    started.interrupt_group()
    answer = started.end()
    held.set()
    cloud.check(answer.out + answer.err)
    assert answer.code == 130
    (name,) = cloud.azure.jobs
    assert f"it is not known whether {name} was created" in answer.err
    cloud.azure.faults.clear()
    again = cloud.loop(tiny, "submit", "tiny")
    assert again.code == 0, again.err
    assert list(cloud.azure.jobs) == [name]
    assert "continues after an interruption" in again.out


@pytest.mark.parametrize("stage", ["POST login.*/token", "GET .*/codes/", "PUT .*/environments/"])
def test_ctrl_c_before_the_job_is_made(cloud: Cloud, tiny: Workspace, stage: str) -> None:
    held = threading.Event()
    fault = cloud.azure.fault(stage, 503, "x", held=held)
    started = cloud.start(tiny, "submit", "tiny")
    assert until(lambda: fault.times < 1_000_000, 30)
    started.interrupt_group()
    answer = started.end(QUICK - 1)  # the tool itself would wait for a minute
    held.set()
    cloud.check(answer.out + answer.err)
    assert answer.code == 130
    assert "no job was created" in answer.err
    assert cloud.azure.jobs == {}


def test_ctrl_c_during_the_upload(cloud: Cloud, tiny: Workspace) -> None:
    cloud.proxy.weather = Weather(hang_after=20_000)
    tiny.write("src/tiny/table.csv", "1,2,3\n" * 50_000)
    started = cloud.start(tiny, "submit", "tiny")
    assert until(lambda: cloud.proxy.blob_bytes > 20_000, 30)
    started.interrupt_group()
    answer = started.end(QUICK - 1)  # the tool itself would wait for a minute
    assert answer.code == 130
    assert "no job was created" in answer.err


def test_a_hung_upload_is_ended_and_goes_on_the_next_time(cloud: Cloud, tiny: Workspace) -> None:
    tiny.write("src/tiny/table.csv", "1,2,3\n" * 50_000)
    cloud.proxy.weather = Weather(hang_after=100_000)
    answer = cloud.loop(tiny, "submit", "tiny", env={"INNERLOOP_PATIENCE": "3"})
    assert answer.code == 1
    assert "the upload stalled: no data for 3 s" in answer.message
    cloud.proxy.weather = Weather()
    assert cloud.loop(tiny, "submit", "tiny").code == 0
    assert len(cloud.azure.jobs) == 1


def test_a_connection_that_breaks_during_the_upload(cloud: Cloud, tiny: Workspace) -> None:
    tiny.write("src/tiny/table.csv", "1,2,3\n" * 50_000)
    cloud.proxy.weather = Weather(reset_after=100_000, resets=1)
    answer = cloud.loop(tiny, "submit", "tiny")
    assert answer.code == 0, answer.err
    assert len(cloud.azure.jobs) == 1


def test_a_name_that_cannot_be_found(cloud: Cloud, tiny: Workspace) -> None:
    """No DNS answer, without a proxy between: run history lives at an address of its own."""
    assert cloud.loop(tiny, "submit", "tiny").code == 0
    cloud.azure.discovery = "https://history.invalid/discovery"
    answer = cloud.loop(tiny, "logs", env={"NO_PROXY": ".invalid", "no_proxy": ".invalid"})
    assert answer.code == 1
    assert "history.invalid cannot be found by name (no DNS answer)" in answer.message


def test_a_proxy_that_lets_nothing_through(cloud: Cloud, tiny: Workspace) -> None:
    cloud.proxy.weather = Weather(no_names=frozenset({"management.azure.com"}))
    answer = cloud.loop(tiny, "submit", "tiny")
    assert answer.code == 1
    assert "the proxy refuses the connection to management.azure.com" in answer.message


def test_nobody_is_signed_in(cloud: Cloud, tiny: Workspace) -> None:
    env = {"AZURE_TOKEN_CREDENTIALS": "dev", "AZURE_CLIENT_SECRET": "", "AZURE_CLIENT_ID": ""}
    answer = cloud.loop(tiny, "submit", "tiny", env={**env, "CI": "1"})
    assert answer.code == 1
    assert "nobody is signed in to Azure" in answer.message
    assert "Run `az login`" in answer.message

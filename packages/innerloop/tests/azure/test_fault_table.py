"""Every kind of fault at every request of a submission and of the sign-in.

Each with its error code, a true exit code, and never a second job, not by the same command again
either. By default each kind meets the request that creates the job, and each of the other requests
meets two kinds; with --nightly every kind meets every request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.azure.conftest import Cloud
from tests.azure.faults import KINDS, Kind, calm, nightly, strike, wrongly_encoded
from tests.azure.network import Answer
from tests.azure.quick import Quick
from tests.azure.standin import refusal
from tests.support import Workspace

pytestmark = pytest.mark.azure

# The requests of a submission, in their order.
STAGES = {
    "known": r"GET management.*/codes/[^/]+/versions$",
    "place": r"POST management.*/startPendingUpload",
    "blob": r"(PUT|HEAD) visionstore",
    "code": r"PUT management.*/codes/",
    "datastore": r"GET management.*/datastores",
    "key": r"POST management.*/listSecrets",
    "environment": r"PUT management.*/environments/",
    "job": r"PUT management.*/jobs/",
}
ORDER = list(STAGES)

# Codes that are right where a request is not Azure ML's own, or the client hides its failure.
OF_BLOBS: dict[str, tuple[str, ...]] = {"401": ("forbidden",), "401 expired": ("forbidden",)}
# Without the storage's key the client asks the storage without one, which refuses it.
OF_KEYS: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("400", "401", "401 expired", "404", "409", "412", "413", "403 page", "half", "cut", "null", "list"),
    ("forbidden", "answer-broken", "web-page"),
)  # fmt: skip
# A body of an answer that the client does not read.
UNREAD = {
    "blob": ("half", "cut", "empty", "null", "list", "page"),
    "code": ("null", "list", "half", "empty"),  # the second attempt finds the code there
    "key": ("null", "list"),
}


def codes_of(name: str, stage: str) -> tuple[str, ...]:
    special = OF_BLOBS if stage == "blob" else OF_KEYS if stage == "key" else {}
    return special.get(name, KINDS[name].codes)


def default_rows() -> Iterator[tuple[str, str]]:
    others = [stage for stage in ORDER if stage != "job"]
    for number, name in enumerate(KINDS):
        yield name, "job"
        if number % 2 == 0 and number < 4 * len(others):
            yield name, others[number // 2 % len(others)]


def other_rows() -> Iterator[tuple[str, str]]:
    done = set(default_rows())
    return ((name, stage) for name in KINDS for stage in ORDER if (name, stage) not in done)


@pytest.mark.parametrize(("name", "stage"), [*default_rows(), *nightly(other_rows())])
def test_fault_of_a_submission(
    quick: Quick, cloud: Cloud, tiny: Workspace, name: str, stage: str
) -> None:
    kind, index = KINDS[name], ORDER.index(stage)
    strike(cloud, STAGES[stage], kind, STAGES[ORDER[index - 1]] if index else "")
    patience = {"INNERLOOP_PATIENCE": "3"} if kind.hangs else {}
    answer = quick.loop(tiny, "submit", "tiny", env=patience)
    if kind.once or (name in UNREAD.get(stage, ()) and answer.code == 0):
        assert answer.code == 0, answer.err
        assert len(cloud.azure.jobs) == 1
        return
    assert answer.code == 1, answer.err
    code = answer.err.rstrip().rpartition("[")[2].rstrip("]")
    assert code in codes_of(name, stage), answer.err
    # The doubt only where there is one; and the cure as well.
    in_doubt = kind.doubt and stage == "job"
    assert ("is not known whether" in answer.err) == in_doubt, answer.err
    assert not in_doubt or "un it again" not in answer.err, answer.err
    host = "visionstore" if stage == "blob" else "management.azure.com"
    if code in ("web-page", "stalled", "answer-broken") and stage != "key":
        assert host in answer.err or "the upload stalled" in answer.err
    assert (
        not in_doubt or quick.loop(tiny, "status", "--all").out.count("may not have arrived") == 1
    )
    calm(cloud)
    again = quick.loop(tiny, "submit", "tiny")
    assert again.code == 0, again.err
    assert len(cloud.azure.jobs) == 1


NETWORK = "Public network access is disabled for this workspace."
OTHERS = {
    "a proxy's password": (Kind(("network",), Answer(407, b"Proxy Authentication Required")),
                           "Write both in HTTPS_PROXY"),
    "a policy": (Kind(("refused",), refusal(403, "RequestDisallowedByPolicy", "It was disallowed by policy.")),
                 "no role changes that"),
    "a private network": (Kind(("forbidden",), refusal(403, "Forbidden", NETWORK)), "private endpoint"),
    "another encoding": (Kind(("answer-broken",), changes=wrongly_encoded, after=True, doubt=True),
                         "is cut short or unreadable"),
    "no content": (Kind(("answer-broken",), Answer(204), doubt=True), "(204) is cut short"),
    "plain text": (Kind(("answer-broken",), Answer(200, b"Starting", {"Content-Type": "text/plain"}), doubt=True),
                   "(200) is cut short"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "stage"),
    [*((name, "job") for name in OTHERS), *nightly((name, "environment") for name in OTHERS)],
)
def test_answer_that_is_not_azures_refusal_is_named(
    quick: Quick, cloud: Cloud, tiny: Workspace, name: str, stage: str
) -> None:
    kind, said = OTHERS[name]
    strike(cloud, STAGES[stage], kind, STAGES[ORDER[ORDER.index(stage) - 1]])
    answer = quick.loop(tiny, "submit", "tiny")
    assert answer.code == 1 and f"[{kind.codes[0]}]" in answer.err, answer.err
    assert said in answer.err and "AzureML Data Scientist" not in answer.err
    in_doubt = kind.doubt and stage == "job"
    assert ("is not known whether" in answer.err) == in_doubt, answer.err
    calm(cloud)
    assert quick.loop(tiny, "submit", "tiny").code == 0
    assert len(cloud.azure.jobs) == 1


def test_an_open_submission_stays_open_when_another_request_is_refused(
    quick: Quick, cloud: Cloud, tiny: Workspace
) -> None:
    """The first attempt may have arrived; a refusal of a later one says nothing about it."""
    strike(cloud, STAGES["job"], KINDS["half"])
    assert quick.loop(tiny, "submit", "tiny").code == 1
    calm(cloud)
    strike(cloud, r"GET management.*/jobs/", KINDS["403"])
    refused = quick.loop(tiny, "submit", "tiny")
    assert refused.code == 1
    assert "[forbidden]" in refused.err and "is not known whether" in refused.err
    calm(cloud)
    assert quick.loop(tiny, "submit", "tiny").code == 0
    assert len(cloud.azure.jobs) == 1


def test_a_lost_answer_of_a_named_job_is_no_name_that_is_taken(
    quick: Quick, cloud: Cloud, tiny: Workspace
) -> None:
    strike(cloud, STAGES["job"], KINDS["503 after"])
    answer = quick.loop(tiny, "submit", "tiny", "--name", "mine")
    assert answer.code == 0, answer.err
    assert list(cloud.azure.jobs) == ["mine"]


# The sign-in

SIGN_IN = r"POST login.*/token"
OF_SIGN_IN = {
    "400": ("sign-in",), "401": ("sign-in",), "403 page": ("web-page",), "429": ("slow-down", "service"),
    "500": ("service",), "502 page": ("service",), "503": ("service",), "page": ("web-page",),
    "half": ("answer-broken", "sign-in"), "cut": ("network", "answer-broken"),
    "empty": ("answer-broken", "sign-in"), "reset": ("network",), "untrusted": ("network",),
    "no name": ("network",), "refused": ("network",),
}  # fmt: skip


@pytest.mark.parametrize("name", list(OF_SIGN_IN))
def test_fault_of_the_sign_in(quick: Quick, cloud: Cloud, tiny: Workspace, name: str) -> None:
    quick.forget_sign_in()
    kind = KINDS[name]
    if kind.answer.body.startswith(b"{"):  # the sign-in service has a form of its own
        said = {"error": "invalid_request", "error_description": "It said no."}
        kind = replace(kind, answer=replace(kind.answer, body=json.dumps(said).encode()))
    strike(cloud, SIGN_IN, kind)
    answer = quick.loop(tiny, "submit", "tiny")
    assert answer.code == 1
    code = answer.err.rstrip().rpartition("[")[2].rstrip("]")
    assert code in OF_SIGN_IN[name], answer.err
    assert "nobody is signed in" not in answer.err
    assert code == "sign-in" or "login.microsoftonline.com" in answer.err, answer.err
    assert cloud.azure.jobs == {} and "is not known whether" not in answer.err
    calm(cloud)
    quick.forget_sign_in()
    assert quick.loop(tiny, "submit", "tiny").code == 0
    assert len(cloud.azure.jobs) == 1

"""Every kind of fault at every request of a submission, of the sign-in and of following a job.

The right sentence by its code, a true exit code, and never a second job: not by the same command
again either.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.azure import network
from tests.azure.conftest import Cloud
from tests.azure.network import Answer
from tests.azure.quick import Quick
from tests.azure.standin import Fault, RunOf, refusal
from tests.support import Workspace

pytestmark = pytest.mark.azure

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Guests</body></html>"


def page(status: int = 200) -> Answer:
    return Answer(status, PAGE, {"Content-Type": "text/html; charset=utf-8"})


def half(answer: Answer) -> Answer:
    """The beginning of the true answer, as if it were all of it."""
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def cut(answer: Answer) -> Answer:
    """The connection breaks within the true answer."""
    return replace(answer, cut=len(answer.body) // 2)


def other(body: bytes) -> Callable[[Answer], Answer]:
    return lambda answer: replace(answer, body=body)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    `codes`: the error codes that are right for it. `once`: it passes, and the command is right in
    the end. `doubt`: at the request that creates the job nobody knows whether it has arrived.
    `connects`: what happens to new connections instead of an answer.
    """

    codes: tuple[str, ...]
    answer: Answer = Answer()
    changes: Callable[[Answer], Answer] | None = None
    after: bool = False
    once: bool = False
    doubt: bool = False
    hangs: bool = False
    connects: str = ""


GONE = Answer(cut=-1)
ACTION = "The client does not have authorization to perform action 'A/x/read' over scope '/s'"
KINDS = {
    "400": Kind(("refused",), refusal(400, "UserError", "The request is wrong.")),
    "401": Kind(("sign-in",), refusal(401, "InvalidAuthenticationToken", "It is invalid.")),
    "401 expired": Kind(("expired",), refusal(401, "ExpiredAuthenticationToken", "It expired.")),
    "403": Kind(("forbidden",), refusal(403, "AuthorizationFailed", ACTION)),
    "403 page": Kind(("web-page",), page(403), doubt=True),
    "404": Kind(("not-found", "no-workspace"), refusal(404, "NotFound", "It is not there.")),
    "408": Kind(("service",), refusal(408, "RequestTimeout", "Too slow."), doubt=True),
    "409": Kind(("refused", "exists"), refusal(409, "Conflict", "Another one is at it.")),
    "412": Kind(("refused",), refusal(412, "ConditionNotMet", "It has changed.")),
    "413": Kind(("refused",), refusal(413, "RequestEntityTooLarge", "Too much.")),
    "429 once": Kind((), refusal(429, "TooManyRequests", "Slower."), once=True),
    "429": Kind(("slow-down",), refusal(429, "TooManyRequests", "Slower.")),
    "500 once": Kind((), refusal(500, "InternalServerError", "Oh."), once=True),
    "500": Kind(("service",), refusal(500, "InternalServerError", "Oh."), doubt=True),
    "502 page": Kind(("service",), page(502), doubt=True),
    "503": Kind(("service",), refusal(503, "ServerBusy", "Busy."), doubt=True),
    "503 after": Kind((), refusal(503, "ServerBusy", "Busy."), after=True, once=True),
    "page": Kind(("web-page",), page(), doubt=True),
    "half": Kind(("answer-broken",), changes=half, after=True, doubt=True),
    "cut": Kind(("network", "answer-broken"), changes=cut, after=True, doubt=True),
    "empty": Kind(("answer-broken", "other"), changes=other(b""), after=True, doubt=True),
    "null": Kind(("answer-broken", "other"), changes=other(b"null"), after=True, doubt=True),
    "list": Kind(("answer-broken", "other"), changes=other(b"[1]"), after=True, doubt=True),
    "reset": Kind(("network",), GONE, doubt=True),
    "reset once": Kind((), GONE, once=True),
    "reset after": Kind((), GONE, after=True, once=True),
    "hang": Kind(("stalled",), hangs=True, doubt=True),
    "untrusted": Kind(("network",), connects="untrusted"),
    "no name": Kind(("network",), connects="no name"),
    "refused": Kind(("network",), connects="refused"),
}

# The requests of a submission, in their order.
STAGES = {
    "code known?": r"GET management.*/codes/[^/]+/versions$",
    "upload place": r"POST management.*/startPendingUpload",
    "blob": r"(PUT|HEAD) visionstore",
    "code": r"PUT management.*/codes/",
    "datastore": r"GET management.*/datastores",
    "secrets": r"POST management.*/listSecrets",
    "environment": r"PUT management.*/environments/",
    "job": r"PUT management.*/jobs/",
}
ORDER = list(STAGES)


@pytest.fixture(scope="module")
def _quick(_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quick]:
    quick = Quick(_cloud, tmp_path_factory.mktemp("worker"))
    yield quick
    quick.connection.close()


@pytest.fixture
def quick(_quick: Quick, cloud: Cloud) -> Quick:
    return _quick


def strike(cloud: Cloud, pattern: str, kind: Kind, before: str = "") -> None:
    """The fault at requests of this pattern; `before`: the pattern of the request before it."""
    azure, weather = cloud.azure, cloud.proxy.weather
    if "visionstore" in pattern:
        weather.opens_blobs = True
        cloud.proxy.drop()
    if kind.connects:
        def connects(host: str) -> str:
            asked = [f"{one.method} {one.host}{one.path}" for one in azure.asked]
            is_reached = not before or any(re.search(before, one) for one in asked)
            of_host = host in pattern or host.split(".")[0] in pattern
            return kind.connects if is_reached and of_host else ""

        weather.connects = connects
        cloud.proxy.drop()
        return
    held = threading.Event() if kind.hangs else None
    times = 1 if kind.once else 1_000_000
    azure.faults.append(Fault(pattern, kind.answer, times, kind.after, held, kind.changes))


def calm(cloud: Cloud) -> None:
    for fault in cloud.azure.faults:
        if fault.held is not None:
            fault.held.set()
    cloud.azure.faults.clear()
    cloud.proxy.weather = network.Weather()


@pytest.fixture
def thing(tiny: Workspace) -> Workspace:
    """An experiment with code and an environment to send."""
    return tiny


@pytest.mark.parametrize("stage", ORDER)
@pytest.mark.parametrize("name", list(KINDS))
def test_explore(quick: Quick, cloud: Cloud, thing: Workspace, name: str, stage: str) -> None:
    kind = KINDS[name]
    index = ORDER.index(stage)
    before = STAGES[ORDER[index - 1]] if index else ""
    strike(cloud, STAGES[stage], kind, before)
    patience = {"INNERLOOP_PATIENCE": "3"} if kind.hangs else {}
    answer = quick.loop(thing, "submit", "tiny", env=patience)
    first = len(cloud.azure.jobs)
    calm(cloud)
    again = quick.loop(thing, "submit", "tiny") if answer.code else None
    last = [line for line in answer.err.splitlines() if line][-1]
    with open("/tmp/wa_table.txt", "a") as file:
        file.write(f"{stage:13} {name:12} {answer.code} {first} {len(cloud.azure.jobs)} {again and again.code} {last}\n")
    cloud.proxy.refused.clear()

"""Kinds of faults, and how they strike the stand-in and the way to it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import pytest

from tests.azure import network
from tests.azure.conftest import Cloud
from tests.azure.network import Answer
from tests.azure.standin import Fault, refusal

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Guests</body></html>"


def page(status: int = 200) -> Answer:
    return Answer(status, PAGE, {"Content-Type": "text/html; charset=utf-8"})


def half(answer: Answer) -> Answer:
    """The beginning of the true answer, as if it were all of it."""
    body = answer.body[: len(answer.body) // 2]
    return replace(answer, body=body, headers=_without_length(answer))


def cut(answer: Answer) -> Answer:
    """The connection breaks within the true answer."""
    return replace(answer, cut=len(answer.body) // 2)


def wrongly_encoded(answer: Answer) -> Answer:
    """The true answer, with a header that says something else of it."""
    return replace(answer, headers={**answer.headers, "Content-Encoding": "gzip"})


def other(body: bytes) -> Callable[[Answer], Answer]:
    return lambda answer: replace(answer, body=body, headers=_without_length(answer))


def _without_length(answer: Answer) -> dict[str, str]:
    return {
        name: value for name, value in answer.headers.items() if name.lower() != "content-length"
    }


NOTHING = Answer()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    `codes`: the error codes that are right for it. `once`: it passes, and the command is right in
    the end. `doubt`: at the request that creates the job nobody knows whether it has arrived.
    `connects`: what happens to new connections instead of an answer.
    """

    codes: tuple[str, ...]
    answer: Answer = NOTHING
    changes: Callable[[Answer], Answer] | None = None
    after: bool = False
    once: bool = False
    doubt: bool = False
    hangs: bool = False
    connects: str = ""


GONE = Answer(cut=-1)
ACTION = "The client does not have authorization to perform action 'A/x/read' over scope '/s'"
UNREADABLE = ("answer-broken", "other", "network")
KINDS = {
    "400": Kind(("refused",), refusal(400, "UserError", "The request is wrong.")),
    "401": Kind(("sign-in",), refusal(401, "InvalidAuthenticationToken", "It is invalid.")),
    "401 expired": Kind(("expired",), refusal(401, "ExpiredAuthenticationToken", "It expired.")),
    "403": Kind(("forbidden",), refusal(403, "AuthorizationFailed", ACTION)),
    "403 page": Kind(("web-page",), page(403), doubt=True),
    "404": Kind(("not-found",), refusal(404, "NotFound", "It is not there.")),
    "408": Kind(("service",), refusal(408, "RequestTimeout", "Too slow."), doubt=True),
    "409": Kind(("refused",), refusal(409, "Conflict", "Another one is at it.")),
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
    "half": Kind(UNREADABLE, changes=half, after=True, doubt=True),
    "cut": Kind(UNREADABLE, changes=cut, after=True, doubt=True),
    "empty": Kind(UNREADABLE, changes=other(b""), after=True, doubt=True),
    "null": Kind(UNREADABLE, changes=other(b"null"), after=True, doubt=True),
    "list": Kind(UNREADABLE, changes=other(b"[1]"), after=True, doubt=True),
    "reset": Kind(("network",), GONE, doubt=True),
    "reset once": Kind((), GONE, once=True),
    "reset after": Kind((), GONE, after=True, once=True),
    "hang": Kind(("stalled",), hangs=True, doubt=True),
    "untrusted": Kind(("network",), connects="untrusted"),
    "no name": Kind(("network",), connects="no name"),
    "refused": Kind(("network",), connects="refused"),
}


def nightly(rows: Iterable[tuple[str, str]]) -> list[object]:
    """Rows of a table that only the nightly campaign has."""
    return [pytest.param(*row, marks=pytest.mark.nightly) for row in rows]


def strike(
    cloud: Cloud, pattern: str, kind: Kind, before: str = "", times: int = 1_000_000
) -> None:
    """The fault at requests of this pattern; `before`: the pattern of the request before it."""
    azure = cloud.azure
    if kind.connects:
        host_of = "visionstore" if "visionstore" in pattern else re.findall(r" (\w+)", pattern)[0]

        def connects(host: str) -> str:
            asked = [f"{one.method} {one.host}{one.path}" for one in azure.asked]
            is_reached = not before or any(re.search(before, one) for one in asked)
            return kind.connects if is_reached and host.startswith(host_of) else ""

        cloud.proxy.weather.connects = connects
        cloud.proxy.drop()
        return
    held = threading.Event() if kind.hangs else None
    times = 1 if kind.once else times
    azure.faults.append(Fault(pattern, kind.answer, times, kind.after, held, kind.changes))


def calm(cloud: Cloud) -> None:
    for fault in cloud.azure.faults:
        if fault.held is not None:
            fault.held.set()
    cloud.azure.faults.clear()
    cloud.proxy.weather = network.Weather(opens_blobs=True)
    cloud.proxy.drop()

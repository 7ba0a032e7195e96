"""Whether a server works: only a successful prediction shows that.

A server's own health check only says that its HTTP front end is up. TorchServe, for example, reports
that it is healthy while its workers end as fast as they are started and every prediction hangs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from ..util.quick_dataclasses import dataclass
from .client import Address, Reply, content_type_of, send

# All times are in seconds.
# The time for one request; a first prediction may be slow.
REQUEST_TIMEOUT = 30.0
# After so many replies of the kind "your request is wrong" in a row, waiting is pointless.
REFUSALS = 5
# Without a prediction for so long, a message says what is being waited for.
NEWS_AFTER = 15.0
# The time between two requests to a server that has been ready, and after one that failed. After so
# many failures in a row the server counts as stopped.
PULSE, RETRY = 60.0, 5.0
FAILURES = 3
# Statuses of a server that is still starting, although they blame the request.
_TEMPORARY = (404, 408, 409, 425, 429)


@dataclass(slots=True)
class ReadinessOutcome:
    """`reply` is the first prediction. `reason` is set when there will be none."""

    reply: Reply | None = None
    reason: str = ""


def wait(
    url: str,
    sample: Path,
    ended: threading.Event,
    *,
    patience: float | None,
    say: Callable[[str], None],
) -> ReadinessOutcome:
    """Send the sample until a prediction succeeds, `ended` is set, or `patience` seconds are over.

    Without `patience` it waits as long as it takes, with one request at a time and no timeout. `say`
    gets a line when it takes long.
    """
    data, kind = sample.read_bytes(), content_type_of(sample)
    begun, refusals, has_said, last = time.monotonic(), 0, False, "nothing answers"
    while not ended.is_set():
        left = None if patience is None else begun + patience - time.monotonic()
        if left is not None and left <= 0:
            return ReadinessOutcome(reason=f"no prediction within {patience:.0f} s: {last}")
        if not has_said and time.monotonic() - begun > NEWS_AFTER:
            has_said = True
            say(f"no prediction has succeeded yet ({last}); waiting")
        try:
            timeout = None if left is None else max(1.0, min(REQUEST_TIMEOUT, left, NEWS_AFTER))
            reply = send(Address(url), data, kind, timeout=timeout)
        except TimeoutError:
            last = "the server accepts the request and does not answer"
            continue
        except OSError as error:
            last = f"nothing answers ({error})"
            ended.wait(0.2)
            continue
        if reply.ok:
            return ReadinessOutcome(reply)
        last = f"the answer is {reply.status}, {reply.message}"
        is_refusal = 400 <= reply.status < 500 and reply.status not in _TEMPORARY
        refusals = refusals + 1 if is_refusal else 0
        if refusals == REFUSALS:
            return ReadinessOutcome(reason=f"the server refuses the sample request: {last}")
        ended.wait(0.3)
    return ReadinessOutcome()


def watch(url: str, sample: Path, ended: threading.Event, say: Callable[[str], None]) -> None:
    """Send the sample once in a while to a server that has been ready, until `ended`.

    `say` gets a line when the server stops answering, and one when it answers again.
    """
    data, kind = sample.read_bytes(), content_type_of(sample)
    failures, since = 0, time.monotonic()
    while not ended.wait(RETRY if failures else PULSE):
        reason = _failure(Address(url), data, kind)
        if ended.is_set():
            return
        if not reason:
            if failures >= FAILURES:
                say("the server answers again")
            failures, since = 0, time.monotonic()
            continue
        failures += 1
        if failures == FAILURES:
            say(
                f"the server has stopped answering: no prediction for "
                f"{time.monotonic() - since:.0f} s ({reason}); waiting"
            )


def _failure(address: Address, data: bytes, kind: str) -> str:
    """Why there is no prediction; "" if there is one.

    A reply that refuses the request, or asks to come back later, is no failure of the server.
    """
    try:
        reply = send(address, data, kind, timeout=REQUEST_TIMEOUT)
    except TimeoutError:
        return "it accepts the request and does not answer"
    except OSError as error:
        return f"nothing answers: {error}"
    return f"the answer is {reply.status}, {reply.message}" if reply.status >= 500 else ""

"""Whether a server truly works: only a real prediction shows that.

A server's own word for its health says that its front door is open. TorchServe, for one, calls
itself healthy while its workers end as fast as they are started and every prediction hangs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .client import Address, Reply, content_type_of, send

# Seconds for one question; a first prediction may be slow.
QUESTION = 30.0
# So many answers of the kind "your request is wrong" are no accident of the start.
REFUSALS = 5
# After so many seconds without a prediction it is said what is being waited for.
NEWS = 15.0
# Seconds between two questions to a server that has been ready, and so many in a row that get no
# prediction are no accident: one of those is repeated sooner.
PULSE, AGAIN = 60.0, 5.0
MISSES = 3
# Answers of a server that is still coming up, though they speak of the request.
_PASSING = (404, 408, 409, 425, 429)


@dataclass(slots=True)
class ReadinessOutcome:
    """`reply` is the first prediction; `why` is set when it is certain that there will be none."""

    reply: Reply | None = None
    why: str = ""


def wait(
    url: str,
    sample: Path,
    ended: threading.Event,
    *,
    patience: float | None,
    say: Callable[[str], None],
) -> ReadinessOutcome:
    """Sends the sample until it is answered well, `ended` is set, or `patience` seconds are over
    (None: for as long as it takes, with one question at a time and no hurry).

    `say` gets a line when it takes long.
    """
    data, kind = sample.read_bytes(), content_type_of(sample)
    begun, refusals, told, last = time.monotonic(), 0, False, "nothing answers"
    while not ended.is_set():
        left = None if patience is None else begun + patience - time.monotonic()
        if left is not None and left <= 0:
            return ReadinessOutcome(why=f"no prediction within {patience:.0f} s: {last}")
        if not told and time.monotonic() - begun > NEWS:
            told = True
            say(f"no prediction has succeeded yet ({last}); it is asked on")
        try:
            question = None if left is None else max(1.0, min(QUESTION, left, NEWS))
            reply = send(Address(url), data, kind, timeout=question)
        except TimeoutError:
            last = "the server takes the request and gives no answer"
            continue
        except OSError as error:
            last = f"nothing answers ({error})"
            ended.wait(0.2)
            continue
        if reply.ok:
            return ReadinessOutcome(reply)
        last = f"the answer is {reply.status}, {reply.message}"
        wrong = 400 <= reply.status < 500 and reply.status not in _PASSING
        refusals = refusals + 1 if wrong else 0
        if refusals == REFUSALS:
            return ReadinessOutcome(why=f"the sample request is refused: {last}")
        ended.wait(0.3)
    return ReadinessOutcome()


def watch(url: str, sample: Path, ended: threading.Event, say: Callable[[str], None]) -> None:
    """Until `ended`: asks a server that has been ready once in a while, with the sample again. A line
    to `say` when it has stopped to answer, and one when it answers again."""
    data, kind = sample.read_bytes(), content_type_of(sample)
    missed, since = 0, time.monotonic()
    while not ended.wait(AGAIN if missed else PULSE):
        why = _silence(Address(url), data, kind)
        if ended.is_set():
            return
        if not why:
            if missed >= MISSES:
                say("the server answers again")
            missed, since = 0, time.monotonic()
            continue
        missed += 1
        if missed == MISSES:
            say(
                f"the server has stopped answering: no prediction for {time.monotonic() - since:.0f} s "
                f"({why}); it is asked on"
            )


def _silence(address: Address, data: bytes, kind: str) -> str:
    """Why there is no prediction; "" where there is one. An answer that refuses the request, or asks
    to come later, is an answer."""
    try:
        reply = send(address, data, kind, timeout=QUESTION)
    except TimeoutError:
        return "it takes the request and gives no answer"
    except OSError as error:
        return f"nothing answers: {error}"
    return f"the answer is {reply.status}, {reply.message}" if reply.status >= 500 else ""

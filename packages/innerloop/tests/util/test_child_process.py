"""A program beside ours: lines both ways, its silence, its end."""

from __future__ import annotations

import sys
import time

import pytest

from innerloop.util.process import ChildProcess

ECHO = """
import sys
print("ready é", flush=True)
print("noise", file=sys.stderr, flush=True)
for line in sys.stdin:
    print(line.strip().upper(), flush=True)
"""


def python(code: str) -> ChildProcess:
    return ChildProcess([sys.executable, "-X", "utf8", "-c", code])


def test_lines_go_both_ways_and_stderr_is_kept() -> None:
    with python(ECHO) as talk:
        assert talk.hear(10) == "ready é"
        talk.say("hello")
        assert talk.hear(10) == "HELLO"
        with pytest.raises(TimeoutError):
            talk.hear(0.05)
    assert talk.errors == "noise"


def test_one_that_ends_is_heard_and_may_be_spoken_to() -> None:
    with python("print('bye')") as talk:
        assert [talk.hear(10), talk.hear(10)] == ["bye", None]
        talk.say("too late")
        talk.say("too late")


def test_leaving_ends_one_that_hangs() -> None:
    with python("import time; print('up', flush=True); time.sleep(60)") as talk:
        assert talk.hear(10) == "up"
        started = time.monotonic()
    assert talk.hear(5) is None
    assert time.monotonic() - started < 10

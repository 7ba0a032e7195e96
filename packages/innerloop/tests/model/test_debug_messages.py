"""What an editor says as it leaves, read from bytes that arrive in any pieces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.debug_messages import (
    LARGEST_HEADER,
    DebugMessages,
    Farewell,
    farewell_of,
    framed,
)

TERMINATED = framed({"type": "event", "event": "terminated"})


def request(command: str, **arguments: Any) -> dict[str, Any]:
    return {"seq": 7, "type": "request", "command": command, "arguments": arguments}


@pytest.mark.parametrize(
    ("message", "farewell", "after_its_end"),
    [
        (request("disconnect", restart=False, terminateDebuggee=True), "stop", None),
        (request("disconnect", restart=False, terminateDebuggee=False), "stop", None),
        (request("disconnect", restart=True, terminateDebuggee=True), "restart", "restart"),
        (request("terminate", restart=False), "stop", None),
        (request("terminate", restart=True), "restart", "restart"),
        ({"seq": 1, "type": "request", "command": "terminate"}, "stop", None),
        (request("disconnect", restart=False), "leave", None),
        ({"seq": 1, "type": "request", "command": "disconnect"}, "leave", None),
        ({"type": "request", "command": "disconnect", "arguments": 1}, "leave", None),
        (request("disconnect", terminateDebuggee="yes"), "leave", None),
        (request("continue", restart=True), None, None),
        ({"type": "event", "event": "disconnect"}, None, None),
        ({}, None, None),
    ],
)
def test_farewell_of_each_message_is_what_the_person_pressed(
    message: dict[str, Any], farewell: Farewell | None, after_its_end: Farewell | None
) -> None:
    assert farewell_of(message, has_ended=False) == farewell
    assert farewell_of(message, has_ended=True) == after_its_end


@given(st.lists(st.integers(1, 40), max_size=40))
def test_messages_in_pieces_give_the_same_bytes_and_farewell(sizes: list[int]) -> None:
    first = framed(request("setBreakpoints", source={"path": "é" * 30}))
    last = framed(request("disconnect", terminateDebuggee=True))
    text, messages = first + last, DebugMessages()
    forwarded, answers = b"", b""
    for size in [*sizes, len(text)]:
        piece, text = text[:size], text[size:]
        more, answer = messages.from_editor(piece)
        forwarded, answers = forwarded + more, answers + answer
    assert messages.farewell == "stop"
    assert forwarded == first  # Stop itself never reaches the debugger
    assert b'"request_seq": 7' in answers and b'"success": true' in answers


def test_the_end_of_a_process_is_no_stop_of_the_run() -> None:
    messages = DebugMessages()
    messages.from_debugger(TERMINATED[:20])
    messages.from_debugger(TERMINATED[20:])
    goodbye = framed(request("disconnect", terminateDebuggee=False))
    assert messages.from_editor(goodbye) == (goodbye, b"")
    assert messages.farewell is None


@pytest.mark.parametrize("arguments", [{}, {"terminateDebuggee": False}])
def test_a_session_that_was_refused_has_no_say(arguments: dict[str, Any]) -> None:
    """As that of a second window: the first one goes on."""
    messages = DebugMessages()
    messages.from_debugger(framed({"type": "response", "command": "attach", "success": False}))
    messages.from_editor(framed(request("disconnect", **arguments)))
    assert messages.farewell is None


def test_leaving_goes_on_to_the_debugger_which_lets_the_program_go() -> None:
    messages = DebugMessages()
    goodbye = framed(request("disconnect", restart=False))
    assert messages.from_editor(goodbye) == (goodbye, b"")
    assert messages.farewell == "leave"


@pytest.mark.parametrize(
    "foreign",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"x" * (LARGEST_HEADER + 1),
        b"Content-Length: 999999999\r\n\r\n",
        b"\x00\xff\r\n\r\n",
    ],
)
def test_bytes_that_are_no_messages_pass_unchanged(foreign: bytes) -> None:
    messages = DebugMessages()
    after = framed(request("terminate"))
    assert messages.from_editor(foreign + after) == (foreign + after, b"")
    assert messages.farewell is None


@pytest.mark.parametrize("body", [b"[]", b"{", b"[" * 100_000, b"\xff", b'"disconnect"'])
def test_a_message_that_is_no_object_passes_unchanged(body: bytes) -> None:
    frame = b"content-length: %d\r\nX: y\r\n\r\n%b" % (len(body), body)
    messages = DebugMessages()
    assert messages.from_editor(frame) == (frame, b"")
    assert messages.from_editor(framed(request("terminate")))[0] == b""
    assert messages.farewell == "stop"

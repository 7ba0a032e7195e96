"""One request and its answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.serving import client
from innerloop.serving.client import Address, Reply
from innerloop.util.errors import UserError
from tests.serving.web import web


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", "application/json"),
        ("a.PNG", "image/png"),
        ("a.jpeg", "image/jpeg"),
        ("a.csv", "text/csv"),
        ("a.txt", "text/plain"),
        ("a.npy", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_the_content_type_is_that_of_the_ending(name: str, kind: str) -> None:
    assert client.content_type_of(Path(name)) == kind


def test_what_is_sent_and_what_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # not for what is on this machine
    with web(lambda _: (200, '{"digit": 7}')) as made:
        address = Address(made.url, {"Authorization": "Bearer secret"})
        reply = client.send(address, b"\x89PNG", "image/png")
    assert (reply.status, reply.ok, reply.value) == (200, True, {"digit": 7})
    assert reply.content_type == "application/json" and reply.seconds > 0
    [(path, headers, body)] = made.asked
    assert (path, body) == ("/score", b"\x89PNG")
    assert headers["Content-Type"] == "image/png" and headers["Authorization"] == "Bearer secret"
    assert "secret" not in repr(address)


def test_a_refusal_is_a_reply_and_silence_is_an_error() -> None:
    with web(lambda n: (400, '{"error": "no picture"}') if n == 0 else None) as made:
        refused = client.send(Address(made.url), b"", "text/plain")
        assert (refused.status, refused.ok, refused.message) == (400, False, "no picture")
        with pytest.raises(TimeoutError):
            client.send(Address(made.url), b"", "text/plain", timeout=0.3)
    with pytest.raises(OSError, match="refused"):
        client.send(Address(made.url), b"", "text/plain")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": "a"}', "a"),
        (b'{"code": 503, "message": "b"}', "b"),
        (b"line\n  line", "line line"),
        (b"", "an empty reply"),
        (b"[1, 2]", "[1, 2]"),
    ],
)
def test_an_answer_in_one_line(body: bytes, message: str) -> None:
    assert Reply(500, body, 0.1).message == message


def test_a_file_that_cannot_be_sent_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="photo.png cannot be read: No such file"):
        client.read(tmp_path / "photo.png", "photo.png")
    with pytest.raises(UserError, match="here is a folder"):
        client.read(tmp_path, "here")

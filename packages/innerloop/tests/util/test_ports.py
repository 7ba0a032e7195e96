"""Addresses of servers at 127.0.0.1."""

from __future__ import annotations

import pytest

from innerloop.util import ports

CODESPACE = {"CODESPACE_NAME": "fuzzy-doodle-x7", ports.DOMAIN: "app.github.dev"}


def test_address_in_a_codespace_is_the_forwarded_one() -> None:
    expected = "https://fuzzy-doodle-x7-6006.app.github.dev/s3cret/"
    assert ports.address(6006, "/s3cret/", CODESPACE) == expected
    assert "http://127.0.0.1:6006;" in ports.how_to_end(6006, CODESPACE)


@pytest.mark.parametrize(
    "changed",
    [
        {"CODESPACE_NAME": ""},
        {ports.DOMAIN: ""},
        {"CODESPACE_NAME": "a b"},
        {"CODESPACE_NAME": "a/@evil"},
        {ports.DOMAIN: "evil.example/x"},
        {ports.DOMAIN: "app.github.dev\n"},
    ],
)
def test_address_on_another_machine_is_the_loopbacks(changed: dict[str, str]) -> None:
    env = {**CODESPACE, **changed}
    assert ports.address(6006, "/s3cret/", env) == "http://127.0.0.1:6006/s3cret/"
    assert ports.how_to_end(6006, env) == "(Ctrl-C ends it)"

"""Text that is safe to print."""

from __future__ import annotations

import io
import json
import sys

import pytest

from innerloop.util import console, printable
from innerloop.util.printable import json_text, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä … 漢字 🙂", "plain ä … 漢字 🙂"),
        ("a\tb\nc\r\n", "a\tb\nc\r\n"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("a\rb", r"a\rb"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("\u202etxt", r"\u202etxt"),
        ("\ud800", r"\ud800"),
        ("a\u200db", "a\u200db"),  # joins letters in some languages
    ],
)
def test_what_acts_on_a_terminal_is_an_escape(text: str, shown: str) -> None:
    assert printable.printable(text) == shown


def test_one_line_has_no_line_ends() -> None:
    assert one_line("a\nb\r\n\tc") == r"a\nb\r\n\tc"


def test_json_text_is_the_same_value() -> None:
    value = {"\x1b": "\u202e\x7f\x9b\U000e0001", "a": 1}
    text = json_text(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert text.isprintable()


def test_print_json_is_strict(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"a": [float("nan"), float("inf")], "b": "\x9b"}, indent=None)
    assert capsys.readouterr().out == '{"a": [null, null], "b": "\\u009b"}\n'


def test_streams_are_escaped_within_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    monkeypatch.setattr(sys, "stdout", out)
    with printable.printable_streams(), printable.printable_streams():
        print("\x1b ä")
        print("\x1b[1mbold", file=printable.raw(sys.stdout))
    assert sys.stdout is out
    out.flush()
    assert out.buffer.getvalue() == b"\\x1b \\xe4\n\x1b[1mbold\n"


def test_bytes_that_are_not_utf8_are_written_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    name = b"caf\xe9\n.txt".decode("utf-8", "surrogateescape")
    assert printable.as_unicode(name) == "caf\\xe9\n.txt"
    assert one_line(name) == "caf\\xe9\\n.txt"
    assert printable.unicode_tree({name: [name, 1, None]}) == {
        "caf\\xe9\n.txt": ["caf\\xe9\n.txt", 1, None]
    }
    console.print_json([name])
    assert json.loads(capsys.readouterr().out) == ["caf\\xe9\n.txt"]

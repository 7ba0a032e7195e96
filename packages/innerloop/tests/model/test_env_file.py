"""The grammar of `.env`, as the Python debugger and python-dotenv have it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model import env_file


def values(text: str, **environ: str) -> dict[str, str]:
    return dict(env_file.parse(text, environ).variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", "1"),
        ("  export\tA = 1  ", "1"),
        ("\ufeffA=1\r\n", "1"),
        ("A=", ""),
        ("A=a b # a comment", "a b"),
        ("A=a#b", "a#b"),
        ("A=# nothing", ""),
        ("A='a # b'  # a comment", "a # b"),
        ('A="a # b"', "a # b"),
        (r'A="a\nb\t\"c\""', 'a\nb\t"c"'),
        (r"A='a\nb'", r"a\nb"),
        ('A="a\nb"', "a\nb"),
        ("A=first\nA=last", "last"),
        ("B=x\nA=${B}/y", "x/y"),
        ('B=x\nA="${B}/y"', "x/y"),
        ("B=x\nA='${B}'", "${B}"),
        ("A=${SHELL_HAS}", "it"),
        ("A=${NOBODY_HAS}-", "-"),
        ("A=${NOBODY_HAS:-else}", "else"),
        (r"A=\${B}", "${B}"),
        ("A=$B", "$B"),
        ('A="open', '"open'),
        ("A=x=y", "x=y"),
    ],
)
def test_parse_reads_a_value_as_the_debugger_does(text: str, expected: str) -> None:
    assert values(text, SHELL_HAS="it")["A"] == expected


def test_parse_names_the_lines_that_are_no_variable() -> None:
    text = '# comment\n\nA=1\nplain words\n1B=2\nC="x\ny"\n-D=3\n'
    file = env_file.parse(text, {})
    assert (dict(file.variables), file.unread) == ({"A": "1", "C": "x\ny"}, (4, 5, 8))


def test_parse_shows_no_value_in_its_repr() -> None:
    assert "hunter" not in repr(env_file.parse("TOKEN=hunter22", {}))


@given(st.text())
def test_parse_reads_any_text(text: str) -> None:
    file = env_file.parse(text, {})
    assert all(name.isidentifier() and "\0" not in value for name, value in file.variables.items())


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z]\w{0,5}", fullmatch=True).filter(str.isascii),
        st.text(st.characters(exclude_characters="\0\r$", codec="utf-8")),
    )
)
def test_parse_returns_what_double_quotes_hold(expected: dict[str, str]) -> None:
    lines = []
    for name, value in expected.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{name}="{escaped}"')
    assert values("\n".join(lines)) == expected

"""The file `.env` of a workspace: variables of this machine for every local start of a job. Pure.

VS Code's Python debugger reads it at F5 unless a configuration names another one, so the backends of
this machine read it too. It is never sent anywhere: `submit` takes no variable from it.

Source: the `envFile` of the Python debugger, and python-dotenv's grammar.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from ..util.redaction import is_secret_name, secrets_in

NAME = ".env"

_ASSIGNMENT = late_pattern(r"[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*", re.ASCII)
_DOUBLE = late_pattern(r'"((?:[^"\\]|\\.)*)"[ \t]*(?:#[^\n]*)?(?:\n|\Z)', re.DOTALL)
_SINGLE = late_pattern(r"'((?:[^'\\]|\\.)*)'[ \t]*(?:#[^\n]*)?(?:\n|\Z)", re.DOTALL)
_LINE = late_pattern(r"[^\n]*(?:\n|\Z)")
_REFERENCE = late_pattern(r"(\\)?\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}", re.ASCII)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "'": "'"}

# With these a container's own programs are not found, or the program's loader is another one.
_OF_THE_MACHINE = late_pattern(r"PATH|HOME|PWD|(?:LD|DYLD)_\w+")


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The variables, and the numbers of lines that are no assignment."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    unread: tuple[int, ...] = ()


def parse(text: str, environ: Mapping[str, str]) -> EnvFile:
    """Read the text; `${NAME}` is a variable of an earlier line, else of `environ`, else empty."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    variables: dict[str, str] = {}
    unread = []
    at = 0
    while at < len(text):
        start = at
        line = _LINE.match(text, at)
        found = _ASSIGNMENT.match(text, at)
        words = line[0].strip() if line else ""
        at = line.end() if line else len(text)
        if found is None:
            if words and not words.startswith("#"):
                unread.append(text.count("\n", 0, start) + 1)
            continue
        quoted = _DOUBLE.match(text, found.end()) or _SINGLE.match(text, found.end())
        if quoted is None:
            value = re.split(r"(?:^|\s)#", text[found.end() : at], maxsplit=1)[0].strip()
            value = _substituted(value, variables, environ)
        elif text[found.end()] == "'":
            value, at = re.sub(r"\\(['\\])", r"\1", quoted[1]), quoted.end()
        else:
            value, at = _unescaped(_substituted(quoted[1], variables, environ)), quoted.end()
        if "\0" not in value:
            variables[found[1]] = value
    return EnvFile(variables, tuple(unread))


def _substituted(text: str, variables: Mapping[str, str], environ: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        escape, name, otherwise = match.groups()
        if escape:
            return match[0][1:]
        return variables.get(name) or environ.get(name) or otherwise or ""

    return _REFERENCE.sub(value, text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), text, flags=re.DOTALL)


def is_secret(name: str, value: str) -> bool:
    """Whether the variable's name or the form of its value says that it is secret."""
    return is_secret_name(name) or bool(secrets_in(value))


def for_container(name: str) -> bool:
    """Whether a container gets the variable: not what describes this machine's own files."""
    return _OF_THE_MACHINE.fullmatch(name) is None

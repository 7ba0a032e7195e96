"""A writer of readable YAML.

It writes block style, two spaces, literal blocks for texts of several lines, no anchors. The output
has the same meaning in YAML 1.1 and 1.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from . import yaml_scalars
from .quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noted:
    """A single value with a comment after it."""

    value: Any
    note: str


def document(value: dict[str, Any], comment: Sequence[str] = ()) -> str:
    """A document. `comment`: lines at the top. Top-level blocks are separated by blank lines."""
    lines = [f"# {part}".rstrip() for line in comment for part in line.splitlines() or [""]]
    for key, below in value.items():
        # GitHub's `on` is plain, as usual; its readers do not take it for true.
        head = "on:" if key == "on" else _key(key)
        block = list(_entry(head, below, ""))
        if len(lines) and len(block) > 1:
            lines.append("")
        lines += block
    return "\n".join(lines) + "\n"


def documents(values: Sequence[dict[str, Any]], comment: Sequence[str] = ()) -> str:
    """Several documents in one file."""
    first, *rest = values
    return "---\n".join([document(first, comment), *(document(value) for value in rest)])


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    """`head` is a key with its colon, or the dash of a list's item."""
    if isinstance(value, Noted):
        yield f"{indent}{head} {yaml_scalars.scalar(value.value)} # {value.note}"
    elif isinstance(value, (dict, list)) and not value:
        yield f"{indent}{head} {'{}' if isinstance(value, dict) else '[]'}"
    elif isinstance(value, (dict, list)):
        below = list(_block(value, f"{indent}  "))
        if head == "-":  # its first line follows the dash
            yield f"{indent}- {below[0].lstrip(' ')}"
            below = below[1:]
        else:
            yield f"{indent}{head}"
        yield from below
    elif isinstance(value, str) and _is_literal(value):
        yield f"{indent}{head} |{'' if value.endswith(chr(10)) else '-'}"
        yield from (f"{indent}  {line}" if line else "" for line in _lines(value))
    else:
        yield f"{indent}{head} {yaml_scalars.scalar(value)}"


def _block(value: dict[str, Any] | list[Any], indent: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _entry("-", item, indent)
    else:
        for key, item in value.items():
            yield from _entry(_key(key), item, indent)


def _key(key: str) -> str:
    return f"{yaml_scalars.text(key)}:"


def _lines(value: str) -> list[str]:
    return value.removesuffix("\n").split("\n")


def _is_literal(value: str) -> bool:
    """Whether it can be a literal block.

    That needs printable lines, no blanks at the beginning of the text or at the end of a line, and
    at most one line feed at the end.
    """
    return (
        "\n" in value.removesuffix("\n")
        and not re.search(r"[^\n\t\x20-\x7e\xa1-\ud7ff]", value)
        and not re.match(r"[ \t\n]", value)
        and not value.endswith("\n\n")
        and not re.search(r"[ \t](\n|\Z)", value)
    )

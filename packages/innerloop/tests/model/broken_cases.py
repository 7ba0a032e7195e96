"""The cases of tests/broken: small folders with one problem each, or none.

A file of cases (tests/broken/KIND/GROUP.txt) holds, with a blank line between two cases:

    === NAME
    expect SEVERITY CODE FILE:LINE:COLUMN     one for each finding
    link PATH -> TARGET                       a symbolic link
    without PATH                              a file of the base case that this case lacks
    -- PATH --
    the file's text

A case is written over the base case whose name begins with "_". tests/broken/wording.txt has the
wording of all findings; see test_lint_wording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from innerloop.model.lint.finding import Finding
from innerloop.util.position import Position

BROKEN = Path(__file__).resolve().parents[1] / "broken"
WORDING = BROKEN / "wording.txt"


@dataclass(frozen=True)
class Case:
    """`files` and `links` by their paths, which may begin with "../"; `expected` as written."""

    kind: str
    name: str
    expected: tuple[str, ...]
    files: Mapping[str, str]
    links: Mapping[str, str]
    without: tuple[str, ...]


@cache
def cases(kind: str) -> dict[str, Case]:
    """All cases of a folder of tests/broken by their names, the base cases among them."""
    found: dict[str, Case] = {}
    for path in sorted((BROKEN / kind).glob("*.txt")):
        for case in _parse(kind, path.read_text(encoding="utf-8")):
            assert case.name not in found, f"{path}: {case.name} occurs twice"
            found[case.name] = case
    return found


def names(kind: str) -> list[str]:
    """The names of the cases that are tested."""
    return sorted(name for name in cases(kind) if not name.startswith("_"))


def write(case: Case, base: str, folder: Path) -> None:
    """Writes a case over its base case."""
    for one in (cases(case.kind)[base], case):
        for path, text in one.files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    for path in case.without:
        (folder / path).unlink()
    for path, target in case.links.items():
        (folder / path).symlink_to(target)


def summary(findings: list[Finding]) -> tuple[str, ...]:
    """The findings as `expect` writes them."""
    return tuple(f"{one.severity.value} {one.code} {one.position}" for one in findings)


def wording(case: Case, findings: list[Finding]) -> Iterator[str]:
    """The lines of wording.txt."""
    for one in findings:
        text = str(one).partition(f"{one.position.span()}: {one.severity.value}: ")[2]
        yield f"{case.kind}/{case.name}: {text}"


def is_whole(position: Position) -> bool:
    """Whether the position names a file, a line and a column."""
    return bool(position.file) and position.line > 0 and position.column > 0


def _parse(kind: str, text: str) -> Iterator[Case]:
    first, *rest = re.split(r"(?:\A|\n)^=== ", text, flags=re.MULTILINE)
    assert first == "", f"text before the first case: {first!r}"
    for part in rest:
        head, *pieces = re.split(r"^-- (.+) --\n", part, flags=re.MULTILINE)
        name, *lines = head.splitlines()
        words = [tuple(line.split(" ", 1)) for line in lines if line]
        assert {word for word, _ in words} <= {"expect", "link", "without"}, name
        links = dict(value.split(" -> ") for word, value in words if word == "link")
        yield Case(
            kind,
            name,
            expected=tuple(value for word, value in words if word == "expect"),
            files=dict(zip(pieces[::2], pieces[1::2], strict=True)),
            links=links,
            without=tuple(value for word, value in words if word == "without"),
        )

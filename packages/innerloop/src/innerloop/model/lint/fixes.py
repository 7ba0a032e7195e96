"""The changes that an editor offers for a finding: another word, another value, a new input."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from ...util.late_patterns import late_pattern
from ...util.position import Position
from ..jobs.job import Job
from .finding import Fix

# A text that is the same in YAML with and without quotes.
_PLAIN = late_pattern(r"[A-Za-z_./$][\w./@${}-]*(?::[\w./@-]+)*")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
# The keys before which a job gets a mapping that it lacks.
_BEFORE = ("command", "trial", "jobs")


def other_key(job: Job, path: tuple[str, ...], words: Iterable[str]) -> tuple[Fix, ...]:
    """Another word for the key at a path."""
    return in_place(job.where(*path), words)


def other_value(job: Job, path: tuple[str, ...], values: Iterable[str]) -> tuple[Fix, ...]:
    """Another value of the key at a path; nothing for a value that is not on one line."""
    position = job.text.where_value(*job.path_of(*path))
    return () if position is None else in_place(position, values, quoted=True)


def as_text(job: Job, path: tuple[str, ...]) -> tuple[Fix, ...]:
    """The value at a path in quotes, as it is written; nothing for one that is not on one line."""
    path_ = job.path_of(*path)
    value, text = job.text.scalar(*path_)
    position = job.text.where_value(*path_)
    if text is None or position is None or isinstance(value, str):
        return ()
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return (Fix("Put it in quotes", position, f'"{quoted}"'),)


def in_place(position: Position, texts: Iterable[str], *, quoted: bool = False) -> tuple[Fix, ...]:
    """Other texts for the token at a position, in quotes where YAML needs them."""
    if position.end_column <= position.column:
        return ()
    return tuple(
        Fix(f"Replace it with {text}", position, _scalar(text) if quoted else text)
        for text in dict.fromkeys(texts)
    )


def other_name(position: Position, text: str, name: str, names: Iterable[str]) -> tuple[Fix, ...]:
    """Another name within a reference: `text` stands at the position."""
    at = text.rfind(name)
    if at < 0 or position.end_column - position.column != len(text):
        return ()
    column = position.column + at
    return in_place(replace(position, column=column, end_column=column + len(name)), names)


def declared(job: Job, kind: str, name: str) -> tuple[Fix, ...]:
    """A new name below `inputs` or `outputs` of a job."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name) or kind not in ("inputs", "outputs"):
        return ()
    before = next((key for key in _BEFORE if key in job.document), "")
    place = job.text.place_for((*job.at, kind), before)
    if place is None:
        return ()
    position, template = place
    line = f"{name}:" if kind == "inputs" else f"{name}: {{type: uri_folder}}"
    word = kind.removesuffix("s")
    return (Fix(f'Add the {word} "{name}"', position, template.replace("{}", line, 1)),)


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return text if text[:1] in ("'", '"') else "'" + text.replace("'", "''") + "'"

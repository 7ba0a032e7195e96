"""The record of generated files as it was before it was `.innerloop/state.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress

from ...sync import state_file, transaction
from ...sync.merge_rules import EDITOR_FILES
from ...sync.state_file import State
from ...util.jsonc import ParseError, parse
from ...util.relative_paths import is_inside

PATH = ".innerloop/rendered.json"


def read(text: str, read_file: Callable[[str], str | None]) -> State:
    """The record of any version; an empty one, marked as damaged, for a text that is none.

    The first versions had a digest per file: a file that still has it is its own base, and one that
    is gone was removed by the person. UserError for a path that sync never generates.
    """
    try:
        digests = json.loads(text)
    except (ValueError, RecursionError):
        digests = None
    if not isinstance(digests, dict):
        return transaction.parse_state(_settled(text, read_file), PATH)
    rows = [[path, None] for path in digests]
    named = transaction.parse_state(json.dumps([[""], *rows, ["end"]]), PATH)
    generated, ejected = {}, set()
    for path in named.unknown:
        file = read_file(path)
        if file is None:
            ejected.add(path)
            continue
        plain = file.replace("\r\n", "\n")
        if hashlib.sha256(plain.encode()).hexdigest()[:16] == digests[path]:
            with suppress(ParseError):
                generated[path] = parse(plain).value
    unknown = named.unknown - ejected - set(generated)
    return State(generated, frozenset(ejected), frozenset(unknown), named.is_damaged)


def _settled(text: str, read_file: Callable[[str], str | None]) -> str:
    """The record without those lines of a `git merge` that are not what the files have.

    Where two branches generated different values, both lines are there. The file has one of them,
    unless a person edited it; then both lines stay, and the base is not known.
    """
    rows = text.split("\n")
    by_path: dict[str, list[str]] = {}
    for row in rows:
        with suppress(ValueError, RecursionError):
            if isinstance(value := json.loads(row.rstrip(",")), list):
                by_path.setdefault(json.dumps(value[:-1]), []).append(row)
    doubled = {path: same for path, same in by_path.items() if len(set(same)) > 1}
    files = {json.loads(path)[0] for path in doubled if path != "[]"}
    on_disk = {row for file in files for row in _rows_of(str(file), read_file)}
    false = {row for same in doubled.values() if on_disk & {*same} for row in same} - on_disk
    return "\n".join(row for row in rows if row not in false)


def _rows_of(path: str, read_file: Callable[[str], str | None]) -> list[str]:
    """The lines of a record that has what the file has now."""
    file = read_file(path) if is_inside(path) else None
    with suppress(ParseError):
        if file is not None and path.endswith(".json"):
            return dump(State({path: parse(file).value})).split("\n")
    return []


def dump(state: State) -> str:
    return state_file.dump(state, EDITOR_FILES)

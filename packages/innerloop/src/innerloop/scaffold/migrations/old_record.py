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
        return transaction.parse_state(text, PATH)
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


def dump(state: State) -> str:
    return state_file.dump(state, EDITOR_FILES)

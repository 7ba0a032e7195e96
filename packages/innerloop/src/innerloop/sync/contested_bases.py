"""The base of a file of which two branches recorded different generated values.

That is so after a merge of branches that two versions of the tool generated. What a person left
alone is equal to one of the values, so that is its base. Where yours is equal to none of them, the
base is not known, and a difference from what is generated now is a conflict.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ..util.json_values import ABSENT, Json, Maybe, same
from ..util.jsonc import ParseError, parse
from . import state_file, three_way_text
from .merge_rules import EDITOR_FILES
from .state_file import State


def base_of(state: State, file: str, yours: str | None) -> Json | None:
    """What was generated last as far as it is known; None when nothing is recorded.

    `yours` is the text on the disk.
    """
    rows = state.contested.get(file)
    if rows is None:
        return state.generated.get(file)
    whole = rows.get((file,), ())
    if None in whole:  # one branch did not know it
        return None
    if all(isinstance(value, str) for value in whole):
        return _closest(whole, yours)
    return _by_path(rows, file, yours)


def _closest(texts: Sequence[str], yours: str | None) -> str | None:
    """Of several generated texts the one that a person changed least."""
    if yours is None:  # removed, whichever it was
        return texts[0] if texts else None
    lines = three_way_text.normalized(yours).splitlines()

    def likeness(text: str) -> float:
        from difflib import SequenceMatcher  # here: mostly nothing differs

        return SequenceMatcher(None, text.splitlines(), lines, autojunk=False).ratio()

    return max(texts, key=likeness, default=None)


def _by_path(
    rows: Mapping[tuple[str, ...], Sequence[Json]], file: str, yours: str | None
) -> Json | None:
    own: dict[tuple[str, ...], Json] = {}
    if yours is not None:
        try:
            value = parse(yours, file).value
        except ParseError:
            value = None
        own = {(file, *path): part for path, part in state_file.parts(value, EDITOR_FILES, ())}
    chosen = {
        path: value
        for path, values in rows.items()
        if (value := _choose(values, own.get(path, ABSENT))) is not ABSENT
    }
    return state_file.join(copy.deepcopy(chosen)).get(file)


def _choose(values: Sequence[Any], yours: Maybe) -> Maybe:
    """The value that yours is equal to, key by key; ABSENT if it is not known.

    What was generated in each branch and is not there now was removed: then any of them is right.
    """
    for value in values:
        if same(value, yours) or all(same(value, other) for other in values):
            return value
    if yours is ABSENT:
        return values[0]
    if isinstance(yours, dict) and all(isinstance(value, dict) for value in values):
        keys = {key: None for value in values for key in value}
        chosen = {
            key: _choose([value.get(key, ABSENT) for value in values], yours.get(key, ABSENT))
            for key in keys
        }
        return {key: value for key, value in chosen.items() if value is not ABSENT}
    return ABSENT

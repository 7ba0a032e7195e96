"""What remains of generated files when nothing is generated: of each the person's part."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from ..util import files
from ..util.errors import UserError
from ..util.json_values import Json, same
from ..util.jsonc import ParseError, parse
from ..util.quick_dataclasses import dataclass
from . import three_way, three_way_text
from .conflicts import Merged
from .merge_rules import EDITOR_FILES
from .state_file import State
from .transaction import Change

_VERSION = "version"


@dataclass(frozen=True, slots=True)
class Retraction:
    """`changes` remove what is still as generated; `kept` is path -> why it, or a part, stays."""

    changes: tuple[Change, ...]
    kept: dict[str, str]


def retract(root: Path, state: State, keep: Set[str]) -> Retraction:
    """What remains when nothing is generated: of each file the person's part.

    Files of dev containers and texts stay whole if they were edited. `keep` are paths that stay as
    they are.
    """
    changes: list[Change] = []
    kept: dict[str, str] = {}
    for path, base in sorted(state.generated.items()):
        if path in keep:
            continue
        try:
            yours = files.read_own(root / path, plain=True)
            left = None if yours is None else _left(yours, base, path)
        except (UserError, ParseError):
            kept[path] = "it cannot be read"
            continue
        if yours is None or left is None:
            changes += [] if yours is None else [Change(path, yours, None)]
            continue
        if isinstance(base, str) or path.startswith(".devcontainer/"):
            kept[path] = "you edited it"
            continue
        changes += [Change(path, yours, left.text)] if left.text != yours else []
        names = ", ".join(names_in(left.text or ""))
        kept[path] = f"what you added or edited{names and ': '}{names}"
    for path in sorted(state.unknown - set(keep)):
        if (root / path).exists():
            kept[path] = "what was generated in it is not known"
    return Retraction(tuple(changes), kept)


def adds_alone(yours: str, wanted: Json, path: str) -> bool:
    """Whether what is generated can be added to a file of the person's and taken out again.

    Then nothing of theirs is another, and the file without it is the same text.
    """
    try:
        merged = three_way.merge(yours, None, wanted, EDITOR_FILES, path)
        if merged.conflicts or merged.text is None or merged.base is None:
            return False
        left = _left(merged.text, merged.base, path)
    except (UserError, ParseError):
        return False
    return left is not None and left.text == yours


def _left(yours: str, base: Json, path: str) -> Merged | None:
    """The merge with nothing generated; None if nothing is left."""
    if isinstance(base, str):
        merged = three_way_text.merge(yours, base, None)
        return None if merged.text is None else merged
    rest = _unedited(parse(yours, path).value, base)
    merged = three_way.merge(yours, rest, None, EDITOR_FILES, path)
    if merged.text is None:
        return None
    if isinstance(rest, dict) and _VERSION in rest:
        rest = {key: value for key, value in rest.items() if key != _VERSION}
        merged = three_way.merge(yours, rest, None, EDITOR_FILES, path)
    return merged


def _unedited(yours: Json, base: Json) -> Json:
    """The base without the tasks and configurations that the person edited: each stays whole."""
    if not isinstance(yours, dict) or not isinstance(base, dict):
        return base
    result = dict(base)
    for key, items in base.items():
        kind = EDITOR_FILES.kind((key,))
        if kind.merge == "named" and isinstance(items, list) and isinstance(yours.get(key), list):
            theirs = {kind.name_of(item): item for item in yours[key]}
            result[key] = [
                item
                for item in items
                if _is_equal(theirs.get(name := kind.name_of(item), item), item, (key, str(name)))
            ]
    return result


def _is_equal(one: Json, other: Json, path: tuple[str, ...]) -> bool:
    return same(EDITOR_FILES.by_name(one, path), EDITOR_FILES.by_name(other, path))


def names_in(text: str) -> list[str]:
    """The names of the tasks, configurations and settings in a file."""
    value = parse(text).value
    names = []
    for key, items in value.items() if isinstance(value, dict) else ():
        kind = EDITOR_FILES.kind((key,))
        if kind.merge == "named" and isinstance(items, list):
            names += [name for item in items if (name := kind.name_of(item)) is not None]
        elif key != _VERSION:
            names.append(key)
    return names

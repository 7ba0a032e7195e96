"""The merge of one file that a person and `loop sync` both write, and the settling of clashes.

The rules per path are in `walk`.
"""

from __future__ import annotations

import json

from ..util.errors import UserError
from ..util.json_values import ABSENT, Json, Maybe, same
from ..util.jsonc import parse
from .conflicts import Conflict, Kept, Merged
from .json_edits import Page, apply, reshape
from .json_layout import layout, new_file
from .json_paths import Member, Path, parse_path
from .merge_rules import Rules
from .three_way_json import Walk, by_name, table

__all__ = ["Conflict", "Kept", "Merged", "keep", "merge", "take"]


def merge(
    found_text: str | None, last: Json | None, wanted: Json | None, rules: Rules, name: str = ""
) -> Merged:
    """One file: `found_text` None when it is not there, `last` None when nothing is remembered,
    `wanted` None when there should be no such file. `name` is the file's, for sentences. Raises
    ParseError when the text found is not JSON with comments."""
    return _merge(found_text, _maybe(last), _maybe(wanted), rules, name, frozenset())


def take(
    found_text: str, last: Json | None, wanted: Json | None, rules: Rules, path: str, name: str = ""
) -> Merged:
    """Settles the clashes at or below the path: what is wanted takes the place of the person's."""
    settled = _clashes_below(found_text, last, wanted, rules, path, name)
    remembered = _maybe(last)
    for clash in settled:
        remembered = _with(remembered, clash.steps, clash.found, rules)
    forced = frozenset(clash.steps for clash in settled)
    return _merge(found_text, remembered, _maybe(wanted), rules, name, forced)


def keep(
    found_text: str, last: Json | None, wanted: Json | None, rules: Rules, path: str, name: str = ""
) -> Merged:
    """Settles the clashes at or below the path: the person's stays, until what is wanted changes
    again."""
    remembered = _maybe(last)
    for clash in _clashes_below(found_text, last, wanted, rules, path, name):
        remembered = _with(remembered, clash.steps, clash.wanted, rules)
    return _merge(found_text, remembered, _maybe(wanted), rules, name, frozenset())


def _maybe(value: Json | None) -> Maybe:
    return ABSENT if value is None else value


def _merge(
    found_text: str | None,
    last: Maybe,
    wanted: Maybe,
    rules: Rules,
    name: str,
    forced: frozenset[Path],
) -> Merged:
    remember = None if wanted is ABSENT else wanted
    if found_text is None:
        new = wanted is not ABSENT and last is ABSENT
        return Merged(new_file(wanted) if new else None, last=remember)
    if wanted is not ABSENT and _plainly(found_text, wanted):
        return Merged(found_text, last=remember)
    page = Page(parse(found_text, name))
    root = page.document.root
    if root is None:
        text = _into_empty(page, wanted) if last is ABSENT and remember is not None else found_text
        return Merged(text, last=remember)
    walk = Walk(page, rules, forced)
    result = walk.value(root, last, wanted, ())
    left = None if result.last is ABSENT else result.last
    if not result.goes:
        clashes = tuple(sorted(walk.clashes, key=lambda clash: (clash.line, clash.column)))
        kept = tuple(sorted(walk.kept, key=lambda kept: (kept.line, kept.column)))
        return Merged(apply(found_text, result.edits), clashes, kept, left)
    if not page.document.comments:
        return Merged(None)
    emptied = reshape(page, root, set(range(len(root.entries))), [])
    start, _ = page.document.comments[0]
    comment = Kept((), *page.document.position(start), what="a comment")
    return Merged(apply(found_text, emptied), kept=(comment,))


def _plainly(text: str, wanted: Json) -> bool:
    """The usual case, fast: the text is JSON without comments and says what is wanted."""
    try:
        return same(json.loads(text), wanted)
    except (ValueError, RecursionError):
        return False


def _into_empty(page: Page, wanted: Json) -> str:
    text, style = page.text, page.style
    rest = text.rstrip(" \t\r\n")
    head = rest + style.eol if page.document.comments else rest
    return head + layout(wanted, style) + style.eol


def _clashes_below(
    found_text: str, last: Json | None, wanted: Json | None, rules: Rules, path: str, name: str
) -> list[Conflict]:
    steps = parse_path(path)
    clashes = merge(found_text, last, wanted, rules, name).clashes
    below = [clash for clash in clashes if clash.steps[: len(steps)] == steps]
    if not clashes:
        raise UserError("there is no clash in this file", where=name)
    if not below:
        there = ", ".join(clash.path for clash in clashes)
        raise UserError(f"there is no clash at {path}", where=name, hint=f"Clashes are at: {there}")
    return below


def _with(tree: Maybe, path: Path, value: Maybe, rules: Rules, at: Path = ()) -> Maybe:
    """A copy of the remembered tree with another value at the path."""
    if not path:
        return value
    step, rest, below = path[0], path[1:], (*at, path[0])
    kind = rules.kind(at)
    in_list = isinstance(step, Member)
    entries = by_name(kind, tree) if in_list else dict(table(tree))
    entry = entries.get(step, ABSENT)
    if in_list and rest and not isinstance(entry, dict):
        entry = {kind.identity: str(step)}
    changed = _with(entry, rest, value, rules, below)
    entries.pop(step, None)
    if changed is not ABSENT:
        entries[step] = changed
    return list(entries.values()) if in_list else entries

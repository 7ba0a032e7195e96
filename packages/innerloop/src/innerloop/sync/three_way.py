"""The merge of one JSON file that a person and `loop sync` both write, and how conflicts are resolved.

base: what was generated last; yours: what is on the disk; theirs: what is generated now. The rules
per path are in `three_way_json`.
"""

from __future__ import annotations

import json

from ..util.errors import UserError
from ..util.json_values import ABSENT, Json, Maybe, same
from ..util.jsonc import parse
from .conflicts import Conflict, KeptEntry, Merged
from .json_edits import StyledDocument, apply, reshape
from .json_layout import layout, new_file
from .json_paths import Member, Path, parse_path
from .merge_rules import MergeRules
from .three_way_json import JsonMerge, as_object, by_name

__all__ = ["Conflict", "KeptEntry", "Merged", "keep", "merge", "sides", "take"]


def merge(
    yours: str | None, base: Json | None, theirs: Json | None, rules: MergeRules, name: str = ""
) -> Merged:
    """Merges one file.

    `yours` is its text, None when it does not exist; `base` is None when nothing is recorded;
    `theirs` is None when the file should not exist. `name` is the file's name in messages. Raises
    ParseError when the text is not JSON with comments.
    """
    return _merge(yours, _maybe(base), _maybe(theirs), rules, name, frozenset())


def take(
    yours: str, base: Json | None, theirs: Json | None, rules: MergeRules, path: str, name: str = ""
) -> Merged:
    """Resolves the conflicts at or below the path: the generated value replaces the person's.

    The rest of the file is merged as well.
    """
    merged, conflicts = _conflicts_below(yours, base, theirs, rules, path, name)
    recorded = _maybe(merged.base)
    for conflict in conflicts:
        recorded = _with_base(recorded, conflict, conflict.yours, rules)
    steps = {conflict.steps for conflict in conflicts}
    steps |= {(key,) for conflict in conflicts for key in conflict.keys}
    return _merge(merged.text, recorded, _maybe(theirs), rules, name, frozenset(steps))


def keep(
    yours: str, base: Json | None, theirs: Json | None, rules: MergeRules, path: str, name: str = ""
) -> Merged:
    """Resolve the conflicts at or below the path.

    The person's value stays until the generated one changes again. The rest of the file is merged
    as well.
    """
    merged, conflicts = _conflicts_below(yours, base, theirs, rules, path, name)
    recorded = _maybe(merged.base)
    for conflict in conflicts:
        recorded = _with_base(recorded, conflict, conflict.theirs, rules)
    return _merge(merged.text, recorded, _maybe(theirs), rules, name, frozenset())


def sides(
    yours: str, base: Json | None, theirs: Json | None, rules: MergeRules, name: str = ""
) -> tuple[str | None, str | None]:
    """The file in conflict as a merge editor needs it: the text of the base, and that of theirs.

    They differ from yours at the conflicts alone.
    """
    merged, conflicts = _conflicts_below(yours, base, theirs, rules, ".", name)
    recorded, former = _maybe(merged.base), _maybe(theirs)
    for conflict in conflicts:
        recorded = _with_base(recorded, conflict, conflict.yours, rules)
        former = _with_base(former, conflict, conflict.base, rules)
    steps = {conflict.steps for conflict in conflicts}
    forced = frozenset(steps | {(key,) for conflict in conflicts for key in conflict.keys})
    return (
        _merge(merged.text, recorded, former, rules, name, forced).text,
        _merge(merged.text, recorded, _maybe(theirs), rules, name, forced).text,
    )


def _maybe(value: Json | None) -> Maybe:
    return ABSENT if value is None else value


def _merge(
    yours: str | None,
    base: Maybe,
    theirs: Maybe,
    rules: MergeRules,
    name: str,
    forced: frozenset[Path],
) -> Merged:
    record = None if theirs is ABSENT else theirs
    if yours is None:
        is_new = theirs is not ABSENT and base is ABSENT
        return Merged(new_file(theirs) if is_new else None, base=record)
    if theirs is not ABSENT and _reads_as(yours, theirs):
        return Merged(yours, base=record)
    document = StyledDocument(parse(yours, name))
    root = document.parsed.root
    if root is None:
        text = _fill_empty(document, theirs) if base is ABSENT and record is not None else yours
        return Merged(text, base=record)
    merger = JsonMerge(document, rules, forced)
    result = merger.file(root, base, theirs)
    new_base = None if result.base is ABSENT else result.base
    if not result.goes:
        conflicts = tuple(sorted(merger.conflicts, key=lambda entry: (entry.line, entry.column)))
        kept = tuple(sorted(merger.kept, key=lambda entry: (entry.line, entry.column)))
        return Merged(apply(yours, result.edits), conflicts, kept, new_base)
    if not document.parsed.comments:
        return Merged(None)
    emptied = reshape(document, root, set(range(len(root.entries))), [])
    start, _ = document.parsed.comments[0]
    comment = KeptEntry((), *document.parsed.position(start), what="a comment")
    return Merged(apply(yours, emptied), kept=(comment,))


def _reads_as(text: str, value: Json) -> bool:
    """Whether the text is JSON without comments and has this value: the usual case, decided fast."""
    try:
        return same(json.loads(text), value)
    except (ValueError, RecursionError):
        return False


def _fill_empty(document: StyledDocument, theirs: Json) -> str:
    text, style = document.text, document.style
    rest = text.rstrip(" \t\r\n")
    head = rest + style.eol if document.parsed.comments else rest
    return head + layout(theirs, style) + style.eol


def _conflicts_below(
    yours: str, base: Json | None, theirs: Json | None, rules: MergeRules, path: str, name: str
) -> tuple[Merged, list[Conflict]]:
    """The merge, and its conflicts at or below the path: at least one."""
    steps = parse_path(path)
    merged = merge(yours, base, theirs, rules, name)
    conflicts = merged.conflicts
    below = [conflict for conflict in conflicts if _is_below(conflict, steps)]
    if not conflicts:
        raise UserError("there is no conflict in this file", code="no-conflict", where=name)
    if not below:
        paths = ", ".join(conflict.path for conflict in conflicts)
        raise UserError(
            f"there is no conflict at {path}",
            code="no-conflict",
            where=name,
            hint=f"Conflicts are at: {paths}",
        )
    return merged, below


def _is_below(conflict: Conflict, steps: Path) -> bool:
    """Any key of a group stands for the group."""
    if conflict.group is not None and len(steps) == 1:
        return steps == conflict.steps or steps[0] in conflict.group.keys & {*conflict.keys}
    return conflict.steps[: len(steps)] == steps


def _with_base(base: Maybe, conflict: Conflict, value: Maybe, rules: MergeRules) -> Maybe:
    """A copy of the base with another value where the conflict is."""
    if conflict.group is not None:
        return conflict.group.with_part(base, as_object(value))
    return _with(base, conflict.steps, value, rules)


def _with(tree: Maybe, path: Path, value: Maybe, rules: MergeRules, at: Path = ()) -> Maybe:
    """A copy of the tree with another value at the path."""
    if not path:
        return value
    step, rest, below = path[0], path[1:], (*at, path[0])
    kind = rules.kind(at)
    in_list = isinstance(step, Member)
    entries = by_name(kind, tree) if in_list else dict(as_object(tree))
    entry = entries.get(step, ABSENT)
    if in_list and rest and not isinstance(entry, dict):
        entry = {kind.identity: str(step)}
    changed = _with(entry, rest, value, rules, below)
    entries.pop(step, None)
    if changed is not ABSENT:
        entries[step] = changed
    return list(entries.values()) if in_list else entries

"""The rules of the merge once more, on parsed values, slowly and with nothing of innerloop's."""

from __future__ import annotations

import json
from typing import Any

NO = object()  # nothing there

# path -> kind; what is not here is a sequence. `*` is any one step.
NAMED = {("tasks",): "label", ("tasks", "*", "options"): "value", ("inputs",): "id"}
SETS = [("extensions",), ("tasks", "*", "ports")]
# Keys of the whole file that merge as one, and with them the extensions that begin with "z".
GROUP = ["image", "user"]

Path = tuple[str, ...]


def equal(a: Any, b: Any) -> bool:
    if a is NO or b is NO:
        return a is b
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def fits(pattern: Path, path: Path) -> bool:
    return len(pattern) == len(path) and all(
        p in ("*", s) for p, s in zip(pattern, path, strict=True)
    )


def identity(path: Path) -> str | None:
    return next((key for pattern, key in NAMED.items() if fits(pattern, path)), None)


def is_sequence(path: Path) -> bool:
    return not identity(path) and not any(fits(pattern, path) for pattern in SETS)


def name(item: Any, key: str) -> Any:
    return item.get(key) if isinstance(item, dict) else item


def as_list(value: Any) -> Any:
    return value if isinstance(value, list) else []


def well_named(items: Any, key: str) -> bool:
    names = [name(item, key) for item in items]
    return all(isinstance(n, str) for n in names) and len(set(names)) == len(names)


def in_order(value: Any, path: Path) -> Any:
    """Named lists by their names: their own order is not recorded, so it is no change."""
    if isinstance(value, dict):
        return {k: in_order(v, (*path, k)) for k, v in value.items()}
    key = identity(path)
    if not isinstance(value, list) or not key or not well_named(value, key):
        return value
    items = sorted(value, key=lambda item: str(name(item, key)))
    return [in_order(item, (*path, name(item, key))) for item in items]


def in_group(item: Any) -> bool:
    return isinstance(item, str) and item.startswith("z")


def group_of(value: Any, items: bool) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    part = {k: v for k, v in value.items() if k in GROUP}
    if not items:
        return part
    found = [i for i in as_list(value.get("extensions")) if in_group(i)]
    return {**part, "extensions": sorted(found)} if found else part


def with_group(value: Any, part: dict[str, Any], items: bool, keep: bool = False) -> Any:
    result = {k: v for k, v in (value.items() if value is not NO else []) if k not in GROUP}
    result |= {k: v for k, v in part.items() if k in GROUP}
    if items and isinstance(result.get("extensions"), list):
        had = result["extensions"]
        result["extensions"] = [i for i in had if not in_group(i)]
        if had and not result["extensions"] and not keep:
            del result["extensions"]
    if "extensions" in part:
        result["extensions"] = result.get("extensions", []) + part["extensions"]
    return result


class Oracle:
    """`conflicts` collects paths."""

    def __init__(self) -> None:
        self.conflicts: list[Path] = []

    def file(self, yours: Any, base: Any, theirs: Any) -> tuple[Any, Any]:
        """The whole file: first its group, then the rest."""
        if not isinstance(yours, dict) or not isinstance(base if theirs is NO else theirs, dict):
            return self.merge(yours, base, theirs)
        items = isinstance(yours.get("extensions", []), list)
        y, b, t = (group_of(value, items) for value in (yours, base, theirs))
        if equal(t, b) or equal(y, t) or equal(y, b) or (not y and theirs is NO):
            return self.merge(yours, base, theirs)
        base = base if isinstance(base, dict) else NO
        own = {k: v for k, v in y.items() if k != "extensions"}
        keep = "extensions" in yours or (base is not NO and "extensions" in base)
        neutral = with_group(base, own, items, True), with_group(theirs, own, items, keep)
        result, record = self.merge(yours, *neutral)
        if not y:
            return result, with_group(record, t, items)
        keys = [k for k in {**y, **t, **b} if not equal(y.get(k, NO), t.get(k, NO))]
        in_file = [k for k in yours if k in keys and k in GROUP]
        others = [k for k in keys if k in GROUP]
        self.conflicts.append((([*in_file, *others, *keys])[0],))
        return result, with_group(record, b, items)

    def merge(
        self, yours: Any, base: Any, theirs: Any, path: Path = (), key: str | None = None
    ) -> tuple[Any, Any]:
        """(what the file says then, what is recorded); `key` when it is a named member."""
        if yours is NO:
            return (theirs if base is NO else NO), theirs
        if equal(yours, theirs) or equal(base, theirs):
            return yours, theirs
        rest = [x for x in (base, theirs) if x is not NO]
        ours = theirs if theirs is not NO else base
        if isinstance(yours, dict) and isinstance(ours, dict):
            return self.table(yours, base if isinstance(base, dict) else NO, theirs, path, key)
        if isinstance(yours, list) and isinstance(ours, list):
            before = base if isinstance(base, list) else NO
            if any(fits(pattern, path) for pattern in SETS):
                return self.by_value(yours, before, theirs)
            label = identity(path)
            if label and all(well_named(x, label) for x in rest if isinstance(x, list)):
                return self.by_name(yours, before, theirs, path, label)
        label = identity(path) if isinstance(yours, list) else None
        orderless = label and isinstance(theirs, list) and well_named(as_list(base), label)
        if equal(yours, base) and not orderless:
            return theirs, theirs
        if len(rest) == 2 and equal(*(in_order(x, path) for x in rest)):
            return yours, theirs
        self.conflicts.append(path)
        return yours, base

    def table(
        self, yours: Any, base: Any, theirs: Any, path: Path, key: str | None
    ) -> tuple[Any, Any]:
        result, state = dict(yours), {}
        old, new = {} if base is NO else base, {} if theirs is NO else theirs
        for k in {**old, **new}:
            if theirs is NO and k == key and k in yours:
                continue
            args = yours.get(k, NO), old.get(k, NO), new.get(k, NO)
            value, recorded = self.merge(*args, (*path, k))
            result.pop(k, None)
            if value is not NO:
                result[k] = value
            if recorded is not NO:
                state[k] = recorded
        if theirs is NO:
            if not set(result) - {key}:
                return NO, NO
            if state and key in old and key in yours:
                state[key] = old[key]
            return result, state or NO
        return result, NO if not state and base is NO and new else state

    def by_name(self, yours: Any, base: Any, theirs: Any, path: Path, key: str) -> tuple[Any, Any]:
        old = {name(i, key): i for i in ([] if base is NO else base)}
        new = {name(i, key): i for i in ([] if theirs is NO else theirs)}
        result, state, seen = [], [], set()
        for item in yours:
            n = name(item, key)
            if not isinstance(n, str) or n in seen or n not in {**old, **new}:
                result.append(item)
                continue
            seen.add(n)
            args = old.get(n, NO), new.get(n, NO), (*path, n), key
            value, recorded = self.merge(item, *args)
            if value is not NO:
                result.append(value)
            if recorded is not NO:
                state.append(recorded)
        state += [item for n, item in new.items() if n not in seen]
        wished = [item for n, item in new.items() if n in seen or n not in old]
        for item in wished:
            if name(item, key) not in seen:
                self.insert(result, item, wished, lambda i: name(i, key))
        if theirs is NO:
            return result or NO, state or NO
        return result, NO if not state and base is NO and new else state

    def by_value(self, yours: Any, base: Any, theirs: Any) -> tuple[Any, Any]:
        old = [json.dumps(i) for i in ([] if base is NO else base)]
        new = [json.dumps(i) for i in ([] if theirs is NO else theirs)]
        result = [json.dumps(i) for i in yours]
        for item in set(old) - set(new):
            if item in result:
                result.remove(item)
        wished = [
            i for n, i in enumerate(new) if i not in new[:n] and (i in result or i not in old)
        ]
        for item in wished:
            if item not in result:
                self.insert(result, item, wished, lambda i: i)
        if theirs is NO and not result:
            return NO, NO
        return [json.loads(i) for i in result], theirs

    def insert(self, result: list[Any], item: Any, wished: list[Any], name_of: Any) -> None:
        """Insert the item next to its nearest wished sibling.

        Behind the nearest one before it that is there, else before the nearest behind it, else at
        the end. Of two with one name the first counts.
        """
        names = [name_of(i) for i in result]
        order = [name_of(i) for i in wished]
        at = order.index(name_of(item))
        for sibling in reversed(order[:at]):
            if sibling in names:
                result.insert(names.index(sibling) + 1, item)
                return
        for sibling in order[at + 1 :]:
            if sibling in names:
                result.insert(names.index(sibling), item)
                return
        result.append(item)

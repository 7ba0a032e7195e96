"""The rules of the merge once more, on parsed values, slowly and with nothing of innerloop's."""

from __future__ import annotations

import json
from typing import Any

NO = object()  # nothing there

# path -> kind; what is not here is a sequence. `*` is any one step.
NAMED = {("tasks",): "label", ("tasks", "*", "options"): "value", ("inputs",): "id"}
SETS = [("extensions",), ("tasks", "*", "ports")]

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
    """Named lists by their names: their own order is not remembered, so it is no change."""
    if isinstance(value, dict):
        return {k: in_order(v, (*path, k)) for k, v in value.items()}
    key = identity(path)
    if not isinstance(value, list) or not key or not well_named(value, key):
        return value
    items = sorted(value, key=lambda item: str(name(item, key)))
    return [in_order(item, (*path, name(item, key))) for item in items]


class Oracle:
    """`clashes` and `removed` gather paths."""

    def __init__(self) -> None:
        self.clashes: list[Path] = []

    def merge(
        self, found: Any, last: Any, wanted: Any, path: Path = (), key: str | None = None
    ) -> tuple[Any, Any]:
        """(what the file says then, what is remembered); `key` when it is a named member."""
        if found is NO:
            return (wanted if last is NO else NO), wanted
        if equal(found, wanted) or equal(last, wanted):
            return found, wanted
        rest = [x for x in (last, wanted) if x is not NO]
        ours = wanted if wanted is not NO else last
        if isinstance(found, dict) and isinstance(ours, dict):
            return self.table(found, last if isinstance(last, dict) else NO, wanted, path, key)
        if isinstance(found, list) and isinstance(ours, list):
            before = last if isinstance(last, list) else NO
            if any(fits(pattern, path) for pattern in SETS):
                return self.by_value(found, before, wanted)
            label = identity(path)
            if label and all(well_named(x, label) for x in rest if isinstance(x, list)):
                return self.by_name(found, before, wanted, path, label)
        label = identity(path) if isinstance(found, list) else None
        orderless = label and isinstance(wanted, list) and well_named(as_list(last), label)
        if equal(found, last) and not orderless:
            return wanted, wanted
        if len(rest) == 2 and equal(*(in_order(x, path) for x in rest)):
            return found, wanted
        self.clashes.append(path)
        return found, last

    def table(
        self, found: Any, last: Any, wanted: Any, path: Path, key: str | None
    ) -> tuple[Any, Any]:
        result, memory = dict(found), {}
        old, new = {} if last is NO else last, {} if wanted is NO else wanted
        for k in {**old, **new}:
            if wanted is NO and k == key and k in found:
                continue
            args = found.get(k, NO), old.get(k, NO), new.get(k, NO)
            value, remembered = self.merge(*args, (*path, k))
            result.pop(k, None)
            if value is not NO:
                result[k] = value
            if remembered is not NO:
                memory[k] = remembered
        if wanted is NO:
            if not set(result) - {key}:
                return NO, NO
            if memory and key in old and key in found:
                memory[key] = old[key]
            return result, memory or NO
        return result, NO if not memory and last is NO and new else memory

    def by_name(self, found: Any, last: Any, wanted: Any, path: Path, key: str) -> tuple[Any, Any]:
        old = {name(i, key): i for i in ([] if last is NO else last)}
        new = {name(i, key): i for i in ([] if wanted is NO else wanted)}
        result, memory, seen = [], [], set()
        for item in found:
            n = name(item, key)
            if not isinstance(n, str) or n in seen or n not in {**old, **new}:
                result.append(item)
                continue
            seen.add(n)
            args = old.get(n, NO), new.get(n, NO), (*path, n), key
            value, remembered = self.merge(item, *args)
            if value is not NO:
                result.append(value)
            if remembered is not NO:
                memory.append(remembered)
        memory += [item for n, item in new.items() if n not in seen]
        wished = [item for n, item in new.items() if n in seen or n not in old]
        for item in wished:
            if name(item, key) not in seen:
                self.insert(result, item, wished, lambda i: name(i, key))
        if wanted is NO:
            return result or NO, memory or NO
        return result, NO if not memory and last is NO and new else memory

    def by_value(self, found: Any, last: Any, wanted: Any) -> tuple[Any, Any]:
        old = [json.dumps(i) for i in ([] if last is NO else last)]
        new = [json.dumps(i) for i in ([] if wanted is NO else wanted)]
        result = [json.dumps(i) for i in found]
        for item in set(old) - set(new):
            if item in result:
                result.remove(item)
        wished = [
            i for n, i in enumerate(new) if i not in new[:n] and (i in result or i not in old)
        ]
        for item in wished:
            if item not in result:
                self.insert(result, item, wished, lambda i: i)
        if wanted is NO and not result:
            return NO, NO
        return [json.loads(i) for i in result], wanted

    def insert(self, result: list[Any], item: Any, wished: list[Any], name_of: Any) -> None:
        """Behind the nearest wished sibling before it that is there, else before the nearest behind
        it, else at the end. Of two with one name the first counts."""
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

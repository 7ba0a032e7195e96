"""Random values, random changes of them, and random ways to write them down."""

from __future__ import annotations

import json
from random import Random
from typing import Any

SCALARS = [0, 1, 1.5, True, False, None, "", "a", "b", 'é "\\ \u2028 \U0001f600', "// no comment"]
NAMES = ["x", "y", "z: long one", "ü/ä", "9"]
KEYS = ["a", "b", "c d", "label"]


def scalar(r: Random) -> Any:
    return r.choice(SCALARS)


def sequence(r: Random) -> Any:
    return [anything(r, 1) for _ in range(r.randrange(4))]


def anything(r: Random, depth: int) -> Any:
    pick = r.random()
    if depth <= 0 or pick < 0.6:
        return scalar(r)
    if pick < 0.8:
        return {k: anything(r, depth - 1) for k in r.sample(KEYS, r.randrange(3))}
    return [anything(r, depth - 1) for _ in range(r.randrange(4))]


def ports(r: Random) -> Any:
    return r.sample([80, 443, 8080, "a:1", True], r.randrange(4))


def options(r: Random) -> Any:
    made = r.sample(NAMES, r.randrange(4))
    return [{"value": n, "label": scalar(r)} if r.random() < 0.4 else n for n in made]


MEMBER = {"args": sequence, "env": lambda r: anything(r, 2), "options": options, "ports": ports}
FILE = {
    "version": scalar,
    "tasks": lambda r: [task(r, n) for n in r.sample(NAMES, r.randrange(4))],
    "inputs": lambda r: [{"id": n, "b": scalar(r)} for n in r.sample(NAMES, r.randrange(3))],
    "extensions": lambda r: r.sample(NAMES, r.randrange(4)),
    "image": scalar,
    "user": scalar,
    "args": sequence,
    "env": lambda r: anything(r, 2),
}


def some(r: Random, table: dict[str, Any]) -> dict[str, Any]:
    return {k: table[k](r) for k in r.sample(list(table), r.randrange(len(table) + 1))}


def task(r: Random, name: str) -> Any:
    return {"label": name, **some(r, MEMBER)}


def file(r: Random) -> dict[str, Any]:
    return some(r, FILE)


def varied(r: Random, value: Any, table: dict[str, Any] | None = None, much: float = 0.3) -> Any:
    """The value with some things changed, removed, added or put in another order."""
    if isinstance(value, dict):
        made = {}
        for k, v in value.items():
            pick = r.random()
            if k in ("label", "id", "value") and isinstance(v, str) and pick > 0.02:
                made[k] = v
            elif pick < much / 3:
                continue
            elif pick < much and table and k in table:
                made[k] = table[k](r)
            else:
                made[k] = varied(r, v, MEMBER if k == "tasks" else None, much)
        if r.random() < much:
            makers = table or dict.fromkeys(KEYS[:3], scalar)
            k = r.choice(list(makers))
            made.setdefault(k, makers[k](r))
        return shuffled(r, made) if r.random() < much / 2 else made
    if isinstance(value, list):
        items = [varied(r, v, table, much) for v in value if r.random() > much / 3]
        if r.random() < much:
            names = [n for n in NAMES if n not in [_name(i) for i in items]] or ["w"]
            new = task(r, r.choice(names)) if table is MEMBER else r.choice(names)
            items.insert(r.randrange(len(items) + 1), new)
        if r.random() < much / 2:
            r.shuffle(items)
        return items
    return scalar(r) if r.random() < much / 2 else value


def _name(item: Any) -> Any:
    return next(iter(item.values()), None) if isinstance(item, dict) else item


def unnamed(r: Random, value: Any) -> Any:
    """A person's list may hold two of one name, two of one value, and things without a name."""
    for key in ("tasks", "extensions", "inputs"):
        if isinstance(value, dict) and isinstance(value.get(key), list) and r.random() < 0.2:
            more = r.choice([[scalar(r)], value[key][:1], [{"a": 1}], [{"label": 3}]])
            items = value[key] + more
            r.shuffle(items)
            value = {**value, key: items}
        if isinstance(value, dict) and key in value and r.random() < 0.03:
            value = {**value, key: scalar(r)}  # a person's `"tasks": null`
    return value


def shuffled(r: Random, table: dict[str, Any]) -> dict[str, Any]:
    keys = list(table)
    r.shuffle(keys)
    return {k: table[k] for k in keys}


class Writer:
    """Writes a value with white space, comments and trailing commas here and there.

    Each comment has its own number. `doubles`: some keys are there twice, the first time with
    another value.
    """

    def __init__(self, r: Random, doubles: bool = False) -> None:
        self.r, self.doubles, self.count = r, doubles, 0
        self.eol = r.choice(["\n", "\n", "\r\n", "\r"])
        self.unit = r.choice(["  ", "    ", "\t", " \t"])
        self.comments = r.choice([0.0, 0.05, 0.3])
        self.wild = r.choice([0.0, 0.0, 0.2])  # any white space anywhere
        self.trailing = r.choice([0.0, 0.0, 1.0, 0.5])
        self.flat = r.choice([0.0, 0.3, 0.3, 1.0])  # containers on one line
        self.blank = r.choice(["", " "])

    def text(self, value: Any) -> str:
        head = self.r.choice(["", "", "\ufeff"]) + self.gap("")
        tail = self.r.choice(["", self.eol, self.eol * 2])
        return head + self.value(value, "") + self.gap("", True) + tail

    def value(self, value: Any, indent: str) -> str:
        if not isinstance(value, (dict, list)):
            return self.scalar(value)
        rows = self.rows(value, indent + self.unit)
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        if self.r.random() < self.flat:
            pad = self.blank if rows and self.r.random() < 0.5 else ""
            rows = [row + self.gap(indent) for row in rows]
            body = f",{self.blank}".join(rows) + ("," if rows and self.is_trailing() else "")
            return opening + pad + self.gap(indent) + body + pad + closing
        deeper = self.eol + indent + self.unit
        body = ""
        for number, row in enumerate(rows):
            body += self.notes(deeper) + deeper + row + self.gap(indent + self.unit)
            body += "," if number < len(rows) - 1 or self.is_trailing() else ""
            body += " " + self.line_comment() if self.r.random() < self.comments else ""
        body += self.notes(deeper)
        return opening + body + self.eol + indent + closing

    def rows(self, value: Any, indent: str) -> list[str]:
        if isinstance(value, list):
            return [self.value(item, indent) for item in value]
        pairs = list(value.items())
        if self.doubles and pairs and self.r.random() < 0.3:
            pairs.insert(0, (self.r.choice(pairs)[0], "shadow"))
        return [
            self.scalar(k) + self.gap(indent) + ":" + self.blank + self.gap(indent)
            + self.value(v, indent)
            for k, v in pairs
        ]  # fmt: skip

    def scalar(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=self.r.random() < 0.5)

    def is_trailing(self) -> bool:
        return self.r.random() < self.trailing

    def notes(self, deeper: str) -> str:
        """A comment on a line of its own, or an empty line."""
        if self.r.random() >= self.comments:
            return ""
        return self.r.choice([self.eol, deeper + self.line_comment(), deeper + self.comment()])

    def gap(self, indent: str, last: bool = False) -> str:
        """Between two tokens."""
        text = ""
        if self.r.random() < self.comments / 3:
            text += " " + self.comment()
        if self.r.random() < self.comments / 5:
            text += " " + self.line_comment() + ("" if last else self.eol + indent)
        if self.r.random() < self.wild and not last:
            text += self.r.choice([" ", "\t", self.eol, self.eol + "  ", "  "])
        return text

    def line_comment(self) -> str:
        self.count += 1
        return f'//{self.count}, " {{'

    def comment(self) -> str:
        self.count += 1
        inner = self.r.choice(["", " ]", self.eol, "//", '"'])
        return f"/*{self.count}{inner}*/"

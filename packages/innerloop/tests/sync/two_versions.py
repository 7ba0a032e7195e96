"""Random pairs of versions, as what they generate, and random edits of a person in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any

from innerloop.util.jsonc import Document, Node, parse

Files = dict[str, Any]
NAMED = {"tasks": "label", "inputs": "id", "configurations": "name", "options": "value"}
SETS = ("recommendations", "unwantedRecommendations", "mounts", "extensions", "forwardPorts")


def another_version(r: Random, files: Files) -> Files:
    """Other tasks, keys and texts; some files are gone, new, or have another path."""
    result: Files = {}
    for path, value in deepcopy(files).items():
        pick = r.random()
        if pick < 0.5:
            value = _lines(r, value) if isinstance(value, str) else _value(r, value)
        if pick < 0.04:
            continue
        if pick < 0.08 and path.startswith(".devcontainer/") and path.count("/") == 2:
            path = path.replace("/devcontainer.json", "2/devcontainer.json")
        result[path] = value
    if r.random() < 0.2:
        result[".github/workflows/train-new.yml"] = "".join(f"new: {n}\n" for n in range(9))
    return result


def _value(r: Random, value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        changed = {
            name: item if name in NAMED.values() else _value(r, item, name)
            for name, item in value.items()
            if name in NAMED.values() or r.random() > 0.03
        }
        if r.random() < 0.1:
            changed[f"new {r.randrange(3)}"] = r.choice([1, True, "text", {"a": 1}, [1, 2]])
        if r.random() < 0.05:
            pairs = list(changed.items())
            r.shuffle(pairs)
            changed = dict(pairs)
        return changed
    if isinstance(value, list):
        items = [_value(r, item, key) for item in value if r.random() > 0.03]
        if key in NAMED and r.random() < 0.1 and all(isinstance(item, dict) for item in items):
            items.insert(r.randrange(len(items) + 1), {NAMED[key]: "of another version", "a": [1]})
        if key in SETS and r.random() < 0.2 and all(isinstance(item, str) for item in items):
            items.insert(r.randrange(len(items) + 1), "of.another-version")
        return items
    return f"{value} (other)" if isinstance(value, str) and r.random() < 0.05 else value


def _lines(r: Random, text: str) -> str:
    lines = []
    for line in text.splitlines(keepends=True):
        pick = r.random()
        lines += [] if pick < 0.03 else [f"# other\n{line}"] if pick < 0.06 else [line]
        if 0.06 < pick < 0.09:
            lines[-1] = f"{line.rstrip()} # other\n"
    return "".join(lines)


class Person:
    """Edits files. `words` are what was written, each in one place only."""

    def __init__(self, r: Random) -> None:
        self.r = r
        self.words: dict[str, list[str]] = {}
        self._count = 0

    def edit(self, path: str, text: str, kind: str) -> str:
        edits: dict[str, Callable[[str, str], str]] = {
            "line": self._line, "member": self._member, "comment": self._comment,
            "value": self._changed,
        }  # fmt: skip
        return edits[kind](path, text)

    def kinds(self, path: str) -> list[str]:
        return ["member", "comment", "value"] if path.endswith(".json") else ["line"]

    def _word(self, path: str) -> str:
        self._count += 1
        word = f"word-{self._count}-of-a-person"
        self.words.setdefault(path, []).append(word)
        return word

    def _line(self, path: str, text: str) -> str:
        lines = text.splitlines(keepends=True)
        at = self.r.randrange(len(lines) + 1)
        new = f"# {self._word(path)}\n"
        if self.r.random() < 0.3 and at < len(lines) and "word-" not in lines[at]:
            lines[at] = new
        else:
            lines.insert(at, new)
        return "".join(lines)

    def _member(self, path: str, text: str) -> str:
        node = self._choose(parse(text), dict)
        word = self._word(path)
        comma = "," if node.entries else ""
        new = f'\n // {self._word(path)}\n "{word}": "{self._word(path)}"{comma}'
        return text[: node.start + 1] + new + text[node.start + 1 :]

    def _comment(self, path: str, text: str) -> str:
        node = self._choose(parse(text), dict)
        new = f" /* {self._word(path)} */"
        return text[: node.start + 1] + new + text[node.start + 1 :]

    def _changed(self, path: str, text: str) -> str:
        nodes = [
            node
            for key, node in _members(parse(text))
            if isinstance(node.value, str)
            and key not in NAMED.values()
            and "word-" not in node.value
        ]
        if not nodes:
            return text
        node = self.r.choice(nodes)
        return text[: node.start] + json.dumps(self._word(path)) + text[node.end :]

    def _choose(self, document: Document, kind: type) -> Node:
        nodes = [node for _, node in _members(document) if isinstance(node.value, kind)]
        return self.r.choice(nodes)


def _members(document: Document) -> Iterator[tuple[str | None, Node]]:
    todo: list[tuple[str | None, Node]] = [(None, document.root)] if document.root else []
    while todo:
        key, node = todo.pop()
        yield key, node
        todo += [(entry.key, entry.node) for entry in node.entries]

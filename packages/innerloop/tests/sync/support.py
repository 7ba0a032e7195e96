"""What the properties of merging are checked on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

from innerloop.sync.merge_rules import Group, MergeRules
from innerloop.util.jsonc import Document, Node, parse
from tests.sync import oracle

RULES = MergeRules(
    named=tuple((".".join(path), key) for path, key in oracle.NAMED.items()),
    sets=tuple(".".join(path) for path in oracle.SETS),
    group=Group(frozenset(oracle.GROUP), "extensions", oracle.in_group),
)


def cases(number: int) -> Callable[[Any], Any]:
    """So many random cases under the profile "ci", a sixtieth of them otherwise."""
    size = number if os.environ.get("HYPOTHESIS_PROFILE") == "ci" else max(50, number // 60)
    return settings(max_examples=size, deadline=None, suppress_health_check=list(HealthCheck))


def comments(text: str) -> Counter[str]:
    document = parse(text)
    return Counter(text[start:end] for start, end in document.comments)


def check_untouched(before: Document, after: Document) -> None:
    """What reads the same is written the same.

    The space around the root, each value that did not change, and the space between neighbours that
    still are neighbours.
    """
    one, two = before.root, after.root
    assert one is not None and two is not None
    assert before.text[: one.start] == after.text[: two.start]
    assert before.text[one.end :] == after.text[two.end :]
    _check_node(before, one, after, two, ())


def _check_node(before: Document, one: Node, after: Document, two: Node, path: oracle.Path) -> None:
    if oracle.equal(one.value, two.value) and _plain(one, two):
        assert before.text[one.start : one.end] == after.text[two.start : two.end]
        return
    if type(one.value) is not type(two.value) or not isinstance(one.value, (dict, list)):
        return
    if isinstance(one.value, list) and oracle.is_sequence(path):
        return
    pairs = _pairs(one, two)
    for i, j in pairs.items():
        if isinstance(one.value, dict):
            below = (*path, one.entries[i].key or "")
            _check_node(before, one.entries[i].node, after, two.entries[j].node, below)
        if pairs.get(i + 1) == j + 1:
            between = before.text[one.entries[i].node.end : one.entries[i + 1].start]
            assert between == after.text[two.entries[j].node.end : two.entries[j + 1].start]


def _plain(one: Node, two: Node) -> bool:
    """Key order tells whether it is the same entry; a removed and re-added one is another."""
    return not isinstance(one.value, dict) or list(one.value) == list(two.value)


def _pairs(one: Node, two: Node) -> dict[int, int]:
    """Entries before -> the same entries after: by key, or items of lists from the front."""
    if isinstance(one.value, dict):
        after = {entry.key: j for j, entry in enumerate(two.entries)}
        return {i: after[e.key] for i, e in enumerate(one.entries) if e.key in after}
    pairs: dict[int, int] = {}
    texts = [repr(item) for item in two.value]
    at = 0
    for i, item in enumerate(one.value):
        once = texts.count(repr(item)) == 1 == [repr(i) for i in one.value].count(repr(item))
        if once and repr(item) in texts[at:]:
            pairs[i] = texts.index(repr(item))
            at = pairs[i] + 1
    return pairs

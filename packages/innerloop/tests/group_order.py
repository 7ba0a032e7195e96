"""The order of the groups of tests that stay in one worker: the longest first.

A worker takes the next group when it has done its own, so what lasts longest has to start first: else
one worker ends long after the others. group_seconds.json has what groups took; it is only an estimate.
`INNERLOOP_DURATIONS=write packages/innerloop/test` records it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
FILE = Path(__file__).with_name("group_seconds.json")
SECONDS_OF_A_TEST = 0.25
RECORDED_FROM = 5


def recorded() -> dict[str, float]:
    """Seconds by group: `docker` and the like, or a file's path from the package's folder."""
    seconds: dict[str, float] = json.loads(FILE.read_text(encoding="utf-8"))
    return seconds


def order(groups: Sequence[str], seconds: Mapping[str, float]) -> list[int]:
    """The indices of tests by their groups, the longest group first, each group in its own order.

    A group that is not recorded counts as many tests as it has. Equal ones stay as they are.
    """
    expected = {
        group: seconds.get(group, count * SECONDS_OF_A_TEST)
        for group, count in Counter(groups).items()
    }
    first = {group: groups.index(group) for group in expected}
    rank = {group: (-expected[group], first[group]) for group in expected}
    return sorted(range(len(groups)), key=lambda index: (*rank[groups[index]], index))


def record(seconds: Mapping[str, float]) -> None:
    """Replace group_seconds.json. Short groups are left out."""
    kept = {group: round(took) for group, took in seconds.items() if took >= RECORDED_FROM}
    by_length = sorted(kept.items(), key=lambda item: (-item[1], item[0]))
    FILE.write_text(json.dumps(dict(by_length), indent=2) + "\n", encoding="utf-8")


def group_of(node_id: str) -> str:
    """The group that xdist adds to a test's name, "" without one."""
    return node_id.rpartition("@")[2] if node_id.rfind("@") > node_id.rfind("]") else ""

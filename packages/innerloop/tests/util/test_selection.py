"""A choice from a list in the terminal: what an answer means, and what is shown."""

from __future__ import annotations

import pytest

from innerloop.util.selection import Option, lines, matching, pick

OPTIONS = [
    Option("run EXP", "Run the job.", "Run"),
    Option("runs", "List the runs.", "Run"),
    Option("sync", "Bring files in line.", "The workspace"),
    Option("help packages", "Add a package: which files.", "The workspace"),
]


@pytest.mark.parametrize(
    ("typed", "labels"),
    [
        ("1", ["run EXP"]),
        ("4", ["help packages"]),
        ("0", []),
        ("5", []),
        ("runs", ["runs"]),  # a whole label, although another starts with it
        ("RUN", ["run EXP", "runs"]),
        ("pack help", ["help packages"]),
        ("add a package", ["help packages"]),  # in the text
        ("line", ["sync"]),
        ("nothing", []),
    ],
)
def test_matching_typed_answer_leaves_these(typed: str, labels: list[str]) -> None:
    assert [option.label for option in matching(OPTIONS, typed)] == labels


def test_lines_keep_the_positions_of_the_whole_list_and_fit() -> None:
    shown = lines(OPTIONS, OPTIONS[2:], width=30)
    assert shown[0] == "The workspace"
    assert [line.split()[0] for line in shown[1:]] == ["3", "4"]
    assert max(map(len, shown)) <= 30 and shown[2].endswith("…")


@pytest.mark.parametrize(
    ("answers", "default", "label"),
    [
        (["sync"], False, "sync"),
        (["run", "2"], False, "runs"),
        (["nothing", "3"], False, "sync"),
        ([""], False, None),
        ([""], True, "run EXP"),
        ([None], True, None),
    ],
)
def test_pick_asks_until_one_is_left(
    answers: list[str | None], default: bool, label: str | None
) -> None:
    left = list(answers)
    written: list[str] = []
    option = pick(OPTIONS, "Which?", lambda _: left.pop(0), written.append, default=default)
    assert (option and option.label) == label
    assert left == [] and written

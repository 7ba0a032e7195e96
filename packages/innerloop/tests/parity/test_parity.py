"""Facts of places held against each other, and the words that they share."""

from __future__ import annotations

import pytest

from innerloop.parity.columns import _option, _size
from innerloop.parity.facts import (
    Parity,
    ParityColumn,
    ParityFact,
    join_facts,
    normalize_command,
    normalize_paths,
)

SAME = {row: ParityFact("x") for row in ("command", "cwd", "image")}


def parity(**other: ParityFact) -> Parity:
    columns = (
        ParityColumn("azureml", SAME),
        ParityColumn("docker", {**SAME, **other}),
        ParityColumn("F5", absent="x"),
    )
    return Parity("line", "azureml", columns)


def test_what_differs_without_a_reason_is_named() -> None:
    assert parity().differences == () == parity().unexplained
    explained = parity(image=ParityFact("y", why="on purpose"))
    assert [one.why for one in explained.differences] == ["on purpose"]
    assert explained.unexplained == ()
    bare = parity(command=ParityFact("z"), image=ParityFact("y", why="on purpose"))
    assert [(one.row, one.backend) for one in bare.unexplained] == [("command", "docker")]
    told = bare.json()
    assert told["unexplained"] == ["docker: command"]
    assert told["backends"]["docker"]["command"] == {
        "value": "z", "shown": "z", "same": False, "why": ""
    }  # fmt: skip
    assert told["backends"]["F5"] == {"absent": "x"}


def test_a_reason_for_no_difference_is_not_shown() -> None:
    told = parity(image=ParityFact("x", why="never needed")).json()
    assert told["backends"]["docker"]["image"]["why"] == ""


def test_a_path_inside_another_keeps_its_own_name() -> None:
    names = {"/w": "<workspace>", "/w/data/x": "<x>", "/w/src/a": "<code>"}
    assert normalize_paths("p /w/src/a/t.py --d /w/data/x --o /w/o", names) == (
        "p <code>/t.py --d <x> --o <workspace>/o"
    )


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("python a.py --x 1", "python  a.py \\\n  --x '1'"),
        ('echo "a b"', "echo 'a b'"),
        ("echo 'open", "echo   'open"),
    ],
)
def test_commands_that_a_shell_takes_for_one(one: str, two: str) -> None:
    assert normalize_command(one) == normalize_command(two)


@pytest.mark.parametrize(
    ("text", "size"),
    [("2g", "2g"), ("2048M", "2g"), ("2gb", "2g"), ("1536m", "1536m"), ("64", "64"), ("?", "?")],
)
def test_one_size_in_many_ways(text: str, size: str) -> None:
    assert _size(text) == size


def test_options_are_found_in_both_ways() -> None:
    assert _option(["--user", "1:2"], "--user") == "1:2"
    assert _option(["--shm-size=4g"], "--shm-size") == "4g"
    assert _option(["--user"], "--user") == ""
    assert join_facts(["b", "a", "b"]) == "a; b" and join_facts([]) == "none"

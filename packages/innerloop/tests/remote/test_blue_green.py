"""Which deployment takes which part: pure decisions from what an endpoint says of itself."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.remote.azureml.deploy import blue_green
from innerloop.remote.azureml.deploy.blue_green import (
    FINGERPRINT,
    NEW,
    OLD,
    DeploymentState,
    EndpointState,
)
from innerloop.util.errors import UserError


def one(name: str, traffic: int = 0, of: str = "", state: str = "Succeeded") -> DeploymentState:
    return DeploymentState(name, state, traffic, tags={FINGERPRINT: of} if of else {})


def endpoint(*deployments: DeploymentState, **tags: str) -> EndpointState:
    names = {"new": NEW, "old": OLD}
    return EndpointState(
        "e", "Succeeded", tags={names[k]: v for k, v in tags.items()}, deployments=deployments
    )


CASES: dict[str, tuple[EndpointState, str, int, tuple[str, bool, tuple[str, ...], Mapping[str, int], str]]] = {
    "the first": (endpoint(), "b", 100, ("blue", False, (), {"blue": 100}, "")),
    "the first takes all": (endpoint(), "b", 10, ("blue", False, (), {"blue": 100}, "")),
    "or nothing": (endpoint(), "b", 0, ("blue", False, (), {}, "")),
    "the second": (
        endpoint(one("blue", 100, "a")), "b", 100, ("green", False, (), {"green": 100}, "blue"),
    ),
    "a canary": (
        endpoint(one("blue", 100, "a")), "b", 5,
        ("green", False, (), {"green": 5, "blue": 95}, "blue"),
    ),
    "more for the canary": (
        endpoint(one("blue", 95, "a"), one("green", 5, "b"), new="green", old="blue"), "b", 50,
        ("green", True, (), {"green": 50, "blue": 50}, "blue"),
    ),
    "no more for the canary": (
        endpoint(one("blue", 95, "a"), one("green", 5, "b"), new="green", old="blue"), "b", 0,
        ("green", True, (), {"blue": 100}, "blue"),
    ),
    "unchanged": (
        endpoint(one("blue", 0, "a"), one("green", 100, "b"), new="green", old="blue"), "b", 100,
        ("green", True, (), {"green": 100}, "blue"),
    ),
    "half of it back": (
        endpoint(one("blue", 0, "a"), one("green", 100, "b"), new="green", old="blue"), "b", 50,
        ("green", True, (), {"green": 50, "blue": 50}, "blue"),
    ),
    "in the place of one that failed its test": (
        endpoint(one("blue", 100, "a"), one("green", 0, "x"), new="blue"), "b", 100,
        ("green", False, ("green",), {"green": 100}, "blue"),
    ),
    "the same that failed to come up": (
        endpoint(one("blue", 100, "a"), one("green", 0, "b", "Failed"), new="blue"), "b", 100,
        ("green", False, ("green",), {"green": 100}, "blue"),
    ),
    "after a rollback": (
        endpoint(one("blue", 100, "a"), one("green", 0, "b"), new="blue"), "b", 100,
        ("green", True, (), {"green": 100}, "blue"),
    ),
    "the old one is gone": (
        endpoint(one("green", 100, "b"), new="green", old="blue"), "c", 100,
        ("blue", False, (), {"blue": 100}, "green"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_a_move(name: str) -> None:
    now, fingerprint, share, (deployment, reuse, gone, after, old) = CASES[name]
    move = blue_green.plan_rollout(now, fingerprint, share)
    assert (move.name, move.reuse, move.gone, dict(move.after), move.old) == (
        (deployment, reuse, gone, after, old)
    )
    assert move.nothing == (name == "unchanged")


def test_a_third_one_waits() -> None:
    now = endpoint(one("blue", 90, "a"), one("green", 10, "b"), new="green", old="blue")
    with pytest.raises(UserError, match="blue is kept beside green .blue 90 %, green 10 %."):
        blue_green.plan_rollout(now, "c", 100)


def test_traffic_that_was_split_by_hand_is_left_alone() -> None:
    now = endpoint(one("blue", 90), one("green", 10))
    with pytest.raises(UserError, match="was split by hand .blue 90 %, green 10 %."):
        blue_green.plan_rollout(now, "c", 100)
    with pytest.raises(UserError, match="was split by hand"):
        blue_green.plan_finish(now)


def test_the_end_of_a_move_and_the_way_back() -> None:
    now = endpoint(one("blue", 90, "a"), one("green", 10, "b"), new="green", old="blue")
    assert blue_green.plan_finish(now) == ({"green": 100}, ("blue",))
    assert blue_green.rollback_plan(now) == ({"blue": 100}, "green")
    rolled = endpoint(one("blue", 100, "a"), one("green", 0, "b"), new="blue")
    assert blue_green.plan_finish(rolled) == ({"blue": 100}, ("green",))
    with pytest.raises(UserError) as caught:
        blue_green.rollback_plan(rolled)
    assert caught.value.code == "nothing-to-roll-back"


def test_who_was_rolled_back_by_hand_is_no_new_one() -> None:
    """In the studio somebody has given all traffic back: `--finish` must not undo it."""
    now = endpoint(one("blue", 100, "a"), one("green", 0, "b"), new="green", old="blue")
    assert now.new == one("blue", 100, "a") and now.old is None
    assert blue_green.plan_finish(now) == ({"blue": 100}, ("green",))
    move = blue_green.plan_rollout(now, "c", 100)
    assert (move.name, move.gone, move.old) == ("green", ("green",), "blue")


STATES = st.sampled_from(["Succeeded", "Failed", "Creating"])


@given(
    st.lists(st.tuples(st.sampled_from("abc"), STATES, st.booleans()), max_size=3),
    st.integers(0, 100),
    st.sampled_from("abcd"),
    st.integers(0, 100),
    st.booleans(),
)
def test_a_move_always_adds_up_and_keeps_who_serves(
    kinds: list[tuple[str, str, bool]], split: int, fingerprint: str, share: int, tagged: bool
) -> None:
    """Whatever stands there.

    Traffic adds up to 100 or nothing, goes to who is there by then, and nobody who has traffic or
    was made by hand is taken away.
    """
    names = ("blue", "green", "red")
    shares = [split, 100 - split, 0] if len(kinds) > 1 else [100]
    made = [
        one(name, part, of if ours else "", state)
        for name, part, (of, state, ours) in zip(names, shares, kinds, strict=False)
    ]
    now = endpoint(*made, **({"new": "green", "old": "blue"} if tagged else {}))
    try:
        move = blue_green.plan_rollout(now, fingerprint, share)
    except UserError as mistake:
        assert mistake.hint
        return
    assert sum(move.after.values()) in (0, 100)
    there = {standing.name for standing in made} - set(move.gone) | {move.name}
    assert set(move.after) <= there
    for name in move.gone:
        found = now.find(name)
        assert found is not None and not found.traffic and found.fingerprint
    assert move.old == "" or move.old in there
    if move.name not in move.before and share < 100 and move.before:
        assert set(move.before) <= set(move.after) or share == 0

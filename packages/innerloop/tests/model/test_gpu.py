"""The words of the setting `gpu` and of `--gpus`, and what they say to Docker."""

from __future__ import annotations

from typing import Any

import pytest

from innerloop.model.gpu import (
    ALL,
    AUTO,
    NONE,
    GpuSetting,
    parse_docker,
    parse_option,
    parse_setting,
)

MIG = "MIG-GPU-3a2b/1/0"


def count(number: int) -> GpuSetting:
    return GpuSetting("count", number)


def devices(*names: str) -> GpuSetting:
    return GpuSetting("devices", devices=names)


@pytest.mark.parametrize(
    ("value", "setting", "docker"),
    [
        ("auto", AUTO, "all"),
        ("all", ALL, "all"),
        (2, count(2), "2"),
        ("2", count(2), "2"),
        ([0], devices("0"), "device=0"),
        ([0, 2], devices("0", "2"), '"device=0,2"'),
        ("0,2", devices("0", "2"), '"device=0,2"'),
        ("device=1", devices("1"), "device=1"),
        ([MIG], devices(MIG), f"device={MIG}"),
        ("GPU-3a2b-1", devices("GPU-3a2b-1"), "device=GPU-3a2b-1"),
        (["0:1"], devices("0:1"), "device=0:1"),
    ],
)
def test_setting_in_all_its_forms(value: Any, setting: GpuSetting, docker: str) -> None:
    found = parse_setting(value)
    assert found == setting
    assert found.docker_value == docker
    # What is shown can be typed again.
    again = parse_option(found.text)
    assert (again.kind, again.count, again.devices) == (found.kind, found.count, found.devices)


@pytest.mark.parametrize(
    "value",
    ["", "al", "gpu", "GPU", 0, -1, 65, True, False, None, 1.5, {}, [], [True], [None], [[0]], [""],
     ["a b"], ["0", 0], [0, "00"], "0,0", ",", "device=", "0;1", ["-1"], ["=x"], list(range(65))],
)  # fmt: skip
def test_setting_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_setting(value)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("all", ALL),
        ("2", count(2)),
        ('"device=0,2"', devices("0", "2")),
        ("device=0", devices("0")),
        ("all,capabilities=utility", ALL),
        ('"capabilities=compute,utility"', ALL),
        ("", ALL),
    ],
)
def test_value_of_dockers_option_is_understood(text: str, setting: GpuSetting) -> None:
    assert parse_docker(text) == setting


def test_shown_names_where_it_comes_from() -> None:
    assert parse_setting([0, "GPU-1"]).shown == 'gpu = [0, "GPU-1"]'
    assert [parse_setting(v).shown for v in ("all", 2)] == ['gpu = "all"', "gpu = 2"]
    assert parse_option("0,2").shown == "--gpus 0,2"
    assert parse_option("device=0").shown == "--gpus device=0"
    assert NONE.is_required is AUTO.is_required is False
    assert all(one.is_required for one in (ALL, count(1), devices("0")))

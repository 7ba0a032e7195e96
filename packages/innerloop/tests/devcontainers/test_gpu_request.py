"""What a devcontainer.json asks for of GPUs, and what `up` puts in its place."""

from __future__ import annotations

from typing import Any

import pytest

from innerloop.devcontainers import gpu_request
from innerloop.model.gpu import ALL, AUTO, NONE, GpuSetting


@pytest.mark.parametrize(
    ("value", "setting"),
    [
        ({"hostRequirements": {"gpu": "optional"}}, AUTO),
        ({"runArgs": ["--gpus", "all"]}, ALL),
        ({"runArgs": ["--shm-size", "2g", "--gpus=2"]}, GpuSetting("count", 2)),
        ({"runArgs": ["--gpus", '"device=0,2"']}, GpuSetting("devices", devices=("0", "2"))),
        ({"runArgs": ["--gpus", "all"], "hostRequirements": {"gpu": "optional"}}, ALL),
        ({"hostRequirements": {"gpu": True}}, ALL),
        ({"hostRequirements": {"gpu": {"cores": 1}}}, ALL),
        ({"hostRequirements": {"cpus": 4}}, NONE),
        ({"hostRequirements": None, "runArgs": None}, NONE),
        ({"runArgs": ["--name", "--gpus-box"]}, NONE),
    ],
)
def test_requested_is_a_value_of_the_setting(value: dict[str, Any], setting: GpuSetting) -> None:
    assert gpu_request.requested(value) == setting


@pytest.mark.parametrize(
    ("words", "device"),
    [
        (["--device", "nvidia.com/gpu=all"], "--device nvidia.com/gpu=all"),
        (["--device=/dev/kfd", "--device=/dev/dri"], "--device /dev/kfd"),
        (["--runtime=nvidia"], "--runtime nvidia"),
        (["--device", "/dev/snd", "--runtime", "runc"], ""),
        (["--gpus", "all"], ""),
    ],
)
def test_own_device_is_the_persons(words: list[str], device: str) -> None:
    assert gpu_request.own_device({"runArgs": words}) == device


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"runArgs": ["--gpus", "all", "--shm-size", "2g"], "name": "x"},
            {"runArgs": ["--device", "d", "--shm-size", "2g"], "name": "x"},
        ),
        (
            {"runArgs": ["--init", "--gpus=all"], "hostRequirements": {"gpu": "optional"}},
            {"runArgs": ["--device", "d", "--init"]},
        ),
        (
            {"hostRequirements": {"gpu": True, "cpus": 4}},
            {"runArgs": ["--device", "d"], "hostRequirements": {"cpus": 4}},
        ),
        ({"hostRequirements": None}, {"runArgs": ["--device", "d"], "hostRequirements": None}),
    ],
)
def test_replaced_has_the_engines_own_options(
    value: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert gpu_request.replaced(value, ("--device", "d")) == expected
    # For the CPU nothing of the request is left, and all else is.
    without = gpu_request.replaced(value, ())
    assert gpu_request.requested(without) == NONE
    assert without["runArgs"] == expected["runArgs"][2:]

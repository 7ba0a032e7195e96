"""Variables in devcontainer.json."""

from __future__ import annotations

import pytest

from innerloop.model.devcontainer_variables import filled, remote_environment

LOCAL = {"HOME": "/home/me", "EMPTY": ""}
CONTAINER = {"PATH": "/usr/bin"}
FOLDERS = {"containerWorkspaceFolder": "/workspaces/w"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${localEnv:HOME}/x", "/home/me/x"),
        ("${localEnv:NONE}", ""),
        ("${localEnv:NONE:a:b}", "a:b"),
        ("${localEnv:EMPTY:x}", ""),
        ("${containerEnv:PATH}:/more", "/usr/bin:/more"),
        ("${containerWorkspaceFolder}/src", "/workspaces/w/src"),
        ("${unknown} ${unknown:x} $HOME", "${unknown} ${unknown:x} $HOME"),
    ],
)
def test_filled(text: str, value: str) -> None:
    assert filled(text, local=LOCAL, container=CONTAINER, folders=FOLDERS) == value


def test_a_null_is_empty() -> None:
    config = {"remoteEnv": {"A": None, "B": "${localEnv:HOME}", "C": 1}}
    told = remote_environment(config, local=LOCAL, container=CONTAINER, folders=FOLDERS)
    assert told == {"A": "", "B": "/home/me", "C": "1"}
    assert remote_environment({}, local={}, container={}, folders={}) == {}

"""Names of devices in specifications of the Container Device Interface."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from innerloop.docker import cdi_specs

# Shortened from what `nvidia-ctk cdi generate` 1.17 writes.
NVIDIA = """---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
    - name: "0"
      containerEdits:
        deviceNodes:
            - path: /dev/nvidia0
    - name: GPU-955ef018
      containerEdits: {}
    - name: all
      containerEdits: {}
containerEdits:
    env:
        - NVIDIA_VISIBLE_DEVICES=void
"""
AMD = {"cdiVersion": "0.6.0", "kind": "amd.com/gpu", "devices": [{"name": "0"}, {"name": "all"}]}


def test_devices_of_all_folders_and_forms_are_read_once(tmp_path: Path) -> None:
    for name, text in {
        "etc/cdi/nvidia.yaml": NVIDIA,
        "var/run/cdi/nvidia.yml": NVIDIA,
        "var/run/cdi/amd.json": json.dumps(AMD),
        "etc/cdi/notes.txt": NVIDIA.replace("gpu", "other"),
        "etc/cdi/damaged.yaml": "kind: [",
        "etc/cdi/damaged.json": "{",
        "etc/cdi/deep.json": "[" * 100_000,
        "etc/cdi/text.json": '"nvidia.com/gpu"',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "etc/cdi/folder.yaml").mkdir()
    found = cdi_specs.devices(("/etc/cdi", "/nowhere", "/var/run/cdi"), tmp_path)
    names = ["nvidia.com/gpu=0", "nvidia.com/gpu=GPU-955ef018", "nvidia.com/gpu=all"]
    assert found == (*names, "amd.com/gpu=0", "amd.com/gpu=all")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("kind: nvidia.com/gpu\ndevices: [{name: 0}, {name: 0:1}]", ["0"]),  # 0:1 is 1 in YAML
        (
            "kind: nvidia.com/gpu\ndevices: [{name: '0:1'}, {name: true}, {name: ''}, {}, 3]",
            ["0:1"],
        ),
        ("kind: nvidia.com/gpu\ndevices: [{name: '--privileged'}, {name: 'a b'}]", []),
        ("kind: --privileged/x\ndevices: [{name: a}]", []),
        ("kind: nvidia.com/gpu\ndevices: {name: a}", []),
        ("devices: [{name: a}]", []),
        ("kind: nvidia.com/gpu", []),
        ("[]", []),
        ("", []),
    ],
)
def test_parse_takes_names_alone(text: str, names: list[str]) -> None:
    found = list(cdi_specs.parse(text, is_json=False))
    assert found[: len(names)] == [f"nvidia.com/gpu={name}" for name in names]
    assert all("privileged" not in name for name in found)


def test_folders_of_a_user_follow_xdg() -> None:
    assert cdi_specs.of_user({}, "/home/me") == ("/home/me/.config/cdi",)
    env = {"XDG_CONFIG_HOME": "/c", "XDG_RUNTIME_DIR": "/run/user/1"}
    assert cdi_specs.of_user(env, "/home/me") == ("/c/cdi", "/run/user/1/cdi")

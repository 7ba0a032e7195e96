"""A path in a container, as the engine's machine has it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.host_paths import Bind, binds_of, own_ids, to_host

LINUX = (
    Bind("/home/ada/my work", "/workspaces/my work"),
    Bind("/mnt/big/data", "/workspaces/my work/data"),
    Bind("/var/lib/docker/volumes/cache/_data", "/home/dev/.cache/"),
)


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/workspaces/my work", "/home/ada/my work"),
        ("/workspaces/my work/src/x", "/home/ada/my work/src/x"),
        ("/workspaces/my work/./src/../src/x/", "/home/ada/my work/src/x"),
        ("/workspaces/my work/data/mnist", "/mnt/big/data/mnist"),
        ("/workspaces/my work/database", "/home/ada/my work/database"),
        ("/home/dev/.cache/ca.pem", "/var/lib/docker/volumes/cache/_data/ca.pem"),
        ("/workspaces/my work/../other", None),
        ("/workspaces/my workshop", None),
        ("/tmp/x", None),
        ("/", None),
    ],
)
def test_the_innermost_mount_decides(path: str, host: str | None) -> None:
    assert to_host(path, LINUX) == host


@pytest.mark.parametrize(
    ("source", "host"),
    [
        ("C:\\Users\\Ada\\work", "C:\\Users\\Ada\\work\\src\\x"),
        ("C:\\", "C:\\src\\x"),
        ("\\\\wsl$\\Ubuntu\\home\\ada", "\\\\wsl$\\Ubuntu\\home\\ada\\src\\x"),
        ("/run/desktop/mnt/host/c/Users/Ada", "/run/desktop/mnt/host/c/Users/Ada/src/x"),
        ("/", "/src/x"),
    ],
)
def test_windows_and_docker_desktop_keep_their_way_to_write_a_path(source: str, host: str) -> None:
    assert to_host("/workspaces/w/src/x", [Bind(source, "/workspaces/w")]) == host


NAMES = st.text("abc é.", min_size=1, max_size=5).filter(lambda name: name not in (".", ".."))


@given(st.lists(NAMES, min_size=1, max_size=4), st.lists(NAMES, max_size=4))
def test_what_is_below_a_mount_keeps_its_place_below_it(target: list[str], rest: list[str]) -> None:
    bind = Bind("/host/folder", "/" + "/".join(target))
    assert to_host("/".join([bind.target, *rest]), [bind]) == "/".join([bind.source, *rest])


def test_mounts_without_a_path_are_left_out() -> None:
    told: list[dict[str, Any]] = [
        {"Type": "bind", "Source": "/a", "Destination": "/b", "RW": True},
        {"Type": "tmpfs", "Source": "", "Destination": "/tmp"},
    ]
    assert binds_of(told) == (Bind("/a", "/b"),)
    assert binds_of([]) == ()


def test_our_own_container_by_mount_then_cgroup_then_name() -> None:
    one, two = "a" * 64, "b" * 64
    mountinfo = (
        f"1 2 8:1 /var/lib/docker/containers/{one}/hostname /etc/hostname rw - ext4 /dev/x rw"
    )
    cgroup = f"12:pids:/docker/{two}\n1:name=systemd:/system.slice/docker-{one}.scope\n0::/\n"
    assert own_ids(mountinfo, cgroup, "box") == [one, two, "box"]
    assert own_ids("", "0::/\n", "box") == ["box"]
    assert own_ids("", "", "") == []

"""The mounts with which a container follows links, checked by resolving them as the container does."""

from __future__ import annotations

import os
import posixpath
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from innerloop.model import link_mounts
from innerloop.model.container import Mount
from innerloop.model.link_mounts import LinkMounts
from innerloop.workspace import folder_reader

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")


def planned(root: Path, data: Path, target: str, *others: Mount) -> LinkMounts:
    folder_reader.read.cache_clear()
    mounts = (Mount(os.path.realpath(data), target), *others)
    return link_mounts.plan(
        [(folder_reader.read(data), target)],
        mounts,
        root=str(root),
        home="/home/me",
        resolve=os.path.realpath,
    )


def seen(path: str, mounts: Sequence[Mount], depth: int = 0) -> str | None:
    """The host's path of a path in a container with these mounts, its links resolved as there."""
    if depth > 40:
        return None
    at = "/"
    for part in path.strip("/").split("/"):
        at = posixpath.normpath(posixpath.join(at, part))
        over = [m for m in mounts if at == m.target or at.startswith(f"{m.target}/")]
        if not over:
            continue
        mount = max(over, key=lambda one: len(one.target))
        host = posixpath.normpath(posixpath.join(mount.source, posixpath.relpath(at, mount.target)))
        if os.path.islink(host):
            rest = path.strip("/")[len(at.strip("/")) :].strip("/")
            text = posixpath.join(posixpath.dirname(at), os.readlink(host))
            return seen(posixpath.normpath(posixpath.join(text, rest)), mounts, depth + 1)
    over = [m for m in mounts if at == m.target or at.startswith(f"{m.target}/")]
    if not over:
        return None
    mount = max(over, key=lambda one: len(one.target))
    host = posixpath.normpath(posixpath.join(mount.source, posixpath.relpath(at, mount.target)))
    return host if os.path.exists(host) else None


def file(path: Path, text: str = "1") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    file(tmp_path / "ws/data/d/a.txt")
    file(tmp_path / "ws/data/e/b.txt")
    file(tmp_path / "disk/set/one.bin")
    file(tmp_path / "disk/set/deep/two.bin")
    file(tmp_path / "disk/more/three.bin")
    return tmp_path / "ws"


@pytest.mark.parametrize("target", ["/workspaces/ws/data/d", "/mnt/inputs/d/d"])
def test_links_of_every_form_are_followed_as_on_the_host(
    root: Path, tmp_path: Path, target: str
) -> None:
    data, disk = root / "data/d", tmp_path / "disk"
    (disk / "set/aside").symlink_to("../more")
    (disk / "set/up.bin").symlink_to(disk / "more/three.bin")
    links: dict[str, Path | str] = {
        "absolute": disk / "set/one.bin", "folder": disk / "set", "relative": "../e",
        "relative.txt": "../e/b.txt", "far": "../../../disk/more", "own": data / "a.txt",
        "sub/chain": "../absolute", "sub/through": "../folder/deep/two.bin", "sub/here": "../a.txt",
    }  # fmt: skip
    for name, text in links.items():
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).symlink_to(text)
    found = planned(root, data, target)
    assert found.missed == ()
    assert all(mount.read_only for mount in found.mounts)
    mounts = (Mount(str(data), target), *found.mounts)
    for name in [*links, "folder/aside/three.bin", "folder/up.bin", "relative/b.txt"]:
        assert seen(f"{target}/{name}", mounts) == os.path.realpath(data / name), name
    assert set(found.outside(str(root))) == {str(disk / "set"), str(disk / "more")}


def test_data_that_are_a_link_themselves_have_relative_links_of_the_containers_path(
    root: Path, tmp_path: Path
) -> None:
    real = file(tmp_path / "disk/real/x.txt").parent
    (real / "near").symlink_to("../more/three.bin")
    (root / "data/linked").symlink_to(real)
    target = "/workspaces/ws/data/linked"
    found = planned(root, root / "data/linked", target)
    mounts = (Mount(str(real), target), *found.mounts)
    assert seen(f"{target}/near", mounts) == str(tmp_path / "disk/more/three.bin")


def test_many_links_are_one_mount_of_the_folder_that_has_them(root: Path, tmp_path: Path) -> None:
    data = root / "data/d"
    for number in range(200):
        name = f"{number % 40:02x}/{number}"
        cached = file(root / ".dvc/cache/files" / name)
        (data / f"{number}.jpg").symlink_to(cached)
        elsewhere = file(tmp_path / "disk/large" / name)
        (data / f"{number}.png").symlink_to(elsewhere)
    found = planned(root, data, "/workspaces/ws/data/d")
    assert {mount.source for mount in found.mounts} == {
        str(root / ".dvc/cache/files"), str(tmp_path / "disk/large"),
    }  # fmt: skip
    assert found.missed == ()
    mounts = (Mount(str(data), "/workspaces/ws/data/d"), *found.mounts)
    for name in ("0.jpg", "199.png"):
        assert seen(f"/workspaces/ws/data/d/{name}", mounts) == os.path.realpath(data / name)


def test_links_to_a_hundred_places_never_mount_the_workspace_or_a_home(
    root: Path, tmp_path: Path
) -> None:
    data = root / "data/d"
    for number in range(100):
        (data / f"{number}").symlink_to(file(root / f"part{number}/x"))
        (data / f"o{number}").symlink_to(file(tmp_path / f"home/me/part{number}/x"))
    folder_reader.read.cache_clear()
    found = link_mounts.plan(
        [(folder_reader.read(data), "/workspaces/ws/data/d")],
        [Mount(str(data), "/workspaces/ws/data/d")],
        root=str(root),
        home=str(tmp_path / "home/me"),
        resolve=os.path.realpath,
    )
    assert len(found.mounts) == 2 * link_mounts.MOST
    assert len(found.missed) == 200 - len(found.mounts)
    for mount in found.mounts:
        assert Path(mount.source).parent in (root, tmp_path / "home/me")


@pytest.mark.parametrize(
    "text", ["/etc/passwd", "/usr/bin", "/proc/self", "/", "/dev/null", "/var/log", "/bin/sh"]
)
def test_link_into_a_folder_of_every_image_is_missed(root: Path, text: str) -> None:
    (root / "data/d/x").symlink_to(text)
    found = planned(root, root / "data/d", "/workspaces/ws/data/d")
    assert found.mounts == () and [link.text for link in found.missed] == [text]


def test_circles_and_broken_links_mount_nothing(root: Path) -> None:
    data = root / "data/d"
    for name, text in {"self": ".", "above": "../..", "broken": "gone", "loop": "loop"}.items():
        (data / name).symlink_to(text)
    found = planned(root, data, "/workspaces/ws/data/d")
    assert found.mounts == () and [link.path for link in found.missed] == ["above"]


def test_link_to_what_is_mounted_anyway_mounts_nothing(root: Path) -> None:
    code = file(root / "src/x/train.py").parent
    (root / "data/d/code").symlink_to("../../src/x")
    (root / "data/d/script").symlink_to("../../src/x/train.py")
    other = Mount(str(code), "/workspaces/ws/src/x")
    found = planned(root, root / "data/d", "/workspaces/ws/data/d", other)
    assert found == LinkMounts()

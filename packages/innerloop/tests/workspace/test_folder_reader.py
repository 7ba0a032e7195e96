"""What a folder holds besides ordinary files, read within a limit."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.workspace import folder_reader, missing_data, submodules

LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"
NO_LINKS = pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")


@pytest.fixture(autouse=True)
def nothing_read_yet() -> Iterator[None]:
    yield
    folder_reader.read.cache_clear()
    submodules.missing.cache_clear()


def write(root: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (LFS, "git-lfs"),
        (LFS.replace("\n", "\r\n"), "git-lfs"),
        (LFS.replace("oid", "ext-0-foo sha256:" + "b" * 64 + "\noid"), "git-lfs"),
        (LFS.replace("https://git-lfs.github.com/spec/v1", "http://git-media.io/v/2"), "git-lfs"),
        ("/annex/objects/SHA256E-s10--abc.bin\n", "git-annex"),
        (LFS + "x" * 2000, None),
        ("see " + LFS, None),
        ("version https://git-lfs.github.com/spec/v1 is the format of pointers\n", None),
        ("a,b\n1,2\n3,4\n5,6\n7,8\n", None),
        ("", None),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, None),
    ],
)
def test_pointer_is_known_by_its_content(
    tmp_path: Path, content: str | bytes, kind: str | None
) -> None:
    file = write(tmp_path, **{"weights.bin": content}) / "weights.bin"
    expected = [] if kind is None else [("", kind)]
    assert [(p.path, p.kind) for p in folder_reader.read(file).pointers] == expected
    below = [] if kind is None else [("weights.bin", kind)]
    assert [(p.path, p.kind) for p in folder_reader.read(tmp_path).pointers] == below


def test_dvc_file_without_its_data_is_a_pointer(tmp_path: Path) -> None:
    write(tmp_path, **{"a.bin.dvc": "outs:\n", "b.dvc": "outs:\n", "b": "1", "dvc.yaml": "x"})
    assert [(p.path, p.kind) for p in folder_reader.read(tmp_path).pointers] == [
        ("a.bin.dvc", "dvc")
    ]


@NO_LINKS
def test_links_have_their_end_and_their_state(tmp_path: Path) -> None:
    data = write(tmp_path, data__a="1", other__b="2", other__deep__c="3") / "data"
    for name, text in {
        "inside": "a", "outside": "../other", "absolute": str(data / "a"), "broken": "nowhere",
        "self": ".", "above": "..", "chain": "outside/b", "loop": "loop",
        "annexed": "../.git/annex/objects/x/y",
    }.items():  # fmt: skip
        (data / name).symlink_to(text)
    contents = folder_reader.read(data)
    assert {link.path: link.state for link in contents.links} == {
        "inside": "inside", "absolute": "inside", "outside": "outside", "broken": "broken",
        "self": "circular", "above": "circular", "chain": "outside", "loop": "broken",
        "annexed": "broken",
    }  # fmt: skip
    ends = {link.path: link.target for link in contents.links}
    assert ends["chain"] == str(tmp_path / "other/b") and ends["broken"] == ""
    assert [(p.path, p.kind) for p in contents.pointers] == [("annexed", "git-annex")]
    assert "outside/deep/c" in contents.names


@NO_LINKS
def test_folder_that_links_lead_to_is_read_once(tmp_path: Path) -> None:
    data = write(tmp_path, data__a="1", other__weights=LFS) / "data"
    for name in ("one", "two"):
        (data / name).symlink_to("../other")
    (tmp_path / "other/back").symlink_to("../data")
    contents = folder_reader.read(data)
    assert [p.path for p in contents.pointers] == ["one/weights"]
    assert {link.path: link.state for link in contents.links}["one/back"] == "inside"


@NO_LINKS
def test_entries_that_are_no_files_are_never_opened(tmp_path: Path) -> None:
    data = write(tmp_path, data__a="1") / "data"
    os.mkfifo(data / "pipe")
    (data / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        before = os.getcwd()
        os.chdir(data)
        try:
            server.bind("socket")
        finally:
            os.chdir(before)
        found = {special.path: special.kind for special in folder_reader.read(data).specials}
    assert found == {"pipe": "a named pipe", "socket": "a socket", "null": "a device"}


def test_large_folder_is_read_up_to_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_reader, "MOST_ENTRIES", 20)
    monkeypatch.setattr(folder_reader, "MOST_OPENED_ALIKE", 5)
    write(tmp_path, **{f"{number:02}.bin": LFS for number in range(30)})
    contents = folder_reader.read(tmp_path)
    assert contents.is_partial
    assert len(contents.names) == 20 and len(contents.pointers) == 5


def test_path_that_is_nothing_is_empty(tmp_path: Path) -> None:
    assert folder_reader.read(tmp_path / "x").names == ()
    assert folder_reader.read(Path("/x\0y")).names == ()


def repository(tmp_path: Path, text: str) -> Path:
    (tmp_path / ".git").mkdir()
    return write(tmp_path, **{".gitmodules": text})


def test_submodules_that_are_empty_folders_are_named(tmp_path: Path) -> None:
    root = repository(
        tmp_path,
        '[submodule "a"]\n\tpath = src/x/a\n\turl = u\n[submodule "b"]\n\tpath = "data/b b"\n'
        '[submodule "c"]\n\tpath = src/c\n[submodule "d"]\n\tpath = ../out\n[submodule "e"]\n'
        "\tpath = /etc\n[broken\n",
    )
    write(root, src__c__file="1")
    for name in ("src/x/a", "data/b b"):
        (root / name).mkdir(parents=True)
    assert submodules.missing_below(root, str(root)) == ["src/x/a", "data/b b"]
    assert submodules.missing_below(root, str(root / "src/x")) == ["src/x/a"]
    assert submodules.missing_below(root, str(root / "src/x/a/deep")) == ["src/x/a"]
    assert submodules.missing_below(root, str(root / "src/c")) == []


def test_remedy_of_missing_data_is_the_command_that_fetches_them(tmp_path: Path) -> None:
    root = repository(tmp_path, '[submodule "a"]\n\tpath = data/sub\n')
    (root / "data/sub").mkdir(parents=True)
    write(root, **{"data/set.dvc": "outs:\n"})
    assert missing_data.remedy(root, "data/set/train") == "dvc pull data/set.dvc"
    assert missing_data.remedy(root, "data/sub/x") == "git submodule update --init data/sub"
    assert missing_data.remedy(root, "data/other") == ""
    for odd in ("x" * 5000, "a\0b", "/".join(["d" * 200] * 40), "data/\udce9"):
        assert missing_data.remedy(root, odd) == ""
        assert folder_reader.read(root / odd).names == ()
    assert missing_data.remedy(root, "../elsewhere") == missing_data.remedy(root, "/etc/x") == ""
    if sys.platform != "win32":
        (root / "data/annexed").symlink_to("../.git/annex/objects/a/b")
        assert missing_data.remedy(root, "data/annexed") == "git annex get data/annexed"

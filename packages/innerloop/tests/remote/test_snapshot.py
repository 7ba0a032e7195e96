"""What would be sent of a folder, and what cannot be."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.remote import snapshot
from innerloop.util.errors import UserError


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / "code" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    (tmp_path / "code/lost").symlink_to("../gone.py")
    with pytest.raises(UserError, match="code/lost: this link is broken"):
        snapshot.read(tmp_path, "code")


def test_one_that_is_ignored_is_no_matter(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    (tmp_path / "code/.amlignore").write_text("lost\n")
    (tmp_path / "code/lost").symlink_to("../gone.py")
    assert {one.name for one in snapshot.read(tmp_path, "code").files} == {".amlignore", "a"}


@pytest.mark.parametrize("target", [".", "..", "../../code", "../sub"])
def test_a_circle_is_named_and_ends(tmp_path: Path, target: str) -> None:
    write(tmp_path, sub__a="1")
    (tmp_path / "code/sub/round").symlink_to(target)
    with pytest.raises(UserError) as caught:
        snapshot.read(tmp_path, "code")
    assert (caught.value.code, caught.value.where) == ("link-circular", "code/sub/round")


def test_a_folder_linked_twice_is_sent_twice(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/x").write_text("x")
    for name in ("one", "two"):
        (tmp_path / "code" / name).symlink_to("../shared")
    sent = {one.name: one for one in snapshot.read(tmp_path, "code").files}
    assert set(sent) == {"a", "one/x", "two/x"}
    assert sent["one/x"].source == sent["two/x"].source == str(tmp_path / "shared/x")
    assert [one.linked for one in (sent["a"], sent["one/x"])] == [False, True]


def test_nothing_to_send(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    (tmp_path / "code/.amlignore").write_text("*\n")
    with pytest.raises(UserError, match="code/.amlignore") as caught:
        snapshot.read(tmp_path, "code")
    assert (caught.value.code, caught.value.where) == ("snapshot-empty", "code")


def test_one_file_is_a_snapshot_too(tmp_path: Path) -> None:
    write(tmp_path, a="12345")
    found = snapshot.read(tmp_path, "code/a")
    assert [(one.name, one.size) for one in found.files] == [("a", 5)]


def test_what_each_rule_leaves_out_is_counted(tmp_path: Path) -> None:
    write(tmp_path, a="1", t__x="12", t__y="123", z="1")
    (tmp_path / "code/.amlignore").write_text("t/\nz\n!a\n")
    found = snapshot.read(tmp_path, "code")
    told = {one.rule: (one.files, one.size) for one in found.left_out}
    assert told == {"t/": (2, 5), "z": (1, 1)}
    assert found.ignore_file == ".amlignore"


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    first = snapshot.read(tmp_path, "code").digest
    (tmp_path / "code/a").write_text("2")
    second = snapshot.read(tmp_path, "code").digest
    (tmp_path / "code/a").rename(tmp_path / "code/b")
    assert len({first, second, snapshot.read(tmp_path, "code").digest}) == 3


def test_secrets_are_named_with_their_line(tmp_path: Path) -> None:
    write(tmp_path, a="x\ny\n-----BEGIN PRIVATE KEY-----\n", b="fine")
    write(tmp_path, **{"server.pem": "0", ".env.example": "KEY=", ".env": "KEY=1"})
    found = snapshot.read(tmp_path, "code").suspects
    assert {(one.name, one.line) for one in found} == {("a", 3), ("server.pem", 0), (".env", 0)}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9.txt",
        b"new\nline",
        b"tab\t",
        b"back\\slash",
        b"dot.",
        b"folder./a",
        b"/".join([b"d" * 200] * 5),
    ],
)
def test_name_that_the_storage_cannot_have_is_an_error_unless_ignored(
    tmp_path: Path, name: bytes
) -> None:
    write(tmp_path, a="1")
    path = os.path.join(bytes(tmp_path / "code"), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb"):
        pass
    shown = os.fsdecode(os.path.relpath(path, bytes(tmp_path)))
    for contents in (True, False):
        with pytest.raises(UserError) as caught:
            snapshot.read(tmp_path, "code", contents=contents)
        assert (caught.value.code, caught.value.where) == ("name-refused-by-storage", shown)
    assert caught.value.report().isprintable()
    (tmp_path / "code/.amlignore").write_text("*\n!/a\n")
    assert [file.name for file in snapshot.read(tmp_path, "code").files] == ["a"]


def test_name_that_the_storage_can_have_is_sent(tmp_path: Path) -> None:
    for name in (
        "emoji 😀",
        " lead",
        "trail ",
        "q\"uo'te",
        "a:b",
        "Aa",
        "aA",
        "-rf",
        "#?%20&",
        "con",
    ):
        write(tmp_path, **{name: "1"})
    assert len(snapshot.read(tmp_path, "code").files) == 10


def test_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, a="1", sub__b="1")

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    scandir = os.scandir
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        with pytest.raises(UserError) as caught:
            snapshot.read(tmp_path, "code")
    assert (caught.value.code, caught.value.where) == ("file-unreadable", "code/sub")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_files_from_outside_are_known_and_those_of_a_secrets_name_are_suspects(
    tmp_path: Path,
) -> None:
    root = tmp_path / "work"
    write(root, a="1")
    (tmp_path / "id_rsa").write_text("key")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/b").write_text("2")
    (root / "code/weights").symlink_to(tmp_path / "id_rsa")
    (root / "code/set").symlink_to(tmp_path / "set")
    (root / "code/near").symlink_to("a")
    sent = snapshot.read(root, "code", contents=False)
    assert sorted(file.name for file in sent.outside(str(root))) == ["set/b", "weights"]
    assert [suspect.name for suspect in sent.suspects] == ["weights"]


def test_many_files_are_looked_at_once_each(tmp_path: Path) -> None:
    write(tmp_path, **{f"{number % 50}__{number}": "1" for number in range(2_000)})
    opened: list[str] = []
    real_stat = os.stat

    def counted(path: str, **more: object) -> os.stat_result:
        opened.append(str(path))
        return real_stat(path, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "stat", counted)
        found = snapshot.read(tmp_path, "code")
    assert len(found.files) == 2_000
    assert len(opened) < 4_000  # no path is resolved part by part

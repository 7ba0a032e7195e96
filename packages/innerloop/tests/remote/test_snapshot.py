"""What would be sent of a folder, and what cannot be."""

from __future__ import annotations

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

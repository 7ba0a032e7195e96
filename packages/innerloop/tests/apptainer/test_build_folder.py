"""What each COPY and ADD takes from a build's folder, as an archive."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from innerloop.apptainer import build_folder
from innerloop.model.dockerfiles.definition import define
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.util.errors import UserError
from innerloop.util.position import Position


def members(context: Path, step: str, to: Path) -> dict[str, tarfile.TarInfo]:
    definition = define(parse(f"FROM a\n{step}\n", "environment/Dockerfile"), None)
    build_folder.write(to, definition, context, "environment/Dockerfile")
    with tarfile.open(to / "s0/1.tar") as archive:
        return {member.name: member for member in archive}


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "environment"
    for name in ("a.txt", "b.txt", ".hidden", "sub/c.txt", "sub/deep/d", "out/e", "é x"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / ".dockerignore").write_text("out\nsub/deep\n")
    (folder / "a.txt").chmod(0o640)
    (folder / "link").symlink_to("a.txt")
    (folder / "empty").mkdir()
    (folder / "away").symlink_to("/etc/hostname")
    return folder


@pytest.mark.parametrize(
    ("step", "names"),
    [
        ("COPY a.txt /x", {"0/a.txt"}),
        ("COPY /a.txt ./sub/c.txt /x/", {"0/a.txt", "1/c.txt"}),
        ("COPY *.txt /x", {"0/a.txt", "0/b.txt"}),
        ("COPY s?b/*.txt .h* /x", {"0/c.txt", "1/.hidden"}),
        ("COPY sub /x", {"0/folder0", "0/folder0/c.txt"}),
        ("COPY link /x", {"0/link"}),
        ('COPY ["é x", "/x"]', {"0/é x"}),
    ],
)
def test_archive_has_what_a_source_means(
    context: Path, tmp_path: Path, step: str, names: set[str]
) -> None:
    found = members(context, step, tmp_path / "to")
    assert set(found) - {"0", "1"} == names


def test_archive_of_all_leaves_out_what_is_ignored_and_keeps_links_modes_and_owners(
    context: Path, tmp_path: Path
) -> None:
    found = members(context, "COPY . /x", tmp_path / "to")
    names = {name.removeprefix("0/folder0/") for name in found} - {"0", "0/folder0"}
    assert names == {
        "a.txt", "b.txt", ".hidden", "sub", "sub/c.txt", "é x", ".dockerignore", "link", "empty",
        "away",
    }  # fmt: skip
    assert found["0/folder0/a.txt"].mode == 0o640
    assert found["0/folder0/link"].linkname == "a.txt" and found["0/folder0/empty"].isdir()
    assert {(member.uid, member.gid) for member in found.values()} == {(0, 0)}


def test_archive_of_a_link_that_is_a_source_has_the_file(context: Path, tmp_path: Path) -> None:
    assert members(context, "COPY link /x", tmp_path / "to")["0/link"].isreg()


def test_add_of_an_archive_is_its_content_without_what_would_leave_its_folder(
    context: Path, tmp_path: Path
) -> None:
    with tarfile.open(context / "p.tgz", "w:gz") as archive:
        for name in ("in/one", "../out", "/abs"):
            archive.addfile(tarfile.TarInfo(name))
    found = members(context, "ADD p.tgz a.txt /x", tmp_path / "to")
    assert {name for name in found if name.startswith("0/folder0/")} == {"0/folder0/in/one"}
    assert "1/a.txt" in found
    assert "0/p.tgz" in members(context, "COPY p.tgz /x", tmp_path / "again")


@pytest.mark.parametrize(
    "source", ["absent", "out", "out/e", "sub/deep/d", "../secret", "no*", "away", "sub/../../x"]
)
def test_source_that_is_not_sent_is_an_error_at_its_line(
    context: Path, tmp_path: Path, source: str
) -> None:
    (tmp_path / "secret").write_text("never")
    with pytest.raises(UserError) as caught:
        members(context, f"COPY a.txt {source} /x/", tmp_path / "to")
    assert caught.value.code == "build-file-missing"
    assert caught.value.position == Position("environment/Dockerfile", 2, 1)


@pytest.mark.skipif(os.name == "nt", reason="named pipes")
def test_source_that_is_a_pipe_is_not_opened(context: Path, tmp_path: Path) -> None:
    os.mkfifo(context / "pipe")
    with pytest.raises(UserError):
        members(context, "COPY pipe /x", tmp_path / "to")

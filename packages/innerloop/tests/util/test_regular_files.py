"""Files that are read only if they are files."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from innerloop.util import files, regular_files
from innerloop.util.errors import UserError


def test_content_is_read(tmp_path: Path) -> None:
    for content in (b"", b"a", b"a" * 100_000):
        (tmp_path / "a").write_bytes(content)
        assert regular_files.read_bytes(tmp_path / "a") == content
        out = io.BytesIO()
        regular_files.copy_to(tmp_path / "a", out)
        assert out.getvalue() == content


@pytest.mark.parametrize("size", [100, 101])
def test_file_beyond_the_limit_is_refused(size: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * size)
    if size == 100:
        assert len(regular_files.read_bytes(tmp_path / "a", 100)) == 100
        return
    with pytest.raises(UserError) as caught:
        regular_files.read_bytes(tmp_path / "a", 100)
    assert caught.value.code == "file-too-large"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_file_without_a_size_is_read_whole() -> None:
    content = regular_files.read_bytes("/proc/self/status")
    assert content.startswith(b"Name:") and b"nonvoluntary_ctxt_switches" in content


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_pipe_and_device_are_refused_without_a_wait(tmp_path: Path) -> None:
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        for read in (regular_files.read_bytes, files.read_text):
            with pytest.raises(UserError) as caught:
                read(tmp_path / name)
            assert caught.value.code == "file-not-regular"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_link_is_refused_where_none_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "link").symlink_to("a")
    assert regular_files.read_bytes(tmp_path / "link") == b"a"
    with pytest.raises(OSError, match=r".*"):
        regular_files.read_bytes(tmp_path / "link", follow=False)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_path_that_no_file_has_is_missing(name: str, tmp_path: Path) -> None:
    assert files.read_text(tmp_path / name) is None

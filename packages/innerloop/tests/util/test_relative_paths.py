"""Paths as they were typed, and as a file of the workspace names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.util.relative_paths import real_path


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("a/../b", "b"),
        ("./a/./b/", "a/b"),
        ("a/b/..", "a"),
        ("absent/../b", "b"),
        ("link/../b", "far/b"),
        ("a/link", "a/link"),
    ],
)
def test_real_path_has_no_dots_and_keeps_a_link_at_its_end(
    tmp_path: Path, typed: str, expected: str
) -> None:
    for folder in ("a/b", "far/away"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/away")
    (tmp_path / "a/link").symlink_to("../far/away")
    assert real_path(tmp_path / typed) == tmp_path.resolve() / expected

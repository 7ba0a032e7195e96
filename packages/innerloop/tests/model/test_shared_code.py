"""Names of common code and of the links to it; no disk."""

from __future__ import annotations

import pytest

from innerloop.model.shared_code import (
    common_modules,
    common_path,
    link_text,
    meant,
    text_of_a_link,
)
from innerloop.util.errors import UsageError


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("digits.py", "digits.py"),
        ("./digits.py", "digits.py"),
        ("vision/augment.py", "vision/augment.py"),
        ("vision/", "vision"),
        ("vision\\augment.py", "vision/augment.py"),
        ("src/common/vision/augment.py", "vision/augment.py"),
        ("common/vision", "vision"),
        ("a/../b.py", "b.py"),
    ],
)
def test_what_a_person_types(word: str, path: str) -> None:
    assert common_path(word) == path


@pytest.mark.parametrize("word", [".", "src/common", "common/", "..", "../x.py", "a/../../x", "/x"])
def test_what_is_not_in_common(word: str) -> None:
    with pytest.raises(UsageError):
        common_path(word)


@pytest.mark.parametrize(
    ("link", "target", "text"),
    [
        ("src/a/common/x.py", "src/common/x.py", "../../common/x.py"),
        ("src/a/common/v/w/x.py", "src/common/v/w/x.py", "../../../../common/v/w/x.py"),
        ("src/d/a/common/v", "src/common/v", "../../../common/v"),
    ],
)
def test_the_text_of_a_link_climbs_as_far_as_it_stands_deep(
    link: str, target: str, text: str
) -> None:
    assert link_text(link, target) == text


@pytest.mark.parametrize(
    ("content", "target"),
    [
        ("../../common/x.py", "src/common/x.py"),
        ("../../common/x.py\n", "src/common/x.py"),
        ("../../other/x.py", None),
        ("x = 1", None),
        ("../../common/x.py\nimport os\n", None),
        ("", None),
    ],
)
def test_what_git_leaves_where_it_may_not_link(content: str, target: str | None) -> None:
    assert text_of_a_link(content, "src/a/common/x.py") == target


def test_what_a_broken_link_was_meant_for() -> None:
    assert meant("src/a/common/v/x.py", "../../common/v/x.py", "src/a") == ["src/common/v/x.py"]
    assert meant("src/a/common/y.py", "/old/clone/src/common/x.py", "src/a") == [
        "src/common/x.py",
        "src/common/y.py",
    ]


def test_the_common_code_that_a_text_imports() -> None:
    source = (
        "import common.vision.masks\nimport numpy\nfrom common import results\n"
        "from common.digits import load\nfrom .augment import flip\nfrom .. import tables\n"
    )
    found = set(common_modules(source, "vision/batch.py"))
    assert {"vision/masks", "results", "digits", "vision/augment", "tables"} <= found
    assert not any("numpy" in name for name in found)
    assert list(common_modules("def broken(:\n", "x.py")) == []

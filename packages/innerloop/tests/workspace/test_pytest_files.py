"""What pytest finds of an experiment, and whether names of modules clash with its shared code's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.model.pytest_settings import PytestLayout
from innerloop.workspace import pytest_files

SHARED = ["src/common/tests/test_rates.py"]


def layout(root: Path, paths: list[str], common: list[str], text: str = "") -> PytestLayout:
    for path in [*paths, *SHARED]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    names = sorted(path.name for path in (root / "src/exp").iterdir())
    return pytest_files.layout(root, "src/exp", names, common)


@pytest.mark.parametrize(
    ("paths", "clash", "by_path"),
    [
        (["src/exp/tests/test_train.py"], False, True),
        (["src/exp/tests/test_rates.py"], True, True),
        (["src/exp/test_rates.py"], True, True),
        (["src/exp/test_rates.py", "src/exp/train.py"], True, False),
        (["src/exp/deep/er/test_rates.py"], True, True),
        (["src/exp/outputs/1/test_rates.py", "src/exp/.venv/test_rates.py"], False, True),
        # Tests and what they import from beside them.
        (["src/exp/tests/test_train.py", "src/exp/tests/rates.py"], False, False),
        (
            ["src/exp/tests/test_a.py", "src/exp/tests/helper.py", "src/common/tests/helper.py"],
            True,
            False,
        ),
        # A module of the experiment that a helper of the shared tests would hide.
        (["src/exp/data.py", "src/common/tests/data.py"], True, False),
        # Packages: the test's module has the package's name in front.
        (["src/exp/tests/__init__.py", "src/exp/tests/test_rates.py"], False, False),
        (
            [
                *("src/exp/tests/__init__.py", "src/exp/tests/test_a.py"),
                "src/common/tests/__init__.py",
            ],
            True,
            False,
        ),
        (["src/exp/tests/test_train.py", "src/common/tests/test_train.py"], False, True),
        (["src/exp/tests/conftest.py", "src/exp/tests/test_a.py", "src/common/tests/conftest.py"], False, True),
    ],
)  # fmt: skip
def test_layout_knows_which_modules_clash(
    tmp_path: Path, paths: list[str], clash: bool, by_path: bool
) -> None:
    (tmp_path / "src/exp").mkdir(parents=True)
    found = layout(tmp_path, paths, SHARED)
    groups = ((), tuple(SHARED)) if clash else (tuple(SHARED),)
    assert (found.groups, found.can_import_by_path) == (groups, by_path)
    assert layout(tmp_path, paths, []).groups == ((),)


def test_layout_has_the_experiments_own_paths(tmp_path: Path) -> None:
    paths = ["src/exp/pytest.ini", "src/exp/unit/a/test_x.py", "src/exp/unit/b/test_x.py"]
    text = "[pytest]\ntestpaths = unit/* gone -x /etc\n"
    assert layout(tmp_path, paths, SHARED, text).own_paths == ("unit/a", "unit/b")
    assert layout(tmp_path, paths, [], text) == PytestLayout("pytest.ini")


def test_layout_of_shared_tests_that_clash_with_each_other(tmp_path: Path) -> None:
    paths = [f"src/common/tests/{name}/test_x.py" for name in ("a", "b", "c")]
    common = ["src/common/tests/a", "src/common/tests/b", *SHARED]
    (tmp_path / "src/exp").mkdir(parents=True)
    found = layout(tmp_path, paths, common)
    assert found.groups == (("src/common/tests/a", *SHARED), ("src/common/tests/b",))

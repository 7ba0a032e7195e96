"""Every lock installs from an index that has newer releases, with old and with new pip.

The index is on disk; only pip itself, and what the tests named `..._from_the_index` resolve, is
downloaded. Old pip is the one that gives in: by default it meets every second lock, and the newest
pip, which the other tests install most of them with, meets some; nightly, both meet all. That each lock
has the forms which old pip needs is read off all of them (test_lock_files.py).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from packaging.markers import Marker

from tests.locks.frozen_index import FrozenIndex
from tools import locks

pytestmark = [pytest.mark.network, pytest.mark.slow]

# The pip of Debian 12 and of Python 3.10.13, which does not start on Python 3.12; that of Python
# 3.11.7, which does. pip 23.3 is the first that takes `name[extra]` and `name` for one project.
OLD = "23.0.1" if sys.version_info < (3, 12) else "23.2.1"
FILES = locks.lock_files()
# Once each: a deploy folder has a copy of its experiment's lock.
DISTINCT = list({path.read_bytes(): path for path in reversed(FILES)}.values())[::-1]
PAIRS = [
    (path.with_name("requirements.txt"), path)
    for path in FILES
    if path.name.startswith("requirements-") and path.with_name("requirements.txt") in FILES
]
DISTINCT_PAIRS = list({(a.read_bytes(), b.read_bytes()): (a, b) for a, b in PAIRS}.values())
# Those that every user of the tool installs. Old pip downloads whole wheels for their metadata: the
# examples' locks, some with torch's gigabytes, are resolved from the frozen index alone.
LIGHT = [path for path in DISTINCT if not path.is_relative_to(locks.ROOT / "src")]
# The small ones among them meet old pip by default; all of them do in the nightly campaign.
SMALL = ("loop-requirements.txt", "format.txt", "requirements-build.txt")
NEWEST = "newest"
# A row of a test: the pip, and a lock or what else the test is about.
Row = tuple[object, ...]


def rows(values: Sequence[Row], by_default: Callable[[str, int, Row], bool]) -> list[object]:
    """Each with old and with the newest pip; those that `by_default` refuses are nightly."""
    return [
        pytest.param(pip, *row, marks=() if by_default(pip, n, row) else pytest.mark.nightly)
        for pip in (OLD, NEWEST)
        for n, row in enumerate(values)
    ]


@pytest.fixture(scope="module")
def _pythons() -> dict[str, str]:
    return {}


@pytest.fixture
def python(_pythons: dict[str, str], pip: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has this pip; made once."""
    if pip not in _pythons:
        release = "pip" if pip == NEWEST else f"pip=={pip}"
        _pythons[pip] = locks.python_with(tmp_path_factory.mktemp("environment"), release)
    return _pythons[pip]


def name_of(value: object) -> str:
    return value.relative_to(locks.ROOT).as_posix() if isinstance(value, Path) else str(value)


def resolve(
    python: str, files: Sequence[Path], index: Path | None
) -> subprocess.CompletedProcess[str]:
    """What `pip install --require-hashes` would do; from the machine's index where None is given."""
    argv = [python, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    argv += ["--require-hashes", *[word for path in files for word in ("-r", str(path))]]
    env = dict(os.environ)
    if index is not None:
        argv += ["--no-index", "--find-links", str(index)]
        env = {name: value for name, value in env.items() if not name.startswith("PIP_")}
        env["PIP_CONFIG_FILE"] = os.devnull
    return subprocess.run(argv, env=env, capture_output=True, text=True)


def freeze(index: FrozenIndex, path: Path, target: Path) -> Path:
    target.write_text(index.lock(locks.read(path), locks.load_metadata()), encoding="utf-8")
    return target


@pytest.mark.parametrize(
    ("pip", "path"),
    rows(
        [(path,) for path in DISTINCT],
        lambda pip, number, _: number % (2 if pip == OLD else 8) == 0,
    ),
    ids=name_of,
)
def test_lock_with_newer_releases_on_the_index_resolves(
    python: str, pip: str, path: Path, tmp_path: Path
) -> None:
    index = FrozenIndex(tmp_path / "index")
    (tmp_path / "index").mkdir()
    done = resolve(python, [freeze(index, path, tmp_path / "lock.txt")], index.folder)
    assert done.returncode == 0, done.stderr
    found = re.search(r"(?m)^Would install (.*)$", done.stdout)
    assert set(found[1].split() if found else ()) == {
        f"{entry.name}-{entry.version}"
        for entry in locks.read(path)
        if not entry.marker or Marker(entry.marker).evaluate()
    }


@pytest.mark.parametrize(
    ("pip", "base", "path"),
    rows(DISTINCT_PAIRS, lambda pip, number, _: pip == OLD and number < 2),
    ids=name_of,
)
def test_locks_installed_together_with_newer_releases_on_the_index_resolve(
    python: str, base: Path, path: Path, tmp_path: Path
) -> None:
    index = FrozenIndex(tmp_path / "index")
    (tmp_path / "index").mkdir()
    files = [
        freeze(index, base, tmp_path / "requirements.txt"),
        freeze(index, path, tmp_path / "requirements-more.txt"),
    ]
    done = resolve(python, files, index.folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("pip", "forms", "old_code"),
    rows(
        [
            # What `uv pip compile` writes when nothing else is said.
            (["coverage", "pytest-cov"], 1),
            (["coverage[toml]", "pytest-cov"], 0),
            # What `uv pip compile --no-strip-extras` writes, where a package that comes earlier in the
            # alphabet requires plain coverage.
            (["aardvark", "coverage[toml]", "pytest-cov"], 1),
            (["aardvark", "coverage", "coverage[toml]", "pytest-cov"], 0),
        ],
        lambda *_: True,
    ),
    ids=lambda value: "+".join(value) if isinstance(value, list) else str(value),
)
def test_form_with_a_newer_coverage_on_the_index_resolves_or_not(
    python: str,
    pip: str,
    tmp_path: Path,
    forms: list[str],
    old_code: int,
) -> None:
    index = FrozenIndex(tmp_path / "index")
    hashes = {
        "aardvark": index.add("aardvark", "1.0", ["coverage>=7"]),
        "pytest-cov": index.add("pytest-cov", "1.0", ["coverage[toml]>=7.10.6"]),
        "coverage": index.add("coverage", "7.17.4", extras=["toml"]),
    }
    index.add("coverage", "7.17.5", extras=["toml"])
    text = ""
    for form in forms:
        name = form.partition("[")[0]
        version = "7.17.4" if name == "coverage" else "1.0"
        text += f"{form}=={version} \\\n    --hash={hashes[name]}\n"
    lock = tmp_path / "lock.txt"
    lock.write_text(text, encoding="utf-8")
    done = resolve(python, [lock], index.folder)
    if pip == NEWEST or not old_code:
        assert done.returncode == 0, done.stderr
        assert "coverage-7.17.4" in done.stdout and "7.17.5" not in done.stdout
    else:
        assert done.returncode == old_code
        assert "must have their versions pinned" in done.stderr


@pytest.mark.parametrize(
    ("pip", "path"),
    rows(
        [(path,) for path in LIGHT],
        lambda pip, _, row: pip == OLD and getattr(row[0], "name", "") in SMALL,
    ),
    ids=name_of,
)
def test_lock_of_small_packages_resolves_from_the_index(python: str, path: Path) -> None:
    done = resolve(python, [path], None)
    assert done.returncode == 0, done.stderr

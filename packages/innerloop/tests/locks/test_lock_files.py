"""Every lock file of the repository pins all that an installation needs, in a form that lasts.

The metadata of the pinned releases is frozen in requires.json: nothing here asks an index.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tools import locks

FILES = locks.lock_files()
PAIRS = [
    (path.with_name("requirements.txt"), path)
    for path in FILES
    if path.name.startswith("requirements-") and path.with_name("requirements.txt") in FILES
]
COMMAND = "packages/innerloop/tools/locks.py"


def name_of(path: object) -> str:
    return path.relative_to(locks.ROOT).as_posix() if isinstance(path, Path) else ""


@pytest.fixture(scope="module")
def metadata() -> dict[str, list[str]]:
    return locks.load_metadata()


def test_lock_files_of_every_owner_are_found() -> None:
    names = {name_of(path) for path in FILES}
    package = "packages/innerloop/src/innerloop"
    assert names >= {
        "packages/innerloop/requirements-test.txt",
        "scripts/loop-requirements.txt",
        *(
            f"{package}/locks/{name}.txt"
            for name in (
                "azure",
                "debugger",
                "format",
                "kubernetes",
                "mcp",
                "mlflow",
                "sweep",
                "tensorboard",
                "uv",
            )
        ),
        *(
            f"{folder}/requirements{suffix}.txt"
            for folder in (
                f"{package}/templates/experiment/environment",
                "src/digit_recognition/environment",
                "src/digit_recognition_svm/environment",
            )
            for suffix in ("", "-dev")
        ),
        *(
            f"src/{name}/deploy/requirements{suffix}.txt"
            for name in ("digit_recognition", "digit_recognition_svm")
            for suffix in ("", "-serve")
        ),
    }
    assert len(PAIRS) == 6


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_lock_pins_and_hashes_every_line_and_names_no_index(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "\r" not in text
    assert not re.search(r"://|(?m:^\s*-)(?!-hash=)|\.(?:org|com|net|io)\b", text)
    entries = locks.read(path)  # raises LockError at a line that is not pinned or not hashed
    assert all(len(set(entry.hashes)) == len(entry.hashes) > 0 for entry in entries)
    named_in = path.with_suffix(".in")
    requires = named_in.exists() and re.search(r"(?m)^[a-z]", named_in.read_text(encoding="utf-8"))
    assert entries or not requires


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_lock_pins_only_releases_whose_metadata_is_frozen(
    path: Path, metadata: dict[str, list[str]]
) -> None:
    missing = locks.unfrozen(locks.read(path), metadata)
    assert not missing, (
        f"{name_of(path)} pins {', '.join(missing)}, of which {name_of(locks.METADATA)} knows nothing:"
        f" run `python {COMMAND} freeze` and `python {COMMAND} extras`, then commit both"
    )


def test_frozen_metadata_is_of_pinned_releases_alone(metadata: dict[str, list[str]]) -> None:
    pinned = {entry.release for path in FILES for entry in locks.read(path)}
    assert metadata.keys() <= pinned, f"run `python {COMMAND} freeze`"
    text = locks.METADATA.read_text(encoding="utf-8")
    assert text == json.dumps(metadata, indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_lock_has_what_its_packages_require_in_the_form_they_require(
    path: Path, metadata: dict[str, list[str]]
) -> None:
    found = locks.problems(locks.read(path), metadata)
    assert not found, f"run `python {COMMAND} extras`: " + "\n".join(map(str, found))


@pytest.mark.parametrize(("base", "path"), PAIRS, ids=name_of)
def test_locks_installed_by_one_command_have_what_they_require_in_that_form(
    base: Path, path: Path, metadata: dict[str, list[str]]
) -> None:
    """The backend venv hands requirements.txt and requirements-dev.txt to one `pip install`."""
    found = locks.problems([*locks.read(base), *locks.read(path)], metadata)
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_lock_with_its_extras_is_left_as_it_is(path: Path, metadata: dict[str, list[str]]) -> None:
    text = path.read_text(encoding="utf-8")
    assert locks.add_extras(text, metadata) == text


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_lock_without_its_extras_has_problems_unless_it_needs_none(
    path: Path, metadata: dict[str, list[str]]
) -> None:
    """The check would have found the locks that old pip refused."""
    text = path.read_text(encoding="utf-8")
    stripped = re.sub(r"(?m)^([a-z0-9-]+)\[.*?\]==", r"\1==", text)
    codes = {one.code for one in locks.problems(locks.parse(stripped), metadata)}
    assert codes == ({"extra-not-locked"} if stripped != text else set())

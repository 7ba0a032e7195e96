"""The packages that a run's record names."""

from __future__ import annotations

from pathlib import Path

from innerloop.history.run_inputs import locked, packages_of
from innerloop.model.environment import ResolvedEnvironment
from innerloop.model.environment_lock import EnvironmentLock
from innerloop.model.environment_source import EnvironmentSource

UV = """version = 1

[[package]]
name = "Ruff_it"
version = "1.2"
source = { registry = "x" }

[[package]]
name = "own"
source = { virtual = "." }
"""


def test_locks_that_write_name_and_version_as_two_lines() -> None:
    assert locked(UV) == {"ruff-it": "1.2"}
    assert locked('[[packages]]\nname = "a"\nversion = "2"\n') == {"a": "2"}


def test_packages_are_those_of_the_environments_lock(tmp_path: Path) -> None:
    lock = EnvironmentLock(EnvironmentSource("uv", "uv.lock"), (("uv.lock", UV),))
    assert packages_of(tmp_path, ResolvedEnvironment(lock=lock)) == {"ruff-it": "1.2"}
    (tmp_path / "more.txt").write_text("-r other.txt\nsix==1 --hash=sha256:a\n")
    (tmp_path / "other.txt").write_text("a_b==2\n")
    found = packages_of(tmp_path, ResolvedEnvironment(requirements="more.txt"))
    assert found == {"six": "1", "a-b": "2"}

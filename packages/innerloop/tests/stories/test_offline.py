"""A workspace with vendored wheels, cloned by a colleague with a cold cache and no network.

The wheels come from the machine's package index; everything after that happens in a network
namespace without one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launcher.conftest import ALONE, dependencies, pinned, wheel
from tests.support import Workspace

__all__ = ["dependencies", "pinned", "wheel"]  # fixtures
pytestmark = [
    pytest.mark.network,
    pytest.mark.mounts,
    pytest.mark.skipif(os.name == "nt", reason="the shell launcher"),
]
Pinned = Callable[..., Workspace]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Standard library only: its environment needs no index.
TRAIN = 'print("trained")\n'
TEST = "def test_sum() -> None:\n    assert 1 + 1 == 2\n"
OFFLINE = ["unshare", "-n"]
# In seconds. It takes five on an idle machine with two cores.
PATIENCE = 240.0


@pytest.fixture(scope="module")
def origin(
    wheel: Path, _tool: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workspace, str]:
    """A repository whose workspace has vendored for this Python, and what the command printed."""
    from tests.support import make_workspace

    folder = tmp_path_factory.mktemp("origin é")
    maker = make_workspace(folder / "maker")
    made = Workspace(folder / "work space", {"INNERLOOP_CACHE": str(folder / "cache")})
    answer = maker.loop("init", str(made.root), "--wheel", str(wheel))
    assert answer.code == 0, answer.err
    made.add("tiny", TRAIN)
    made.write("src/tiny/tests/test_tiny.py", TEST)
    assert made.loop("sync").code == 0
    vendored = made.loop("vendor", "--python", PYTHON)
    assert vendored.code == 0, vendored.err
    git = ["git", "-C", str(made.root), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "All"], check=True)
    return made, vendored.out + vendored.err


def clone_of(made: Workspace, folder: Path) -> Workspace:
    subprocess.run(["git", "clone", "--quiet", made.root, folder / "clone"], check=True)
    return Workspace(folder / "clone", {**ALONE, "INNERLOOP_CACHE": str(folder / "cold cache")})


def test_vendor_says_how_much_it_is(origin: tuple[Workspace, str]) -> None:
    made, printed = origin
    count = len(list((made.root / ".innerloop/wheels").glob("*.whl")))
    assert f"{count} wheels, " in printed and f"Python {PYTHON}" in printed
    assert "git ignores" not in printed


def test_clone_with_vendored_wheels_works_without_a_network(
    origin: tuple[Workspace, str], tmp_path: Path
) -> None:
    clone = clone_of(origin[0], tmp_path)
    started = time.monotonic()
    listed = clone.loop("list", prefix=OFFLINE)
    assert (listed.code, "tiny" in listed.out) == (0, True), listed.err
    assert clone.loop("sync", "--check", prefix=OFFLINE).code == 0
    ran = clone.loop("run", "tiny", "--backend", "venv", prefix=OFFLINE)
    assert ran.code == 0 and "trained" in ran.out, ran.err
    assert time.monotonic() - started < PATIENCE
    formatted = clone.loop("format", "--check", prefix=OFFLINE)
    assert formatted.code == 0, formatted.err
    done = subprocess.run(
        [*OFFLINE, clone.root / "scripts/test", "-q"],
        cwd=clone.root,
        env={**os.environ, **clone.env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    facts = clone.loop("doctor", prefix=OFFLINE).out
    assert "vendored wheels" in facts and "as pinned" in facts
    assert clone.loop("vendor", "--python", PYTHON, prefix=OFFLINE).code == 0
    status = ["git", "-C", str(clone.root), "status", "--porcelain"]
    assert subprocess.run(status, capture_output=True, text=True).stdout == ""
    _debugger_is_installed(clone, tmp_path / "cold cache")
    _vendor_fails_whole(clone)


def _debugger_is_installed(clone: Workspace, cache: Path) -> None:
    """F5 needs the debugger's own environment."""
    (python,) = cache.glob("tool/*/bin/python")
    script = "from innerloop.util import locked_environments as e; print(e.ensure('debugger'))"
    code = f"import sys; sys.argv[0] = {str(clone.root / 'scripts/loop')!r}; {script}"
    done = subprocess.run(
        [*OFFLINE, python, "-I", "-c", code],
        env={**os.environ, **clone.env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    environment = Path(done.stdout.split("\n")[-2])
    assert list(environment.glob("lib/*/site-packages/debugpy/__init__.py"))


def _vendor_fails_whole(clone: Workspace) -> None:
    wheels = clone.root / ".innerloop/wheels"
    for path in wheels.glob("rich-*.whl"):
        path.unlink()
    before = sorted(wheels.iterdir())
    answer = clone.loop("vendor", "--python", PYTHON, prefix=OFFLINE)
    assert (answer.code, "[wheel-unavailable]" in answer.message) == (1, True)
    assert "rich" in answer.message
    assert sorted(wheels.iterdir()) == before


def test_clone_without_wheels_and_network_says_so(
    origin: tuple[Workspace, str], tmp_path: Path
) -> None:
    clone = clone_of(origin[0], tmp_path)
    shutil.rmtree(clone.root / ".innerloop/wheels")
    started = time.monotonic()
    answer = clone.loop("list", prefix=OFFLINE)
    assert time.monotonic() - started < PATIENCE
    assert answer.code == 1
    assert "no package index answers" in answer.message
    assert not list((tmp_path / "cold cache").glob("tool/*/ready"))

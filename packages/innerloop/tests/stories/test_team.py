"""Story: a team of two. One begins and pushes; the other clones and has everything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.launcher.conftest import wheel
from tests.stories.made import git, loop, tree
from tests.support import Workspace

__all__ = ["wheel"]  # a fixture
pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.name == "nt", reason="the shell launcher"),
]


@pytest.mark.parametrize(
    "tests",
    [
        pytest.param(("-q", "tests"), id="own"),
        pytest.param((), id="all", marks=pytest.mark.nightly),
    ],
)
def test_colleague_with_a_cold_cache_has_all_that_was_begun(
    workspace: Workspace,
    wheel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tests: tuple[str, ...],
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git(tmp_path, "init", "-q", "--bare", "origin.git")
    git(tmp_path, "clone", "-q", "origin.git", "hers ü")
    hers = Workspace(tmp_path / "hers ü")
    made = workspace.loop("init", str(hers.root), "--github", "--wheel", str(wheel))
    assert made.code == 0 and "git ignores" not in made.err, made.err
    assert loop(hers.root, "new", "churn").code == 0  # her environment is there
    git(hers.root, "add", "--all")
    git(hers.root, "commit", "-qm", "Begin")
    git(hers.root, "push", "-q", "origin", "HEAD")
    git(tmp_path, "clone", "-q", "origin.git", "his")
    his = Workspace(tmp_path / "his", {"INNERLOOP_CACHE": str(tmp_path / "his cache")})
    assert files(his.root) == files(hers.root)
    ran = his.loop("run", "churn", "--backend", "venv")
    assert ran.code == 0 and "slope" in ran.out, ran.err
    synced = his.loop("sync", "--check")
    assert synced.code == 0, synced
    done = subprocess.run(
        [his.root / "scripts" / "test", *tests],
        cwd=his.root,
        env={**os.environ, **his.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(his.root, "status", "--porcelain") == ""


def files(root: Path) -> dict[str, str]:
    """Every file but git's and the tool's own notes on the machine."""
    private = (".innerloop/sync.lock", ".innerloop/running")
    names = {path: text for path, text in tree(root).items() if not path.endswith("/")}
    return {path: text for path, text in names.items() if not path.startswith(private)}

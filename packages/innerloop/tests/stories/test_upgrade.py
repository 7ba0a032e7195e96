"""`loop upgrade` with real releases, a real index on loopback, real pip, uv and git."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.launcher.conftest import ALONE, dependencies, wheel
from tests.releases import RELEASES, index_over, release
from tests.support import Answer, Workspace

__all__ = ["dependencies", "wheel"]  # fixtures
pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.name == "nt", reason="the shell launcher"),
]
PIN = "scripts/loop-requirements.txt"
TASKS = ".vscode/tasks.json"
TRAIN = "print('trained')\n"


@dataclass
class Shelf:
    """All releases in a folder each, an index that has what a test puts there, and workspaces.

    `cache` is shared: the environment of a release is made once.
    """

    wheels: dict[str, Path]
    dependencies: Path
    index: Path
    url: str
    cache: Path
    base: Path

    def offer(self, *versions: str) -> None:
        """Have the index offer these releases and the dependencies, and nothing else."""
        for path in self.index.iterdir():
            path.unlink()
        for path in (*self.dependencies.iterdir(), *(self.wheels[v] for v in versions)):
            (self.index / path.name).symlink_to(path)

    def environ(self) -> dict[str, str]:
        return {**ALONE, "PIP_INDEX_URL": self.url, "INNERLOOP_CACHE": str(self.cache)}

    def workspace(self, root: Path, *, git: bool = True) -> Workspace:
        """A copy of the workspace of 0.3.0, committed."""
        shutil.copytree(self.base, root, symlinks=True)
        if git:
            run_git(root, "init", "-q", "-b", "main")
            commit(root)
        return Workspace(root, self.environ())


def run_git(root: Path, *words: str) -> str:
    argv = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(root: Path) -> None:
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "as it is")


@pytest.fixture(scope="module")
def shelf(
    wheel: Path, dependencies: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shelf]:
    folder = tmp_path_factory.mktemp("shelf")
    for name in ("wheels", "index"):
        (folder / name).mkdir()
    wheels = {
        version: release(wheel, version, folder / "wheels", edits)
        for version, edits in RELEASES.items()
    }
    with index_over(folder / "index") as url:
        made = Shelf(
            wheels, dependencies, folder / "index", url, folder / "cache", folder / "work space é"
        )
        made.offer("0.3.0")
        _make_base(made, folder)
        yield made


def _make_base(shelf: Shelf, folder: Path) -> None:
    with zipfile.ZipFile(shelf.wheels["0.3.0"]) as archive:
        archive.extractall(folder / "tool")
    words = ["-m", "innerloop", "init", str(shelf.base), "--no-git"]
    environ = {**os.environ, **shelf.environ(), "PYTHONPATH": str(folder / "tool")}
    done = subprocess.run(
        [sys.executable, *words, "--wheel", str(shelf.wheels["0.3.0"])],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(shelf.base / ".innerloop/wheels")  # the index has it
    base = Workspace(shelf.base, shelf.environ())
    base.add("tiny", TRAIN)
    settings = base.read("pyproject.toml")
    named = settings.replace("[tool.innerloop]\n", '[tool.innerloop]\nregistry = "ghcr.io/a/b"\n')
    base.write("pyproject.toml", named)
    answer = base.loop("sync")
    assert answer.code == 0, answer.err


def tree(root: Path) -> dict[str, bytes | str]:
    """Every file and link but git's, and what is this machine's alone."""
    found: dict[str, bytes | str] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.startswith((".git/", ".innerloop/upgraded")) or name.endswith(".lock"):
            continue
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def upgrade(made: Workspace, *words: str, code: int = 0, **env: str) -> Answer:
    answer = made.loop("upgrade", *words, env=env)
    assert answer.code == code, answer.out + answer.message
    return answer


def version(made: Workspace) -> str:
    return made.loop("--version").out.strip()


def test_upgrade_to_the_newest_release_of_the_index(shelf: Shelf, tmp_path: Path) -> None:
    shelf.offer("0.3.0", "0.4.0")
    made = shelf.workspace(tmp_path / "ws")
    answer = upgrade(made, "--yes")
    assert "innerloop 0.3.0 -> 0.4.0" in answer.out and "Tasks greet you." in answer.out
    assert "It is three." not in answer.out
    assert version(made) == "innerloop 0.4.0"
    assert '"greet"' in made.read(TASKS) and "the fourth launcher" in made.read("scripts/loop")
    assert os.access(made.root / "scripts/loop", os.X_OK)
    assert made.loop("sync", "--check").code == 0
    assert "scripts/loop upgrade --undo" in answer.out
    before = tree(made.root)
    again = upgrade(made, "--yes")
    assert "everything is up to date" in again.out and tree(made.root) == before
    assert list((shelf.cache / "upgrade").iterdir()) == []

"""The wheel: the same bytes wherever and whenever it is built, small, and with the template."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from innerloop import __version__
from innerloop.scaffold import workspace_template
from innerloop.util import locked_environments, venvs
from tests.launcher.conftest import built
from tests.support import ROOT, clone

pytestmark = pytest.mark.network
TEMPLATE = "innerloop/templates/workspace/"
OTHERS = ("python3.13", "python3.14", "python3.12", "python3.10")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def other_python(tmp_path: Path) -> Path:
    """Hatchling in an environment of another minor version of Python, if this machine has one."""
    found = [path for name in OTHERS if (path := _working(name)) is not None]
    found.append(getattr(sys, "_base_executable", sys.executable))
    lock = locked_environments.lock_of("build")
    venvs.ensure(tmp_path / "env", [lock], python=found[0], purpose="another hatchling", say=print)
    return venvs.python_of(tmp_path / "env")


def _working(name: str) -> str | None:
    candidates = [
        shutil.which(name),
        *Path(sys.base_prefix).parent.glob(f"{name[6:]}*/bin/{name}"),
    ]
    for path in filter(None, candidates):
        argv = [str(path), "-c", "import sys, venv, zlib; print(sys.version_info[:2])"]
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip() != str(sys.version_info[:2]):
            return str(path)
    return None


def test_wheel_built_elsewhere_later_by_another_python_is_the_same(
    wheel: Path, tmp_path: Path
) -> None:
    copy = clone(tmp_path / "another folder" / "copy").root
    for path in copy.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (1_800_000_000, 1_800_000_000))
            path.chmod(path.stat().st_mode & 0o700)  # the umask of another person
    again = built(copy / "packages" / "innerloop", tmp_path / "again", other_python(tmp_path))
    assert sha256(again) == sha256(wheel)


def test_wheel_built_from_the_source_distribution_is_the_same(wheel: Path, tmp_path: Path) -> None:
    sdist = built(ROOT / "packages" / "innerloop", tmp_path / "sdist", what="build_sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (folder,) = (tmp_path / "unpacked").iterdir()
    assert sha256(built(folder, tmp_path / "again")) == sha256(wheel)


def test_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 2_500_000


def test_wheel_holds_template_locks_and_entry_point(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        known = json.loads(archive.read("innerloop/templates/workspace.json"))
        entry = archive.read(f"innerloop-{__version__}.dist-info/entry_points.txt").decode()
    assert "innerloop = innerloop.__main__:main" in entry
    locks = {
        f"innerloop/locks/{name}.txt"
        for name in (
            "azure",
            "kubernetes",
            "mcp",
            "format",
            "debugger",
            "mlflow",
            "sweep",
            "tensorboard",
        )
    }
    assert locks <= names
    assert "innerloop/templates/experiment/.amlignore" in names
    assert {
        f"{TEMPLATE}{name}" for name in ("scripts/loop", ".gitignore", "pyproject.toml")
    } <= names
    assert known["links"]["src/digit_recognition/common/digits.py"] == "../../common/digits.py"
    assert "scripts/loop" in known["executable"]
    held = {name.removeprefix(TEMPLATE) for name in names if name.startswith(TEMPLATE)}
    wanted = {path for path in workspace_template.names(ROOT, ()) if not (ROOT / path).is_symlink()}
    assert held | set(known["copies"]) == wanted


def test_wheel_holds_nothing_of_the_repository_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = [name.removeprefix(TEMPLATE) for name in archive.namelist()]
    alone = ("README.md", "LICENSE", ".ci/", "packages/", ".vscode/", ".innerloop/", "tests/__")
    held = [name for name in held if not name.startswith(workspace_template.EXTENSION)]
    assert [name for name in held if name.startswith(alone)] == []
    assert [name for name in held if name.endswith((".pyc", "devcontainer.json"))] == []


def test_licence_of_the_package_is_that_of_the_repository() -> None:
    assert (ROOT / "packages/innerloop/LICENSE").read_text() == (ROOT / "LICENSE").read_text()

"""`innerloop init`: a workspace in one step, or nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from innerloop.scaffold import init, tool_wheel, workspace_template
from innerloop.scaffold.tool_wheel import Pin
from innerloop.util import venvs
from tests.launcher.conftest import ALONE
from tests.support import ROOT, Workspace

pytestmark = pytest.mark.network


def test_init_without_an_example_has_no_experiment(
    workspace: Workspace, wheel: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    answer = workspace.loop("init", str(folder), "--wheel", str(wheel))
    assert answer.code == 0, answer.err
    assert not list((folder / "src").iterdir())
    assert (folder / ".git").is_dir() and os.access(folder / "scripts" / "loop", os.X_OK)
    assert not list(folder.rglob("devcontainer.json"))[1:]
    assert "digit" not in (folder / "README.md").read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".new")] == []
    ignored = subprocess.run(
        ["git", "-C", folder, "check-ignore", f".innerloop/wheels/{wheel.name}"], check=False
    )
    assert ignored.returncode == 1


def test_init_in_a_folder_with_files_changes_nothing(
    workspace: Workspace, wheel: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("mine")
    answer = workspace.loop("init", str(tmp_path / "there"), "--wheel", str(wheel))
    assert (answer.code, "the folder is not empty" in answer.message) == (1, True)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine"]


def test_init_with_another_wheel_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    other = tmp_path / "innerloop-0.0.1-py3-none-any.whl"
    other.write_bytes(b"")
    answer = workspace.loop("init", str(tmp_path / "new"), "--wheel", str(other))
    assert (answer.code, "not a wheel of innerloop" in answer.message) == (1, True)
    assert [path.name for path in tmp_path.iterdir() if "new" in path.name] == []


def test_pin_begins_with_the_tool_and_keeps_the_dependencies() -> None:
    text = init.pin_text("# a comment\n# more\nrich==1 \\\n    --hash=sha256:b\n", Pin("a"), "9.9")
    assert text.splitlines()[1:] == [
        "innerloop==9.9 \\",
        "    --hash=sha256:a",
        "rich==1 \\",
        "    --hash=sha256:b",
    ]


@dataclass(frozen=True)
class Installed:
    """The tool in an environment, from the index; `run` starts a program without other indexes."""

    folder: Path
    environ: dict[str, str]

    @property
    def python(self) -> Path:
        return self.folder / "env/bin/python"

    @property
    def program(self) -> Path:
        return self.folder / "env/bin/innerloop"

    def run(
        self, *argv: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in argv]
        environ = {**self.environ, **(env or {})}
        return subprocess.run(
            words, cwd=cwd or self.folder, env=environ, capture_output=True, text=True
        )


@pytest.fixture(scope="module")
def installed(index: str, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "INNERLOOP_CACHE": str(folder / "cache")}
    made = Installed(folder, {**environ, "PIP_INDEX_URL": index})
    base = venvs.base_python()
    venvs.ensure(folder / "env", [], python=base, purpose="it", say=print, owner=str(folder))
    done = made.run(made.python, "-m", "pip", "install", "-q", "--no-cache-dir", "innerloop")
    assert done.returncode == 0, done.stderr
    return made


def pinned_hash(folder: Path) -> str:
    lock = (folder / "scripts" / "loop-requirements.txt").read_text()
    (digest,) = tool_wheel.hashes_of(lock)
    return digest


def test_installed_tool_makes_a_workspace_and_hands_over_to_its_launcher(
    installed: Installed, wheel: Path
) -> None:
    """`pip install innerloop; innerloop init` with the package from an index."""
    outside = installed.run(installed.program, "list")
    assert (outside.returncode, "is in no workspace" in outside.stderr) == (1, True)
    made = installed.run(installed.program, "init", "ws", "--example", "digits")
    assert made.returncode == 0, made.stderr
    folder = installed.folder / "ws"
    assert not (folder / ".innerloop/wheels").exists()
    assert pinned_hash(folder) == hashlib.sha256(wheel.read_bytes()).hexdigest()
    for argv in ((installed.program,), (installed.python, "-m", "innerloop")):
        listed = installed.run(*argv, "list", cwd=folder / "src")
        assert listed.returncode == 0, listed.stderr
        assert "digit_recognition_svm" in listed.stdout
    assert (folder / "src/digit_recognition/common/digits.py").is_symlink()
    # A workspace's own launcher makes another one, with its own pin and no index.
    alone = {"PIP_INDEX_URL": ALONE["PIP_INDEX_URL"]}
    again = installed.run(folder / "scripts/loop", "init", "../again", cwd=folder, env=alone)
    assert again.returncode == 0, again.stderr
    assert pinned_hash(installed.folder / "again") == pinned_hash(folder)


def test_installed_tool_that_no_index_has_is_packed_into_the_workspace(
    installed: Installed, wheel: Path, index: str
) -> None:
    """As with an index that only a command line has named: `uvx --index URL innerloop init`."""
    alone = {"PIP_INDEX_URL": ALONE["PIP_INDEX_URL"], "PIP_RETRIES": "0"}
    made = installed.run(installed.python, "-m", "innerloop", "init", "packed", env=alone)
    assert made.returncode == 0, made.stderr
    assert "holds the tool itself" in made.stderr
    folder = installed.folder / "packed"
    (held,) = (folder / ".innerloop/wheels").iterdir()
    assert held.read_bytes() == wheel.read_bytes()
    # Where zlib compresses in another way, the bytes differ from those of the index.
    before = hashlib.sha256(held.read_bytes()).hexdigest()
    held.write_bytes(held.read_bytes() + b"\0")
    pin = folder / "scripts/loop-requirements.txt"
    pin.write_text(pin.read_text().replace(before, hashlib.sha256(held.read_bytes()).hexdigest()))
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert uv is not None
    (installed.folder / "bin").mkdir()
    (installed.folder / "bin/uv").symlink_to(uv)
    by_uv = {"UV_INDEX_URL": index, "PIP_INDEX_URL": "", "UV_NO_CACHE": "1"}
    by_uv["PATH"] = f"{installed.folder / 'bin'}:{os.environ['PATH']}"
    for name, env in (("pip", {}), ("uv", by_uv)):
        cold = {"INNERLOOP_CACHE": str(installed.folder / f"cold {name}"), **env}
        answer = installed.run(folder / "scripts/loop", "--version", env=cold)
        assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("by", ["an option", pytest.param("a variable", marks=pytest.mark.nightly)])
def test_uvx_makes_a_workspace_from_the_index_that_it_was_told(
    installed: Installed, wheel: Path, index: str, by: str, tmp_path: Path
) -> None:
    uvx = shutil.which("uvx", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert uvx is not None
    words = [uvx, "--python", sys.executable, "--no-python-downloads"]
    words += ["--index", index] if by == "an option" else []
    env = {"UV_CACHE_DIR": str(tmp_path / "uv"), "PIP_INDEX_URL": "", "PIP_RETRIES": "0"}
    if by == "an option":
        env |= {"PIP_INDEX_URL": ALONE["PIP_INDEX_URL"]}
    else:
        env |= {"UV_DEFAULT_INDEX": index}
    made = installed.run(*words, "innerloop", "init", tmp_path / "ws", env=env)
    assert made.returncode == 0, made.stderr
    assert pinned_hash(tmp_path / "ws") == hashlib.sha256(wheel.read_bytes()).hexdigest()
    holds = (tmp_path / "ws/.innerloop/wheels").exists()
    assert holds == (by == "an option")


def test_template_lists_the_same_files_with_and_without_git() -> None:
    argv = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tracked = list(filter(None, done.stdout.split("\0")))
    assert workspace_template.names(ROOT, tracked) == workspace_template.names(ROOT, ())

"""`scripts/loop` in a workspace that runs the wheel.

From an index, from its own wheels, and with no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from innerloop import __version__
from tests.support import Workspace

VERSION = f"innerloop {__version__}\n"
pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.name == "nt", reason="the shell launcher"),
]
Pinned = Callable[..., Workspace]
# Standard library only: its environment needs no index.
TRAIN = "import sys; print('trained', *sys.argv[1:])"


def environments(workspace: Workspace) -> list[Path]:
    folder = Path(workspace.env["INNERLOOP_CACHE"], "tool")
    return sorted(path.parent for path in folder.glob("*/ready"))


def vendor(workspace: Workspace, dependencies: Path) -> Path:
    wheels = workspace.root / ".innerloop" / "wheels"
    for path in dependencies.iterdir():
        shutil.copy(path, wheels)
    return wheels


def test_cold_workspace_with_an_index_runs_list_sync_and_run(
    pinned: Pinned, index: str, wheel: Path
) -> None:
    made = pinned("from index")
    shutil.rmtree(made.root / ".innerloop" / "wheels")
    made.env["PIP_INDEX_URL"] = index
    made.add("tiny", TRAIN)
    (made.root / "src/tiny/environment/Dockerfile").write_text("FROM python:3.11-slim-bookworm\n")
    first = made.loop("list")
    assert (first.code, "tiny" in first.out) == (0, True), first.err
    assert "is ready after" in first.err
    synced = made.loop("sync")
    assert (synced.code, synced.err) == (0, "")
    assert made.loop("sync", "--check").code == 0
    ran = made.loop("run", "tiny", "--backend", "venv")
    assert ran.code == 0 and "trained" in ran.out, ran.err
    (environment,) = environments(made)
    assert list(environment.glob("lib/*/site-packages/innerloop/__init__.py"))


def test_uv_installs_where_pip_is_not_configured(pinned: Pinned, index: str) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert uv is not None
    made = pinned("by uv")
    shutil.rmtree(made.root / ".innerloop" / "wheels")
    bin_ = made.root.parent / "bin"
    bin_.mkdir()
    (bin_ / "uv").symlink_to(uv)
    # No variable of pip says where packages are, so uv's own decide.
    unset = [f"--unset={name}" for name in os.environ if name.startswith("PIP_")]
    made.env = {k: v for k, v in made.env.items() if not k.startswith("PIP_")}
    made.env |= {"PIP_CONFIG_FILE": os.devnull, "UV_INDEX_URL": index}
    made.env["PATH"] = f"{bin_}:{os.environ['PATH']}"
    answer = made.loop("--version", prefix=["env", *(u for u in unset if "CONFIG" not in u)])
    assert (answer.code, answer.out) == (0, VERSION), answer.err
    (environment,) = environments(made)
    (installer,) = environment.glob("lib/*/site-packages/innerloop-*.dist-info/INSTALLER")
    assert installer.read_text() == "uv"


@pytest.mark.mounts
def test_vendored_wheels_need_no_network(pinned: Pinned, dependencies: Path) -> None:
    made = pinned("vendored")
    vendor(made, dependencies)
    answer = made.loop("list", prefix=["unshare", "-n"])
    assert answer.code == 0, answer.err


def test_tampered_wheel_is_refused_with_both_hashes(pinned: Pinned, dependencies: Path) -> None:
    made = pinned("tampered")
    (tool,) = vendor(made, dependencies).glob("innerloop-*.whl")
    named = hashlib.sha256(tool.read_bytes()).hexdigest()
    tool.write_bytes(tool.read_bytes() + b"\0")
    answer = made.loop("list")
    assert answer.code == 1
    assert named in answer.message
    assert hashlib.sha256(tool.read_bytes()).hexdigest() in answer.message
    assert environments(made) == []


def within() -> float:
    """Ten seconds, more where others use this machine as well."""
    return 10 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def no_network(made: Workspace, *words: str) -> tuple[float, int, str]:
    """Seconds, exit code and stderr of a command whose index refuses every connection."""
    started = time.monotonic()
    answer = made.loop(*words, env={"PIP_RETRIES": "1"})
    return time.monotonic() - started, answer.code, answer.message


def test_no_network_is_one_error_within_ten_seconds(pinned: Pinned) -> None:
    made = pinned("offline")
    seconds, code, message = no_network(made, "run", "tiny")
    assert seconds < within()
    assert code == 1
    assert "no package index answers (refused)" in message
    errors = [line for line in message.splitlines() if "setting up" not in line]
    assert len(errors) == 1, message


def test_no_network_reading_commands_use_an_older_environment(
    pinned: Pinned, dependencies: Path
) -> None:
    made = pinned("older")
    wheels = vendor(made, dependencies)
    assert made.loop("--version").code == 0
    shutil.rmtree(wheels)
    pin = made.root / "scripts" / "loop-requirements.txt"
    pin.write_text(pin.read_text() + "# a newer pin\n")
    for words in (("list",), ("sync", "--check"), ("--version",)):
        seconds, code, message = no_network(made, *words)
        assert (code, seconds < within()) == (0, True), message
        assert "no package index answers" in message
        assert f"older environment, {environments(made)[0]}" in message
    _, code, message = no_network(made, "sync")
    assert code == 1
    assert "older environment" not in message


def test_crlf_pin_has_the_same_environment(pinned: Pinned, dependencies: Path) -> None:
    made = pinned("crlf")
    vendor(made, dependencies)
    assert made.loop("--version").code == 0
    pin = made.root / "scripts" / "loop-requirements.txt"
    pin.write_bytes(pin.read_bytes().replace(b"\n", b"\r\n"))
    shutil.rmtree(made.root / ".innerloop" / "wheels")
    again = made.loop("--version")
    assert (again.code, again.out, again.err) == (0, VERSION, "")
    by_python = made.loop("--version", prefix=[sys.executable])
    assert (by_python.code, by_python.out, by_python.err) == (0, VERSION, "")


def test_shell_part_starts_the_file_that_a_tool_has_for_it(
    pinned: Pinned, dependencies: Path
) -> None:
    made = pinned("handed over")
    vendor(made, dependencies)
    assert made.loop("--version").code == 0
    (environment,) = environments(made)
    (file,) = environment.glob("lib/*/site-packages/innerloop/cli/launched.py")

    def started() -> str:
        answer = made.loop("--version", prefix=["sh", "-x"])
        assert (answer.code, answer.out) == (0, VERSION), answer.err
        return next(line for line in answer.err.splitlines() if line.startswith("+ exec "))

    assert f"-I {file} " in started().replace("'", "")
    # A link to another copy, as uv makes all files with UV_LINK_MODE=symlink: compiled ones are here.
    archive = made.root / "archive" / "innerloop"
    shutil.copytree(file.parent.parent, archive)
    file.unlink()
    file.symlink_to(archive / "cli" / file.name)
    paths = (environment / "bin/python", file, made.root / "scripts/loop")
    python, program, launcher = map(str, paths)
    argv = [python, "-I", "-v", program, launcher, "--version"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, VERSION), done.stderr
    assert str(file.parent.parent / "__pycache__") in done.stderr
    assert str(archive) not in done.stderr
    file.unlink()  # as where the tool is an older one
    assert file.name not in started()


def test_abandoned_folders_of_killed_starts_are_swept(pinned: Pinned, dependencies: Path) -> None:
    made = pinned("swept")
    vendor(made, dependencies)
    folder = Path(made.env["INNERLOOP_CACHE"], "tool")
    for name, age in (("1-1.new-1", 7200), ("1-1.new-2", 0)):
        (folder / name / "bin").mkdir(parents=True)
        os.utime(folder / name, (time.time() - age, time.time() - age))
    assert made.loop("--version").code == 0
    assert [path.name for path in folder.glob("*.new-*")] == ["1-1.new-2"]


def test_source_beside_the_launcher_runs_in_place_of_the_pinned_package(
    workspace: Workspace, tmp_path: Path
) -> None:
    """A pin with a line for the tool itself, which no index has."""
    copy = tmp_path / "repository"
    (copy / "packages" / "innerloop").mkdir(parents=True)
    scripts = (workspace.root / "scripts").resolve()
    (copy / "packages/innerloop/src").symlink_to(scripts.parent / "packages/innerloop/src")
    shutil.copytree(scripts, copy / "scripts")
    pin = copy / "scripts" / "loop-requirements.txt"
    pin.write_text(f"innerloop==99 \\\n    --hash=sha256:{'0' * 64}\n{pin.read_text()}")
    (copy / "pyproject.toml").write_text("[tool.innerloop]\n")
    answer = Workspace(copy, {"INNERLOOP_CACHE": str(tmp_path / "cache")}).loop("--version")
    assert (answer.code, answer.out) == (0, VERSION), answer.err

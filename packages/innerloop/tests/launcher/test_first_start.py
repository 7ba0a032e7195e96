"""`scripts/loop` before, while and after it makes the tool's own environment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from innerloop import __version__
from innerloop.util.locked_environments import cksum, environment_of, lock_of

from tests.support import ROOT, Answer, Workspace, make_workspace, until

VERSION = f"innerloop {__version__}\n"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the shell launcher")


@pytest.fixture
def fresh(tmp_path: Path, workspace: Workspace) -> Workspace:
    """A workspace whose cache folder is not there yet."""
    workspace.env = {"INNERLOOP_CACHE": str(tmp_path / "fresh cäche")}
    return workspace


def cache_of(workspace: Workspace) -> Path:
    return Path(workspace.env["INNERLOOP_CACHE"])


@pytest.mark.network
def test_first_start_makes_the_environment_and_the_second_finds_it(fresh: Workspace) -> None:
    first = fresh.loop("list")
    assert first.code == 0, first.err
    assert "setting up the tool's own environment (once)" in first.err
    second = fresh.loop("--version")
    assert (second.code, second.out, second.err) == (0, VERSION, "")
    made = [path.name for path in (cache_of(fresh) / "tool").iterdir() if path.is_dir()]
    assert len(made) == 1
    assert not list(fresh.root.rglob("pyvenv.cfg"))


@pytest.mark.network
def test_two_at_once(fresh: Workspace) -> None:
    answers = [started.end(120) for started in [fresh.start("--version") for _ in range(2)]]
    assert [(answer.code, answer.out) for answer in answers] == [(0, VERSION)] * 2, answers
    made = sum("is ready after" in answer.err for answer in answers)
    assert made == 1, answers


@pytest.mark.network
def test_killed_half_way(fresh: Workspace) -> None:
    started = fresh.start("--version")
    # The interpreter is there, the packages are not.
    assert until(lambda: bool(list(cache_of(fresh).glob("tool/*/bin/python"))), 60)
    os.killpg(started.child.pid, signal.SIGKILL)
    assert started.end().code == -signal.SIGKILL
    again = fresh.loop("--version")
    assert (again.code, again.out) == (0, VERSION), again.err
    assert "setting up" in again.err


@pytest.mark.network
def test_interrupted_half_way(fresh: Workspace) -> None:
    started = fresh.start("--version")
    assert until(lambda: bool(list(cache_of(fresh).glob("tool/*/bin/python"))), 60)
    started.interrupt_group()
    answer = started.end(30)
    assert answer.code == 130
    assert "stopped" in answer.message
    assert fresh.loop("--version").code == 0


def test_an_index_that_cannot_be_reached(fresh: Workspace) -> None:
    """The installer's own words, no traceback, and nothing half-made in use."""
    nowhere = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
        "PIP_FIND_LINKS": "",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_RETRIES": "0",
        "UV_HTTP_RETRIES": "0",
        "PIP_CACHE_DIR": str(cache_of(fresh).parent / "no-pip-cache"),
        "UV_CACHE_DIR": str(cache_of(fresh).parent / "no-uv-cache"),
    }
    answer = fresh.loop("--version", env=nowhere)
    assert answer.code == 1
    assert "setting up the tool's own environment failed" in answer.message
    assert not list(cache_of(fresh).glob("tool/*/ready"))


@pytest.fixture
def readable() -> Iterator[Workspace]:
    """A workspace that every user can read; the cache folder belongs to root."""
    folder = Path(tempfile.mkdtemp(prefix="innerloop-person-"))
    folder.chmod(0o755)
    made = make_workspace(folder / "work", share_scripts=False)
    (folder / "cache").mkdir(mode=0o755)
    made.env = {"INNERLOOP_CACHE": str(folder / "cache"), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    yield made
    shutil.rmtree(folder)


@pytest.mark.person
def test_a_cache_folder_that_cannot_be_written(readable: Workspace) -> None:
    become = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
    answer = readable.loop("list", prefix=become)
    assert answer.code == 1
    assert "the cache folder cannot be written" in answer.message
    assert "INNERLOOP_CACHE" in answer.err
    assert len(answer.err.strip().splitlines()) == 1


@pytest.fixture
def warm(workspace: Workspace) -> Workspace:
    assert workspace.loop("--version").code == 0
    return workspace


def test_a_warm_start_looks_for_no_other_interpreter(warm: Workspace, tmp_path: Path) -> None:
    """PATH has the shell's own needs and no Python at all."""
    for program in ("sh", "cksum"):
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    answer = warm.loop("--version", env={"PATH": str(tmp_path)})
    assert (answer.code, answer.out, answer.err) == (0, VERSION, "")


def test_from_a_sub_folder_and_through_python(warm: Workspace) -> None:
    below = warm.add("tiny", "") / "environment"
    relative = run(["../../../scripts/loop", "list"], below)
    by_python = run([sys.executable, "../../../scripts/loop", "list"], below)
    assert (relative.code, by_python.code) == (0, 0), relative.err + by_python.err
    assert "tiny" in relative.out and relative.out == by_python.out


def test_as_sh_loop_inside_scripts(warm: Workspace) -> None:
    """The shell's $0 has no folder then."""
    answer = run(["sh", "loop", "--version"], warm.root / "scripts")
    assert (answer.code, answer.out) == (0, VERSION), answer.err


def test_the_persons_pythonpath_does_not_leak_in(warm: Workspace, tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('leaked')")
    answer = warm.loop("list", env={"PYTHONPATH": str(tmp_path)})
    assert answer.code == 0, answer.err


def test_no_python_at_all_is_one_sentence(fresh: Workspace, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for program in ("sh", "cksum"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "")
    answer = fresh.loop("list", env={"PATH": str(tmp_path / "bin")})
    assert answer.code == 1
    assert "Python 3.10 or newer is needed" in answer.message


@pytest.mark.parametrize(
    "text", [b"", b"a", b"123456789", bytes(range(256)) * 300], ids=["none", "a", "digits", "long"]
)
def test_checksum_is_that_of_the_cksum_program(text: bytes) -> None:
    done = subprocess.run(["cksum"], input=text, capture_output=True, check=True)
    assert done.stdout.split()[:2] == [str(cksum(text)).encode(), str(len(text)).encode()]


def test_shell_and_python_agree_on_the_environment(warm: Workspace) -> None:
    assert (environment_of("tool") / "ready").is_file()
    assert lock_of("tool") == ROOT / "scripts" / "loop-requirements.txt"


def run(argv: list[str], cwd: Path) -> Answer:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return Answer(done.returncode, done.stdout, done.stderr)

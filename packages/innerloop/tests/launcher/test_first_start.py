"""`scripts/loop` before, while and after it makes the tool's own environment."""

from __future__ import annotations

import itertools
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from innerloop import __version__
from innerloop.util import venvs
from innerloop.util.versions import is_newer
from tests import company as company_network
from tests.company import Company
from tests.support import ROOT, Answer, Workspace, make_workspace, until

LAUNCHER = ROOT / "scripts" / "loop"
PIN = ROOT / "scripts" / "loop-requirements.txt"
VERSION = f"innerloop {__version__}\n"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the shell launcher")


def python_of_version(minor: int) -> str | None:
    """An interpreter of Python 3.MINOR: on PATH, or beside this one, as pyenv keeps them."""
    name = f"python3.{minor}"
    homes = Path(sys.base_prefix).parent.glob(f"3.{minor}.*")
    for path in (shutil.which(name), *(str(home / "bin" / name) for home in homes)):
        argv = [path or name, "-ISc", "import venv, ensurepip"]
        if path and subprocess.run(argv, capture_output=True).returncode == 0:
            return path
    return None


# Minor versions of Python 3 on this machine: the tests run on each, at least on their own.
PYTHONS = [minor for minor in range(10, 20) if python_of_version(minor)] or [sys.version_info.minor]


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
    assert not list(cache_of(fresh).glob("tool/*/ready"))
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
        "UV_HTTP_RETRIES": "0",
        "PIP_CACHE_DIR": str(cache_of(fresh).parent / "no-pip-cache"),
        "UV_CACHE_DIR": str(cache_of(fresh).parent / "no-uv-cache"),
    }
    answer = fresh.loop("--version", env=nowhere)
    assert answer.code == 1
    assert "no package index answers (refused)" in answer.message
    assert not list(cache_of(fresh).glob("tool/*/ready"))


@pytest.fixture
def company(tmp_path: Path) -> Company:
    (tmp_path / "company").mkdir()
    return company_network.start(tmp_path / "company")


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
    assert "Permission denied" in answer.message
    assert "INNERLOOP_CACHE" in answer.err
    assert len(answer.err.strip().splitlines()) == 1


@pytest.fixture
def warm(workspace: Workspace) -> Workspace:
    assert workspace.loop("--version").code == 0
    return workspace


def test_a_warm_start_looks_for_no_other_interpreter(warm: Workspace, tmp_path: Path) -> None:
    """PATH has the shell's own needs and no Python at all."""
    for program in ("sh", "cksum", "tr"):
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


@pytest.mark.parametrize("python", [False, True], ids=["shell", "python"])
def test_a_missing_pin_is_one_sentence_that_says_how_to_get_it_back(
    tmp_path: Path, python: bool
) -> None:
    """An ignore file with `*.txt` leaves it out of a clone."""
    made = make_workspace(tmp_path / "work space", share_scripts=False)
    (made.root / "scripts/loop-requirements.txt").unlink(missing_ok=True)
    made.env = {"INNERLOOP_CACHE": str(tmp_path / "cache")}
    answer = made.loop("list", prefix=[sys.executable] if python else [])
    assert answer.code == 1 and answer.out == ""
    (line,) = answer.err.splitlines()
    assert "loop-requirements.txt is missing" in line
    assert "git checkout -- loop-requirements.txt" in line and "git add --force" in line


def test_no_python_at_all_is_one_sentence(fresh: Workspace, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for program in ("sh", "cksum", "tr"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "")
    answer = fresh.loop("list", env={"PATH": str(tmp_path / "bin")})
    assert answer.code == 1
    assert "Python 3.10 or newer is needed" in answer.message


@pytest.fixture(scope="module")
def launcher() -> dict[str, Any]:
    """The Python part of scripts/loop as a module."""
    return runpy.run_path(str(LAUNCHER), run_name="launcher")


@pytest.mark.parametrize(
    "text", [b"", b"a", b"123456789", bytes(range(256)) * 300], ids=["none", "a", "digits", "long"]
)
def test_checksum_is_that_of_the_cksum_program(launcher: dict[str, Any], text: bytes) -> None:
    done = subprocess.run(["cksum"], input=text, capture_output=True, check=True)
    assert done.stdout.decode().split()[:2] == launcher["checksum"](text).split("-")


def test_cache_folder_is_the_one_of_the_other_environments(launcher: dict[str, Any]) -> None:
    assert launcher["CACHE"] == venvs.cache_folder()


def test_shell_part_changes_no_variable_of_the_person(
    launcher: dict[str, Any], tmp_path: Path
) -> None:
    """In a ready environment whose Python prints its variables."""
    shell = LAUNCHER.read_text().partition("\n'''\n")[0]
    names = set(re.findall(r"(?:^|[;{(\s])(\w+)=(?![=~])", shell, re.MULTILINE))
    names |= set(re.findall(r"\b(?:for|read -r) (\w+)", shell))
    assert {"_key", "_python", "_block"} <= names and all(name[0] == "_" for name in names)
    scripts = tmp_path / "work space" / "scripts"
    scripts.mkdir(parents=True)
    shutil.copy(LAUNCHER, scripts)
    (scripts / "loop-requirements.txt").write_text("innerloop==1\n")
    bin_ = tmp_path / "cache" / "tool" / launcher["checksum"](b"innerloop==1\n") / "bin"
    bin_.mkdir(parents=True)
    (bin_.parent / "ready").touch()
    (bin_ / "python").write_text("#!/bin/sh\nexec env\n")
    (bin_ / "python").chmod(0o755)
    mine = {"key": "k", "tool": "t", "start": "s", "block": "b", "python": "p", "here": "h"}
    env = {**os.environ, **mine, "INNERLOOP_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([scripts / "loop"], env=env, capture_output=True, text=True)
    printed = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert {name: printed.get(name) for name in mine} == mine, done.stderr


def test_launcher_is_one_file_of_160_lines_at_most() -> None:
    assert len(LAUNCHER.read_text().splitlines()) <= 160


@pytest.mark.parametrize(
    "minor",
    [
        pytest.param(n, marks=() if n in (PYTHONS[0], PYTHONS[-1]) else pytest.mark.nightly)
        for n in PYTHONS
    ],
)
def test_launcher_starts_without_a_warning(minor: int, warm: Workspace, tmp_path: Path) -> None:
    """Up to the point where the environment is made, whose index refuses every connection."""
    python = python_of_version(minor)
    assert python is not None
    environ = {
        **os.environ,
        "INNERLOOP_CACHE": str(tmp_path),
        "PIP_INDEX_URL": "http://127.0.0.1:9",
    }
    environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
    argv = [python, "-W", "error", str(warm.root / "scripts" / "loop"), "run"]
    environ |= {"PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "1"}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True)
    assert (done.returncode, "Warning" in done.stderr) == (1, False), done.stderr
    assert "no package index answers" in done.stderr


@pytest.mark.network
@pytest.mark.parametrize("minor", sorted({PYTHONS[0], PYTHONS[-1]}))
def test_environment_of_another_python_runs_the_tool(
    minor: int, fresh: Workspace, tmp_path: Path
) -> None:
    python = python_of_version(minor)
    assert python is not None
    answer = fresh.loop("list", prefix=[python, "-W", "error::SyntaxWarning"])
    assert answer.code == 0, answer.err
    again = fresh.loop("list")
    assert (again.code, again.err) == (0, "")


def test_settings_of_a_company_reach_the_first_start(company: Company, tmp_path: Path) -> None:
    """An index behind a proxy and a certificate authority that only pyproject.toml names."""
    made = make_workspace(tmp_path / "work", share_scripts=False)
    made.write("scripts/loop-requirements.txt", company.requirement)
    made.env = {
        "INNERLOOP_CACHE": str(tmp_path / "cache"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": "",
        "PIP_INDEX_URL": company.index_with_login,
        "HTTPS_PROXY": company.proxy,
        "NO_PROXY": "",
        "no_proxy": "",
    }
    (tmp_path / "ca.pem").write_text(company.ca.read_text())
    assert "is ready after" not in made.loop("run", env={"PIP_RETRIES": "0"}).err
    made.write("pyproject.toml", '[tool.innerloop]\ngpu = "auto"\nca = "../ca.pem"\n')
    assert "is ready after" in made.loop("run").err


def run(argv: list[str], cwd: Path) -> Answer:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return Answer(done.returncode, done.stdout, done.stderr)


def pin_of(version: str, *packages: str) -> str:
    lines = [f"{name} \\\n    --hash=sha256:{'0' * 64}\n" for name in packages]
    return "# The pin\n" + "".join([f"innerloop=={version} \\\n    --hash=sha256:1\n", *lines])


def in_conflict(folder: Path, texts: Sequence[str], *options: str) -> str:
    """What git makes of [base, ours, theirs]."""
    names = ("base", "ours", "theirs")
    for name, text in zip(names, texts, strict=True):
        (folder / name).write_text(text)
    argv = ["git", "merge-file", "-p", *options, "ours", "base", "theirs"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True).stdout


@pytest.mark.parametrize("style", [[], ["--diff3"], ["--zdiff3"]], ids=str)
@pytest.mark.parametrize("end", ["\n", ""], ids=["line feed", "no end"])
def test_settled_takes_the_whole_side_with_the_newer_tool(
    launcher: dict[str, Any], tmp_path: Path, style: list[str], end: str
) -> None:
    old, ours, theirs = pin_of("0.2", "a", "c"), pin_of("0.10", "a"), pin_of("0.9", "a", "b", "c")
    texts = [text + f"# {number}{end}" for number, text in enumerate((old, ours, theirs))]
    text = in_conflict(tmp_path, texts, *style)
    assert "<<<<<<< " in text
    assert launcher["settled"](text).rstrip() == texts[1].rstrip()
    turned = in_conflict(tmp_path, [texts[0], texts[2], texts[1]], *style)
    assert launcher["settled"](turned).rstrip() == texts[1].rstrip()


def test_settled_without_a_tool_or_with_equal_ones_is_ours(
    launcher: dict[str, Any], tmp_path: Path
) -> None:
    for version in ("1.0", ""):
        sides = [pin_of(version, *words) for words in (["a"], ["b"], ["c"])]
        sides = [re.sub("innerloop==.*\n.*\n", "", side) if not version else side for side in sides]
        assert launcher["settled"](in_conflict(tmp_path, sides)) == sides[1]


def test_settled_leaves_a_text_without_conflict_as_it_is(launcher: dict[str, Any]) -> None:
    for text in ("", "\n", PIN.read_text(), "=======\n", "<<<<<<< a\n", "a\n>>>>>>> b\n"):
        assert launcher["settled"](text) == text


def test_settled_and_the_package_order_versions_alike(
    launcher: dict[str, Any], tmp_path: Path
) -> None:
    names = "0.1.0.dev1 0.1.0a1.dev2 0.1.0a1 0.1.0a10 0.1.0b2 0.1.0rc1 0.1.0rc1.post1 0.1.0"
    ordered = [*names.split(), "0.1.0.post1", "0.1.1", "0.2.0", "0.10.0", "1.0.0", "2026.11.3"]
    for older, newer in itertools.combinations(ordered, 2):
        assert is_newer(newer, older)
        for ours, theirs in ((older, newer), (newer, older)):
            text = f"<<<<<<< HEAD\ninnerloop=={ours}\n=======\ninnerloop=={theirs}\n>>>>>>> b\n"
            assert launcher["settled"](text) == f"innerloop=={newer}\n"


def test_pin_in_conflict_starts_the_environment_of_its_side(
    warm: Workspace, tmp_path: Path
) -> None:
    """It is there already, and no index answers."""
    made = make_workspace(tmp_path / "made", copy_source=True, share_scripts=False)
    made.env = warm.env | {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_NO_CACHE_DIR": "1"}
    own = PIN.read_text()
    text = f"<<<<<<< HEAD\n{own}=======\n{own}not-a-package==1\n>>>>>>> b\n"
    for content in (text, text.replace("\n", "\r\n")):
        (made.root / "scripts/loop-requirements.txt").write_bytes(content.encode())
        for prefix in ([], [sys.executable]):
            answer = made.loop("--version", prefix=prefix)
            assert (answer.code, answer.out, answer.err) == (0, VERSION, "")


def test_settings_in_conflict_still_name_the_certificate_authority(
    launcher: dict[str, Any], tmp_path: Path
) -> None:
    """With git's markers, blank lines by the hundred, and bytes that are no UTF-8."""
    found = re.search(r"re\.search\(r'(.*?)', file\.read_text\((.*?)\)\)", LAUNCHER.read_text())
    assert found is not None and found[2] == '"utf-8", "replace"'
    head = "[tool.innerloop]\n<<<<<<< HEAD\ngpu = 1\n=======\ngpu = 2\n>>>>>>> b\n" + "\n" * 300
    match = re.search(found[1], head + 'ca = "a.pem"\n')
    assert match is not None and match[2] == "a.pem"
    assert re.search(found[1], head + '[tool.other]\nca = "a.pem"\n') is None

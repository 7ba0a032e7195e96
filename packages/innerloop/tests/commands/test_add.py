"""`loop add` with an index on loopback: what it writes, what it refuses, and that it is whole."""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from innerloop.model.requirements import Requirement
from innerloop.scaffold import packages
from innerloop.util.errors import UserError
from innerloop.workspace import loader
from tests.launcher.conftest import ALONE, Index
from tests.locks.frozen_index import FrozenIndex
from tests.support import Workspace, until

SOURCE = "# What train.py needs.\nbase>=1  # the old one\n"
DEV = "-c requirements.txt\ntool\n"
DOCKERFILE = """FROM python:3.11-slim-bookworm AS base
COPY requirements.txt /opt/requirements.txt
RUN pip install --require-hashes -r /opt/requirements.txt
"""
FOLDER = "src/line/environment"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an index with a few empty packages."""
    folder = FrozenIndex(tmp_path_factory.mktemp("index") / "wheels")
    for name, version, requires in (
        ("base", "1.0", []),
        ("base", "2.0", []),
        ("tool", "1.0", ["base"]),
        ("needs-old", "1.0", ["base<2"]),
        ("needs-new", "1.0", ["base>=2"]),
    ):
        folder.add(name, version, requires)
    with served(folder.folder) as address:
        yield address


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of an index with the wheels of a folder."""
    handler = functools.partial(Index, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.shutdown()


@pytest.fixture
def line(workspace: Workspace, index: str) -> Workspace:
    """An experiment with both pairs of files, and uv on PATH with the index alone."""
    workspace.add("line", "import base\n", dockerfile=DOCKERFILE)
    workspace.write(f"{FOLDER}/requirements.in", SOURCE)
    workspace.write(f"{FOLDER}/requirements.txt", "")
    workspace.write(f"{FOLDER}/requirements-dev.in", DEV)
    workspace.write(f"{FOLDER}/requirements-dev.txt", "")
    workspace.env |= {
        **ALONE,
        "PIP_INDEX_URL": index,
        "UV_HTTP_RETRIES": "0",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    return workspace


def texts(workspace: Workspace) -> dict[str, str]:
    folder = workspace.root / FOLDER
    return {path.name: path.read_bytes().decode() for path in sorted(folder.iterdir())}


def pins(workspace: Workspace, name: str) -> list[str]:
    lines = workspace.read(f"{FOLDER}/{name}").splitlines()
    return [line.split()[0] for line in lines if line[:1].isalpha()]


def test_add_writes_the_source_and_every_lock_that_builds_on_it(line: Workspace) -> None:
    answer = line.loop("add", "line", "needs-old", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out) == {
        "experiment": "line",
        "file": f"{FOLDER}/requirements.in",
        "requirements": [{"requirement": "needs-old", "change": "added", "before": None}],
        "written": [
            f"{FOLDER}/{name}"
            for name in ("requirements-dev.txt", "requirements.in", "requirements.txt")
        ],
        "versions": {"needs-old": "1.0"},
    }
    assert line.read(f"{FOLDER}/requirements.in") == SOURCE + "needs-old\n"
    assert pins(line, "requirements.txt") == ["base==1.0", "needs-old==1.0"]
    assert pins(line, "requirements-dev.txt") == ["base==1.0", "tool==1.0"]
    lock = line.read(f"{FOLDER}/requirements.txt")
    assert lock.count("--hash=sha256:") == 2
    assert "uv pip compile --no-strip-extras --universal" in lock.splitlines()[1]
    assert "127.0.0.1" not in lock and str(line.root) not in lock
    assert line.loop("check", "line").code == 0
    # What is there already changes nothing; a version that is typed replaces the old one.
    before = texts(line)
    again = line.loop("add", "src/line/train.py", "needs_old")
    assert (again.code, texts(line)) == (0, before) and "nothing to change" in again.out
    replaced = line.loop("add", "base==1.0", cwd=line.root / "src/line")
    assert "base==1.0 replaces base>=1" in replaced.out
    assert "base==1.0  # the old one\n" in line.read(f"{FOLDER}/requirements.in")
    # No versions fit: nothing changes.
    before = texts(line)
    for word in ("needs-new", "no-such-package"):
        refused = line.loop("add", "line", word)
        assert refused.code == 1 and "[packages-not-resolved]" in refused.message
        assert word in refused.err and texts(line) == before
    # Without a file for the tests, what they need is with the tools of people.
    dev = line.loop("add", "line", "--test", "needs-old")
    assert dev.code == 0 and line.read(f"{FOLDER}/requirements-dev.in") == DEV + "needs-old\n"
    assert texts(line).keys() == before.keys()


def test_run_and_check_name_an_outgrown_lock_and_add_mends_it(line: Workspace) -> None:
    found = line.loop("check", "line")
    where = f"{FOLDER}/requirements.in:2:1"
    assert found.code == 0 and f"{where}-6: warning: base>=1 is" in found.out
    dry = line.loop("run", "line", "--backend", "venv", "--dry-run")
    assert f"{where}: base>=1 is not in requirements.txt" in dry.err + dry.out
    mended = line.loop("add", "line")
    assert mended.code == 0, mended.err
    assert line.read(f"{FOLDER}/requirements.in") == SOURCE
    assert pins(line, "requirements.txt") == ["base==2.0"]
    assert pins(line, "requirements-dev.txt") == ["base==2.0", "tool==1.0"]
    assert line.loop("check", "line").out == "no problems in line\n"


def test_no_index_is_one_error_and_changes_nothing(line: Workspace) -> None:
    before = texts(line)
    answer = line.loop("add", "line", "tool", env={"PIP_INDEX_URL": "http://127.0.0.1:9/simple"})
    assert answer.code == 1 and "[index-unreachable]" in answer.message
    assert texts(line) == before


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for uv")
@pytest.mark.parametrize("ends", ["interrupted", "killed"])
def test_add_that_ends_early_changes_nothing(line: Workspace, tmp_path: Path, ends: str) -> None:
    """A part of the lock is written when the person presses Ctrl-C, or uv dies."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin/uv"
    end = f"touch {tmp_path}/started; exec sleep 600" if ends == "interrupted" else "kill -9 $$"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo "uv 0.9.1"; exit; }\n'
        f"echo half > requirements.txt\n{end}\n"
    )
    fake.chmod(0o755)
    before = texts(line)
    env = {"PATH": os.pathsep.join([str(fake.parent), os.environ["PATH"]])}
    started = line.start("add", "line", "tool", env=env)
    if ends == "interrupted":
        assert until((tmp_path / "started").exists, 60)
        started.interrupt_group()
    answer = started.end()
    assert answer.code == (130 if ends == "interrupted" else 1)
    assert texts(line) == before


def test_edit_made_meanwhile_stays(line: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person saves while uv works is kept: the locks are compiled again."""
    turns: list[str] = []

    def compile_lock(folder: Path, source: str, target: str, *_: object) -> None:
        turns.append((folder / source).read_text())
        (folder / target).write_text(f"# {len(turns)}\nbase==2.0\n")
        if len(turns) == 1:
            line.write(f"{FOLDER}/requirements.in", SOURCE + "mine\n")

    monkeypatch.setattr("innerloop.local.uv.compile_lock", compile_lock)
    workspace = loader.open_workspace(line.root)
    experiment = loader.open_experiment(workspace, "line")
    packages.add(workspace, experiment, [Requirement("tool")])
    assert line.read(f"{FOLDER}/requirements.in") == SOURCE + "mine\ntool\n"
    assert SOURCE + "mine\ntool\n" in turns[1:]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"requirements.in": None}, "requirements-source-missing"),
        ({"requirements.in": None, "requirements.txt": None, "conda.yaml": "a: 1"},
         "requirements-source-missing"),
        ({"requirements.in": "-r ../../base.in\n"}, "requirements-elsewhere"),
        ({"requirements.in": "# uv pip compile --config-file x requirements.in\n"},
         "compile-option-unknown"),
    ],
)  # fmt: skip
def test_environment_that_cannot_be_locked_is_an_error(
    line: Workspace, files: dict[str, str | None], code: str
) -> None:
    for name, text in files.items():
        path = line.root / FOLDER / name
        path.unlink() if text is None else path.write_text(text)
    before = texts(line)
    workspace = loader.open_workspace(line.root)
    with pytest.raises(UserError) as caught:
        experiment = loader.open_experiment(workspace, "line")
        packages.add(workspace, experiment, [Requirement("tool")])
    assert caught.value.code == code and texts(line) == before
    if "conda.yaml" in files:
        assert "conda.yaml" in caught.value.hint


@pytest.mark.parametrize("word", ["./x.whl", "a>=", "-", "a b"])
def test_word_that_is_no_package_is_a_usage_error(line: Workspace, word: str) -> None:
    answer = line.loop("add", "line", word)
    assert answer.code == 2 and "[package-invalid]" in answer.message

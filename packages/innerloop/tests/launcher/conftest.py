"""What the tests of the launcher share.

The tool's wheel, a package index on loopback that has it and its dependencies, and workspaces that
run the wheel.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from innerloop.util import locked_environments, pip, venvs
from tests.made_once import made_once
from tests.support import ROOT, Workspace

PIN = ROOT / "scripts" / "loop-requirements.txt"
BUILD = "import sys; from hatchling import build; getattr(build, sys.argv[1])(sys.argv[2])"
# None of the machine's own ways to packages.
ALONE = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_NO_CACHE_DIR": "1",
    "UV_NO_CACHE": "1",
}


def built(package: Path, into: Path, python: Path | None = None, what: str = "build_wheel") -> Path:
    """The distribution that hatchling builds of packages/innerloop."""
    python = python or venvs.python_of(locked_environments.ensure("build"))
    into.mkdir(parents=True)
    environ = {k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}
    argv = [str(python), "-I", "-c", BUILD, what, str(into)]
    done = subprocess.run(argv, cwd=package, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="session")
def wheel(_tool: None) -> Path:
    folder = made_once("wheel", lambda new: built(ROOT / "packages" / "innerloop", new))
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="session")
def dependencies(_tool: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of the pin, for this Python."""

    def download(new: Path) -> None:
        scratch = tmp_path_factory.mktemp("pip")
        options = ["--require-hashes", "--no-deps", "--requirement", str(PIN), "--dest", str(new)]
        argv = [*pip.command(venvs.base_python(), scratch), "download", "-q", *options]
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    return made_once("dependencies", download)


class Index(SimpleHTTPRequestHandler):
    """PEP 503 over one folder of wheels."""

    def do_GET(self) -> None:
        match = re.fullmatch("/simple/([a-z0-9-]+)/", self.path)
        if match is None:
            return super().do_GET()
        names = [path.name for path in Path(self.directory).glob("*.whl")]
        wanted = match[1].replace("-", "_")
        links = [f'<a href="/{n}">{n}</a>' for n in names if n.lower().startswith(f"{wanted}-")]
        self.send_response(200 if links else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write("\n".join(links).encode())
        return None

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def index(
    wheel: Path, dependencies: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a package index with the tool and its dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("index")
    for path in (wheel, *dependencies.iterdir()):
        (folder / path.name).symlink_to(path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Index, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.shutdown()


@pytest.fixture
def pinned(wheel: Path, workspace: Workspace, tmp_path: Path) -> Callable[..., Workspace]:
    """Make workspaces that run the wheel.

    Each has a cold cache and no source of packages but its own `.innerloop/wheels`.
    """

    def make(name: str = "pinned", *options: str) -> Workspace:
        folder = tmp_path / "pinned é" / name
        answer = workspace.loop("init", str(folder), "--no-git", "--wheel", str(wheel), *options)
        assert answer.code == 0, answer.err
        return Workspace(folder, {**ALONE, "INNERLOOP_CACHE": str(tmp_path / f"cache of {name}")})

    return make

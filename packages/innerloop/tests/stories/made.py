"""Workspaces as `init` makes them, and the tool's sources run in them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from innerloop import __version__
from tests import fork_server
from tests.support import ROOT, Answer

WHEEL = f"innerloop-{__version__}-py3-none-any.whl"
# A made workspace pins a wheel, which is not what these tests are about.
START = """import sys
sys.path.insert(0, sys.argv[1])
sys.argv[:] = [f"{sys.argv[2]}/scripts/loop", *sys.argv[3:]]
from innerloop.__main__ import start
sys.exit(start(sys.argv[1:]))
"""


def loop(
    root: Path, *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Answer:
    """`scripts/loop WORDS` of the workspace, by the sources; without a start where that is the same."""
    folder = cwd or (root if root.is_dir() else root.parent)
    variables = {**os.environ, **(env or {})}
    server = fork_server.current
    if server and server.can_serve(variables):
        argv = [str(root / "scripts/loop"), *words]
        done = server.run(argv, folder, variables, 300)
    else:
        source = str(ROOT / "packages/innerloop/src")
        done = subprocess.run(
            [sys.executable, "-c", START, source, str(root), *words],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
    return Answer(done.returncode, done.stdout, done.stderr)


def wheel(folder: Path) -> Path:
    """A file with the name of the tool's wheel."""
    path = folder / WHEEL
    path.write_bytes(b"wheel")
    return path


def init(
    folder: Path, *options: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Answer:
    """`innerloop init FOLDER`, with a wheel that is none."""
    outside = cwd or folder.parent
    wheel_file = outside / WHEEL
    if not wheel_file.exists():
        wheel_file = wheel(next(path for path in folder.parents if path.is_dir()))
    return loop(
        outside, "init", str(folder), "--wheel", str(wheel_file), *options, cwd=outside, env=env
    )


def tree(root: Path) -> dict[str, str]:
    """Every file and link but git's own: its content or target. Folders end with a slash."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name == ".git" or name.startswith(".git/"):
            continue
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        else:
            found[f"{name}/" if path.is_dir() else name] = (
                "" if path.is_dir() else path.read_bytes().decode("utf-8", "replace")
            )
    return found


def git(folder: Path, *words: str) -> str:
    """Git with an author, without the settings of the machine."""
    person = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "core.autocrlf=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *person, *words], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

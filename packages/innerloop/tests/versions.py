"""Several versions of the tool at once, each started by the real launcher as its pin says.

A version is a copy of the sources with another `__version__` and other generated files. What the
launcher would install for a pin is made beforehand: an environment that runs that copy.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from innerloop import __version__
from tests.support import ROOT, Workspace

PIN = "scripts/loop-requirements.txt"
SOURCE = ROOT / "packages/innerloop/src/innerloop"
# module of the package -> pairs of a text and what it becomes
Edits = Mapping[str, Sequence[tuple[str, str]]]

_DOCKERFILE = "sync/render/texts/Dockerfile"
_SETTINGS = "sync/render/settings_json.py"
_HEAD = "# The workspace's own container: Python for the tool, git, and Docker's client."
NEWER: Edits = {
    _DOCKERFILE: [(_HEAD, f"{_HEAD} (newer)"), ("openssh-client", "openssh-client less")],
    _SETTINGS: [('"task.autoDetect": "off",', '"task.autoDetect": "off", "newer": {"a": 1},')],
    "sync/render/tasks_json.py": [("= task.detail", '= task.detail + " (newer)"')],
}
NEWEST: Edits = {
    _DOCKERFILE: [(_HEAD, f"{_HEAD} (newest)"), ("trixie", "forky")],
    _SETTINGS: [('"task.autoDetect": "off",', '"task.autoDetect": "on", "newest": [1],')],
    "sync/render/tasks_json.py": [("= task.detail", '= task.detail + " (newest)"')],
}


@dataclass(frozen=True, slots=True)
class ToolVersion:
    """A version of the tool: its sources, and the pin that names it."""

    name: str
    package: Path
    pin: str

    def choose(self, workspace: Workspace) -> None:
        """Pins it, as an upgrade does; the generated files are not touched."""
        workspace.write(PIN, self.pin)


def make(folder: Path, name: str, edits: Edits) -> ToolVersion:
    package = folder / name / "innerloop"
    # With its bytecode, which Python takes where a file's time and size are those of the source.
    shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("templates"))
    (package / "templates").symlink_to(SOURCE / "templates")
    for path, pairs in {"__init__.py": [(__version__, name)], **edits}.items():
        text = (package / path).read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text, (path, old)
            text = text.replace(old, new)
        (package / path).write_text(text, encoding="utf-8")
    dependencies = (ROOT / PIN).read_text(encoding="utf-8")
    pin = f"# The pin\ninnerloop=={name} \\\n    --hash=sha256:{name}\n{dependencies}"
    return ToolVersion(name, package, pin)


def install(version: ToolVersion, cache: Path) -> None:
    """The environment that the launcher looks for."""
    launcher = runpy.run_path(str(ROOT / "scripts/loop"), run_name="launcher")
    folder = cache / "tool" / launcher["checksum"](version.pin.encode())
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = subprocess.run([python, "-Ic", ask], capture_output=True, text=True, check=True).stdout
    paths = [str(version.package.parent), sysconfig.get_path("purelib")]
    Path(place.strip(), "innerloop.pth").write_text("\n".join(paths) + "\n")
    (folder / "ready").touch()


def workspace_of(root: Path, cache: Path) -> Workspace:
    """An empty workspace with its own launcher, which finds the versions in that cache only."""
    root.mkdir(parents=True)
    workspace = Workspace(
        root, {"INNERLOOP_CACHE": str(cache), "PIP_INDEX_URL": "http://127.0.0.1:9"}
    )
    workspace.write("pyproject.toml", '[tool.innerloop]\ngpu = "auto"\n')
    (root / "src").mkdir()
    shutil.copytree(
        ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in (".gitignore", ".gitattributes"):
        shutil.copy(ROOT / name, root / name)
    return workspace


def git(workspace: Workspace, *words: str, check: bool = True) -> str:
    who = ["-c", "user.name=a person", "-c", "user.email=person@example.com"]
    argv = ["git", *who, "-c", "core.autocrlf=false", *words]
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(argv, cwd=workspace.root, env=environ, capture_output=True, text=True)
    assert done.returncode == 0 or not check, (words, done.stdout, done.stderr)
    return done.stdout


def commit(workspace: Workspace, message: str) -> None:
    git(workspace, "add", "-A")
    git(workspace, "commit", "-q", "--allow-empty", "-m", message)


def tree(workspace: Workspace) -> dict[str, str]:
    """The text of every file that git would keep."""
    names = git(workspace, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = {name for name in names.split("\0") if name and (workspace.root / name).is_file()}
    return {path: (workspace.root / path).read_bytes().decode() for path in sorted(paths)}

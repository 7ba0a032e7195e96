"""What tests on real workspaces share: a workspace to fill, and the real command line to run in it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests import fork_server

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parents[2]
# Nothing is installed in it, so it is built in a second.
TINY = "FROM python:3.11-slim-bookworm\n"
# Where .ci/steps.sh puts what the machine lacks. Found at the start: the tests have another HOME.
CI_TOOLS = Path(
    os.environ.get("CI_TOOLS")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "innerloop-ci")
)
BUILDX = CI_TOOLS / "buildx" / "cli-plugins" / "docker-buildx"
# The variables with which the docker client uses BuildKit.
BUILDKIT = {"DOCKER_CONFIG": str(BUILDX.parent.parent)}
# The compiler that checks VS Code's extension, its types, and node.
TYPESCRIPT = CI_TOOLS / "typescript"
# An image registry, as Debian packs it.
REGISTRY = str(CI_TOOLS / "registry" / "docker-registry")
TRACEBACK = "Traceback (most recent call last)"
# Seconds. A limit that is no statement about how quick something is lets a busy machine take so long.
PATIENCE = 240.0
QUICK = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How one command line ended."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """What a person reads when something is wrong: all of stderr, checked for tracebacks."""
        assert TRACEBACK not in self.err, self.err
        return self.err


@dataclass(slots=True)
class Workspace:
    """A workspace of its own on disk, with the real scripts/."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    dockerfile: str = TINY

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def add(
        self, name: str, train: str, *, job: str = "", dockerfile: str = "", toml: str = ""
    ) -> Path:
        """An experiment: the text of its train.py, and keys added to its job file.

        Without a Dockerfile of its own, the workspace's.
        """
        self.write(f"src/{name}/train.py", train)
        self.write(f"src/{name}/environment/Dockerfile", dockerfile or self.dockerfile)
        self.write(f"src/{name}/environment/requirements.txt", "")
        command = (
            "" if re.search(r"^command:", job, re.MULTILINE) else "command: python -u train.py\n"
        )
        build = "code: .\nenvironment:\n  build:\n    path: ./environment\n"
        self.write(f"src/{name}/azure-ml-job.yaml", command + build + job)
        if toml:
            self.write(f"src/{name}/innerloop.toml", toml)
        return self.root / "src" / name

    def loop(
        self,
        *words: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 300,
        prefix: Sequence[str] = (),
    ) -> Answer:
        """`scripts/loop WORDS`, as a person runs it; without its start where that is the same."""
        launcher = self.root / "scripts" / "loop"
        argv = [*prefix, str(launcher), *words]
        folder, variables = cwd or self.root, {**os.environ, **self.env, **(env or {})}
        server = fork_server.current
        if server and not prefix and server.can_run(launcher, variables):
            done = server.run(argv, folder, variables, timeout)
        else:
            done = subprocess.run(
                argv,
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        return Answer(done.returncode, done.stdout, done.stderr)

    def start(
        self, *words: str, env: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> Started:
        """The same without waiting for the end, in a process group of its own."""
        child = subprocess.Popen(
            [*prefix, str(self.root / "scripts" / "loop"), *words],
            cwd=self.root,
            env={**os.environ, **self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return Started(child)

    def outputs(self, slug: str) -> Path:
        """The folder of the only run of an experiment so far."""
        (folder,) = (self.root / "outputs" / slug).iterdir()
        return folder

    def containers(self) -> list[str]:
        """The names of this workspace's containers, running or not."""
        return docker("ps", "-a", "--filter", self._label, "--format", "{{.Names}}").split()

    def images(self) -> list[str]:
        """Their names: another workspace may have an image of the same id.

        The id of one whose name a newer image has taken.
        """
        listed = docker(
            "images", "--filter", self._label, "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"
        )
        pairs = [line.split() for line in listed.splitlines()]
        return [image if "<none>" in name else name for name, image in pairs]

    def clean(self) -> None:
        """Takes its containers and images away."""
        for name in self.containers():
            docker("rm", "-f", name)
        for name in self.images():
            docker("rmi", name)

    @property
    def _label(self) -> str:
        return f"label=innerloop.workspace={self.root}"


class Started:
    """A command line that runs: its output so far, signals, and its end."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(child.stdout, self.out), daemon=True),
            threading.Thread(target=self._read, args=(child.stderr, self.err), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(pipe: IO[str] | None, lines: list[str]) -> None:
        for line in pipe or ():
            lines.append(line)

    def wait_for(self, text: str, seconds: float = PATIENCE) -> None:
        """Until a line on stdout or stderr holds the text."""
        until(lambda: text in self.text or self.child.poll() is not None, seconds)
        assert text in self.text, f"{text!r} never came: {self.text}"

    @property
    def text(self) -> str:
        return "".join([*self.out, *self.err])

    def interrupt_group(self) -> None:
        """Ctrl-C in a terminal: every process of the foreground gets it."""
        os.killpg(self.child.pid, signal.SIGINT)

    def send(self, number: int) -> None:
        """To `loop` alone."""
        self.child.send_signal(number)

    def end(self, seconds: float = PATIENCE) -> Answer:
        seconds = patience(seconds)
        try:
            code = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.child.pid, signal.SIGKILL)
            raise AssertionError(f"still running after {seconds} s: {self.text}") from None
        for reader in self._readers:
            reader.join(5)
        return Answer(code, "".join(self.out), "".join(self.err))


def make_workspace(
    root: Path, *, share_scripts: bool = True, copy_source: bool = False
) -> Workspace:
    """An empty workspace; its scripts/ is a link to the real one, or a copy.

    `copy_source`: with a copy of the tool's source beside the copy, which then runs.
    """
    root.mkdir(parents=True)
    workspace = Workspace(root)
    workspace.write("pyproject.toml", '[tool.innerloop]\ngpu = "auto"\n')
    (root / "src").mkdir()
    if share_scripts:
        (root / "scripts").symlink_to(ROOT / "scripts")
    else:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "scripts", root / "scripts", ignore=ignored)
    if copy_source:
        source = "packages/innerloop/src"  # with its bytecode, which is that of any copy of it
        shutil.copytree(ROOT / source, root / source)
    return workspace


def locked(*packages: str) -> str:
    """Lines of a lock with hashes for these packages alone, out of the template's."""
    text = (
        ROOT
        / "packages/innerloop/src/innerloop/templates/experiment/environment/requirements-dev.txt"
    ).read_text()
    entries = re.findall(r"(?m)^(([a-z0-9._-]+)(?:\[.*?\])?==.*\n(?:[ ]+--hash=.*\n)+)", text)
    return "".join(entry for entry, name in entries if name in packages)


# What `loop test` needs.
PYTEST = locked(
    *("pytest", "pytest-cov", "coverage", "iniconfig", "packaging", "pluggy", "pygments"),
    *("exceptiongroup", "tomli", "typing-extensions", "colorama"),
)


def repository_files() -> list[str]:
    """The files of this repository, tracked or not yet, without ignored ones: paths from ROOT."""
    argv = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    argv += ["--cached", "--others", "--exclude-standard"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    names = {name for name in done.stdout.split("\0") if name}
    return sorted(name for name in names if os.path.lexists(ROOT / name))


def clone(target: Path) -> Workspace:
    """What git would hand out of this workspace, with what is not committed yet."""
    for name in repository_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    return Workspace(target)


def patience(seconds: float) -> float:
    """That limit if it says that something is quick, else one of minutes."""
    return seconds if seconds < QUICK else max(seconds, PATIENCE)


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    end = time.monotonic() + patience(seconds)
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=300)
    return done.stdout


def remove_behind(folder: Path) -> None:
    """Remove a folder while the tests go on: a disk that discards blocks takes seconds for it."""
    subprocess.run(["sh", "-c", 'rm -rf "$0" &', folder], stderr=subprocess.DEVNULL, check=True)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing uses at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def git(root: Path, *words: str) -> str:
    """What git prints, as a person with a name; the test fails where git does."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", *who, *words], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout

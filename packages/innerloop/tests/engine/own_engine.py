"""A Docker engine of a test's own beside the machine's.

It may be stopped, and have runtimes that are none. It lives in a network namespace of its own,
since an engine that starts tidies the bridge of the one that is there away; so it has no network,
and the one image that it is given.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.small_image import BASE, small_image
from tests.support import remove_behind, until

# What the NVIDIA Container Toolkit installs, but for the GPU: a runtime that is runc, and the hook
# that Docker runs for `--gpus`, which writes down that it was called.
RUNTIME = '#!/bin/sh\nexec runc "$@"\n'
HOOK = '#!/bin/sh\necho "$@" >> "{calls}"\nexec cat > /dev/null\n'


class OwnEngine:
    """`env` makes every client talk to it; `calls` is where the fake hook writes."""

    def __init__(
        self, folder: Path, options: Sequence[str] = (), hidden: Path | None = None
    ) -> None:
        self.folder = folder
        self.hidden = hidden
        self.options = options
        self.socket = folder / "docker.sock"
        self.calls = folder / "calls"
        self.env = {"DOCKER_HOST": f"unix://{self.socket}"}
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        argv = ["unshare", "--net"]
        if self.hidden is not None:
            argv += [
                "--mount",
                "sh",
                "-c",
                'mount -t tmpfs none "$0" && exec "$@"',
                str(self.hidden),
            ]
        argv += ["dockerd", "--data-root", f"{self.folder}/data", "--exec-root"]
        argv += [f"{self.folder}/exec", "--pidfile", f"{self.folder}/pid", "--host"]
        argv += [self.env["DOCKER_HOST"], "--bridge=none", "--iptables=false", *self.options]
        with (self.folder / "log").open("ab") as log:
            self._child = subprocess.Popen(
                argv, stdout=log, stderr=log, env={**os.environ, "PATH": path}
            )
        answers = until(lambda: bool(self.docker("version", "-f", "{{.Server.Version}}")), 60)
        assert answers, (self.folder / "log").read_text()[-2000:]

    def make_folder(self, path: Path) -> None:
        """Make a folder as the engine sees the disk."""
        assert self._child is not None
        inside = ["nsenter", "--target", str(self._child.pid), "--mount"]
        subprocess.run([*inside, "mkdir", "-p", str(path)], check=True)

    def stop(self) -> None:
        if self._child is not None:
            self._child.terminate()
            self._child.wait(60)
            self._child = None

    def docker(self, *words: str) -> str:
        done = subprocess.run(
            ["docker", *words], env={**os.environ, **self.env}, capture_output=True, text=True
        )
        return done.stdout.strip()

    def containers(self) -> list[dict[str, Any]]:
        ids = self.docker("ps", "-aq").split()
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", *ids)) if ids else []
        return found

    def clean(self) -> None:
        if ids := self.docker("ps", "-aq").split():
            self.docker("rm", "-f", *ids)


@contextmanager
def own_engine(
    *, nvidia: bool = False, hidden: Path | None = None, has_image: bool = True
) -> Iterator[OwnEngine]:
    """One that runs and has the base image, if any.

    It does not see the folder `hidden`, like an engine on another machine.

    Its folder has a short name: a socket's path has at most 107 letters.
    """
    folder = Path(tempfile.mkdtemp(prefix="il-engine-"))
    programs = folder / "bin"
    programs.mkdir()
    runtimes = ["--add-runtime", f"nvidia={programs}/runtime"] if nvidia else []
    engine = OwnEngine(folder, runtimes, hidden)
    if nvidia:
        for name, text in (
            ("runtime", RUNTIME),
            ("nvidia-container-runtime-hook", HOOK.format(calls=engine.calls)),
        ):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
    try:
        engine.start()
        if has_image:
            _load_base(engine)
        yield engine
    finally:
        engine.clean()
        engine.stop()
        remove_behind(folder)


def _load_base(engine: OwnEngine) -> None:
    """The small image, under the name of the base image."""
    save = subprocess.Popen(["docker", "save", small_image()], stdout=subprocess.PIPE)
    subprocess.run(
        ["docker", "load", "-q"],
        stdin=save.stdout,
        env={**os.environ, **engine.env},
        check=True,
        capture_output=True,
    )
    save.wait()
    engine.docker("tag", small_image(), BASE)

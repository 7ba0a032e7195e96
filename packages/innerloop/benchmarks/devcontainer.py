"""Time of `loop up` and `loop exec`, against the devcontainer CLI and docker alone.

In one run, in turns, with an experiment of two stages whose dev stage has a user:

    up, all new        image, container and commands are new
    up, image is there a new container of an existing image
    up, open already   the container runs already
    exec               a program that does nothing

each by `loop`, by the devcontainer CLI and by docker itself (docker: `build` and `run --detach`;
`inspect`; `exec`). Each is a whole process, in milliseconds, the median of all turns; a ratio is the
median of the turns' own ratios, with their quartiles. `up` of an open container should take at most 0.2
of the CLI's time, and `exec` at most 40 ms more than docker's.

    packages/innerloop/bench devcontainer [--turns 7] [--json]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from _support import ROOT, Spread, arguments, call, call_anyway, compare, medians, scratch, tell

DOCKERFILE = """FROM python:3.11-slim-bookworm AS base
RUN echo {stamp} > /made
FROM base AS dev
RUN useradd --create-home --uid 1000 --shell /bin/bash dev
USER dev
"""
NAME = "tiny"
PROGRAM = ["python3", "-c", "pass"]
WAYS = ("loop", "devcontainer", "docker")


def main() -> int:
    args = arguments(__doc__, turns=7)
    for program in ("docker", "devcontainer"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not on PATH: there is nothing to compare with")
    with scratch() as folder:
        times = measure(folder, args.turns)
    tell(args.turns, medians(times), ratios(times), as_json=args.json)
    return 0


@dataclass
class Way:
    """One of the three ways, with a workspace of its own.

    `new` removes everything and changes the Dockerfile, so that no layer is cached; `down` removes
    only the container.
    """

    name: str
    workspace: Path
    up: Callable[[], object]
    execute: Callable[[], object]
    images: set[str] = field(default_factory=set)
    volumes: set[str] = field(default_factory=set)

    def new(self) -> None:
        self.down()
        for image in self.images:
            call_anyway(["docker", "rmi", image])
        text = DOCKERFILE.format(stamp=f"{self.name} {time.time_ns()}")
        (self.workspace / f"src/{NAME}/environment/Dockerfile").write_text(text)

    def down(self) -> None:
        label = f"label=devcontainer.local_folder={self.workspace}"
        for one in call_anyway(["docker", "ps", "-aq", "--filter", label]).split():
            image = call_anyway(["docker", "inspect", "--format", "{{.Config.Image}}", one])
            self.images |= {image.strip(), image.strip().removesuffix("-uid")}
            mounts = "{{range .Mounts}}{{if .Name}}{{.Name}} {{end}}{{end}}"
            self.volumes |= set(call_anyway(["docker", "inspect", "--format", mounts, one]).split())
            call_anyway(["docker", "rm", "--force", one])

    def clean(self) -> None:
        self.new()
        label = f"label=innerloop.workspace={self.workspace}"
        listed = ["docker", "images", "--filter", label, "--format", "{{.Repository}}:{{.Tag}}"]
        for _ in range(2):  # an image on top of another goes first
            for image in call_anyway(listed).split():
                call_anyway(["docker", "rmi", image])
        for volume in self.volumes:
            call_anyway(["docker", "volume", "rm", volume])


def measure(folder: Path, turns: int) -> dict[str, list[float]]:
    ways = [by_loop(folder), by_cli(folder), by_docker(folder)]
    times: dict[str, list[float]] = {}
    try:
        for turn in range(turns + 1):
            for step in ("up, all new", "up, image is there", "up, open already", "exec"):
                for way in ways:
                    if step == "up, all new":
                        way.new()
                    elif step == "up, image is there":
                        way.down()
                    act = way.execute if step == "exec" else way.up
                    started = time.perf_counter()
                    act()
                    if turn:  # the first warms up
                        name = f"{step}, {way.name}"
                        times.setdefault(name, []).append((time.perf_counter() - started) * 1000)
    finally:
        for way in ways:
            way.clean()
    return times


def by_loop(folder: Path) -> Way:
    workspace = make(folder / "loop")
    loop = str(workspace / "scripts/loop")
    call([loop, "sync"])
    return Way(
        "loop",
        workspace,
        lambda: call([loop, "up", NAME]),
        lambda: call([loop, "exec", NAME, "--", *PROGRAM]),
    )


def by_cli(folder: Path) -> Way:
    workspace = make(folder / "cli")
    call([str(workspace / "scripts/loop"), "sync"])
    where = [f"--workspace-folder={workspace}"]
    where += [f"--config={workspace}/.devcontainer/{NAME}/devcontainer.json"]
    return Way(
        "devcontainer",
        workspace,
        lambda: call(["devcontainer", "up", *where]),
        lambda: call(["devcontainer", "exec", *where, *PROGRAM]),
    )


def by_docker(folder: Path) -> Way:
    """The command that one would type by hand. The label is for removing the container."""
    workspace = make(folder / "docker")
    image, name = "innerloop-bench-by-hand", "innerloop-bench-by-hand"
    label = f"devcontainer.local_folder={workspace}"

    def up() -> None:
        if (
            subprocess.run(["docker", "container", "inspect", name], capture_output=True).returncode
            == 0
        ):
            return
        context = str(workspace / f"src/{NAME}/environment")
        call(["docker", "build", "--quiet", "--tag", image, context])
        keep = ["sh", "-c", "while sleep 1000; do :; done"]
        mount = f"type=bind,source={workspace},target=/workspaces/docker"
        run = ["docker", "run", "--detach", "--init", "--name", name, "--label", label]
        call([*run, "--mount", mount, image, *keep])

    return Way("docker", workspace, up, lambda: call(["docker", "exec", name, *PROGRAM]))


def ratios(times: dict[str, list[float]]) -> dict[str, float | Spread]:
    result: dict[str, float | Spread] = {}
    for step in ("up, all new", "up, image is there", "up, open already", "exec"):
        for other in WAYS[1:]:
            result[f"{step}: loop / {other}"] = compare(times, f"{step}, loop", f"{step}, {other}")
    taken = medians(times)
    result["exec: loop minus docker, ms"] = taken["exec, loop"] - taken["exec, docker"]
    return result


def make(root: Path) -> Path:
    """A workspace with the real scripts and one experiment that does nothing."""
    folder = root / "src" / NAME
    (folder / "environment").mkdir(parents=True)
    (root / "pyproject.toml").write_text('[tool.innerloop]\ngpu = "auto"\n')
    (root / "scripts").symlink_to(ROOT / "scripts")
    (folder / "environment/Dockerfile").write_text(DOCKERFILE.format(stamp="first"))
    (folder / "train.py").write_text("print('trained')\n")
    return root


if __name__ == "__main__":
    sys.exit(main())

"""How `loop up` and `loop exec` compare with the bare devcontainer CLI and bare docker.

In one run, taking turns, with an experiment of two stages whose dev stage has a user:

    up, all new        nothing is there: image, container, commands
    up, image is there a new container on an image that is built
    up, open already   the second `up`
    exec               a program that does nothing

each by `loop`, by the devcontainer CLI and by docker itself (docker: `build` and `run --detach`;
`inspect`; `exec`). Each is a whole process, in milliseconds, the median of all turns.

    scripts/bench devcontainer [--turns 7] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=7, help="of each (default: 7)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    args = parser.parse_args()
    for program in ("docker", "devcontainer"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not on PATH: there is nothing to compare with")
    with scratch() as folder:
        medians = measure(folder, args.turns)
    result = {"turns": args.turns, "milliseconds": medians, "ratios": ratios(medians)}
    print(json.dumps(result, indent=2)) if args.json else show(result)
    return 0


@dataclass
class Way:
    """One of the three, with a workspace of its own. `new` takes everything away and changes the
    Dockerfile, so that no layer is there; `down` takes the container alone away."""

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


def measure(folder: Path, turns: int) -> dict[str, float]:
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
    return {name: statistics.median(values) for name, values in times.items()}


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
    """What one would type by hand; the label is for taking it away again."""
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


def ratios(medians: dict[str, float]) -> dict[str, float]:
    result = {}
    for step in ("up, all new", "up, image is there", "up, open already", "exec"):
        for other in WAYS[1:]:
            ratio = medians[f"{step}, loop"] / medians[f"{step}, {other}"]
            result[f"{step}: loop / {other}"] = ratio
    result["exec: loop minus docker, ms"] = medians["exec, loop"] - medians["exec, docker"]
    return result


def show(result: dict[str, Any]) -> None:
    for name, value in result["milliseconds"].items():
        print(f"{name:<42}{value:9.0f} ms")
    print()
    for name, value in result["ratios"].items():
        print(f"{name:<42}{value:9.2f}")


def make(root: Path) -> Path:
    """A workspace with the real scripts and one experiment that does nothing."""
    folder = root / "src" / NAME
    (folder / "environment").mkdir(parents=True)
    (root / "pyproject.toml").write_text('[tool.innerloop]\ngpu = "auto"\n')
    (root / "scripts").symlink_to(ROOT / "scripts")
    (folder / "environment/Dockerfile").write_text(DOCKERFILE.format(stamp="first"))
    (folder / "train.py").write_text("print('trained')\n")
    return root


def call(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)}\nended with exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def call_anyway(argv: Sequence[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True).stdout


@contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="innerloop-bench-"))
    try:
        yield Path(os.path.realpath(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

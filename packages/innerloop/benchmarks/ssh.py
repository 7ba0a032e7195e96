"""Time that `loop run --backend ssh:HOST` adds to the commands it replaces.

In one run, in turns, with an experiment whose program does nothing, on a machine with Docker that the
variable INNERLOOP_BENCH_HOST names (a Host of the ssh configuration; it must let you in without a
question):

    loop run, unchanged      `scripts/loop run tiny --backend ssh:HOST`, with nothing to send
    loop run, changed        the same with a changed file
    sent and ssh docker run  the code by rsync (by tar through ssh where a side has none), then
                             `ssh HOST docker run`, with the same image and mounts

Each is a whole process, in milliseconds, the median of all turns.

    INNERLOOP_BENCH_HOST=gpubox packages/innerloop/bench ssh [--turns 9] [--json]
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from _support import arguments, call, scratch, take_turns, tell
from orchestrator import loop, make

HOST = os.environ.get("INNERLOOP_BENCH_HOST", "")


def main() -> int:
    args = arguments(__doc__, turns=9)
    if not HOST or subprocess.run(["ssh", "-o", "BatchMode=yes", HOST, "docker", "info"],
                                  capture_output=True).returncode != 0:  # fmt: skip
        sys.exit("Name a machine with Docker that ssh reaches: INNERLOOP_BENCH_HOST=gpubox")
    with scratch() as folder:
        workspace = make(folder / "runs", 1)
        try:
            medians = take_turns(ways(workspace), args.turns)
        finally:
            call(loop(workspace, "clean", "--backend", f"ssh:{HOST}", "--all", "--yes"))
    plain = medians["sent and ssh docker run"]
    ratios = {f"{name} / sent and ssh docker run": value / plain for name, value in medians.items()}
    tell(args.turns, medians, ratios, as_json=args.json)
    return 0


def ways(workspace: Path) -> dict[str, Callable[[], object]]:
    run = loop(workspace, "run", "tiny0", "--backend", f"ssh:{HOST}")
    call(run)  # builds the image
    told = json.loads(call([*run, "--dry-run", "--json"]))
    code, there = workspace / "src/tiny0", ".innerloop-bench"
    mount = f"$HOME/{there}:{told['cwd']}"
    start = f'docker run --rm --init --user "$(id -u):$(id -g)" -v "{mount}" '
    start += f"-w {shlex.quote(told['cwd'])} {told['image']} {told['command']}"
    has_rsync = (
        shutil.which("rsync")
        and not subprocess.run(["ssh", HOST, "command -v rsync"], capture_output=True).returncode
    )
    rsync = ["rsync", "--recursive", f"{code}/", f"{HOST}:{there}/"]
    unpack = f"mkdir -p {there} && tar -x -C {there}"
    tar = f"tar -C {shlex.quote(str(code))} -c . | ssh {shlex.quote(HOST)} {shlex.quote(unpack)}"
    send = rsync if has_rsync else ["sh", "-c", tar]

    def plain() -> None:
        call(send)
        call(["ssh", HOST, start])

    turns = iter(range(10_000))

    def changed() -> None:
        (code / "train.py").write_text(f"print('trained {next(turns)}')\n")
        call(run)

    return {
        "loop run, unchanged": lambda: call(run),
        "loop run, changed": changed,
        "sent and ssh docker run": plain,
    }


if __name__ == "__main__":
    sys.exit(main())

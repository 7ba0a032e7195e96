"""Time of a sweep whose trials run two at once, over that of the same `docker run` in a shell.

In one run, in turns, eight trials that each keep a container busy for a second:

    loop run           `scripts/loop run tiny --trials 8 --parallel 2`
    shell              the eight `docker run`, two at once by `&` and `wait -n`
    one after another  `scripts/loop run tiny --trials 8 --parallel 1`

Each is a whole process, in milliseconds, the median of all turns.

    packages/innerloop/bench parallel [--turns 3] [--json]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from _support import ROOT, arguments, call, call_anyway, scratch, take_turns, tell

IMAGE = "python:3.11-slim-bookworm"
SWEEP = """type: sweep
trial:
  command: sleep 1; echo ${{search_space.n}}
  code: .
  environment: {image: IMAGE}
sampling_algorithm: grid
search_space: {n: {type: choice, values: [1, 2, 3, 4, 5, 6, 7, 8]}}
""".replace("IMAGE", IMAGE)


def main() -> int:
    args = arguments(__doc__, turns=3)
    with scratch() as folder:
        medians = measure(folder, args.turns)
    ratios = {
        "loop run / shell": medians["loop run"] / medians["shell"],
        "loop run / one after another": medians["loop run"] / medians["one after another"],
    }
    tell(args.turns, medians, ratios, as_json=args.json)
    return 0


def measure(folder: Path, turns: int) -> dict[str, float]:
    environment = folder / "src" / "tiny" / "environment"
    environment.mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[tool.innerloop]\n")
    (folder / "scripts").symlink_to(ROOT / "scripts")
    (environment / "Dockerfile").write_text(f"FROM {IMAGE}\n")
    (folder / "src" / "tiny" / "azure-ml-job.yaml").write_text(SWEEP)
    run = [
        *(str(folder / "scripts" / "loop"), "run", "tiny"),
        *("--backend", "docker", "--trials", "8", "--parallel"),
    ]
    trials = json.loads(call([*run, "2", "--dry-run", "--json"]))["trials"]
    script = folder / "trials.sh"
    script.write_text(_script([trial["argv"] for trial in trials]))
    for trial in trials:
        for mount in trial["mounts"]:
            if not Path(mount["source"]).exists():
                Path(mount["source"]).mkdir(parents=True)
    return take_turns(
        {
            "loop run": lambda: call([*run, "2"]),
            "shell": lambda: call(["bash", str(script)]),
            "one after another": lambda: call([*run, "1"]),
        },
        turns,
        before=lambda turn, name: _remove([trial["argv"] for trial in trials]),
    )


def _script(argvs: list[list[str]]) -> str:
    import shlex

    lines = ["n=0"]
    for argv in argvs:
        lines += [f"{shlex.join(argv)} &", "n=$((n + 1)); [ $n -lt 2 ] || wait -n"]
    return "\n".join([*lines, "wait", ""])


def _remove(argvs: list[list[str]]) -> None:
    """A recorded run keeps its container until its end is read; the shell reads none."""
    for argv in argvs:
        call_anyway(["docker", "rm", "--force", argv[argv.index("--name") + 1]])


if __name__ == "__main__":
    sys.exit(main())

"""Time of warm commands in a large workspace: 1,000 experiments, and 10,000 runs.

In one run, in turns:

    loop --version        a warm start
    loop sync             without changes
    loop list             whose output is replayed
    loop check, edited    after an edit of a program
    a Tab                 the names of all experiments
    loop runs             over 10,000 folders of runs, which did not change

Each is a whole process, in milliseconds, the median of all turns; a ratio is the median of the turns'
own ratios, with their quartiles.

    packages/innerloop/bench large [--turns 9] [--json]
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _support import all_turns, arguments, call, call_anyway, compare, medians, scratch, tell
from orchestrator import loop, make

EXPERIMENTS, RUNS = 1000, 10_000
BASE = "loop --version"


def main() -> int:
    args = arguments(__doc__, turns=9)
    with scratch() as folder:
        workspace = make(folder / "large", EXPERIMENTS)
        call(loop(workspace, "sync"))
        add_runs(workspace, RUNS)
        program = workspace / "src/tiny0/train.py"
        program.write_text("import sys\n" + "print('trained')  # a line of a program\n" * 50)
        time.sleep(0.5)  # what just changed is read each time
        lines = {
            BASE: ("--version",),
            "loop sync": ("sync",),
            "loop list": ("list",),
            "loop check, edited": ("check",),
            "a Tab": ("completion", "words", "--", "run", ""),
            "loop runs": ("runs",),
        }
        ways: dict[str, Callable[[], object]] = {
            name: partial(call, loop(workspace, *words)) for name, words in lines.items()
        }

        def check_edited() -> str:
            with program.open("a") as file:
                file.write("# another line\n")
            return call(loop(workspace, "check"))

        call_anyway(loop(workspace, "check"))
        ways["loop check, edited"] = check_edited
        times = all_turns(ways, args.turns)
    ratios = {f"{name} / {BASE}": compare(times, name, BASE) for name in lines if name != BASE}
    tell(args.turns, medians(times), ratios, as_json=args.json)
    return 0


def add_runs(workspace: Path, count: int) -> None:
    """Folders of runs that have ended, with scores and a curve."""
    curve = [{"epoch": epoch, "loss": 1 / (epoch + 1)} for epoch in range(8)]
    for number in range(count):
        name = f"20260101-{number:06d}-abcd"
        folder = workspace / "outputs" / f"tiny{number % 10}" / name
        (folder / ".run").mkdir(parents=True)
        record = {
            "run": name,
            "experiment": f"tiny{number % 10}",
            "backend": "docker",
            "command": "python train.py --epochs 8",
            "inputs": {"epochs": "8"},
            "started": "2026-01-01T00:00:00+00:00",
            "seconds": 1.5,
            "exit_code": 0,
        }
        (folder / ".run" / "run.json").write_text(json.dumps(record, indent=2))
        metrics = {"accuracy": number / count, "epochs": curve}
        (folder / "metrics.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    sys.exit(main())

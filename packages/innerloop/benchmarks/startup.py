"""CPU time of commands that only read the workspace, against `loop --version`.

User and system time of a warm `scripts/loop help`, `list`, `check`, `sync` without changes, a Tab and
`run --dry-run` in this workspace, children included. The commands take turns; each figure is the median of all turns, and
each ratio the median of the turns' own ratios, so that a slow moment of the machine counts little.
`help`, `list`, `check` and `sync` should each cost at most 1.6 times `--version`, a Tab 1.2 times.

    packages/innerloop/bench startup [--turns 40] [--json]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

from _support import ROOT, arguments, tell

BASE = "--version"
COMMANDS: dict[str, tuple[str, ...]] = {
    BASE: (BASE,),
    "help": ("help",),
    "list": ("list",),
    "check": ("check",),
    "sync": ("sync",),
    "a Tab": ("completion", "words", "--", "run", "di"),
    "run --dry-run": ("run", "digit_recognition", "--dry-run", "--backend", "venv"),
}


def main() -> int:
    args = arguments(__doc__, turns=40)
    turns = [measure() for _ in range(args.turns + 1)][1:]  # the first warms up
    medians = {name: statistics.median(turn[name] for turn in turns) for name in COMMANDS}
    ratios = {
        f"{name} / {BASE}": statistics.median(turn[name] / turn[BASE] for turn in turns)
        for name in COMMANDS
        if name != BASE
    }
    tell(args.turns, medians, ratios, as_json=args.json)
    return 0


def measure() -> dict[str, float]:
    """Each command once: name -> user and system time in milliseconds."""
    return {name: cpu_time(words) for name, words in COMMANDS.items()}


def cpu_time(words: Sequence[str]) -> float:
    """User and system time of one `scripts/loop WORDS` and its children, in milliseconds."""
    argv = [str(ROOT / "scripts" / "loop"), *words]
    child = subprocess.Popen(
        argv,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    if child.returncode:
        sys.exit(f"{' '.join(argv)} ended with exit code {child.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1000


if __name__ == "__main__":
    sys.exit(main())

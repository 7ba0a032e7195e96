"""Time of what people wait for at the keyboard: completion and `loop format`.

In one run, in turns, in a workspace of 100 experiments:

    python -c pass          the minimum of any Python program
    loop --version          a warm start
    a Tab                   `loop completion words`, which every completion script calls
    loop help               the list of commands
    loop format --check     isort and black, at the same time
    isort, then black       the same two programs with the same arguments, one after the other

Each is a whole process, in milliseconds, the median of all turns.

    packages/innerloop/bench keyboard [--turns 15] [--json]
"""

from __future__ import annotations

import sys
from pathlib import Path

# The folder of a program is on sys.path, so its neighbours can be imported.
from _support import ROOT, arguments, call, scratch, take_turns, tell
from orchestrator import loop, make

sys.path.insert(0, str(ROOT / "packages/innerloop/src"))

from innerloop.util import locked_environments, venvs

EXPERIMENTS = 100
PAIRS = (
    ("loop --version", "python -c pass"),
    ("a Tab", "loop --version"),
    ("a Tab", "loop help"),
    ("loop format --check", "isort, then black"),
)


def main() -> int:
    args = arguments(__doc__, turns=15)
    with scratch() as folder:
        medians = measure(make(folder / "workspace", EXPERIMENTS), args.turns)
    ratios = {f"{one} / {other}": medians[one] / medians[other] for one, other in PAIRS}
    tell(args.turns, medians, ratios, as_json=args.json)
    return 0


def measure(workspace: Path, turns: int) -> dict[str, float]:
    for path in workspace.glob("src/*/train.py"):
        path.write_text('import sys\n\nprint("trained", sys.argv)\n')
    formatter = str(venvs.python_of(locked_environments.ensure("format")))
    source = str(workspace / "src")

    def one_after_the_other() -> None:
        call([formatter, "-m", "isort", "--profile", "black", "--check-only", "--diff", source])
        call([formatter, "-m", "black", "--check", "--diff", source])

    return take_turns(
        {
            "python -c pass": lambda: call([sys.executable, "-E", "-s", "-c", "pass"]),
            "loop --version": lambda: call(loop(workspace, "--version")),
            "a Tab": lambda: call(loop(workspace, "completion", "words", "--", "run", "tiny1")),
            "loop help": lambda: call(loop(workspace, "help")),
            "loop format --check": lambda: call(loop(workspace, "format", "--check")),
            "isort, then black": one_after_the_other,
        },
        turns,
    )


if __name__ == "__main__":
    sys.exit(main())

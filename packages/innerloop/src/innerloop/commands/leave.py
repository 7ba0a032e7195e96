"""Takes the tool out of the workspace, after a question."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from ..doctor import cleanup
from ..model.removable import Removable
from ..scaffold import leave
from ..scaffold.leave import Departure
from ..util import console
from ..util.errors import UserError
from ..workspace import loader

EXAMPLES = """What is still as it was generated goes, and so do the launcher, its pin, .innerloop and the tool's
lines in .gitignore and .gitattributes. What you wrote or edited stays. Commit first: git then shows
what went.

examples:
  loop leave --dry-run                lists what goes and what stays
  loop leave                          shows that, and asks
  loop leave --keep-dev-containers    your experiments' dev containers stay; they need no tool
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-dev-containers",
        action="store_true",
        help="the dev containers of experiments that stay are kept",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="list it, and change nothing")


def run(args: argparse.Namespace) -> int:
    _show(leave.plan(args.root, keep_dev_containers=args.keep_dev_containers))
    _show_machine(args.root)
    if args.dry_run:
        return 0
    if not args.yes and not console.agreed("Take the tool out of this workspace?"):
        print("nothing was changed")
        return 0
    departure = leave.carry_out(args.root, keep_dev_containers=args.keep_dev_containers)
    print(f"removed {len(departure.removed)} files and folders; the tool is out of {args.root}")
    print("Every experiment still runs by the command in its job file.")
    return 0


def _show(departure: Departure) -> None:
    for path in departure.removed:
        print(f"goes:   {path}")
    for path in departure.edited:
        if path not in departure.stays:
            print(f"edit:   {path}, without the tool's part")
    for path, why in departure.stays.items():
        print(f"stays:  {path} ({why})")
    sys.stdout.flush()


def _show_machine(root: Path) -> None:
    """What of this workspace is on this machine, which no command removes afterwards."""
    items: list[Removable] = []
    with suppress(UserError):
        items = cleanup.find(loader.open_workspace(root), cleanup.DEFAULT_KINDS)
    if items:
        counts = Counter(item.kind for item in items)
        what = ", ".join(
            f"{number} {kind.removesuffix('s') if number == 1 else kind}"
            for kind, number in counts.items()
        )
        those = "it" if len(items) == 1 else "them"
        console.say(
            f"on this machine: {what}. `scripts/loop clean --all` removes {those}; run it first"
        )

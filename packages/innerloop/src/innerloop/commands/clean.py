"""Remove outdated containers, images and environments of this workspace, after a question."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from math import inf

from ..doctor import cleanup
from ..doctor.cleanup import DEFAULT_KINDS, KINDS, readable
from ..model.removable import Removable
from ..remote import base
from ..util import argtypes, console, tables
from ..util.errors import UsageError
from ..workspace import loader

EXAMPLES = """examples:
  loop clean                           what is outdated: images of an older environment/, containers
                                       whose start failed
  loop clean --all                     also what the next run would use, and then has to make again
  loop clean images --all --yes        one kind, without a question
  loop clean outputs --older-than 30   outputs of runs at least 30 days old
  loop clean --dry-run [--json]        only lists it
  loop clean --backend ssh:gpubox      what is on that machine and no longer needed; --all: the rest

Only things with this workspace's label or name are removed, never those of another clone, and no
running container. Outputs are removed only if you name them. Docker's build cache is shared:
`docker builder prune` empties it.
"""

DAYS = partial(argtypes.span, of="days", such_as=30, fits=lambda number: 0 <= number < inf)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "kinds", nargs="*", metavar="WHAT", help=f"{', '.join(KINDS)}; default: all but outputs"
    )
    base.add_backend_argument(
        parser, f"what is on this machine (ssh:NAME); WHAT is {', '.join(THERE)}"
    )
    parser.add_argument("--all", action="store_true", help="not only what is outdated")
    parser.add_argument(
        "--older-than",
        type=DAYS,
        default=30,
        metavar="DAYS",
        help="minimum age of outputs; default 30",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="list it, and change nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    if args.backend:
        return _elsewhere(args)
    if unknown := [kind for kind in args.kinds if kind not in KINDS]:
        raise UsageError(
            f'there is no kind "{unknown[0]}" to clean',
            code="unknown-name",
            hint=f"Name one of {', '.join(KINDS)}",
        )
    workspace = loader.open_workspace(args.root)
    kinds = args.kinds or DEFAULT_KINDS
    if reason := cleanup.unavailable_reason(workspace, kinds):
        console.say(f"{reason}: containers, images and volumes are not listed")
    if not args.dry_run:
        cleanup.sweep()
    items = cleanup.find(workspace, kinds, args.older_than)
    return _carry_out(args, items, partial(cleanup.remove, workspace))


# What `--backend ssh:NAME` cleans.
THERE = ("jobs", "trees", "environments", "images")


def _elsewhere(args: argparse.Namespace) -> int:
    """What is on a machine elsewhere; outputs that were not downloaded only by name."""
    if unknown := [kind for kind in args.kinds if kind not in THERE]:
        raise UsageError(
            f'there is no kind "{unknown[0]}" to clean on a machine elsewhere',
            code="unknown-name",
            hint=f"Name one of {', '.join(THERE)}",
        )
    with base.machine(args.backend, args.root) as machine:
        items = [item for item in machine.removable() if item.kind in (args.kinds or THERE)]
        if not args.kinds:
            left = [item for item in items if item.kind == "jobs" and not item.outdated]
            items = [item for item in items if item not in left]
            if left:
                console.say(
                    f"{len(left)} jobs run or have outputs that were not downloaded: they stay, "
                    "unless you name `jobs` and --all"
                )
        return _carry_out(args, items, machine.remove)


Remove = Callable[[Removable], str]


def _carry_out(args: argparse.Namespace, items: Sequence[Removable], remove: Remove) -> int:
    selected = [item for item in items if (item.outdated or args.all) and not item.kept]
    kept = [item for item in items if (item.outdated or args.all) and item.kept]
    if args.json:
        return _json(remove, selected, kept, act=args.yes and not args.dry_run)
    _show(selected, kept, rest=[item for item in items if not item.outdated and not args.all])
    if not selected or args.dry_run:
        return 0
    freed = readable(cleanup.total(selected))
    question = f"Remove these {len(selected)} and free at least {freed}?"
    if not args.yes and not console.agreed(question):
        print("nothing was changed")
        return 0
    return _remove(remove, selected)


def _show(
    selected: Sequence[Removable], kept: Sequence[Removable], rest: Sequence[Removable]
) -> None:
    rows = [[item.kind[:-1], _name(item), readable(item.size), item.why] for item in selected]
    rows += [["stays", _name(item), "", item.kept] for item in kept]
    if rows:
        titles = ("what", "name", "frees", "why")
        tables.show(tables.Table(titles, rows, right=("frees",), cuts=True))
    if not selected:
        print("nothing to clean")
    if rest:
        print(
            f"in use: {len(rest)} more, {readable(cleanup.total(rest))} (`loop clean --all` "
            "removes them too; the next run makes them again)"
        )
    sys.stdout.flush()


def _name(item: Removable) -> str:
    """A volume's name is a long hash: its column `why` says what it contains."""
    return f"{item.name[:24]}…" if item.kind == "volumes" else item.name


def _remove(remove: Remove, selected: Sequence[Removable]) -> int:
    """Containers are removed before their images."""
    freed, failed = 0, 0
    for item in selected:
        if reason := remove(item):
            failed += 1
            console.say(f"{item.name} stays: {reason}")
        else:
            freed += item.size
            print(f"removed {item.kind[:-1]} {item.name}", flush=True)
    print(f"freed at least {readable(freed)}")
    return 1 if failed else 0


def _json(
    remove: Remove, selected: Sequence[Removable], kept: Sequence[Removable], *, act: bool
) -> int:
    reasons = {item.key: remove(item) for item in selected} if act else {}
    removed = [item for item in selected if not reasons.get(item.key)]
    failed = [item for item in selected if reasons.get(item.key)]
    value = {
        "removed" if act else "would_remove": [item.json() for item in removed],
        "kept": [
            *(item.json() for item in kept),
            *({**item.json(), "kept": reasons[item.key]} for item in failed),
        ],
        "bytes": cleanup.total(removed),
    }
    console.print_json(value)
    return 1 if any(reasons.values()) else 0

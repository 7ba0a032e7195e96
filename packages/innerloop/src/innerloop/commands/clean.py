"""What this workspace has left on this machine goes, after it was shown and agreed to."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from math import inf

from ..doctor import cleanup
from ..doctor.cleanup import DEFAULT_KINDS, KINDS, Removable, readable
from ..util import argtypes, console, tables
from ..util.errors import UsageError
from ..workspace import loader

EXAMPLES = """examples:
  loop clean                           what is stale: images of an older environment/, containers that never came up
  loop clean --all                     also what is in use by the next run: it is made again then
  loop clean images --all --yes        one kind, without asking
  loop clean outputs --older-than 30   what runs wrote, a month ago and earlier
  loop clean --dry-run [--json]        shows it only

Only what carries this workspace's label or name is ever touched, never another clone's, and no
container that runs. Outputs go only when they are named. Docker's own build cache is everybody's:
`docker builder prune` empties it.
"""

DAYS = partial(argtypes.span, of="days", such_as=30, fits=lambda number: 0 <= number < inf)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "kinds", nargs="*", metavar="WHAT", help=f"{', '.join(KINDS)}; default: all but outputs"
    )
    parser.add_argument("--all", action="store_true", help="not only what is stale")
    parser.add_argument(
        "--older-than", type=DAYS, default=30, metavar="DAYS", help="for outputs; default 30"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show it, and change nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    if wrong := [kind for kind in args.kinds if kind not in KINDS]:
        raise UsageError(
            f'there is no "{wrong[0]}" to clean', hint=f"Name one of {', '.join(KINDS)}"
        )
    workspace = loader.open_workspace(args.root)
    kinds = args.kinds or DEFAULT_KINDS
    if why := cleanup.unavailable_reason(kinds):
        console.say(f"{why}: its containers, images and volumes are not looked at")
    there = cleanup.find(workspace, kinds, args.older_than)
    wanted = [one for one in there if (one.stale or args.all) and not one.kept]
    kept = [one for one in there if (one.stale or args.all) and one.kept]
    if args.json:
        return _json(wanted, kept, act=args.yes and not args.dry_run)
    _show(wanted, kept, rest=[one for one in there if not one.stale and not args.all])
    if not wanted or args.dry_run:
        return 0
    if not args.yes and not _agreed(wanted):
        print("nothing was changed")
        return 0
    return _remove(wanted)


def _show(
    wanted: Sequence[Removable], kept: Sequence[Removable], rest: Sequence[Removable]
) -> None:
    rows = [[one.kind[:-1], _name(one), readable(one.size), one.why] for one in wanted]
    rows += [["stays", _name(one), "", one.kept] for one in kept]
    if rows:
        titles = ("what", "name", "frees", "why")
        tables.show(tables.Table(titles, rows, right=("frees",), cuts=True))
    if not wanted:
        print("nothing to clean")
    if rest:
        print(
            f"in use: {len(rest)} more, {readable(cleanup.total(rest))} (`loop clean --all` "
            "takes them too; the next run makes them again)"
        )
    sys.stdout.flush()


def _name(one: Removable) -> str:
    """A volume's is a word for machines; what it holds is said beside it."""
    return f"{one.name[:24]}…" if one.kind == "volumes" else one.name


def _agreed(wanted: Sequence[Removable]) -> bool:
    question = f"Remove these {len(wanted)}, and free at least {readable(cleanup.total(wanted))}?"
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask in; nothing was changed", hint="Add --yes")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()  # below the question
        return False


def _remove(wanted: Sequence[Removable]) -> int:
    """Containers before the images that they are made of."""
    freed, failed = 0, 0
    for one in wanted:
        if reason := cleanup.remove(one):
            failed += 1
            print(f"innerloop: {one.name} stays: {reason}", file=sys.stderr)
        else:
            freed += one.size
            print(f"removed {one.kind[:-1]} {one.name}", flush=True)
    print(f"freed at least {readable(freed)}")
    return 1 if failed else 0


def _json(wanted: Sequence[Removable], kept: Sequence[Removable], *, act: bool) -> int:
    reasons = {one.key: cleanup.remove(one) for one in wanted} if act else {}
    told = {
        "removed" if act else "would_remove": [
            one.json() for one in wanted if not reasons.get(one.key)
        ],
        "kept": [
            *(one.json() for one in kept),
            *({**one.json(), "kept": reasons[one.key]} for one in wanted if reasons.get(one.key)),
        ],
        "bytes": sum(one.size for one in wanted if not reasons.get(one.key)),
    }
    print(json.dumps(told, indent=2))
    return 1 if any(reasons.values()) else 0

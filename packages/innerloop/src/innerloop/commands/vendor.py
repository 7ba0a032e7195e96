"""Put the pinned wheels into the workspace, for clones without a package index."""

from __future__ import annotations

import argparse

from ..scaffold import vendor
from ..util import console, wheels
from ..util.errors import UsageError

EXAMPLES = """examples:
  loop vendor                          for this system, and every Python that the tool runs on
  loop vendor --platform linux-x86_64 --platform macos-arm64
  loop vendor --python 3.12            for one version of Python: smaller
  loop vendor --with azure             Azure ML's client too (large)
  loop vendor --tool-only              the tool's own wheel; an index has the rest

Every wheel is checked by the hashes of the pin. Wheels that are pinned no more are removed.
Commit the folder: a clone then works with a cold cache and no network.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--platform",
        action="append",
        choices=sorted(wheels.PLATFORMS),
        metavar="P",
        help=f"a system, repeatable (default: this one): {', '.join(wheels.PLATFORMS)}",
    )
    parser.add_argument(
        "--python",
        action="append",
        choices=wheels.PYTHONS,
        metavar="V",
        help=f"a version of Python, repeatable (default: {', '.join(wheels.PYTHONS)})",
    )
    parser.add_argument(
        "--with",
        action="append",
        dest="extra",
        default=[],
        choices=vendor.EXTRA,
        help="also what a remote backend needs, repeatable",
    )
    parser.add_argument(
        "--tool-only", action="store_true", help="the tool's own wheel, and nothing else"
    )


def run(args: argparse.Namespace) -> int:
    if args.tool_only and args.extra:
        raise UsageError("--tool-only and --with exclude each other", code="options-exclusive")
    names = tuple(dict.fromkeys(args.platform or filter(None, [wheels.this_platform()])))
    if not names:
        raise UsageError(
            "no wheels are known for this system",
            code="platform-unknown",
            hint=f"Name one: --platform {', '.join(wheels.PLATFORMS)}",
        )
    pythons = tuple(
        version for version in wheels.PYTHONS if version in (args.python or wheels.PYTHONS)
    )
    selection = vendor.Selection(names, pythons, (*vendor.USUAL, *args.extra), args.tool_only)
    vendored = vendor.make(args.root, selection)
    for name in vendored.added:
        print(f"add {wheels.WHEELS}/{name}")
    for name in vendored.removed:
        print(f"remove {wheels.WHEELS}/{name}")
    for name in vendored.foreign:
        console.say(f"{wheels.WHEELS}/{name}: no wheel of the tool, so it stays")
    print(vendor.describe(selection, vendored))
    if rule := vendor.ignored_by_git(args.root, vendored):
        console.say(
            f"git ignores these files ({rule}): `git add --force {wheels.WHEELS}` keeps them"
        )
    elif vendor.is_large(vendored):
        console.say(
            "This is much for a git repository: name fewer systems by --platform and --python, or use "
            f"git LFS: `git lfs track '{wheels.WHEELS}/*.whl'`"
        )
    return 0

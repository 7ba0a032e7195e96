"""Shares code of src/common with an experiment by relative links, and keeps these in order."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from .. import loading, syncing
from ..errors import WrongUse
from ..experiments import sharing
from ..spec.experiment import Experiment
from ..spec.sharing import COMMON, common_path
from ..spec.workspace import Workspace

SUMMARY = "Shares a file or folder of src/common with an experiment, by a relative link."
EXAMPLES = """The link src/EXP/common/PATH leads to src/common/PATH: `from common.digits import load`
works in every place, and each experiment gets only the common code that it names.

examples:
  loop dependency digit_recognition digits.py
  loop dependency digit_recognition vision/augment.py vision/masks
  loop dependency digit_recognition --list
  loop dependency digit_recognition --remove digits.py      src/common keeps the code
  loop dependency --repair                                  every experiment's broken links
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="below src/common, at any depth")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--list", action="store_true", help="show what is shared, and its state")
    how.add_argument("--remove", action="store_true", help="take the links away")
    how.add_argument(
        "--repair",
        action="store_true",
        help="make broken and absolute links again, and text files that git left in their place",
    )
    parser.add_argument("--json", action="store_true", help="with --list: one JSON array")


def run(args: argparse.Namespace) -> int:
    workspace = loading.open_workspace(args.root)
    if args.list or args.repair:
        if args.paths:
            raise WrongUse("--list and --repair take no PATH", mend="They look at all the links")
        chosen = _some(workspace, args.experiment, args.cwd)
        if args.list:
            return _list(args.root, chosen, args.json)
        return _repair(args.root, chosen)
    experiment, words = _one(workspace, args)
    paths = [common_path(_below_common(word, args)) for word in words]
    if not paths:
        raise WrongUse("which code of src/common?", mend=_could(args.root, experiment))
    change = _remove if args.remove else _add
    for path in paths:
        change(args.root, experiment, path)
    return _render(args.root)


def _one(workspace: Workspace, args: argparse.Namespace) -> tuple[Experiment, list[str]]:
    """In an experiment's folder its name can be left away: the only word is a path then."""
    words = list(args.paths)
    name = args.experiment
    if name is not None and not words and name not in workspace.experiments:
        try:
            common_path(_below_common(name, args))
            return loading.choose_experiment(workspace, None, args.cwd), [name]
        except WrongUse:
            pass  # It may be the end of an experiment's name.
    return loading.choose_experiment(workspace, name, args.cwd), words


def _some(workspace: Workspace, name: str | None, cwd: Path) -> list[Experiment]:
    try:
        return [loading.choose_experiment(workspace, name, cwd)]
    except WrongUse:
        if name is not None:
            raise
        return [loading.open_experiment(workspace, one) for one in workspace.experiments]


def _below_common(word: str, args: argparse.Namespace) -> str:
    """A path that the shell completed, absolute or from where the person stands, is meant too."""
    for given in (Path(word), args.cwd / word):
        common = args.root / COMMON
        if given.is_absolute() and given.exists() and given.resolve() != common.resolve():
            resolved = given.resolve()
            if resolved.is_relative_to(common.resolve()):
                return resolved.relative_to(common.resolve()).as_posix()
    return word


def _add(root: Path, experiment: Experiment, path: str) -> None:
    link = f"{experiment.folder}/common/{path}"
    if sharing.add(root, experiment, path):
        print(f"{link} -> {COMMON}/{path}")
    else:
        print(f"{experiment.name} shares {COMMON}/{path} already")
    for piece in sharing.lacking(root, experiment, path):
        _say(
            f"{COMMON}/{path} imports {COMMON}/{piece}, which {experiment.name} does not share: "
            f"scripts/loop dependency {experiment.name} {piece}"
        )


def _remove(root: Path, experiment: Experiment, path: str) -> None:
    sharing.remove(root, experiment, path)
    print(f"{experiment.name} no longer shares {path}; {COMMON}/{path} is untouched")


def _list(root: Path, experiments: list[Experiment], as_json: bool) -> int:
    shares = {one.name: sharing.found(root, one.folder) for one in experiments}
    if as_json:
        rows = [{"experiment": name, **asdict(s)} for name, found in shares.items() for s in found]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for one in experiments:
            _print_shares(root, one, shares[one.name])
    bad = any(share.state != "ok" for found in shares.values() for share in found)
    return 1 if bad else 0


def _print_shares(root: Path, experiment: Experiment, shares: list[sharing.Share]) -> None:
    print(f"{experiment.name} shares {'nothing' if not shares else ''}".rstrip())
    for share in shares:
        name = share.link.removeprefix(f"{experiment.folder}/")
        print(f"  {name} -> {share.target or '?'}{f'   {share.sentence}' * (share.state != 'ok')}")
    if others := sharing.not_shared(root, experiment.folder):
        print(f"  not shared: {', '.join(name for name in others if name != 'tests') or 'nothing'}")


def _repair(root: Path, experiments: list[Experiment]) -> int:
    left: list[sharing.Share] = []
    count = 0
    for experiment in experiments:
        mended, bad = sharing.repair(root, experiment)
        for share in mended:
            print(f"mended {share.link} -> {share.target} ({share.sentence})")
        if any(share.state == "text" for share in mended):
            _say("so that git makes links itself: git config core.symlinks true")
        left += bad
        count += len(mended)
    for share in left:
        _say(f"{share.link}: {share.sentence}, and nothing in {COMMON} fits. Remove it, or restore")
    if not count and not left:
        print("all links lead where they should")
    return 1 if left else _render(root)


def _could(root: Path, experiment: Experiment) -> str:
    names = [name for name in sharing.not_shared(root, experiment.folder) if name != "tests"]
    return f"There are: {', '.join(names)}" if names else f"Put the code into {COMMON} first"


def _render(root: Path) -> int:
    """What is rendered from the links (which tests the Testing panel shows) follows at once."""
    outcome = syncing.sync(root)
    for change in outcome.changes:
        _say(f"{change.verb} {change.path}")
    for problem in outcome.problems:
        _say(problem)
    return 0


def _say(text: str) -> None:
    print(f"innerloop: {text}", file=sys.stderr)

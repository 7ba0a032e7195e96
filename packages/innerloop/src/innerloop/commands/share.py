"""Shares code of src/common with an experiment by relative links, and keeps these in order."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from ..model.experiment import Experiment
from ..model.shared_code import COMMON, common_path
from ..model.workspace import Workspace
from ..sync import engine
from ..util.errors import UsageError
from ..workspace import loader, shared_code_links

EXAMPLES = """The link src/EXP/common/PATH leads to src/common/PATH: `from common.digits import load`
works in every place, and each experiment gets only the common code that it names.

examples:
  loop share digit_recognition digits.py
  loop share digit_recognition vision/augment.py vision/masks
  loop share digit_recognition --list
  loop share digit_recognition --remove digits.py      src/common keeps the code
  loop share --repair                                  every experiment's broken links
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
    workspace = loader.open_workspace(args.root)
    if args.list or args.repair:
        if args.paths:
            raise UsageError("--list and --repair take no PATH", hint="They look at all the links")
        chosen = _some(workspace, args.experiment, args.cwd)
        if args.list:
            return _list(args.root, chosen, args.json)
        return _repair(args.root, chosen)
    experiment, words = _one(workspace, args)
    paths = [common_path(_below_common(word, args)) for word in words]
    if not paths:
        raise UsageError("which code of src/common?", hint=_could(args.root, experiment))
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
            return loader.choose_experiment(workspace, None, args.cwd), [name]
        except UsageError:
            pass  # It may be the end of an experiment's name.
    return loader.choose_experiment(workspace, name, args.cwd), words


def _some(workspace: Workspace, name: str | None, cwd: Path) -> list[Experiment]:
    try:
        return [loader.choose_experiment(workspace, name, cwd)]
    except UsageError:
        if name is not None:
            raise
        return [loader.open_experiment(workspace, one) for one in workspace.experiments]


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
    if shared_code_links.add(root, experiment, path):
        print(f"{link} -> {COMMON}/{path}")
    else:
        print(f"{experiment.name} shares {COMMON}/{path} already")
    for piece in shared_code_links.missing_imports(root, experiment, path):
        _say(
            f"{COMMON}/{path} imports {COMMON}/{piece}, which {experiment.name} does not share: "
            f"scripts/loop share {experiment.name} {piece}"
        )


def _remove(root: Path, experiment: Experiment, path: str) -> None:
    shared_code_links.remove(root, experiment, path)
    print(f"{experiment.name} no longer shares {path}; {COMMON}/{path} is untouched")


def _list(root: Path, experiments: list[Experiment], as_json: bool) -> int:
    shares = {one.name: shared_code_links.find(root, one.folder) for one in experiments}
    if as_json:
        rows = [{"experiment": name, **asdict(s)} for name, found in shares.items() for s in found]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for one in experiments:
            _print_shares(root, one, shares[one.name])
    bad = any(share.state != "ok" for found in shares.values() for share in found)
    return 1 if bad else 0


def _print_shares(
    root: Path, experiment: Experiment, shares: list[shared_code_links.Share]
) -> None:
    print(f"{experiment.name} shares {'nothing' if not shares else ''}".rstrip())
    for share in shares:
        name = share.link.removeprefix(f"{experiment.folder}/")
        print(f"  {name} -> {share.target or '?'}{f'   {share.message}' * (share.state != 'ok')}")
    if others := shared_code_links.not_shared(root, experiment.folder):
        print(f"  not shared: {', '.join(name for name in others if name != 'tests') or 'nothing'}")


def _repair(root: Path, experiments: list[Experiment]) -> int:
    left: list[shared_code_links.Share] = []
    count = 0
    for experiment in experiments:
        mended, bad = shared_code_links.repair(root, experiment)
        for share in mended:
            print(f"mended {share.link} -> {share.target} ({share.message})")
        if any(share.state == "text" for share in mended):
            _say("so that git makes links itself: git config core.symlinks true")
        left += bad
        count += len(mended)
    for share in left:
        _say(f"{share.link}: {share.message}, and nothing in {COMMON} fits. Remove it, or restore")
    if not count and not left:
        print("all links lead where they should")
    return 1 if left else _render(root)


def _could(root: Path, experiment: Experiment) -> str:
    names = [
        name for name in shared_code_links.not_shared(root, experiment.folder) if name != "tests"
    ]
    return f"There are: {', '.join(names)}" if names else f"Put the code into {COMMON} first"


def _render(root: Path) -> int:
    """What is rendered from the links (which tests the Testing panel shows) follows at once."""
    outcome = engine.sync(root)
    for change in outcome.changes:
        _say(f"{change.verb} {change.path}")
    for problem in outcome.problems:
        _say(problem)
    return 0


def _say(text: str) -> None:
    print(f"innerloop: {text}", file=sys.stderr)

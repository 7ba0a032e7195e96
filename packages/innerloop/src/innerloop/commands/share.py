"""Shares code of src/common with an experiment by relative links, and repairs these."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ..model.experiment import Experiment
from ..model.shared_code import COMMON, common_path, link_of
from ..model.workspace import Workspace
from ..scaffold import create
from ..sync import engine
from ..util import console, selection
from ..util.console import say
from ..util.errors import UsageError
from ..util.undo_journal import WorkspaceChange
from ..workspace import experiment_choice, loader, shared_code_links, text_links

EXAMPLES = """The link src/EXP/common/PATH points to src/common/PATH: `from common.digits import load`
works with every backend, and each experiment gets only the shared code that it names.

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
    how.add_argument("--remove", action="store_true", help="remove the links")
    how.add_argument(
        "--repair",
        action="store_true",
        help="repair broken and absolute links, and text files that git made of links",
    )
    parser.add_argument("--json", action="store_true", help="with --list: one JSON array")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    if args.list or args.repair:
        if args.paths:
            raise UsageError(
                "--list and --repair take no PATH",
                code="options-exclusive",
                hint="They work on all links",
            )
        chosen = _some(workspace, args.experiment, args.cwd)
        if args.list:
            return _list(args.root, chosen, args.json)
        return _repair(args.root, chosen)
    experiment, words = _one(workspace, args)
    words = words or _asked(args.root, experiment)
    paths = [common_path(_below_common(word, args)) for word in words]
    if not paths:
        raise UsageError(
            "which code of src/common?",
            code="argument-missing",
            hint=_candidates(args.root, experiment),
        )
    edit = _remove if args.remove else _add
    with engine.change(args.root, f"the change of what {experiment.name} shares") as change:
        create.require_folder(args.root, experiment.name)
        lines = [edit(change, experiment, path) for path in paths]
        outcome = engine.sync_within(change)
    for line in lines:
        print(line)
    if not args.remove:
        for path in paths:
            _list_missing(args.root, experiment, path)
    return _report(outcome)


def _one(workspace: Workspace, args: argparse.Namespace) -> tuple[Experiment, list[str]]:
    """The experiment and the paths.

    Inside an experiment's folder its name can be omitted: then a single word is a path. So it is
    if it names a file of src/common from the root, as an editor does; another file that is named
    from the root says which experiment is meant.
    """
    words = list(args.paths)
    name = args.experiment
    if name is not None and not words:
        path = experiment_choice.file_of(args.root, name, args.cwd)
        if path is not None and path.startswith(f"{COMMON}/"):
            return loader.choose_experiment(workspace, None, args.cwd), [path]
        if path is not None and path == name.replace("\\", "/"):
            return loader.choose_experiment(workspace, name, args.cwd), words
    if name is not None and not words and name not in workspace.experiments:
        try:
            common_path(_below_common(name, args))
            return loader.choose_experiment(workspace, None, args.cwd), [name]
        except UsageError:
            pass  # it may be the end of an experiment's name
    return loader.choose_experiment(workspace, name, args.cwd), words


def _asked(root: Path, experiment: Experiment) -> list[str]:
    """The shared code that the person chooses; empty if there is none, or nobody can be asked."""
    names = _not_shared(root, experiment)
    if not names or not console.can_ask():
        return []
    options = [selection.Option(name) for name in names]
    option = selection.choose(options, f"Which code of {COMMON} for {experiment.name}?")
    return [] if option is None else [option.label]


def _some(workspace: Workspace, name: str | None, cwd: Path) -> list[Experiment]:
    try:
        return [loader.choose_experiment(workspace, name, cwd, asks=False)]
    except UsageError:
        if name is not None:
            raise
        return [loader.open_experiment(workspace, known) for known in workspace.experiments]


def _below_common(word: str, args: argparse.Namespace) -> str:
    """The path below src/common.

    It may be given as an absolute path, or from the current folder, as shell completion gives it.
    """
    for path in (Path(word), args.cwd / word):
        common = args.root / COMMON
        if path.is_absolute() and path.exists() and path.resolve() != common.resolve():
            resolved = path.resolve()
            if resolved.is_relative_to(common.resolve()):
                return resolved.relative_to(common.resolve()).as_posix()
    return word


def _add(change: WorkspaceChange, experiment: Experiment, path: str) -> str:
    steps = shared_code_links.add(change.root, experiment, path)
    for step in steps:
        change.carry_out([step])
    _say(shared_code_links.record(change.root, steps))
    if steps:
        return f"{experiment.folder}/common/{path} -> {COMMON}/{path}"
    return f"{experiment.name} already shares {COMMON}/{path}"


def _list_missing(root: Path, experiment: Experiment, path: str) -> None:
    for piece in shared_code_links.missing_imports(root, experiment, path):
        say(
            f"{COMMON}/{path} imports {COMMON}/{piece}, which {experiment.name} does not share: "
            f"scripts/loop share {experiment.name} {piece}"
        )


def _remove(change: WorkspaceChange, experiment: Experiment, path: str) -> str:
    texts = text_links.targets(change.root, link_of(experiment.folder, path))
    change.carry_out(shared_code_links.remove(change.root, experiment, path))
    text_links.release(change.root, texts)
    return f"{experiment.name} no longer shares {path}; {COMMON}/{path} stays"


def _list(root: Path, experiments: list[Experiment], as_json: bool) -> int:
    shares = {
        experiment.name: shared_code_links.find(root, experiment.folder)
        for experiment in experiments
    }
    if as_json:
        rows = [
            {"experiment": name, **asdict(share)} for name, some in shares.items() for share in some
        ]
        console.print_json(rows)
    else:
        for experiment in experiments:
            _print_shares(root, experiment, shares[experiment.name])
    is_broken = any(
        not share.works or share.state == "absolute" for some in shares.values() for share in some
    )
    return 1 if is_broken else 0


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
    repaired: list[shared_code_links.Share] = []
    unrepaired: list[shared_code_links.Share] = []
    with engine.change(root, "`loop share --repair`") as change:
        # Another command may have changed the links while this one waited.
        for experiment in experiments:
            some, failed = shared_code_links.repair(root, experiment)
            repaired += some
            unrepaired += failed
        makes_links = shared_code_links.can_link(root)
        kept = [share for share in repaired if share.state == "text" and not makes_links]
        repaired = [share for share in repaired if share not in kept]
        steps = [shared_code_links.link_to(root, share) for share in repaired]
        change.carry_out(steps)
        unknown = [shared_code_links.link_to(root, share) for share in kept if not share.works]
        _say(shared_code_links.record(root, [*steps, *unknown]))
        outcome = None if unrepaired else engine.sync_within(change)
    for share in repaired:
        print(f"repaired {share.link} -> {share.target} ({share.message})")
    if any(share.state == "text" for share in repaired):
        say("to have git make links: git config core.symlinks true")
    for share in kept:
        print(f"kept {share.link} -> {share.target} ({share.message})")
    if kept:
        say(
            "this system makes no links, and the text files work as they are. For links: turn "
            "Developer Mode on in Windows, then run this command again"
        )
    for share in unrepaired:
        say(
            f"{share.link}: {share.message}, and nothing in {COMMON} matches. Remove it, or restore"
        )
    if not repaired and not unrepaired and not kept:
        print("all links are in order")
    return 1 if outcome is None else _report(outcome)


def _candidates(root: Path, experiment: Experiment) -> str:
    names = _not_shared(root, experiment)
    return f"There are: {', '.join(names)}" if names else f"Put the code into {COMMON} first"


def _say(note: str) -> None:
    if note:
        say(note)


def _not_shared(root: Path, experiment: Experiment) -> list[str]:
    names = shared_code_links.not_shared(root, experiment.folder)
    return [name for name in names if name != "tests"]


def _report(outcome: engine.SyncOutcome) -> int:
    """What changed in the files that are generated from the links."""
    for line in outcome.report():
        say(line)
    return 0

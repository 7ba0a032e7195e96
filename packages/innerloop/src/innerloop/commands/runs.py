"""The runs so far, with their scores: as a table, as JSON, as a page with their curves."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..history import past_runs
from ..history.past_runs import PastRun
from ..util import console, files, tables
from ..util.errors import UsageError
from ..workspace import loader

EXAMPLES = """A run is a folder outputs/<experiment>/<run>/. Beside what the program wrote into it, its
.run/ holds what ran (run.json), what it printed (log.txt) and what was not committed
(changes.patch: `git checkout COMMIT && git apply changes.patch` brings the code back).

Scores are the numbers in the program's ./outputs/metrics.json; curves are lists in it, or the
lines of ./outputs/metrics.jsonl, one JSON object for each epoch or step.

examples:
  loop runs                        all experiments, the newest last
  loop runs digit_recognition --last 5
  loop runs --log 20260131-101500-3fa2     what that run printed (its beginning is enough)
  loop runs --page                 writes outputs/runs.html; --open shows it in the browser
  loop runs --json                 for a script: records, scores, curves
"""
PAGE = "outputs/runs.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="default: all of them")
    parser.add_argument("--last", type=int, metavar="N", help="only the newest N")
    parser.add_argument("--log", metavar="RUN", help="prints what a run printed")
    parser.add_argument("--page", action="store_true", help=f"writes {PAGE}, with the curves")
    parser.add_argument("--open", action="store_true", help="the same, shown in the browser")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    root: Path = args.root
    slug = None
    if args.experiment is not None:
        workspace = loader.open_workspace(root)
        slug = loader.choose_experiment(workspace, args.experiment, args.cwd).slug
    if args.last is not None and args.last < 1:
        raise UsageError(f"--last {args.last} is no number of runs", hint="Write --last 5")
    found = past_runs.find(root, slug)
    if args.log is not None:
        return _show_log(root, found, args.log)
    found = found[-args.last :] if args.last else found
    if args.json:
        print(json.dumps([one.json() for one in found], indent=2, ensure_ascii=False))
    elif args.page or args.open:
        return _page(root, found, args.experiment, show=args.open)
    elif not found:
        print("No runs yet. `scripts/loop run EXP` makes one.")
    else:
        _table(found)
    return 0


def _show_log(root: Path, found: Sequence[PastRun], word: str) -> int:
    matching = [one for one in found if one.id.startswith(word) or one.folder == word.rstrip("/")]
    if len(matching) != 1:
        what = f'"{word}" is the beginning of {len(matching)} runs' if matching else (
            f'there is no run "{word}"'
        )  # fmt: skip
        raise UsageError(what, hint="`scripts/loop runs` lists them")
    path = past_runs.log_of(root, matching[0])
    if not path.is_file():
        print(f"innerloop: {matching[0].folder} has no log", file=sys.stderr)
        return 1
    sys.stdout.flush()
    sys.stdout.buffer.write(path.read_bytes())
    sys.stdout.buffer.flush()
    return 0


def _page(root: Path, found: Sequence[PastRun], experiment: str | None, *, show: bool) -> int:
    from ..history import report

    path = root / PAGE
    title = f"Runs of {experiment}" if experiment else f"Runs in {root.name}"
    files.write_text(path, report.page(found, title))
    print(f"wrote {PAGE} ({len(found)} runs)")
    if not show:
        return 0
    if os.environ.get("REMOTE_CONTAINERS") or os.environ.get("CODESPACES"):
        from ..history import report_server

        return report_server.serve(path.parent, path.name)
    import webbrowser

    if not webbrowser.open(path.as_uri()):
        print(f"no browser could be started: open {path.as_uri()}", file=sys.stderr)
        return 1
    return 0


def _table(found: Sequence[PastRun]) -> None:
    scores, inputs = past_runs.headline_metrics(found, 3), past_runs.differing_inputs(found)[:3]
    several = len({one.experiment for one in found}) > 1
    numbers = [title.replace("_", " ") for title in (*inputs, *scores)]
    titles = [*["experiment"] * several, "run", "state", "seconds", "backend", "code", *numbers]
    rows = [[*[one.experiment] * several, *_cells(one, inputs, scores)] for one in found]
    spare = ("code", "backend", "seconds", *reversed(numbers[1:]))
    left_out = tables.show(tables.Table(titles, rows, right=("seconds", *numbers), spare=spare))
    if left_out:
        console.say(f"no room here for {', '.join(left_out)}; `loop runs --page` shows all")


def _cells(one: PastRun, inputs: Sequence[str], scores: Sequence[str]) -> list[str]:
    seconds = one.record.get("seconds")
    return [
        one.id,
        one.state,
        "" if seconds is None else f"{seconds:.1f}",
        one.backend,
        one.commit,
        *(one.inputs.get(name, "") for name in inputs),
        *(f"{one.scores[name]:.4g}" if name in one.scores else "" for name in scores),
    ]

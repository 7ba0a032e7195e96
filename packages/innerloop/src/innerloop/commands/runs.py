"""List runs with scores and times: as a table, as JSON, or as a page with their curves."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..history import metric_values, past_runs, report
from ..history.past_runs import PastRun
from ..util import console, files, process, regular_files, tables
from ..util.errors import UsageError
from ..util.user_shell import localized
from ..workspace import loader

EXAMPLES = """A run is a folder outputs/<experiment>/<run>/. Next to the program's outputs, its .run/ contains
what ran (run.json), its output (log.txt) and uncommitted changes (changes.patch: `git checkout
COMMIT && git apply changes.patch` restores the code).

Scores are the numbers in the program's ./outputs/metrics.json; curves are lists in it, or the
lines of ./outputs/metrics.jsonl, one JSON object per epoch or step.

examples:
  loop runs                        all experiments, newest last
  loop runs digit_recognition --last 5
  loop runs --log 20260131-101500-3fa2     a run's output (the first characters are enough)
  loop runs --open                 a page in the browser that follows the runs, until Ctrl-C
  loop runs --page                 write a page to send, outputs/runs.html (or --page FILE.html)
  loop runs --html                 the same page on stdout
  loop runs --json                 for a script: records, scores, curves
"""
PAGE = "outputs/runs.html"
# Most scores and most inputs in the table; the page and --json have all.
MOST_SCORES, MOST_INPUTS = 3, 5
# The columns after scores and inputs.
REST = ("seconds", "backend", "code")
# So many files that cannot be read are named one by one.
MOST_PROBLEMS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="default: all of them")
    parser.add_argument("--last", type=int, metavar="N", help="only the newest N")
    parser.add_argument("--log", metavar="RUN", help="print a run's output")
    parser.add_argument(
        "--page",
        nargs="?",
        const=PAGE,
        metavar="FILE",
        help=f"write a page with the curves, one file that can be sent (default: {PAGE})",
    )
    parser.add_argument(
        "--open", action="store_true", help="serve the page, which follows the runs, and open it"
    )
    parser.add_argument("--html", action="store_true", help="print the page on stdout")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    root: Path = args.root
    slug = None
    _require_page_file(args)
    if args.experiment is not None:
        workspace = loader.open_workspace(root)
        slug = loader.choose_experiment(workspace, args.experiment, args.cwd).slug
    if args.last is not None and args.last < 1:
        raise UsageError(
            f"--last {args.last} is not a number of runs",
            code="not-a-number",
            hint="Write --last 5",
        )
    runs = past_runs.find(root, slug)
    if any(past_runs.is_open(run_.record) for run_ in runs):
        from ..local import lost_runs

        runs = lost_runs.settle(root, runs)
    if args.log is not None:
        return _show_log(root, runs, args.log)
    runs = runs[-args.last :] if args.last else runs
    if args.json:
        console.print_json([run_.json() for run_ in runs])
    elif args.html:
        sys.stdout.write(report.page(root, runs, _title(root, args.experiment)))
    elif args.page is not None:
        is_default = args.page == PAGE
        path = root / PAGE if is_default else Path(args.cwd, args.page)
        files.write_text(path, report.page(root, runs, _title(root, args.experiment)))
        print(f"wrote {args.page} ({len(runs)} runs)")
    elif args.open:
        return _serve(root, slug, args.last, _title(root, args.experiment))
    elif not runs:
        print(localized("No runs yet. `scripts/loop run EXP` starts one."))
    else:
        _table(runs)
    return 0


def _show_log(root: Path, runs: Sequence[PastRun], word: str) -> int:
    run_ = past_runs.choose(runs, word)
    path = past_runs.log_of(root, run_)
    if not path.is_file():
        console.say(f"{run_.folder} has no log")
        return 1
    sys.stdout.flush()
    regular_files.copy_to(path, sys.stdout.buffer)
    return 0


def _title(root: Path, experiment: str | None) -> str:
    return f"Runs of {experiment}" if experiment else f"Runs in {root.name}"


def _require_page_file(args: argparse.Namespace) -> None:
    """Correct `--page EXP`: a page's name ends in .html, that of an experiment does not."""
    if args.page is None or args.page.lower().endswith((".html", ".htm")):
        return
    if args.experiment is not None:
        raise UsageError(
            f'--page {args.page}: a page is a file "….html"',
            code="not-a-page",
            hint=f"Write --page {args.page}.html",
        )
    args.experiment, args.page = args.page, PAGE


def _serve(root: Path, slug: str | None, last: int | None, title: str) -> int:
    from ..history import report_server
    from ..history.report_feed import Feed
    from ..local import lost_runs

    feed = Feed(
        root,
        slug,
        choose=lambda found: found[-last:] if last else found,
        settle=lambda found: lost_runs.settle(root, found),
    )
    return report_server.serve(feed, title, _show)


def _show(url: str) -> None:
    if os.environ.get("REMOTE_CONTAINERS") or os.environ.get("CODESPACES"):
        return  # VS Code forwards the port and offers to open it
    if not process.browse(url):
        console.say("no browser can be started: open the address above")


def _table(runs: Sequence[PastRun]) -> None:
    table = table_of(runs)
    left_out = tables.show(table)
    problems = [problem for run_ in runs for problem in run_.problems]
    for problem in problems[:MOST_PROBLEMS]:
        console.say(f"{problem}. The run is listed without it")
    if len(problems) > MOST_PROBLEMS:
        console.say(f"{len(problems) - MOST_PROBLEMS} more files of runs cannot be read")
    if left_out:
        console.say(f"columns without room: {', '.join(left_out)}; `loop runs --page` shows all")


def table_of(runs: Sequence[PastRun]) -> tables.Table:
    """The runs with what tells them apart: scores, then inputs that differ, then the rest.

    What has no room is left out from the right, but for the run, its state and its first score.
    """
    scores = past_runs.headline_metrics(runs, MOST_SCORES)
    inputs = past_runs.differing_inputs(runs)[:MOST_INPUTS]
    several = len({run_.experiment for run_ in runs}) > 1
    heads = (*["experiment"] * several, "run", "state")
    numbers: list[str] = []
    for names, kind in ((scores, "score"), (inputs, "input")):
        for title in (name.replace("_", " ") for name in names):
            is_taken = title in (*heads, *REST, *numbers)
            numbers.append(f"{title} ({kind})" if is_taken else title)
    titles = [*heads, *numbers, *REST]
    rows = [[*[run_.experiment] * several, *_cells(run_, scores, inputs)] for run_ in runs]
    first = 1 if scores else 0
    spare = (*reversed(REST), *reversed(numbers[first:]))
    return tables.Table(titles, rows, right=("seconds", *numbers), spare=spare)


def _cells(run_: PastRun, scores: Sequence[str], inputs: Sequence[str]) -> list[str]:
    seconds = run_.seconds
    return [
        run_.id,
        run_.state,
        *(
            metric_values.short(run_.scores[name], 4) if name in run_.scores else ""
            for name in scores
        ),
        *(run_.inputs.get(name, "") for name in inputs),
        "" if seconds is None else f"{seconds:.1f}",
        run_.backend,
        run_.commit,
    ]

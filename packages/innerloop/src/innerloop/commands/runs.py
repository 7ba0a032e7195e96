"""List runs with scores and times, compare two of them, and say what one thinks of them."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..history import metric_values, past_runs, report, run_diff, run_filter, run_notes
from ..history.past_runs import PastRun
from ..util import console, files, process, regular_files, tables
from ..util.errors import UsageError, UserError
from ..util.printable import one_line
from ..util.user_shell import localized
from ..workspace import loader

EXAMPLES = """A run is a folder outputs/<experiment>/<run>/. Next to the program's outputs, its .run/ contains
what ran (run.json), its output (log.txt) and uncommitted changes (changes.patch: `git checkout
COMMIT && git apply changes.patch` restores the code).

Scores and curves are read from ./outputs/metrics.json and metrics.jsonl (one JSON object per epoch
or step), and from what TensorBoard, MLflow, Lightning and Hugging Face's trainer write.

examples:
  loop runs                        all experiments, newest last
  loop runs digit_recognition --last 5
  loop runs --where "test_accuracy > 0.95 and state = done" --sort test_accuracy
  loop runs --tag best --csv       every column of these runs, for a spreadsheet
  loop runs diff RUN RUN           inputs, code, packages, data and scores that differ; --patch: the code
  loop runs tag RUN best           --remove takes the tag away
  loop runs note RUN "lower rate"  without a text: prints the note
  loop runs keep RUN               `loop clean` never removes it; --remove takes that back
  loop runs rm RUN RUN             remove runs with all they wrote, after a question
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


VERBS = ("diff", "tag", "note", "keep", "rm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="EXP",
        help=f"default: all of them; or one of {', '.join(VERBS)}, and its runs",
    )
    parser.add_argument("--where", metavar="TEXT", help="only runs for which it is true")
    parser.add_argument("--tag", action="append", metavar="NAME", help="only runs with this tag")
    parser.add_argument("--sort", metavar="COLUMN", help="in the order of a score, an input, ...")
    parser.add_argument("--reverse", action="store_true", help="the other way round")
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
    parser.add_argument("--csv", action="store_true", help="every column as CSV on stdout")
    parser.add_argument("--patch", action="store_true", help="diff: print the code that differs")
    parser.add_argument("--remove", action="store_true", help="tag, keep: take it away")
    parser.add_argument("--yes", action="store_true", help="rm: do not ask")
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout")


def run(args: argparse.Namespace) -> int:
    root: Path = args.root
    _require_page_file(args)
    verb = _verb(args)
    if verb is not None:
        return _VERBS[verb](args, args.words[1:])
    if len(args.words) > 1:
        raise UsageError(
            f'"{args.words[0]}" is not one of {", ".join(VERBS)}',
            code="unknown-name",
            hint="Name one experiment, or one of these and its runs",
        )
    experiment = args.words[0] if args.words else None
    slug = None
    if experiment is not None:
        workspace = loader.open_workspace(root)
        slug = loader.choose_experiment(workspace, experiment, args.cwd).slug
    if args.last is not None and args.last < 1:
        raise UsageError(
            f"--last {args.last} is not a number of runs",
            code="not-a-number",
            hint="Write --last 5",
        )
    where = run_filter.parse(args.where) if args.where is not None else None
    runs = _found(root, slug)
    if args.log is not None:
        return _show_log(root, runs, args.log)
    runs = _selected(args, runs, where)
    if args.json:
        console.print_json([run_.json() for run_ in runs])
    elif args.csv:
        _csv(runs)
    elif args.html:
        sys.stdout.write(report.page(root, runs, _title(root, experiment)))
    elif args.page is not None:
        path = root / PAGE if args.page == PAGE else Path(args.cwd, args.page)
        files.write_text(path, report.page(root, runs, _title(root, experiment)))
        print(f"wrote {args.page} ({len(runs)} runs)")
    elif args.open:
        return _serve(args, slug, where, _title(root, experiment))
    elif not runs:
        is_filtered = where is not None or args.tag
        none = "No run fits." if is_filtered else "No runs yet. `scripts/loop run EXP` starts one."
        print(localized(none))
    else:
        _table(runs, args.sort)
    return 0


def _verb(args: argparse.Namespace) -> str | None:
    """The verb that is meant; None for a list. An experiment may have a verb's name."""
    if not args.words or args.words[0] not in VERBS:
        return None
    verb: str = args.words[0]
    if len(args.words) > 1:
        return verb
    if verb in loader.open_workspace(args.root).experiments:
        return None
    raise UsageError(
        f"loop runs {verb} needs a run", code="argument-missing", hint="`loop runs` lists them"
    )


def _found(root: Path, slug: str | None = None) -> list[PastRun]:
    runs = past_runs.find(root, slug)
    if any(past_runs.is_open(run_.record) for run_ in runs):
        from ..local import lost_runs

        runs = lost_runs.settle(root, runs)
    return runs


def _selected(
    args: argparse.Namespace, runs: list[PastRun], where: run_filter.Where | None
) -> list[PastRun]:
    """The runs that fit, the newest so many of these, in the order that is asked for."""
    if args.sort is not None:
        run_filter.require_column(args.sort, runs, "--sort")
    runs = where.select(runs) if where is not None else runs
    runs = [run_ for run_ in runs if set(args.tag or ()) <= set(run_.tags)]
    runs = runs[-args.last :] if args.last else runs
    if args.sort is not None:
        return run_filter.sort(runs, args.sort, falling=args.reverse)
    return runs[::-1] if args.reverse else runs


def _diff(args: argparse.Namespace, words: Sequence[str]) -> int:
    if len(words) != 2:
        raise UsageError(
            f"loop runs diff compares two runs, not {len(words)}",
            code="argument-missing",
            hint="Name two; `loop runs` lists them",
        )
    runs = _found(args.root)
    one, other = (past_runs.choose(runs, word) for word in words)
    found = run_diff.between(args.root, one, other)
    if args.json:
        console.print_json(found.json())
    elif args.patch:
        if found.code.why:
            raise UserError(f"the code cannot be compared: {found.code.why}", code="code-unknown")
        sys.stdout.write(found.code.patch)
    else:
        _show_diff(found)
    return 0


def _show_diff(found: run_diff.RunDiff) -> None:
    for sign, run_ in (("-", found.one), ("+", found.other)):
        print(f"{sign} {run_.id}  {run_.experiment}  {run_.state}  {run_.commit}".rstrip())
    print(f"code: {_code(found)}")
    for section in run_diff.SECTIONS:
        pairs = getattr(found, section)
        if section in found.unknown:
            print(f"{section}: not recorded")
        if not pairs:
            continue
        print(f"{section}:")
        width = max(len(one_line(name)) for name in pairs)
        for name, pair in pairs.items():
            before, after = map(_shown, pair)
            print(f"  {one_line(name):<{width}}  {before} -> {after}")


def _code(found: run_diff.RunDiff) -> str:
    code = found.code
    if code.why:
        return f"not known, since {code.why}"
    not_recorded = f" ({len(code.left_out)} files were not recorded)" if code.left_out else ""
    if not code.files:
        return f"the same{not_recorded}"
    shown = ", ".join(map(one_line, code.files[:5]))
    more = f" and {len(code.files) - 5} more" if len(code.files) > 5 else ""
    return f"{shown}{more} (--patch shows it){not_recorded}"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return metric_values.short(value, 6)
    return "none" if value is None else one_line(str(value))


def _tag(args: argparse.Namespace, words: Sequence[str]) -> int:
    names = words[1:]
    if not names:
        raise UsageError(
            "loop runs tag needs a tag", code="argument-missing", hint="Write tag RUN best"
        )
    if wrong := next((name for name in names if not run_notes.is_tag(name)), None):
        raise UsageError(
            f'"{wrong}" cannot be a tag',
            code="tag-invalid",
            hint="Begin with a letter or a digit; then also . _ + : / - and at most "
            f"{run_notes.LONGEST_TAG} characters",
        )
    run_ = past_runs.choose(past_runs.find(args.root), words[0])

    def edit(old: run_notes.RunNotes) -> run_notes.RunNotes:
        new = old.without_tags(names) if args.remove else old.with_tags(names)
        if len(new.tags) > run_notes.MOST_TAGS:
            raise UserError(
                f"a run has at most {run_notes.MOST_TAGS} tags",
                code="tag-invalid",
                where=run_.folder,
                hint="Remove some with --remove",
            )
        return new

    return _said(args, [run_], edit)


def _note(args: argparse.Namespace, words: Sequence[str]) -> int:
    run_ = past_runs.choose(past_runs.find(args.root), words[0])
    if len(words) == 1:
        if not args.json:
            print(run_.note)
            return 0
        return _said(args, [run_], lambda old: old)
    text = " ".join(words[1:]).strip()
    if len(text) > run_notes.LONGEST_NOTE:
        raise UsageError(
            f"the note is longer than {run_notes.LONGEST_NOTE} characters",
            code="note-too-long",
            hint="Write it to a file of the run",
        )
    return _said(args, [run_], lambda old: replace(old, note=text))


def _keep(args: argparse.Namespace, words: Sequence[str]) -> int:
    runs = past_runs.find(args.root)
    chosen = [past_runs.choose(runs, word) for word in words]
    return _said(args, chosen, lambda old: replace(old, kept=not args.remove))


def _said(args: argparse.Namespace, runs: Sequence[PastRun], edit: run_notes.Edit) -> int:
    """Change what is said of runs, and print it."""
    values = []
    for run_ in runs:
        notes = run_notes.change(args.root, args.root / run_.folder, edit)
        values.append({"run": run_.id, **notes.json()})
        if not args.json:
            print(f"{run_.id}: {_phrase(notes)}")
    if args.json:
        console.print_json(values)
    return 0


def _phrase(notes: run_notes.RunNotes) -> str:
    parts = [", ".join(notes.tags) or "no tags"]
    parts += ["kept"] * notes.kept
    parts += [f'"{one_line(notes.note)}"'] * bool(notes.note)
    return "; ".join(parts)


def _rm(args: argparse.Namespace, words: Sequence[str]) -> int:
    """Remove runs. Those that go on, may go on or are kept stay, and the exit code is 1 then."""
    from ..doctor import cleanup

    workspace = loader.open_workspace(args.root)
    runs = _found(args.root)
    chosen = list(dict.fromkeys(past_runs.choose(runs, word).folder for word in words))
    if part := next((folder for folder in chosen if folder.count("/") > 2), None):
        raise UsageError(
            f"{part} is a part of a larger run",
            code="run-is-part",
            hint=f"Remove {part.split('/')[2]}, or delete the folder yourself",
        )
    items = cleanup.outputs(workspace, chosen)
    stay = [item for item in items if item.kept]
    go = [item for item in items if not item.kept]
    if not args.json:
        for item in stay:
            console.say(f"{item.name} stays: {item.kept}")
        for item in go:
            print(f"{item.name}  {cleanup.readable(item.size)}", flush=True)
    is_agreed = args.yes or (
        bool(go) and not args.json and console.agreed(f"Remove {len(go)} runs for good?")
    )
    failed = {item.name: cleanup.remove(workspace, item) for item in go} if is_agreed else {}
    removed = [item for item in go if failed.get(item.name) == ""]
    if args.json:
        value = {
            "removed" if is_agreed else "would_remove": [
                item.name for item in (removed if is_agreed else go)
            ],
            "kept": {
                **{item.name: item.kept for item in stay},
                **{name: reason for name, reason in failed.items() if reason},
            },
        }
        console.print_json(value)
    else:
        for name, reason in failed.items():
            if reason:
                console.say(f"{name} stays: {reason}")
        print(f"removed {len(removed)}" if is_agreed else "nothing was changed")
    return 1 if stay or any(failed.values()) else 0


_VERBS = {"diff": _diff, "tag": _tag, "note": _note, "keep": _keep, "rm": _rm}


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
    if args.words:
        raise UsageError(
            f'"{args.page}" cannot be a page: its name does not end in .html',
            code="page-name",
            hint=f"Write --page {args.page}.html",
        )
    args.words, args.page = [args.page], PAGE


def _serve(
    args: argparse.Namespace, slug: str | None, where: run_filter.Where | None, title: str
) -> int:
    from ..history import report_server
    from ..history.report_feed import Feed
    from ..local import lost_runs

    def choose(found: Sequence[PastRun]) -> Sequence[PastRun]:
        try:
            return _selected(args, list(found), where)
        except UserError:  # none of the runs has the column yet
            return []

    feed = Feed(
        args.root, slug, choose=choose, settle=lambda found: lost_runs.settle(args.root, found)
    )
    return report_server.serve(feed, title, _show)


def _show(url: str) -> None:
    if os.environ.get("REMOTE_CONTAINERS") or os.environ.get("CODESPACES"):
        return  # VS Code forwards the port and offers to open it
    if not process.browse(url):
        console.say("no browser can be started: open the address above")


def _csv(runs: Sequence[PastRun]) -> None:
    """A row for each run, with all digits; inputs and scores are `inputs.NAME` and `scores.NAME`."""
    inputs = list(dict.fromkeys(name for run_ in runs for name in run_.inputs))
    scores = list(dict.fromkeys(name for run_ in runs for name in run_.scores))
    own = [name for name in run_filter.OWN if name != "kept"]
    heads = [*own, *(f"inputs.{name}" for name in inputs), *(f"scores.{name}" for name in scores)]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(heads)
    for run_ in runs:
        writer.writerow([run_filter.text_of(run_filter.cell(run_, head)) for head in heads])


def _table(runs: Sequence[PastRun], sort: str | None = None) -> None:
    table = table_of(runs, sort)
    left_out = tables.show(table)
    problems = [problem for run_ in runs for problem in run_.problems]
    for problem in problems[:MOST_PROBLEMS]:
        console.say(f"{problem}. The run is listed without it")
    if len(problems) > MOST_PROBLEMS:
        console.say(f"{len(problems) - MOST_PROBLEMS} more files of runs cannot be read")
    if left_out:
        console.say(f"columns without room: {', '.join(left_out)}; `loop runs --page` shows all")


def table_of(runs: Sequence[PastRun], sort: str | None = None) -> tables.Table:
    """The runs with what tells them apart: scores, then inputs that differ, then the rest.

    The score or the input by which they are sorted comes first.

    What has no room is left out from the right, but for the run, its state and its first score.
    """
    scores = past_runs.headline_metrics(runs, MOST_SCORES)
    inputs = past_runs.differing_inputs(runs)[:MOST_INPUTS]
    if sort is not None:
        sort = sort.removeprefix("scores.").removeprefix("inputs.")
        if any(sort in run_.scores for run_ in runs):
            scores = list(dict.fromkeys((sort, *scores)))
        elif any(sort in run_.inputs for run_ in runs):
            inputs = list(dict.fromkeys((sort, *inputs)))
    several = len({run_.experiment for run_ in runs}) > 1
    heads = (*["experiment"] * several, "run", "state")
    numbers: list[str] = []
    for names, kind in ((scores, "score"), (inputs, "input")):
        for title in (name.replace("_", " ") for name in names):
            is_taken = title in (*heads, *REST, *numbers)
            numbers.append(f"{title} ({kind})" if is_taken else title)
    tags = ["tags"] * any(run_.tags for run_ in runs)
    titles = [*heads, *numbers, *tags, *REST]
    rows = [
        [*[run_.experiment] * several, *_cells(run_, scores, inputs, bool(tags))] for run_ in runs
    ]
    first = 1 if scores else 0
    spare = (*reversed(REST), *reversed(numbers[first:]), *tags)
    return tables.Table(titles, rows, right=("seconds", *numbers), spare=spare)


def _cells(
    run_: PastRun, scores: Sequence[str], inputs: Sequence[str], has_tags: bool
) -> list[str]:
    seconds = run_.seconds
    return [
        run_.id,
        run_.state,
        *(
            metric_values.short(run_.scores[name], 4) if name in run_.scores else ""
            for name in scores
        ),
        *(run_.inputs.get(name, "") for name in inputs),
        *[" ".join(run_.tags)] * has_tags,
        "" if seconds is None else f"{seconds:.1f}",
        run_.backend,
        run_.commit,
    ]

"""Scores and curves out of what programs write, and the page that lays them over each other."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.history import git_state, json_metrics, tee
from innerloop.history.past_runs import (
    PastRun,
    differing_inputs,
    find,
    headline_metrics,
)
from innerloop.history.run_metrics import series_of
from innerloop.util import process_identity
from tests.support import ROOT


def past(run_id: str = "20260131-101500-3fa2", **more: Any) -> PastRun:
    record = {"experiment": "line", "exit_code": 0, "inputs": {"rate": "0.1"}, **more.pop("of", {})}
    series = series_of(more.pop("curves", {}))
    return PastRun("line", run_id, f"outputs/line/{run_id}", record, series=series, **more)


@pytest.mark.parametrize(
    ("summary", "lines", "scores", "curves"),
    [
        (None, None, {}, {}),
        ("{half", '{"epoch": 1, "loss"', {}, {}),
        ('{"accuracy": 0.5, "name": "x", "good": true}', None, {"accuracy": 0.5}, {}),
        ('{"test": {"loss": 1}}', None, {"test.loss": 1.0}, {}),
        ('{"loss": Infinity, "other": 2}', None, {"loss": inf, "other": 2.0}, {}),
        (
            '{"epochs": [{"epoch": 2, "loss": 3}, {"epoch": 4, "loss": 1}]}',
            None,
            {"loss": 1.0},
            {"loss": ((2.0, 3.0), (4.0, 1.0))},
        ),
        (
            '{"loss": 0.5}',
            '{"loss": 3}\n{"loss": 2}\n{"lo',
            {"loss": 0.5},
            {"loss": ((1.0, 3.0), (2.0, 2.0))},
        ),
        ("[1, 2]", "3\n[4]", {}, {}),
    ],
)
def test_what_a_program_wrote(
    summary: str | None, lines: str | None, scores: dict[str, float], curves: dict[str, Any]
) -> None:
    found = json_metrics.read(summary, lines)
    assert (found.scores, found.curves) == (scores, curves)


@given(st.recursive(st.none() | st.floats() | st.text() | st.booleans() | st.integers(), st.lists))
def test_whatever_it_wrote_is_no_traceback(value: Any) -> None:
    text = json.dumps({"a": value, "b": [{"c": value}]})
    json_metrics.read(text, text)


def test_headline_metrics_come_first() -> None:
    scores = {"seconds": 1.0, "train_loss": 1.0, "validation_accuracy": 1.0, "test_accuracy": 1.0}
    assert headline_metrics([past(scores=scores)], 2) == ["test_accuracy", "validation_accuracy"]
    assert headline_metrics([past(scores={"support": 3.0})], 2) == ["support"]
    assert past(scores=scores).json()["headline"] == "test_accuracy"
    assert past().json()["headline"] == ""


def test_only_what_differs_within_an_experiment_is_worth_a_column() -> None:
    one, two = past(of={"inputs": {"a": "1", "b": "2"}}), past(of={"inputs": {"a": "1", "b": "3"}})
    other = past(of={"experiment": "other", "inputs": {"a": "9"}})
    assert differing_inputs([one, two, other]) == ["b"]
    added = past(of={"inputs": {"a": "1", "b": "2"}, "arguments": ["--x", "1"]})
    assert differing_inputs([one, added]) == ["arguments"]


@pytest.mark.parametrize(
    ("record", "alive", "state"),
    [
        ({"exit_code": 0}, False, "done"),
        ({"exit_code": 3}, False, "failed (3)"),
        ({"exit_code": 130}, False, "stopped"),
        ({"exit_code": 143, "stopped_early": "bandit"}, False, "stopped early"),
        ({"exit_code": 0, "stopped_early": "bandit"}, False, "done"),
        ({"exit_code": None}, True, "running"),
        ({"exit_code": None}, False, "killed"),
        ({}, False, "?"),
    ],
)
def test_how_a_run_ended(record: dict[str, Any], alive: bool, state: str) -> None:
    assert PastRun("line", "1", "outputs/line/1", record, alive=alive).state == state


@pytest.mark.parametrize(
    ("record", "state"),
    [("Completed", "done"), ("Canceled", "stopped"), ("Queued", "queued")],
)
def test_what_the_service_said_last_is_in_the_words_of_runs(record: str, state: str) -> None:
    assert PastRun("line", "1", "outputs/line/1", {"status": record}).state == state


@pytest.mark.parametrize(
    ("git", "said"),
    [
        ({"commit": "0123456789", "dirty": True}, "01234567+"),
        ({"commit": "", "dirty": True}, "none+"),
        (None, ""),
    ],
)
def test_the_code_of_a_run(git: dict[str, Any] | None, said: str) -> None:
    assert PastRun("line", "1", "outputs/line/1", {"git": git}).commit == said


def test_a_run_of_a_process_that_is_gone_was_killed(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    gone = process_identity.of(child.pid)
    child.communicate(b"\n")
    own = process_identity.own()
    # The number of a process that has ended may be in use again.
    reused = replace(own, start="1")
    elsewhere = replace(own, host="other 1234 pid:[1]")
    for name, tool, program in (
        ("1", gone, None),
        ("2", own, None),
        ("3", reused, None),
        ("4", elsewhere, None),
        ("5", gone, own),
    ):
        folder = tmp_path / "outputs" / "line" / name / ".run"
        folder.mkdir(parents=True)
        record = {"tool": tool.json(), "program": program and program.json(), "exit_code": None}
        (folder / "run.json").write_text(json.dumps(record))
    states = [run.state for run in find(tmp_path)]
    assert states == ["killed", "running", "killed", "unknown", "running"]


def test_what_git_says_is_read_whatever_files_are_called() -> None:
    text = "\0".join(
        [
            "# branch.oid 0123abc",
            "# branch.head main",
            "1 .M N... 100644 100644 100644 aaa bbb a file with blanks",
            "u UU N... 100644 100644 100644 100644 a b c both",
            "? new\nline",
            "? outputs/not code",
            "",
        ]
    )
    state = git_state.parse(text)
    assert (state.commit, state.branch) == ("0123abc", "main")
    assert state.changed == ("a file with blanks", "both")
    assert state.untracked == ("new\nline",)


TEE = """
import sys, subprocess
sys.path.insert(0, {scripts!r})
from pathlib import Path
from innerloop.history.tee import recorded
with recorded(Path({log!r})):
    print("ours")
    code = "import os, sys; print(sys.stdout.isatty(), flush=True); print('bad', file=sys.stderr)"
    subprocess.run([sys.executable, "-c", code])
    if sys.stdout.isatty():
        import os; print(os.get_terminal_size().columns)
print("after")
"""


def tee_script(tmp_path: Path) -> tuple[list[str], Path]:
    log = tmp_path / "log.txt"
    code = textwrap.dedent(TEE.format(scripts=str(ROOT / "packages/innerloop/src"), log=str(log)))
    return [sys.executable, "-c", code], log


def test_what_is_printed_is_shown_and_kept(tmp_path: Path) -> None:
    argv, log = tee_script(tmp_path)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("ours\nFalse\nafter\n", "bad\n")
    # Two outlets, so the lines of the one may stand before those of the other, never within one.
    assert sorted(log.read_text().splitlines()) == ["False", "bad", "ours"]


PIECES = st.lists(st.tuples(st.booleans(), st.text("ab\r\n", max_size=4)), max_size=12)


@given(PIECES)
def test_no_line_stands_within_another(pieces: list[tuple[bool, str]]) -> None:
    file = io.BytesIO()
    outlets = {False: tee.Lines(file), True: tee.Lines(file)}
    printed = {False: "", True: ""}
    for outlet, text in pieces:
        text = text.upper() if outlet else text
        printed[outlet] += text
        outlets[outlet].write(text.encode())
    for lines in outlets.values():
        lines.finish()
    kept = file.getvalue().decode()
    whole = [line for text in printed.values() for line in re.findall(r"[^\r\n]+", text)]
    # What has no end yet comes last, one after the other.
    assert sorted("".join(re.findall(r"[^\r\n]+", kept))) == sorted("".join(whole))
    *ended, _ = re.split(r"[\r\n]", kept)
    assert all(line in whole for line in ended if line)


def test_a_line_that_never_ends_is_not_kept_back_for_ever() -> None:
    file = io.BytesIO()
    lines = tee.Lines(file)
    lines.write(b"x" * (tee.LONGEST + 1))
    assert len(file.getvalue()) == tee.LONGEST + 1


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are those of POSIX")
def test_a_terminal_stays_one_and_has_its_width(tmp_path: Path) -> None:
    import fcntl
    import struct
    import termios

    argv, log = tee_script(tmp_path)
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 97, 0, 0))
    child = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:
        pass  # how a terminal ends
    assert child.wait(30) == 0
    assert shown.decode().split() == ["ours", "True", "bad", "97", "after"]
    assert log.read_text().split() == ["ours", "True", "bad", "97"]


def test_a_reader_who_leaves_ends_neither_the_program_nor_the_log(tmp_path: Path) -> None:
    script = tmp_path / "many.py"
    script.write_text(
        f"import sys, subprocess\nsys.path.insert(0, {str(ROOT / 'packages/innerloop/src')!r})\n"
        "from pathlib import Path\nfrom innerloop.history.tee import recorded\n"
        f"with recorded(Path({str(tmp_path / 'log')!r})):\n"
        "    code = subprocess.run(['sh', '-c', 'seq 100000; exit 3']).returncode\n"
        f"open({str(tmp_path / 'code')!r}, 'w').write(str(code))\n"
    )
    subprocess.run(f"'{sys.executable}' '{script}' | head -n 2", shell=True, timeout=30)
    assert (tmp_path / "code").read_text() == "3"
    assert (tmp_path / "log").read_text().splitlines()[-1] == "100000"

"""Every file of a workspace in hostile shapes: an error or a result, never a traceback or a wait.

And nothing of a file acts on the terminal.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.cli.main import main
from innerloop.util import json_records, printable
from innerloop.util.json_records import RecordError
from tests.history.pages import data_of
from tests.security.hostile_files import (
    ESCAPES,
    FILES,
    JOB,
    RECORD,
    RUN,
    Case,
    cases,
)

# What may never reach a terminal from a file: all control characters but tab and line ends, marks
# of direction, characters without width.
ACTS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)

LOCAL = (
    ["list"],
    ["check", "--json"],
    ["sync", "--check"],
    ["run", "line", "--backend", "venv", "--dry-run", "--json"],
)
# path -> (the commands that read it, how many changed documents)
READERS: dict[str, tuple[Sequence[list[str]], int]] = {
    "pyproject.toml": (LOCAL, 0),
    "src/line/azure-ml-job.yaml": (
        (*LOCAL, ["check"], ["run", "line", "--dry-run", "--backend", "venv"]),
        60,
    ),
    "src/swept/azure-ml-job.yaml": (
        (
            ["check"],
            ["sync", "--diff"],
            ["run", "swept", "--trials", "2", "--dry-run", "--backend", "venv"],
        ),
        40,
    ),
    "src/piped/azure-ml-job.yaml": (
        (
            ["check"],
            ["sync", "--diff"],
            ["run", "piped", "--dry-run", "--json", "--backend", "venv"],
        ),
        40,
    ),
    "src/line/innerloop.toml": (LOCAL, 0),
    "src/line/environment/Dockerfile": (LOCAL, 0),
    "src/line/environment/requirements.txt": (LOCAL, 0),
    "src/line/environment/.dockerignore": (LOCAL, 0),
    "src/line/deploy/deployment.yaml": ((["check"], ["sync", "--check"]), 40),
    "src/line/deploy/endpoint.yaml": ((["check"], ["sync", "--check"]), 20),
    "src/line/deploy/Dockerfile": ((["check"],), 0),
    f"outputs/line/{RUN}/.run/run.json": (
        (["runs"], ["runs", "--json"], ["runs", "--page"], ["clean", "outputs", "--dry-run"]),
        80,
    ),
    f"outputs/line/{RUN}/metrics.json": ((["runs"], ["runs", "--json"], ["runs", "--page"]), 20),
    f"outputs/line/{RUN}/metrics.jsonl": ((["runs"], ["runs", "--json"], ["runs", "--page"]), 0),
    f"outputs/line/{RUN}/.run/log.txt": ((["runs", "--log", RUN],), 0),
    f"outputs/piped/{RUN}/pipeline.json": (
        (["run", "piped", "--from-run", RUN, "--dry-run", "--backend", "venv"], ["runs"]),
        30,
    ),
    f".innerloop/jobs/{JOB}/job.json": ((["status", "--all"], ["status", "--all", "--json"]), 60),
    "notebooks/line.ipynb": (
        (
            [
                "notebook",
                "line",
                "notebooks/line.ipynb",
                "--set",
                "rate=2",
                "--dry-run",
                "--backend",
                "venv",
            ],
        ),
        20,
    ),
    ".vscode/launch.json": ((["sync", "--check"], ["sync", "--diff"]), 0),
    ".vscode/extensions.json": ((["sync", "--check"],), 0),
    ".devcontainer/line/devcontainer.json": ((["sync", "--check"],), 0),
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with every kind of file. Each case puts one of them into another shape."""
    root = tmp_path_factory.mktemp("w") / "w"
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    (root / "scripts").mkdir()
    return root.resolve()


def loop(root: Path, words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command line, in this process."""
    monkeypatch.setattr(sys, "argv", [str(root / "scripts" / "loop")])
    monkeypatch.chdir(root)
    try:
        return main(list(words))
    except SystemExit as end:  # argparse
        return int(end.code or 0)


# Of this many cases one is tried by default; the nightly campaign tries all.
ONE_OF = 8


def all_cases() -> Iterator[Any]:
    number = 0
    for path, (commands, count) in READERS.items():
        for case in cases(path, count=count):
            number += 1
            is_left_out = number % ONE_OF and not case.shape.startswith(IMPORTANT)
            marks = [pytest.mark.nightly] if is_left_out else []
            yield pytest.param(case, commands, id=case.id, marks=marks)


# Shapes that are tried of every file by default.
IMPORTANT = ("a named pipe", "a link to an", "deep [", "escapes", "a lone")


def test_the_commands_read_the_workspace(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a hostile file each command gets as far as its result."""
    results = {}
    for commands, _ in READERS.values():
        for words in commands:
            code = loop(workspace, words, monkeypatch)
            results[" ".join(words)] = (code, capfd.readouterr().err)
    expected = {
        "check", "check --json", "sync --check", "sync --diff",
    }  # fmt: skip
    assert {
        name: result
        for name, result in results.items()
        if result[0] not in ((0, 1) if name in expected else (0,))
    } == {}


@pytest.mark.parametrize(("case", "commands"), list(all_cases()))
def test_file_in_any_shape_gives_a_result_or_an_error(
    case: Case,
    commands: Sequence[list[str]],
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    path = workspace / case.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    case.put(path)
    try:
        for words in commands:
            assert loop(workspace, words, monkeypatch) in (0, 1, 2), words
            raw_out, raw_err = capfdbinary.readouterr()
            if words[:2] == ["runs", "--log"]:
                continue  # a program's own output is shown as it is
            out, err = raw_out.decode("utf-8"), raw_err.decode("utf-8")
            assert not ACTS.search(out + err), (words, out + err)
            if "--json" in words and out:
                json.loads(out, parse_constant=pytest.fail)
            assert len(err) < 20_000
    finally:
        _restore(path, case.path)


def _restore(path: Path, name: str) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if name in FILES:
        path.write_text(FILES[name], encoding="utf-8")


def test_a_record_that_cannot_be_read_is_shown_and_the_others_as_they_are(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = workspace / f"outputs/line/{RUN}/.run/run.json"
    try:
        values: tuple[Any, ...] = ("3", 1e308, [], {"a": 1}, True, 10**400)
        for value in values:
            path.write_text(json.dumps({**RECORD, "exit_code": value}, indent=2), encoding="utf-8")
            assert loop(workspace, ["runs", "--json"], monkeypatch) == 0
            runs = {run["run"]: run for run in json.loads(capfd.readouterr().out)}
            assert runs[RUN]["state"] == "unreadable"
            assert f"outputs/line/{RUN}/.run/run.json" in runs[RUN]["problems"][0]
            assert runs["20260131-111500-aaaa"]["state"] == "done"
            assert loop(workspace, ["runs"], monkeypatch) == 0
            printed = capfd.readouterr()
            assert re.search(rf"{RUN}\s+unreadable", printed.out)
            assert f"outputs/line/{RUN}/.run/run.json" in printed.err
            assert loop(workspace, ["runs", "--page"], monkeypatch) == 0
            page = data_of((workspace / "outputs/runs.html").read_text(encoding="utf-8"))
            states = {run["id"]: run["state"] for run in page["runs"]}
            assert states[RUN] == "unreadable"
            capfd.readouterr()
    finally:
        _restore(path, f"outputs/line/{RUN}/.run/run.json")


@pytest.mark.parametrize("name", ["../../victim", "x\x1b[2J", "a/b", "..", "C:x", "nul", "a" * 300])
def test_a_record_with_a_name_that_is_a_path_is_unreadable(
    name: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = workspace / f"outputs/line/{RUN}/.run/run.json"
    job = workspace / f".innerloop/jobs/{JOB}/job.json"
    try:
        path.write_text(json.dumps({**RECORD, "run": name}), encoding="utf-8")
        assert loop(workspace, ["runs", "--json"], monkeypatch) == 0
        states = {run["run"]: run["state"] for run in json.loads(capfd.readouterr().out)}
        assert states[RUN] == "unreadable"
        for key in ("name", "slug"):
            text = job.read_text(encoding="utf-8")
            job.write_text(json.dumps({**json.loads(text), key: name}), encoding="utf-8")
            assert loop(workspace, ["status", "--all"], monkeypatch) == 0
            assert f"{JOB}/job.json:1: " in capfd.readouterr().err
            assert loop(workspace, ["download", JOB], monkeypatch) == 1
            assert "[record-unreadable]" in capfd.readouterr().err
            job.write_text(text, encoding="utf-8")
    finally:
        _restore(path, f"outputs/line/{RUN}/.run/run.json")
        _restore(job, f".innerloop/jobs/{JOB}/job.json")


def test_numbers_at_the_end_of_what_a_float_holds_are_drawn(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workspace / f"outputs/line/{RUN}/metrics.jsonl"
    numbers = ["1e308", "-1e308", "1" + "0" * 308, "9" * 400, "5e-324", "0", "-0.0", "NaN", "1e999"]
    lines = [f'{{"epoch": {n}, "loss": {m}}}' for n in numbers for m in numbers]
    try:
        path.write_text("\n".join(lines), encoding="utf-8")
        for words in (["runs"], ["runs", "--page"], ["runs", "--json"]):
            assert loop(workspace, words, monkeypatch) == 0
    finally:
        _restore(path, f"outputs/line/{RUN}/metrics.jsonl")


JOURNALS: tuple[Any, ...] = (
    "", "{", "null", "[]", "3", {}, {"old": 1, "new": 2}, {"old": "line"}, {"old": "line", "new": None},
    {"old": "../../victim/keys", "new": "keys"}, {"old": "line", "new": "../../victim"},
    {"old": "/etc", "new": "a"}, {"old": "line", "new": "Line"}, {"old": "line", "new": "class"},
    {"old": "C:x", "new": "a"}, {"old": "line\x1b", "new": "a"}, {"old": "common/x", "new": "a"},
    {"old": "..", "new": "a"}, {"old": "", "new": "a"}, {"old": "line", "new": "a", "more": "b"},
    {"old": "nothing", "new": "a"}, {"old": "line/../..", "new": "a"}, {"old": ".git", "new": "a"},
)  # fmt: skip
REMOVALS: tuple[Any, ...] = (
    *JOURNALS[:6], {"name": "line", "kept_in": "../victim"}, {"name": "line", "kept_in": "src"},
    {"name": "../victim", "kept_in": ".innerloop/removed/..victim-20260131-101500"},
    {"name": "line", "kept_in": ".innerloop/removed/line-20260131-101500/../../../x"},
    {"name": "line", "kept_in": ".innerloop/removed/other-20260131-101500"},
    {"name": "nothing", "kept_in": ".innerloop/removed/nothing-20260131-101500"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("renaming.json", value) for value in JOURNALS),
        *(("removing.json", value) for value in REMOVALS),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_strangers_journal_changes_nothing(
    name: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    root = tmp_path / "a" / "w"
    victim = tmp_path / "victim" / "keys"
    victim.mkdir(parents=True)
    (victim / "environment").mkdir()
    (victim / "environment" / "Dockerfile").write_text("FROM x\n")
    for path in ("src/line/environment/Dockerfile", "src/plain/a.py", "scripts/x", ".git/config"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("FROM scratch\n")
    journal = root / ".innerloop" / name
    journal.parent.mkdir()
    journal.write_text(value if isinstance(value, str) else json.dumps(value))
    before = _tree(tmp_path)
    assert loop(root, ["sync"], monkeypatch) == 1
    err = capfd.readouterr().err
    assert "[journal-invalid]" in err and f".innerloop/{name}" in err
    assert not ACTS.search(err)
    after = {path for path in _tree(tmp_path) if not path.endswith(".lock")}
    assert after == before


def _tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_what_a_file_says_reaches_the_terminal_as_escapes(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Metric names, settings, keys of a job and messages that quote them."""
    metrics = workspace / f"outputs/line/{RUN}/metrics.json"
    toml = workspace / "src/swept/innerloop.toml"
    try:
        metrics.write_text(json.dumps({f"accuracy{ESCAPES}": 0.5}), encoding="utf-8")
        toml.write_text('"a\\u001b]0;owned\\u0007" = 1\n', encoding="utf-8")
        for words in (["runs"], ["runs", "--json"], ["list"], ["check"], ["sync", "--check"]):
            loop(workspace, words, monkeypatch)
            printed = capfd.readouterr()
            text = printed.out + printed.err
            assert not ACTS.search(text), words
            if "--json" not in words and words != ["runs"]:
                assert r"a\x1b]0;owned\x07" in text, words
    finally:
        metrics.write_text(FILES[f"outputs/line/{RUN}/metrics.json"], encoding="utf-8")
        toml.unlink()


def test_conflict_markers_of_a_broken_experiment_are_named(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also in a file that sync leaves alone until the experiment is correct."""
    job = workspace / "src/swept/azure-ml-job.yaml"
    marked = '{\n<<<<<<< HEAD\n  "a": 1\n=======\n  "a": 2\n>>>>>>> other\n}\n'
    places = [".devcontainer/swept/devcontainer.json", ".vscode/launch.json", ".vscode/tasks.json"]
    try:
        assert loop(workspace, ["sync"], monkeypatch) == 0
        job.write_text("command: [\n", encoding="utf-8")
        for place in places:
            (workspace / place).write_text(marked, encoding="utf-8")
        capfd.readouterr()
        for words in (["sync", "--check"], ["sync"]):
            assert loop(workspace, words, monkeypatch) == 1
            printed = capfd.readouterr()
            for place in places:
                assert f"{place}:2: " in printed.err
            assert "up to date" not in printed.out
    finally:
        _restore(job, "src/swept/azure-ml-job.yaml")
        for folder in (".vscode", ".devcontainer"):
            shutil.rmtree(workspace / folder, ignore_errors=True)
        (workspace / ".innerloop/state.json").unlink(missing_ok=True)


NAMES = st.sampled_from(["a", "..", "__proto__", "", "\x1b", "\u202e", "\ud800", "b" * 300])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | NAMES,
    lambda below: st.lists(below) | st.dictionaries(st.text() | NAMES, below),
    max_leaves=8,
)


@given(VALUES)
def test_any_value_is_read_as_its_type_or_refused(value: Any) -> None:
    try:
        record = json_records.read_object(json.dumps(value, indent=1))
    except RecordError:
        return
    for key in (*record.value, "missing"):
        for read, kinds in (
            (record.as_str, (str,)),
            (record.as_name, (str,)),
            (record.as_int, (int,)),
            (record.as_number, (int, float)),
            (record.as_bool, (bool,)),
            (record.as_mapping, (dict,)),
        ):
            try:
                found: Any = read(key, None)
            except RecordError as error:
                assert error.line <= len(record.text.splitlines())
                continue
            assert found is None or isinstance(found, kinds)
            if read == record.as_number and isinstance(found, (int, float)):
                float(found)  # no overflow


@given(st.text(st.characters()) | st.binary().map(lambda b: b.decode("utf-8", "surrogateescape")))
def test_any_text_is_printed_without_acting_on_the_terminal(text: str) -> None:
    shown = printable.printable(text)
    assert not ACTS.search(shown)
    shown.encode("utf-8")
    assert not re.search("[\r\n\t]", printable.one_line(text))
    value = json.loads(printable.json_text(json.dumps({text: [text]}, ensure_ascii=False)))
    assert value == {text: [text]}


@given(st.binary(max_size=200))
def test_any_bytes_of_a_record_are_a_record_or_refused(content: bytes) -> None:
    try:
        record = json_records.read_object(content.decode("utf-8", "replace"))
    except RecordError:
        return
    assert isinstance(record.value, dict)

"""Runs whose load is written down, that are compared, tagged, filtered, kept and removed."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from innerloop.cli.main import main
from innerloop.history import system_metrics
from innerloop.util import confined
from tests.stories.test_runs_compared import git
from tests.support import Workspace

# Works until the recorder has written three samples.
TRAIN = """
import argparse, json, os, time
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--watched", action="store_true")
given = parser.parse_args()
held = bytearray(30_000_000)
held[:] = b"x" * len(held)
end = time.monotonic() + 120
while given.watched and time.monotonic() < end:
    sum(range(200_000))
    path = "outputs/.run/system.jsonl"
    if os.path.exists(path) and open(path).read().count("\\n") >= 3:
        break
with open("outputs/metrics.jsonl", "w") as file:
    for epoch in (1, 2):
        loss = float("nan") if given.rate > 1 else given.rate / epoch
        print(json.dumps({"epoch": epoch, "loss": loss, "timestamp": time.time()}), file=file)
json.dump({"test_accuracy": 1 - given.rate / 4}, open("outputs/metrics.json", "w"))
"""
JOB = "command: python train.py --rate ${{inputs.rate}}\ninputs:\n  rate: 0.5\n"


def run(workspace: Workspace, backend: str, rate: str, *words: str) -> Path:
    before = set((workspace.root / "outputs/line").glob("*"))
    answer = workspace.loop(
        "run", "line", "--backend", backend, "--set", f"inputs.rate={rate}", *words
    )
    assert answer.code == 0, answer.err
    (new,) = set((workspace.root / "outputs/line").glob("*")) - before
    return new


@dataclass
class Here:
    """`loop WORDS` in this process, which takes milliseconds: its exit code, stdout and stderr."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def loop(self, *words: str) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", [str(self.root / "scripts/loop"), *words])
        self.monkeypatch.chdir(self.root)
        self.capsys.readouterr()
        code = main([*words])
        return (code, *self.capsys.readouterr())

    def value(self, *words: str) -> Any:
        code, out, err = self.loop("runs", *words, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def here(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Here]:
    yield Here(workspace.root, monkeypatch, capsys)
    confined.release(workspace.root)


def require_load(folder: Path, of: str) -> None:
    """The program used most of a core and at least the memory that it held."""
    first = json.loads((folder / system_metrics.PATH).read_text().splitlines()[0])
    assert first["of"] == of
    series = system_metrics.read(folder)
    assert set(series) == {"cpu", "memory"}
    assert max(series["cpu"].values) > 5
    assert max(series["memory"].values) > 30_000_000
    assert len(series["memory"].values) >= 3
    assert series["memory"].steps[0] == 0 and list(series["memory"].steps) == sorted(
        series["memory"].steps
    )


def test_runs_are_watched_compared_tagged_filtered_and_removed(
    workspace: Workspace, here: Here
) -> None:
    workspace.add("line", TRAIN, job=JOB)
    workspace.write("src/line/environment/requirements.txt", "")
    workspace.write(".gitignore", "/outputs/\n/scripts\n/.innerloop/*\n__pycache__/\n")
    git(workspace, "init", "-q", "-b", "main")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-qm", "start")
    one = run(workspace, "venv", "0.5", "--", "--watched")
    require_load(one, "processes")
    workspace.write("src/line/train.py", TRAIN + "print('changed')\n")
    workspace.write("src/line/new.py", "NEW = 1\n")
    two = run(workspace, "venv", "2")

    listed = here.value()
    assert [sorted(found["scores"]) for found in listed] == [["loss", "test_accuracy"]] * 2
    assert listed[1]["scores"]["loss"] is None and listed[0]["scores"]["loss"] == 0.25
    assert listed[0]["sources"] == {"loss": "metrics.jsonl"}

    diff = here.value("diff", one.name, two.name)
    assert diff["runs"] == [one.name, two.name]
    assert diff["inputs"] == {"rate": ["0.5", "2"], "arguments": ["--watched", None]}
    assert diff["scores"] == {"test_accuracy": [0.875, 0.5], "loss": [0.25, None]}
    assert diff["code"]["files"] == ["src/line/new.py", "src/line/train.py"]
    assert "+print('changed')" in diff["code"]["patch"] and diff["code"]["why"] == ""
    assert diff["device"] == diff["environment"] == diff["data"] == {}
    patch = here.loop("runs", "diff", one.name, two.name, "--patch")
    assert patch[1] == diff["code"]["patch"]
    shown = here.loop("runs", "diff", one.name, two.name)[1]
    assert "0.25 -> nan" in shown and "src/line/train.py" in shown
    assert git(workspace, "status", "--porcelain") == " M src/line/train.py\n?? src/line/new.py\n"

    said = here.value("tag", one.name, "best", "v1.0")
    assert said == [{"run": one.name, "tags": ["best", "v1.0"], "note": "", "kept": False}]
    assert here.value("tag", one.name, "v1.0", "--remove")[0]["tags"] == ["best"]
    assert here.value("note", one.name, "lower", "rate")[0]["note"] == "lower rate"
    assert here.loop("runs", "note", one.name)[1] == "lower rate\n"
    assert [found["run"] for found in here.value("--tag", "best")] == [one.name]
    assert [found["run"] for found in here.value("--where", "loss = nan")] == [two.name]
    assert [found["run"] for found in here.value("--where", "not loss > 0.1")] == [two.name]
    ordered = here.value("--sort", "test_accuracy")
    assert [found["run"] for found in ordered] == [two.name, one.name]
    rows = list(csv.DictReader(io.StringIO(here.loop("runs", "--csv")[1])))
    assert [row["scores.loss"] for row in rows] == ["0.25", "nan"]
    assert [row["tag"] for row in rows] == ["best", ""] and rows[0]["note"] == "lower rate"
    assert "tags" in here.loop("runs")[1].splitlines()[0]

    assert here.value("keep", one.name)[0]["kept"] is True
    cleaned = here.loop("clean", "outputs", "--older-than", "0", "--dry-run", "--json")
    kept = json.loads(cleaned[1])["kept"]
    assert [item["name"] for item in kept] == [f"outputs/line/{one.name}"]
    asked = here.loop("runs", "rm", two.name)
    assert (asked[0], two.exists()) == (2, True)  # nobody can be asked
    removed = here.loop("runs", "rm", one.name, two.name, "--yes")
    assert (removed[0], one.exists(), two.exists()) == (1, True, False)
    assert here.value("keep", one.name, "--remove")[0]["kept"] is False
    assert here.loop("runs", "rm", one.name, "--yes")[0] == 0
    assert here.value() == []


@pytest.mark.docker
def test_run_in_a_container_is_watched_by_its_cgroup(workspace: Workspace) -> None:
    workspace.add("line", TRAIN, job=JOB)
    require_load(run(workspace, "docker", "0.5", "--", "--watched"), "container")


def test_wrong_words_are_errors_with_codes(workspace: Workspace, here: Here) -> None:
    workspace.add("line", TRAIN, job=JOB)
    for words, code in (
        (("diff",), "argument-missing"),
        (("diff", "a"), "argument-missing"),
        (("tag", "a"), "argument-missing"),
        (("tag", "a", "b c"), "tag-invalid"),
        (("tag", "a", "b"), "unknown-name"),
        (("rm", "a"), "unknown-name"),
        (("line", "line"), "unknown-name"),
        (("--where", "loss >"), "filter-invalid"),
    ):
        found, _, err = here.loop("runs", *words)
        assert found == 2 and f"[{code}]" in err, (words, err)

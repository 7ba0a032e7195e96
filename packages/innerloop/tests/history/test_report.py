"""The page of runs as text, the values in it, and the feed that follows the runs on the disk."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.history import report, report_data, report_files, report_groups, report_server
from innerloop.history.past_runs import PastRun
from innerloop.history.report_feed import Feed
from innerloop.history.run_metrics import Series, series_of
from innerloop.runner import pipeline_record, sweep_record
from innerloop.util import process_identity
from tests.history.pages import Elements, append, data_of, write_run

NAN, INF = math.nan, math.inf
HOSTILE = '</script><img src=x onerror="document.title=1">"><!--<script>\x1b\ud800\u2028&lt;'
TAGS = Elements(report.page(Path("/nowhere"), [], "x")).tags


def past(name: str = "r", **more: Any) -> PastRun:
    series = series_of(more.pop("curves", {}))
    return PastRun(
        "line", name, f"outputs/line/{name}", {"experiment": "line"}, series=series, **more
    )


def follow(feed: Feed, since: int) -> dict[str, Any]:
    """What has changed, by a look at the disk right now."""
    feed._next_look = 0.0
    for shown in feed._shown.values():
        shown.rest_until = 0.0
    return feed.changes(since)


# --- the page


def test_page_of_hostile_texts_has_the_markup_of_the_template_alone(tmp_path: Path) -> None:
    folder = f"outputs/javascript:alert(1)/{HOSTILE}"
    record = dict.fromkeys(("experiment", "backend", "status", "command", "image", "host"), HOSTILE)
    run = PastRun(
        "javascript:alert(1)",
        HOSTILE,
        folder,
        {**record, "inputs": {HOSTILE: HOSTILE}, "git": {"commit": HOSTILE}},
        scores={HOSTILE: 1e308},
        series=series_of({HOSTILE: ((1.0, 1e308), (2.0, -1e308))}),
        problems=(HOSTILE,),
    )
    page = report.page(tmp_path, [run, past()], HOSTILE)
    page.encode("utf-8")
    found = Elements(page)
    assert found.tags == TAGS
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    shown = data_of(page)
    assert shown["runs"][1]["id"] == HOSTILE.replace("\ud800", "?")
    assert list(shown["runs"][1]["curves"]) == [HOSTILE.replace("\ud800", "?")]


def test_policy_lets_the_template_s_own_script_and_style_run_alone(tmp_path: Path) -> None:
    page = report.page(tmp_path, [], "x")
    script = Elements(page).scripts[1]
    style = page.partition("<style>")[2].partition("</style>")[0]
    digests = [
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in (script, style)
    ]
    (policy,) = (
        value for name, value in Elements(page).attributes if value and "script-src" in value
    )
    assert f"script-src {digests[0]};" in policy and f"style-src {digests[1]};" in policy
    assert "default-src 'none'" in policy and "unsafe" not in policy
    # VS Code's extension puts its own policy after this tag, and a nonce into this one.
    assert page.count('<meta charset="utf-8">') == 1 and page.count("<script>") == 1


def test_page_keeps_text_that_looks_like_a_placeholder(tmp_path: Path) -> None:
    page = report.page(tmp_path, [past("{{data}}")], "{{script}}")
    assert "<title>{{script}}</title>" in page
    assert data_of(page)["runs"][0]["id"] == "{{data}}"


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats()), min_size=1, max_size=6))
def test_page_of_any_values_is_json(curve: list[tuple[int, float]]) -> None:
    points = tuple((float(x), y) for x, y in curve)
    run = past(curves={"loss": points}, scores={"loss": points[-1][1]})
    (shown,) = data_of(report.page(Path("/nowhere"), [run], "x"))["runs"]
    words = {"nan": NAN, "inf": INF, "-inf": -INF}
    values = [words[y] if isinstance(y, str) else y for y in shown["curves"]["loss"]["y"]]
    for value, (_, written) in zip(values, points, strict=True):
        assert value == pytest.approx(written, rel=1e-6, nan_ok=True)


# --- the values


@given(st.lists(st.floats(), max_size=400), st.integers(2, 60))
def test_thinned_keeps_spikes_ends_and_divergence(values: list[float], most: int) -> None:
    indices = report_data.thinned(values, most)
    assert indices == sorted(set(indices)) and len(indices) <= 2 + 3 * math.ceil(most / 2)
    kept = [values[index] for index in indices]
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        assert {min(finite), max(finite)} <= set(kept)
    assert all(map(math.isfinite, kept)) == all(map(math.isfinite, values))
    assert not values or (indices[0], indices[-1]) == (0, len(values) - 1)


def test_entry_has_the_coordinates_of_metrics_once() -> None:
    series = {
        name: Series((3.0, NAN), (1.0, 2.0), (0.5, 1.0), (1.8e9, 1.8e9 + 1.25))
        for name in ("train/loss", "val/loss")
    }
    entry = report_data.entry(replace(past(), series=series), {})
    assert entry["axes"] == [{"step": [1, 2], "epoch": [0.5, 1], "time": [1.8e9, 1.8e9 + 1.25]}]
    assert entry["curves"]["val/loss"] == {"y": [3, "nan"], "axis": 0}
    names_alone = report_data.entry(replace(past(), series=series), {}, 0)
    assert names_alone["curves"] == {} and names_alone["thinned"]
    assert names_alone["names"] == ["train/loss", "val/loss"]


# --- files


def test_files_of_a_run_are_its_own_and_no_links(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "a")
    write_run(tmp_path, "a/trial-1")
    (folder / "plots").mkdir()
    (folder / "plots/curve.PNG").write_bytes(b"png")
    (folder / "scores.csv").write_text("a,b\n1,2\n")
    (folder / "model.bin").write_bytes(b"0" * 10)
    secret = tmp_path / "secret.csv"
    secret.write_text("key\n1\n")
    (folder / "link.csv").symlink_to(secret)
    (folder / ".run/log.txt").unlink()
    (folder / ".run/log.txt").symlink_to(secret)
    assert [(file.name, file.kind, file.size) for file in report_files.find(folder)] == [
        ("plots/curve.PNG", "image", 3),
        ("scores.csv", "table", 8),
        ("model.bin", "file", 10),
    ]
    assert report_files.log_part(folder / ".run/log.txt", 0)["text"] == ""
    feed = Feed(tmp_path)
    feed.changes(-1)
    assert feed.image("outputs/line/a", "plots/curve.PNG") == b"png"
    for name in ("scores.csv", "../../../secret.csv", "link.csv", "", "plots"):
        assert feed.image("outputs/line/a", name) is None
    assert feed.image("outputs/line/../line/a", "plots/curve.PNG") is None


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.csv", 'x,"y, z"\n1,2\n', [["x", "y, z"], ["1", "2"]]),
        ("a.tsv", "x\ty\n1\t2\n", [["x", "y"], ["1", "2"]]),
        ("a.json", '[{"x": 1, "y": NaN}, {"x": "é"}]', [["x", "y"], ["1", "nan"], ["é", ""]]),
        ("a.json", '{"x": [1, 2], "y": [3, 4]}', [["x", "y"], ["1", "3"], ["2", "4"]]),
        ("a.json", '{"x": 1.5}', [["name", "value"], ["x", "1.5"]]),
        ("a.json", "[[1, 2], [3, 4]]", [["1", "2"], ["3", "4"]]),
        ("a.json", "[1, 2]", None),
        ("a.json", "{", None),
        ("a.csv", "", None),
    ],
)
def test_table_of_a_file(tmp_path: Path, name: str, text: str, rows: object) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert report_files.table(tmp_path / name) == rows


def test_log_is_read_in_parts_also_after_it_was_truncated(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes("one\ntwö".encode()[:-1])  # half a letter
    part = report_files.log_part(log, 0)
    assert (part["start"], part["text"], part["next"]) == (0, "one\ntw", 6)
    log.write_text("one\ntwö\n", encoding="utf-8")
    part = report_files.log_part(log, 6)
    assert (part["start"], part["text"]) == (6, "ö\n")
    log.write_text("new\n")
    assert report_files.log_part(log, part["next"]) == {"start": 0, "next": 4, "text": "new\n"}
    log.write_text("first\n" + "x" * 99 + "\n" * report_files.LOG_PART)
    part = report_files.log_part(log, 0)
    assert part["start"] > 0 and set(part["text"]) == {"\n"}


# --- sweeps and pipelines


def test_groups_of_records_that_are_none_are_left_out(tmp_path: Path) -> None:
    assert report_groups.TRIALS == sweep_record.RECORD
    assert report_groups.PIPELINE == pipeline_record.RECORD
    folder = tmp_path / "outputs/line/a"
    folder.mkdir(parents=True)
    for text in ("[]", "{", '{"trials": [1]}', '{"trials": [{"state": "done"}]}', '{"trials": 1}'):
        (folder / "trials.json").write_text(text)
        (folder / "pipeline.json").write_text(text)
        assert report_groups.read(tmp_path, folder) == []
    trial = {"trial": HOSTILE.replace("\ud800", ""), "state": "done", "metric": 1, "values": {}}
    (folder / "trials.json").write_text(json.dumps({"trials": [trial]}))
    steps = {"a": {"state": "done", "seconds": 1.5}, "b": {"state": "running", "needs": ["a"]}}
    (folder / "pipeline.json").write_text(json.dumps({"pipeline": "p.yml", "steps": steps}))
    sweep, pipeline = report_groups.read(tmp_path, folder)
    assert sweep["parts"][0]["metric"] == 1 and pipeline["parts"][1]["needs"] == ["a"]


# --- following


def test_feed_gives_what_has_changed_since_a_version(tmp_path: Path) -> None:
    feed = Feed(tmp_path)
    first = feed.changes(-1)
    assert first["runs"] == [] and first["order"] == []
    folder = write_run(tmp_path, "b", alive=True)
    second = follow(feed, first["version"])
    assert [(run["id"], run["state"], run["names"]) for run in second["runs"]] == [
        ("b", "running", [])
    ]
    assert second["order"] == ["outputs/line/b"]
    append(folder, {"epoch": 1, "loss": 2.0})
    third = follow(feed, second["version"])
    assert third["runs"][0]["curves"]["loss"]["y"] == [2]
    assert "order" not in third and "groups" not in third
    assert follow(feed, third["version"]) == {"version": third["version"], "runs": []}
    write_run(tmp_path, "a", started="2026-01-01T00:00:00+00:00", scores=None)
    fourth = follow(feed, third["version"])
    assert [run["id"] for run in fourth["runs"]] == ["a"]
    assert fourth["order"] == ["outputs/line/b", "outputs/line/a"]
    assert [run["id"] for run in follow(feed, 0)["runs"]] == ["b", "a"]  # another page


def test_feed_survives_a_truncated_file_and_a_removed_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "a", alive=True, entries=[{"loss": 1.0}, {"loss": 2.0}])
    feed = Feed(tmp_path)
    version = feed.changes(-1)["version"]
    (folder / "metrics.jsonl").write_text('{"loss": 3.0}\n{"lo')
    change = follow(feed, version)
    assert change["runs"][0]["curves"]["loss"]["y"] == [3]
    (folder / ".run/run.json").write_text("{")
    change = follow(feed, change["version"])
    assert change["runs"][0]["state"] == "unreadable"
    shutil.rmtree(folder)
    change = follow(feed, change["version"])
    assert change["order"] == [] and change["runs"] == []
    assert feed.curves("outputs/line/a") is None and feed.log("outputs/line/a", 0) is None


def test_feed_shows_a_run_whose_command_was_killed_as_it_is_settled(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    write_run(tmp_path, "a", alive=True, tool=process_identity.of(child.pid).json())
    answers = iter(["unknown", "killed"])

    def settle(runs: Any) -> list[PastRun]:
        is_unknown = next(answers) == "unknown"
        return [replace(run, unknown=is_unknown) for run in runs]

    feed = Feed(tmp_path, settle=settle)
    change = feed.changes(-1)
    assert change["runs"][0]["state"] == "running"
    child.communicate(b"\n")
    for state in ("unknown", "killed"):
        feed._next_settling = 0.0
        change = follow(feed, change["version"])
        assert [run["state"] for run in change["runs"]] == [state]


def test_feed_reads_the_metrics_of_other_programs_while_a_run_goes_on(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "a", alive=True)
    feed = Feed(tmp_path)
    change = follow(feed, feed.changes(-1)["version"])
    (folder / "lightning_logs/version_0").mkdir(parents=True)
    (folder / "lightning_logs/version_0/metrics.csv").write_text("step,loss\n1,0.5\n2,0.25\n")
    assert follow(feed, change["version"])["runs"][0]["names"] == ["loss"]


def test_feed_of_many_runs_gives_the_curves_of_the_newest(tmp_path: Path) -> None:
    names = [f"r{number:03}" for number in range(report_data.MOST_WHOLE + 3)]
    for name in names:
        write_run(tmp_path, name, entries=[{"loss": 1.0}], started=f"2026-01-{name}")
    feed = Feed(tmp_path)
    runs = feed.changes(-1)["runs"]
    assert [run["id"] for run in runs] == names[::-1]
    assert [bool(run["curves"]) for run in runs] == [True] * (len(names) - 3) + [False] * 3
    assert runs[-1]["thinned"] and runs[-1]["names"] == ["loss"]
    whole = feed.curves("outputs/line/r000")
    assert whole is not None and whole["curves"]["loss"]["y"] == [1] and not whole["thinned"]


# --- what is served


def test_site_answers_by_runs_and_not_by_paths(tmp_path: Path) -> None:
    write_run(tmp_path, "a", log="hello\n", entries=[{"loss": 1.0}])
    (tmp_path / "outputs/line/a/x.svg").write_text("<svg onload='x'/>")
    feed = Feed(tmp_path)
    site = report_server.site_of(feed, "Runs")
    page = site["runs.html"]({})
    assert page is not None and data_of(page.body.decode())["live"] is True
    run = {"run": "outputs/line/a"}
    log = site["log"]({**run, "start": "0"})
    assert log is not None and json.loads(log.body)["text"] == "hello\n"
    image = site["image"]({**run, "name": "x.svg"})
    assert image is not None and image.media_type == "image/svg+xml" and "sandbox" in image.policy
    code = site["code"]({"one": "outputs/line/a", "other": "outputs/line/a"})
    assert code is not None and json.loads(code.body)["why"]
    for name in ("run", "log", "files", "image", "code"):
        for other in ("", "outputs/line", "outputs/line/a/", "..", "outputs/line/b"):
            query = {"run": other, "one": other, "other": "outputs/line/a", "name": "x.svg"}
            assert site[name](query) is None
    for since in ("", "-5", "x", "99999999999999999999", "12345"):
        changes = site["changes"]({"since": since})
        assert changes is not None and len(json.loads(changes.body)["runs"]) == 1

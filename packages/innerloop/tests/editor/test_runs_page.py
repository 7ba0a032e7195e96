"""The page of runs in a browser: it follows the runs, and everything can be done by keyboard.

The pictures of the documentation are taken here:

    INNERLOOP_SCREENSHOTS=packages/innerloop/docs/runs scripts/test packages/innerloop/tests/editor/test_runs_page.py
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from innerloop.history import report, report_data, report_server
from innerloop.history.past_runs import PastRun, find
from innerloop.history.report_feed import Feed
from innerloop.history.run_metrics import series_of
from innerloop.util import process_identity
from tests.history.pages import append, write_run
from tests.support import ROOT

pytestmark = pytest.mark.editor

LOSSES = {"a": 10.0, "b": math.nan, "c": -math.inf, "d": 9.5, "e": math.inf, "f": None}
CANARY = '"></script><img src=x onerror="canary()"><svg onload=canary()>&lt;'
GIVEN = os.environ.get("INNERLOOP_SCREENSHOTS", "")
# What the page may take until it shows something, in milliseconds: the machine may be busy.
PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)
Opener = Callable[..., Page]
Server = Callable[..., str]


@pytest.fixture
def served() -> Iterator[Server]:
    """Serves the page of the runs in a folder; returns its address."""
    servers = []

    def serve(root: Path, title: str = "Runs") -> str:
        servers.append(report_server.server_of(report_server.site_of(Feed(root), title), "/s/"))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}/s/runs.html"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def opened(browser: Browser, served: Server) -> Iterator[Opener]:
    """Opens an address in a context of its own. An error or a refused script fails the test."""
    contexts = []
    errors: list[str] = []

    def open_page(url: str, **options: Any) -> Page:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.expose_function("canary", lambda: errors.append("a script of a run has run"))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs as people have them: curves with many coordinates, load, outputs, a sweep, a pipeline."""
    root = tmp_path_factory.mktemp("runs") / "workspace"
    for number, rate in enumerate((0.1, 0.2, 0.4, 0.8, 1.6)):
        write_digits(root, number, rate)
    write_groups(root)
    return root


@pytest.fixture
def url(root: Path, served: Server) -> str:
    return served(root)


def write_digits(root: Path, number: int, rate: float) -> None:
    begun = 1_780_000_000.0 + 1000 * number
    has_diverged = rate > 1
    entries = []
    for epoch in range(1, 41):
        loss = 0.2 + math.exp(-epoch * min(rate, 1) / 8) + 0.02 * math.sin(epoch * (3 + number))
        values = {"train/loss": loss, "val/loss": loss * 1.1, "val/accuracy": 1.1 - 0.6 * loss}
        if has_diverged and epoch > 12:
            values = {"train/loss": math.nan, "val/loss": math.inf, "val/accuracy": 0.1}
        entries.append({"step": epoch * 50, "epoch": epoch, "time": begun + epoch * 2.5, **values})
    accuracy = entries[-1]["val/accuracy"]
    folder = write_run(
        root,
        f"20260131-10150{number}-3fa{number}",
        slug="digits",
        entries=entries,
        summary={"test_accuracy": accuracy},
        log="".join(f"epoch {epoch} of 40\n" for epoch in range(1, 41)) + "\x1b[32mdone\x1b[0m\n",
        inputs={"rate": str(rate), "epochs": "40"},
        started=datetime.fromtimestamp(begun, timezone.utc).isoformat(),
        backend="docker",
        image="python:3.12-slim",
        exit_code=1 if has_diverged else 0,
    )
    load = [
        {"time": begun + second, "cpu": 90 + 9 * math.sin(second), "memory": 2e9 + 1e7 * second}
        for second in range(60)
    ]
    lines = "".join(json.dumps(entry) + "\n" for entry in load)
    (folder / ".run/system.jsonl").write_text(lines)
    (folder / "predictions.csv").write_text("label,score\ncat,0.9\ndog,0.1\n")
    (folder / "confusion.png").write_bytes(png(48))
    if number == 3:
        (folder / ".run/changes.patch").write_text("--- a/train.py\n+++ b/train.py\n-old\n+new\n")


def png(size: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    rows = b"".join(b"\0" + bytes(5 * abs(x - y) for x in range(size)) for y in range(size))
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def write_groups(root: Path) -> None:
    trials = [
        {
            "trial": f"trial-{number}",
            "state": "failed" if number == 3 else "done",
            "values": {"rate": str(10.0**-number), "optimizer": ("adam", "sgd")[number % 2]},
            "metric": None if number in (3, 5) else 0.9 - 0.05 * abs(number - 2),
            "diverged": number == 5,
            "seconds": 20.0 + number,
        }
        for number in range(1, 7)
    ]
    sweep = {"metric": "accuracy", "goal": "maximize", "best": "trial-2", "trials": trials}
    steps = {
        "prepare": {"state": "done", "seconds": 3.2},
        "features": {"state": "done", "seconds": 130.0, "needs": ["prepare"]},
        "baseline": {"state": "failed", "seconds": 12.0, "needs": ["prepare"]},
        "train": {"state": "running", "needs": ["features"]},
        "compare": {"state": "waiting", "needs": ["train", "baseline"]},
    }
    for name, file, record in (
        ("20260301-120000-aaaa", "trials.json", sweep),
        ("20260301-110000-bbbb", "pipeline.json", {"pipeline": "p.yml", "steps": steps}),
    ):
        folder = root / "outputs/digits" / name
        folder.mkdir(parents=True)
        (folder / file).write_text(json.dumps(record))


def picture(page: Page, name: str, whole: Locator | None = None) -> None:
    if GIVEN:
        folder = ROOT / GIVEN
        folder.mkdir(parents=True, exist_ok=True)
        (whole or page).screenshot(path=folder / f"{name}.png", animations="disabled")


def lines(page: Page, name: str) -> Locator:
    return page.locator(f'svg[aria-label="{name}"] polyline')


# --- following


def test_page_follows_runs_from_before_the_first_until_they_crash(
    tmp_path: Path, served: Server, opened: Opener
) -> None:
    page = opened(served(tmp_path))
    expect(page.locator("#none")).to_be_visible()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    going: dict[str, Any] = {"alive": True, "tool": process_identity.of(child.pid).json()}
    folder = write_run(tmp_path, "first", log="begun\n", **going)
    expect(page.locator("#runs tbody tr")).to_contain_text("running")
    page.get_by_role("button", name="first").click()
    expect(page.locator("dialog pre")).to_have_text("begun\n")
    for epoch in (1, 2):
        append(folder, {"epoch": epoch, "loss": 1 / epoch})
        expect(lines(page, "loss").first).to_have_attribute("points", many(epoch))
    with open(folder / ".run/log.txt", "a") as log:
        log.write("Traceback\n")
    child.communicate(b"\n")  # it crashes: nobody writes its end
    expect(page.locator("#runs tbody tr .bad")).to_have_text("killed")
    expect(page.locator("dialog pre")).to_have_text("begun\nTraceback\n")
    write_run(tmp_path, "second", started="2026-02-01T00:00:00+00:00", entries=[{"loss": math.nan}])
    expect(page.locator("#runs tbody tr")).to_have_count(2)
    expect(page.locator("#runs tbody tr").first.locator("input")).to_be_checked()
    expect(page.locator('svg[aria-label="loss"] .diverged')).to_have_count(1)
    shutil.rmtree(folder)
    expect(page.locator("#runs tbody tr")).to_have_count(1)
    expect(page.locator("dialog")).to_be_hidden()


def many(points: int) -> re.Pattern[str]:
    """The coordinates of so many points."""
    return re.compile(rf"^[\d.]+,[\d.]+( [\d.]+,[\d.]+){{{points - 1}}}$")


# --- what it shows


def test_curves_by_step_epoch_and_time_with_what_is_not_finite(url: str, opened: Opener) -> None:
    page = opened(url)
    groups = page.locator("#charts > details > summary")
    assert groups.all_inner_texts() == ["train", "val", "system"]
    figure = page.locator("figure", has=page.locator('svg[aria-label="train/loss"]'))
    chart = figure.locator("> svg")
    expect(lines(page, "train/loss")).to_have_count(5)
    assert "from 650: nan" in (chart.locator(".diverged title").text_content() or "")
    expect(lines(page, "memory")).to_have_count(5)
    assert "GB" in (page.locator('svg[aria-label="memory"]').text_content() or "")
    for axis, word in (("epoch", "epoch"), ("time", "seconds since the start")):
        page.get_by_label("x axis").select_option(axis)
        chart.hover(position={"x": 190, "y": 60})
        expect(figure.locator(".tip")).to_contain_text(re.compile(rf"^{word} \d+"))
    expect(figure.locator(".tip div")).to_have_count(6)
    expect(figure.locator(".tip b.bad")).to_have_text("nan")
    page.get_by_label("log scale").check()
    page.get_by_label("smoothing").fill("0.6")
    expect(figure.locator("polyline.raw")).to_have_count(5)
    page.locator("#all").uncheck()
    expect(page.locator(".run polyline")).to_have_count(0)
    page.reload()  # what was chosen is kept
    expect(page.get_by_label("log scale")).to_be_checked()
    expect(page.locator("#runs tbody input:checked")).to_have_count(0)


def test_rows_with_nan_come_last_in_both_directions(tmp_path: Path, opened: Opener) -> None:
    runs = [
        PastRun(
            "line",
            name,
            f"outputs/line/{name}",
            {"experiment": "line"},
            scores={} if loss is None else {"loss": loss},
            series={} if loss is None else series_of({"loss": ((1.0, 3.0), (2.0, loss))}),
        )
        for name, loss in LOSSES.items()
    ]
    path = tmp_path / "runs.html"
    path.write_text(report.page(tmp_path, runs, "Runs"), encoding="utf-8")
    page = opened(path.as_uri())
    title = page.locator("th", has_text="loss").locator("button")

    def shown() -> list[str]:
        return page.locator("#runs tbody tr td:nth-child(4)").all_inner_texts()

    title.click()
    assert shown() == ["-inf", "9.5", "10", "inf", "nan", ""]
    title.click()
    assert shown() == ["inf", "10", "9.5", "-inf", "nan", ""]
    assert page.locator(".diverged:visible").count() == 3
    page.locator("#all").uncheck()
    assert page.locator(".diverged:visible").count() == 0


def test_run_shows_its_images_tables_and_output_with_a_search(
    url: str, root: Path, opened: Opener, tmp_path: Path
) -> None:
    static = tmp_path / "runs.html"
    static.write_text(report.page(root, find(root), "Runs"), encoding="utf-8")
    for address in (url, static.as_uri()):
        page = opened(address)
        page.get_by_role("button", name="20260131-101503-3fa3").click()
        dialog = page.locator("dialog")
        image = dialog.get_by_alt_text("confusion.png")
        expect(image).to_have_js_property("naturalWidth", 48)
        expect(dialog.get_by_label("predictions.csv")).to_contain_text("dog")
        if address == url:  # a page that can be sent has no patch
            expect(dialog.locator(".added")).to_have_text("+new\n")
        output = dialog.get_by_label("output", exact=True)
        expect(output).to_contain_text("done")
        assert "\x1b" not in (output.text_content() or "")
        dialog.get_by_label("Search the output").fill("EPOCH 12")
        expect(output).to_have_text("12: epoch 12 of 40\n")
        expect(dialog.locator("mark")).to_have_text("epoch 12")


def test_two_ticked_runs_are_compared(url: str, opened: Opener) -> None:
    page = opened(url)
    compare = page.get_by_role("button", name="Compare")
    expect(compare).to_be_disabled()
    page.locator("#all").uncheck()
    for name in ("20260131-101503-3fa3", "20260131-101501-3fa1"):
        page.get_by_label(f"show {name} in the charts").check()
    compare.click()
    dialog = page.locator("dialog")
    rate = dialog.locator("tr", has=page.get_by_role("rowheader", name="rate", exact=True))
    expect(rate.locator("td")).to_have_text(["0.2", "0.8", "differs"])
    assert dialog.get_by_role("rowheader", name="image").count() == 0
    dialog.get_by_label("only what differs").uncheck()
    expect(dialog.get_by_role("rowheader", name="image")).to_be_visible()
    expect(dialog.locator("pre")).to_have_text(
        ["nothing", "--- a/train.py\n+++ b/train.py\n-old\n+new\n\n"]
    )
    picture(page, "compare", dialog)


def test_sweep_and_pipeline_have_a_view_of_their_own(url: str, opened: Opener) -> None:
    page = opened(url)
    sweep, pipeline = page.locator("#groups details").all()
    expect(sweep.locator("summary")).to_contain_text("6 trials, best trial-2 (accuracy 0.9)")
    expect(sweep.locator("polyline.trial")).to_have_count(6)
    expect(sweep.locator("polyline.best")).to_have_count(1)
    expect(sweep.locator("polyline.diverged")).to_have_count(2)
    names = sweep.locator("tbody td:first-child").all_inner_texts()
    assert names == ["trial-2", "trial-1", "trial-4", "trial-6", "trial-3", "trial-5"]
    expect(sweep.locator("tbody tr").first).to_contain_text("★ best")
    pipeline.locator("summary").click()
    expect(pipeline.locator("summary")).to_contain_text("2 of 5 steps done, 1 failed")
    expect(pipeline.locator(".step")).to_have_count(5)
    expect(pipeline.locator(".edge")).to_have_count(5)
    expect(pipeline.locator(".step.bad")).to_contain_text("failed, 12 s")
    assert "features done after prepare" in (
        pipeline.locator("svg").get_attribute("aria-label") or ""
    )
    picture(page, "sweep", sweep)
    picture(page, "pipeline", pipeline)


# --- strangers, many runs, every reader


def test_no_script_of_a_run_runs(tmp_path: Path, served: Server, opened: Opener) -> None:
    name = CANARY.replace("/", "∕")  # a folder's name has no slash
    keys = ("experiment", "backend", "command", "image", "status")
    strange: dict[str, Any] = dict.fromkeys(keys, CANARY)
    folder = write_run(
        tmp_path,
        name,
        entries=[{"step": 1, CANARY: 1.0}, {"step": 2, CANARY: math.nan}],
        summary={CANARY: 0.5},
        log=f"{CANARY}\n",
        **strange,
        inputs={CANARY: CANARY},
        exit_code=None,
        tool=None,
    )
    (folder / "a.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='canary()'/>")
    (folder / "t.csv").write_text(f"{CANARY},b\n{CANARY},1\n")
    (folder / f"{name[:40]}.png").write_bytes(png(4))
    trial = {"trial": CANARY, "state": CANARY, "values": {CANARY: CANARY}, "metric": 1}
    (folder / "trials.json").write_text(json.dumps({"metric": CANARY, "trials": [trial]}))
    steps = {CANARY: {"state": CANARY, "needs": [CANARY]}}
    (folder / "pipeline.json").write_text(json.dumps({"steps": steps}))
    static = tmp_path / "runs.html"
    static.write_text(report.page(tmp_path, find(tmp_path), CANARY), encoding="utf-8")
    for url in (served(tmp_path, CANARY), static.as_uri()):
        page = opened(url)
        expect(page.get_by_role("heading", level=1)).to_have_text(CANARY)
        page.locator("#groups summary").last.click()
        page.locator("#runs tbody button").click()
        expect(page.locator("dialog pre").last).to_have_text(f"{CANARY}\n")
        expect(page.locator("dialog figure")).to_have_count(2)
        page.get_by_label("Search the output").fill("script")
        expect(page.locator("mark")).to_have_text("script")
        assert page.locator("[onerror], [onload], main script, dialog script").count() == 0


def test_thousand_runs_have_a_row_each_and_the_newest_a_curve(
    tmp_path: Path, opened: Opener
) -> None:
    runs = [
        PastRun(
            "line",
            f"r{number:04}",
            f"outputs/line/r{number:04}",
            {"experiment": "line", "exit_code": 0, "inputs": {"rate": str(number % 7)}},
            scores={"accuracy": number / 1000},
            series=series_of({"loss": tuple((float(x), number / (x + 1)) for x in range(300))}),
        )
        for number in range(1000)
    ]
    path = tmp_path / "runs.html"
    path.write_text(report.page(tmp_path, runs, "Runs"), encoding="utf-8")
    assert path.stat().st_size < 8_000_000
    page = opened(path.as_uri())
    expect(page.locator("#runs tbody tr")).to_have_count(1000)
    expect(lines(page, "loss")).to_have_count(12)
    page.get_by_label("Filter runs").fill("rate=3 r09")
    expect(page.locator("#runs tbody tr")).to_have_count(14)
    page.get_by_label("Filter runs").fill("")
    page.locator("th", has_text="accuracy").locator("button").click()
    expect(page.locator("#runs tbody tr").first).to_contain_text("r0000")
    page.locator("#runs tbody input").first.check()
    expect(lines(page, "loss")).to_have_count(13)


def test_curves_of_an_old_run_among_many_come_when_it_is_ticked(
    tmp_path: Path, served: Server, opened: Opener
) -> None:
    for number in range(report_data.MOST_WHOLE + 1):
        write_run(tmp_path, f"r{number:03}", entries=[{"loss": 1.0}, {"loss": 2.0}])
    page = opened(served(tmp_path))
    expect(lines(page, "loss")).to_have_count(12)
    page.locator("#runs tbody input").last.check()
    expect(lines(page, "loss")).to_have_count(13)


def test_everything_is_reached_by_keyboard_and_has_a_label(url: str, opened: Opener) -> None:
    page = opened(url)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, svg[role=img], [role=region]")]
            .filter(e => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim()
                || e.closest("label")?.textContent.trim()))
            .map(e => e.outerHTML)"""
    )
    assert unnamed == []
    focused = page.locator(":focus")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    expect(page.get_by_label("x axis")).to_have_value("time")
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(focused).to_have_text("train")
    page.keyboard.press("Tab")
    expect(focused).to_have_attribute("aria-label", "train/loss")
    tip = page.locator(".tip:visible")
    page.keyboard.press("ArrowRight")
    expect(tip).to_contain_text("step 50")
    page.keyboard.press("Shift+ArrowRight")
    expect(tip).to_contain_text("step 550")
    page.keyboard.press("End")
    expect(tip).to_contain_text("step 2000")
    page.keyboard.press("Escape")
    expect(tip).to_have_count(0)
    page.locator("#all").focus()
    page.keyboard.press("Space")
    expect(page.locator(".run polyline")).to_have_count(0)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("run")
    page.locator("#runs tbody button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden()
    expect(focused).to_have_text("20260131-101500-3fa0")


def test_page_fits_a_telephone_and_the_dark(url: str, opened: Opener) -> None:
    papers = []
    for scheme, width in (("light", 1240), ("dark", 1240), ("light", 400)):
        page = opened(url, color_scheme=scheme, viewport={"width": width, "height": 860})
        expect(lines(page, "train/loss")).to_have_count(5)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        papers.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        if width > 400:
            picture(page, f"page-{scheme}")
        page.locator("#runs tbody button").first.click()
        assert page.locator("dialog").evaluate("e => e.getBoundingClientRect().width") <= width
    assert papers[0] == papers[2] == "rgb(255, 255, 255)" and papers[1] == "rgb(13, 17, 23)"

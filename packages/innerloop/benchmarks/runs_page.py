"""Time of the page of runs: of 1, 40 and 1,000 runs, on the server and in the browser.

    first look          reads all runs from the disk, before the page is served
    next look           what each second costs while somebody watches and nothing changes
    page                the text of the page, from values that are read
    first paint         Chromium, from the request on; only where playwright is installed as well

The first three are CPU time, the last is time. The page of 1,000 runs should be drawn within a second.

    packages/innerloop/bench runs_page [--turns 5] [--json]
"""

from __future__ import annotations

import json
import math
import shutil
import statistics
import sys
import threading
import time
from pathlib import Path

# The folder of a program is on sys.path, so its neighbours can be imported.
from _support import ROOT, arguments, scratch, tell

sys.path.insert(0, str(ROOT / "packages/innerloop/src"))

from innerloop.history import report, report_feed, report_server

COUNTS = (1, 40, 1000)
EPOCHS = 60


def main() -> int:
    args = arguments(__doc__, turns=5)
    medians: dict[str, float] = {}
    for count in COUNTS:
        with scratch() as root:
            for number in range(count):
                write_run(root, number)
            medians |= measure(root, count, args.turns)
    tell(args.turns, medians, {}, as_json=args.json)
    return 0


def write_run(root: Path, number: int) -> None:
    folder = root / "outputs/digits" / f"20260131-{number:06}-3fa2"
    (folder / ".run").mkdir(parents=True)
    record = {"run": folder.name, "experiment": "digits", "exit_code": 0, "backend": "venv"}
    inputs = {"rate": str(number % 9), "epochs": str(EPOCHS)}
    (folder / ".run/run.json").write_text(json.dumps({**record, "inputs": inputs}))
    lines = (
        {"epoch": epoch, "train/loss": math.exp(-epoch / 9), "val/accuracy": number / (9 + epoch)}
        for epoch in range(EPOCHS)
    )
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def measure(root: Path, count: int, turns: int) -> dict[str, float]:
    times: dict[str, list[float]] = {
        "first look": [],
        "next look": [],
        "page": [],
        "first paint": [],
    }
    for _ in range(turns):
        feed = report_feed.Feed(root)
        began = time.process_time()
        values = feed.changes(-1)
        looked = time.process_time()
        report.live_page(values, "Runs")
        written = time.process_time()
        time.sleep(0.5)  # answers that come sooner share one look
        before = time.process_time()
        feed.changes(values["version"])
        times["next look"].append(time.process_time() - before)
        times["first look"].append(looked - began)
        times["page"].append(written - looked)
    times["first paint"] = in_browser(feed, turns)
    return {
        f"{name}, {count} run{'s' * (count > 1)}": 1000 * statistics.median(values)
        for name, values in times.items()
        if values
    }


def in_browser(feed: report_feed.Feed, turns: int) -> list[float]:
    """The seconds until the browser paints the page; nothing without Chromium and playwright."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    if chromium is None:
        return []
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    site = report_server.site_of(feed, "Runs")
    seconds = []
    with report_server.server_of(site, "/bench/") as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/bench/{report_server.PAGE}"
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(turns + 1):
            page = browser.new_page()
            page.goto(url)
            page.wait_for_function(f"{paint} > 0")
            seconds.append(page.evaluate(paint) / 1000)
            page.close()
        browser.close()
        server.shutdown()
    return seconds[1:]  # the first warms up


if __name__ == "__main__":
    sys.exit(main())

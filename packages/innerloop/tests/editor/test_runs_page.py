"""The page of runs in a browser: what its script does with values that are no finite number."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from innerloop.history import report
from innerloop.history.past_runs import PastRun
from innerloop.history.run_metrics import series_of

pytestmark = pytest.mark.editor

LOSSES = {"a": 10.0, "b": math.nan, "c": -math.inf, "d": 9.5, "e": math.inf, "f": None}


def test_rows_with_nan_come_last_in_both_directions(browser: Browser, tmp_path: Path) -> None:
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
    path.write_text(report.page(runs, "Runs"), encoding="utf-8")
    page = browser.new_page()
    errors: list[object] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(path.as_uri())
    title = page.locator("th", has_text="loss").locator("button")

    def shown() -> list[str]:
        return page.locator("tbody tr td:last-child").all_inner_texts()

    title.click()
    assert shown() == ["-inf", "9.5", "10", "inf", "nan", ""]
    title.click()
    assert shown() == ["inf", "10", "9.5", "-inf", "nan", ""]
    assert page.locator(".diverged:visible").count() == 3
    page.locator("#all").uncheck()
    assert page.locator(".diverged:visible").count() == 0
    assert errors == []
    page.close()

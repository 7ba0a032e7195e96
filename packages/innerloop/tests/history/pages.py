"""Runs on the disk for tests of the page of runs, and what a page's text contains."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from innerloop.util import process_identity


class Elements(HTMLParser):
    """The tags of a page with their attributes, and the text of each element that has a script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data


def data_of(text: str) -> dict[str, Any]:
    """The values of the runs in a page."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    value: dict[str, Any] = json.loads(Elements(text).scripts[0], parse_constant=refuse)
    return value


def write_run(
    root: Path,
    name: str,
    *,
    slug: str = "line",
    entries: Iterable[Mapping[str, Any]] = (),
    summary: Mapping[str, Any] | None = None,
    log: str = "",
    alive: bool = False,
    **record: Any,
) -> Path:
    """A run's folder as the recorder makes it; one that is alive is watched by this very process."""
    folder = root / "outputs" / slug / name
    (folder / ".run").mkdir(parents=True, exist_ok=True)
    values = {
        "run": name,
        "experiment": slug,
        "backend": "venv",
        "command": "python train.py",
        "inputs": {"rate": "0.1"},
        "started": "2026-01-31T10:15:00+00:00",
        "ended": None if alive else "2026-01-31T10:16:00+00:00",
        "seconds": None if alive else 60.0,
        "exit_code": None if alive else 0,
        "tool": process_identity.own().json() if alive else None,
        **record,
    }
    (folder / ".run/run.json").write_text(json.dumps(values), encoding="utf-8")
    (folder / ".run/log.txt").write_text(log, encoding="utf-8")
    if entries := list(entries):
        append(folder, *entries)
    if summary is not None:
        (folder / "metrics.json").write_text(json.dumps(summary), encoding="utf-8")
    return folder


def append(folder: Path, *entries: Mapping[str, Any]) -> None:
    with open(folder / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
